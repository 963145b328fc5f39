"""Dropping, naming and altering collections, on Lite and on a server: each may be done again, and
what somebody else changed is left as it is.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mmc.errors import TargetError
from mmc.milvus.look import describe
from mmc.plan.ddl import AlterCollection, Change, CreateAlias, DropAlias, DropCollection
from mmc.sinks.milvus import ddl
from mmc.sinks.milvus.bulk.sink import MilvusBulkSink
from mmc.sinks.milvus.insert.sink import MilvusInsertSink
from mmc.sinks.milvus.insert.target import InsertTarget
from tests.servers.milvus_lite import create_step, open_lite, options_at
from tests.servers.milvus_server import MilvusServer
from tests.sinks.milvus.collections import small


def refused(code: str, action: Callable[[], None], *words: str) -> None:
    with pytest.raises(TargetError) as caught:
        action()
    assert caught.value.code == code
    assert all(word in str(caught.value) for word in words), caught.value


def check(target: InsertTarget) -> None:
    """A whole replace, twice at each place, with others at work."""
    client, connection = target._client, target._connection
    name = f"c{uuid.uuid4().hex}"
    other, alias, late = f"{name}_o", f"{name}_prod", f"{name}_late"
    wanted = replace(small(), name=name, properties=(("collection.ttl.seconds", "864000"),))
    target.ensure(create_step(wanted))
    target.ensure(create_step(replace(small(), name=other)))
    drop_alias, drop = DropAlias("1", name, alias), DropCollection(id="2", collection=name)
    create = CreateAlias("3", name, alias)
    for _ in range(2):
        target.create_alias(create)
    assert ddl.leads_to(connection, alias) == name

    client.create_alias(name, late)
    refused("MMC591", lambda: target.drop_collection(drop), alias, late, "not dropped")
    client.alter_alias(other, alias)
    refused("MMC590", lambda: target.drop_alias(drop_alias), f"leads to {other} by now")
    refused("MMC590", lambda: target.create_alias(create), f"leads to {other} by now")
    assert ddl.leads_to(connection, alias) == other
    refused(
        "MMC580",
        lambda: target.drop_collection(DropCollection(id="2", collection=alias)),
        "is an alias",
    )
    client.alter_alias(name, alias)
    client.drop_alias(late)

    for step in (1, 2):
        target.alter_collection(
            AlterCollection(
                id="4",
                collection=name,
                properties=(Change("k", None, str(step)), Change("l", None, "x")),
            )
        )
    properties = dict(describe(connection, name).schema.properties)
    assert properties == {"collection.ttl.seconds": "864000", "k": "2", "l": "x"}

    for _ in range(2):
        target.drop_alias(drop_alias)
    for _ in range(2):
        target.drop_collection(drop)
    assert ddl.leads_to(connection, name) is None
    target.ensure(replace(create_step(wanted), consistency="Strong"))
    target.create_alias(create)
    found = describe(connection, name)
    assert (found.aliases, found.consistency) == ((alias,), "Strong")
    assert found.schema.properties == wanted.properties

    # Somebody drops the collection with its alias: 2.3 keeps that, and it leads nowhere.
    client.drop_collection(name)
    target.ensure(create_step(wanted))
    target.create_alias(create)
    assert ddl.leads_to(connection, alias) == name
    target.drop_alias(drop_alias)
    for one in (name, other):
        target.drop_collection(DropCollection(id="2", collection=one))


@pytest.mark.milvus_lite
def test_on_lite(tmp_path: Path) -> None:
    with open_lite(tmp_path) as target:
        check(target)


def test_on_a_server(milvus_server: MilvusServer) -> None:
    options = options_at(milvus_server.uri)
    with MilvusInsertSink().open(options) as target:
        check(target)
        name = f"c{uuid.uuid4().hex}"
        fields = tuple(replace(field, partition_key=field.name == "t") for field in small().fields)
        keyed = replace(small(), name=name, fields=fields)
        target.ensure(replace(create_step(keyed), key_partitions=5))
        found = target.look(keyed).found
        assert (found.key_partitions, found.schema.partitions) == (5, ())
    with MilvusBulkSink().open(options) as target:
        name = f"c{uuid.uuid4().hex}"
        wanted, alias = replace(small(), name=name), f"{name}_prod"
        target.ensure(create_step(wanted))
        target.create_alias(CreateAlias("3", name, alias))
        target.alter_collection(
            AlterCollection(id="4", collection=name, properties=(Change("k", None, "v"),))
        )
        refused(
            "MMC591", lambda: target.drop_collection(DropCollection(id="2", collection=name)), alias
        )
        target.drop_alias(DropAlias("1", name, alias))
        target.drop_collection(DropCollection(id="2", collection=name))
        assert not target._connection.client.has_collection(name)
