"""Which privileges the steps of a plan ask for. That a server says so: test_secured_server."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mmc.milvus.dialect import version_of
from mmc.plan.ddl import AlterCollection, CreateAlias, DropAlias, DropCollection
from mmc.plan.model import (
    BuildIndex,
    CountCheck,
    CreateCollection,
    DigestCheck,
    Mode,
    Step,
    Verify,
)
from mmc.sinks.milvus.access import Missing, _asked_by, _grants
from mmc.types import Index
from tests.sinks.milvus.collections import small

NAME = small().name
PARTED = replace(small(), partitions=("p",))


@pytest.mark.parametrize(
    ("step", "asked"),
    [
        (
            CreateCollection(id="c", collection=small(), mode=Mode.FAIL, exists=False),
            "CreateCollection AlterCollection ShowPartitions",
        ),
        (
            CreateCollection(id="c", collection=PARTED, mode=Mode.REPLACE, exists=False),
            "CreateCollection AlterCollection CreatePartition ShowPartitions",
        ),
        (
            CreateCollection(id="c", collection=PARTED, mode=Mode.REPLACE, exists=True),
            "CreateCollection AlterCollection CreatePartition ShowPartitions",
        ),
        (DropAlias("a", NAME, "prod"), "DropAlias"),
        (DropCollection(id="d", collection=NAME), "DropCollection"),
        (CreateAlias("a", NAME, "prod"), "CreateAlias"),
        (AlterCollection(id="a", collection=NAME), "AlterCollection"),
        (
            CreateCollection(id="c", collection=PARTED, mode=Mode.APPEND, exists=True),
            "ShowPartitions",
        ),
        (
            CreateCollection(id="c", collection=PARTED, mode=Mode.UPSERT, exists=True),
            "ShowPartitions",
        ),
        (
            BuildIndex(id="i", collection=NAME, field="v", index=Index("FLAT")),
            "CreateIndex DescribeIndex",
        ),
        (
            Verify(
                id="v",
                copy="copy",
                collection=NAME,
                mode=Mode.FAIL,
                count=CountCheck.EXACT,
                digest=DigestCheck.FULL,
            ),
            "GetLoadState ShowPartitions Query",
        ),
    ],
)
def test_steps_ask_for_privileges(step: Step, asked: str) -> None:
    calls = list(_asked_by(step))
    assert [call for call, _ in calls] == asked.split()
    whole = {"CreateCollection", "DropCollection", "CreateAlias", "DropAlias"}
    assert all(of == ("" if call in whole else NAME) for call, of in calls)


@pytest.mark.parametrize(
    ("version", "database", "statements"),
    [
        (
            "2.4.10",
            "",
            [
                "for p in ['CreateDatabase']: client.grant_privilege(ROLE, 'Global', p, '*')",
                "for p in ['CreateCollection']: client.grant_privilege(ROLE, 'Global', p, '*')",
                "for p in ['Insert']: client.grant_privilege(ROLE, 'Collection', p, 'c')",
            ],
        ),
        (
            "2.5.0",
            "shop",
            [
                "for p in ['CreateDatabase']: client.grant_privilege_v2(ROLE, p, '*')",
                "for p in ['CreateCollection']:"
                " client.grant_privilege_v2(ROLE, p, '*', db_name='shop')",
                "for p in ['Insert']: client.grant_privilege_v2(ROLE, p, 'c', db_name='shop')",
            ],
        ),
    ],
)
def test_statements_that_grant(version: str, database: str, statements: list[str]) -> None:
    missing = [
        Missing("", "CreateCollection"),
        Missing("", "CreateDatabase"),
        Missing("c", "Insert"),
    ]
    assert _grants(version_of(version).dialect, database, missing) == "; ".join(statements)
