"""Which type takes the place of one that a version of the target does not store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mmc.casts import Cast, choose
from mmc.compile import compile_plan
from mmc.compile.adapt import instead
from mmc.compile.draft import FieldDraft
from mmc.facts import Capabilities, Evidence, SourceField
from mmc.milvus.dialect import SERVERS, version_of
from mmc.milvus.importable import import_capabilities
from mmc.types import ArrowType, FieldType
from tests.compile.facttable import read_case
from tests.spec.reading import parse_spec

CASE = Path(__file__).parents[1] / "cases" / "compile" / "elasticsearch_into_2_3"


def able(version: str) -> Capabilities:
    return version_of(version).dialect.capabilities


def made(field: SourceField, inferred: str, able: Capabilities) -> str:
    draft = FieldDraft(to="f", at=(), source=field, arrow=field.arrow)
    found = instead(draft, FieldType.parse(inferred), able)
    return str(found.type) if found is not None else ""


@pytest.mark.parametrize(
    ("version", "becomes"),
    [
        ("2.3.5", "float_vector(8)"),
        ("2.4.9", "float_vector(8)"),
        ("2.5.8", "float_vector(8)"),
        ("milvus_lite-3.2.2", "float_vector(8)"),
        ("2.6.0", ""),
        ("3.0.0", ""),
    ],
)
def test_a_byte_vector_where_no_server_has_one(version: str, becomes: str) -> None:
    field = SourceField("f", "fixed_size_list<int8>[8]", vector="int8_vector(8)")
    assert made(field, "int8_vector(8)", able(version)) == becomes


@pytest.mark.parametrize(
    ("arrow", "evidence", "becomes"),
    [
        ("string", Evidence(rows=9, max_bytes=500, non_objects=1), "varchar(1024)"),
        ("string", Evidence(rows=9, max_bytes=99_999, non_objects=1), "varchar(65535)"),
        ("string", Evidence(rows=9, max_bytes=500), ""),
        ("list<struct<a: int64>>", Evidence(), "varchar(65535)"),
        ("struct<a: int64>", Evidence(), ""),
    ],
)
def test_json_that_is_not_always_an_object(arrow: str, evidence: Evidence, becomes: str) -> None:
    field = SourceField("f", arrow, json_text=arrow == "string", evidence=evidence)
    assert made(field, "json", able("2.3.5")) == becomes
    assert made(field, "json", able("2.4.0")) == ""


def test_a_sparse_vector_where_no_server_has_one() -> None:
    field = SourceField("f", "map<uint32, float>", vector="sparse_float_vector")
    assert made(field, "sparse_float_vector", able("2.3.5")) == "json"
    assert made(field, "sparse_float_vector", able("2.4.0")) == ""
    assert isinstance(choose(ArrowType.parse(field.arrow), FieldType.parse("json")), Cast)


def test_the_plan_knows_what_the_writer_refuses() -> None:
    for _, dialect in SERVERS:
        assert dialect.capabilities.json_objects == dialect.json_objects
        assert dialect.imports is not None
        assert not import_capabilities(dialect.capabilities, dialect.imports).json_objects


def test_a_type_that_the_spec_says_is_refused_rather_than_changed() -> None:
    said = "{from: embedding, type: int8_vector(64)}"
    text = (
        (CASE / "spec.yaml").read_text(encoding="utf-8").replace("{from: typed, type: json}", said)
    )
    spec = parse_spec(text, "spec.yaml").spec
    assert spec is not None
    facts = read_case(CASE)
    plan, found = compile_plan(spec, facts)
    assert plan is None
    assert "MMC510" in {finding.code for finding in found}
    newer = replace(facts.target, version="2.6.0", capabilities=able("2.6.0"))
    plan, found = compile_plan(spec, replace(facts, target=newer))
    assert plan is not None
    assert "MMC345" not in {finding.code for finding in found}
