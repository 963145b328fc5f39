"""What a collection of a server has at most, and which format its import files get."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mmc.compile import compile_plan
from mmc.diagnostics import Diagnostic, Severity
from mmc.facts import Facts, SourceField, TargetCollection, TargetFacts
from mmc.milvus.dialect import version_of
from mmc.milvus.importable import import_capabilities
from mmc.plan.model import Plan
from tests.compile.facttable import read_case
from tests.spec.reading import parse_spec

CASE = Path(__file__).parents[1] / "cases" / "compile" / "append_to_not_loaded"
SPEC = """version: 1
source: {type: files, path: articles-2024.data}
target: {type: milvus, uri: "http://localhost:19530"}
collections:
  - to: known
    fields:
      - {from: _id, to: id}
      - {from: body vec, to: embedding, index: {type: FLAT, metric: IP}}
    rest: REST
load: {mode: MODE, staging: {url: /staging}}
"""


def compiled(
    version: str,
    *,
    fields: int = 0,
    partitions: int = 0,
    there: bool = False,
    rest: str = "map",
    vectors: int = 0,
    shards: int = 1,
    formats: tuple[str, ...] = (),
) -> tuple[Plan | None, tuple[Diagnostic, ...]]:
    """A plan for articles with as many fields more, and partitions."""
    mode = "append" if there else "fail"
    text = SPEC.replace("MODE", mode).replace("REST", f"{rest}\n    shards: {shards}")
    spec = parse_spec(text, "spec.yaml").spec
    assert spec is not None
    facts = read_case(CASE)
    (source,) = facts.source.collections
    more = tuple(SourceField(f"n{number}", "int64") for number in range(fields))
    more += tuple(
        SourceField(f"v{number}", "fixed_size_list<float>[4]", vector="float_vector(4)")
        for number in range(vectors)
    )
    names = tuple(f"p{number}" for number in range(partitions))
    source = replace(source, fields=source.fields + more, partitions=names)
    dialect = version_of(version).dialect
    able = dialect.capabilities
    found: tuple[TargetCollection, ...] = ()
    if there:
        (known,) = facts.target.collections
        found = (replace(known, schema=replace(known.schema, partitions=names)),)
    target = TargetFacts(
        type="milvus", route="insert", version=version, capabilities=able, collections=found
    )
    bulk = None
    if dialect.imports is not None:
        files = import_capabilities(able, dialect.imports)
        files = replace(files, formats=formats or files.formats)
        bulk = TargetFacts(
            type="milvus", route="bulk", version=version, capabilities=files, collections=found
        )
    return compile_plan(
        spec, Facts(source=replace(facts.source, collections=(source,)), target=target, bulk=bulk)
    )


def told(diagnostics: tuple[Diagnostic, ...]) -> list[Diagnostic]:
    return [one for one in diagnostics if one.code == "MMC549"]


@pytest.mark.parametrize(
    ("version", "partitions", "limit"),
    [
        ("2.3.5", 4095, ""),
        ("2.3.5", 4096, "4,097 partitions with the default one; a server takes 4,096"),
        ("2.5.0", 1023, ""),
        ("2.5.0", 1024, "1,025 partitions with the default one; a server takes 1,024"),
    ],
)
def test_more_partitions_than_servers_take(version: str, partitions: int, limit: str) -> None:
    plan, diagnostics = compiled(version, partitions=partitions)
    assert plan is not None, diagnostics
    assert [limit in one.message for one in told(diagnostics)] == ([True] * bool(limit))
    assert all(one.severity is Severity.WARNING and one.hint for one in told(diagnostics))


@pytest.mark.parametrize(
    ("version", "vectors", "code", "said"),
    [
        ("2.3.5", 1, "MMC513", "the target takes 1"),
        ("2.4.0", 3, "", ""),
        ("2.5.0", 4, "MMC549", "5 vector fields; a server takes 4 unless its proxy.maxVectorField"),
        ("2.6.0", 9, "MMC549", "10 vector fields; a server takes 4"),
        ("2.6.0", 10, "MMC513", "the target takes 10"),
        ("3.0.0", 9, "", ""),
        ("milvus_lite-3.2.2", 9, "", ""),
    ],
)
def test_more_vectors_than_servers_take(version: str, vectors: int, code: str, said: str) -> None:
    _, diagnostics = compiled(version, vectors=vectors, rest="map" if vectors else "drop")
    found = [one for one in diagnostics if one.code in ("MMC513", "MMC549")]
    assert [one.code for one in found] == [code] * bool(code)
    assert all(said in one.message for one in found)


@pytest.mark.parametrize(
    ("version", "shards", "many"),
    [
        ("2.3.5", 16, False),
        ("2.3.5", 17, True),
        ("2.6.0", 32, True),
        ("milvus_lite-3.2", 32, False),
    ],
)
def test_more_shards_than_servers_take(version: str, shards: int, many: bool) -> None:
    _, diagnostics = compiled(version, shards=shards)
    (found,) = told(diagnostics) or [None]
    assert (found is not None) == many
    if found is not None:
        assert f"{shards} shards; a server takes 16" in found.message
        assert found.path == "collections[0].shards" and found.hint == (
            "say shards: 16 or fewer, or raise it on the server"
        )


@pytest.mark.parametrize(("fields", "many"), [(56, False), (57, True)])
def test_more_fields_than_servers_take(fields: int, many: bool) -> None:
    _, diagnostics = compiled("2.5.0", fields=fields)
    assert [one.message[:22] for one in told(diagnostics)] == ["`known` has 65 fields;"] * many
    assert not told(compiled("2.5.0", fields=fields, rest="dynamic")[1])


def test_a_collection_that_is_there_has_what_it_has() -> None:
    plan, diagnostics = compiled("2.5.0", partitions=1100, there=True, rest="drop")
    assert plan is not None and not told(diagnostics)


@pytest.mark.parametrize(
    ("rest", "format_"),
    [("drop", "numpy"), ("map", "json")],  # `tags` becomes an array, which NumPy has no place for.
)
def test_the_first_format_that_carries_every_field_is_taken(rest: str, format_: str) -> None:
    plan, _ = compiled("2.5.0", rest=rest, formats=("numpy", "json", "parquet"))
    assert plan is not None
    (layout,) = [copy.layout for copy in plan.copies]
    assert layout is not None and layout.format == format_
