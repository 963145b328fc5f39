"""What the sample says about values."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mmc.compile import compile_plan
from mmc.diagnostics import Severity
from mmc.facts import Evidence, SourceField
from mmc.milvus.dialect import configured, version_of
from tests.compile.facttable import read_case
from tests.spec.reading import parse_spec

CASE = Path(__file__).parents[1] / "cases" / "compile" / "append_to_not_loaded"
SPEC = """version: 1
source: {type: files, path: articles-2024.data}
target: {type: milvus, uri: "http://localhost:19530"}
collections:
  - to: other
    fields:
      - {from: views, type: TYPE}
"""


def warned(type_: str, low: int, high: int) -> list[str]:
    spec = parse_spec(SPEC.replace("TYPE", type_), "spec.yaml").spec
    assert spec is not None
    facts = read_case(CASE)
    (source,) = facts.source.collections
    seen = Evidence(rows=100, min_value=low, max_value=high)
    views = SourceField("views", "int64", evidence=seen)
    source = replace(source, fields=(*source.fields, views))
    facts = replace(facts, source=replace(facts.source, collections=(source,)))
    found = [one for one in compile_plan(spec, facts)[1] if one.code == "MMC314"]
    assert all(one.severity is Severity.WARNING for one in found)
    return [f"{one.message}; {one.label}" for one in found]


def test_integers_beyond_the_type() -> None:
    assert warned("int8", -128, 127) == []
    (message,) = warned("int8", 0, 128)
    assert message == (
        "int8 does not hold values of source column `views`; 0 to 128 in 100 sampled rows"
    )
    assert len(warned("int16", -32_769, 0)) == 1
    assert warned("int32", -(2**31), 2**31 - 1) == []
    assert warned("int64", -(2**63), 2**63 - 1) == []


@pytest.mark.parametrize(
    ("version", "target", "bytes_", "most"),
    [
        ("2.3.5", "", 65_536, 0),
        ("2.3.5", "", 65_537, 65_536),
        ("2.6.0", "", 70_000, 65_536),
        ("2.6.0", ", json_bytes: 100000", 70_000, 0),
        ("2.6.0", ", json_bytes: 1000", 2_000, 1_000),
        ("milvus_lite-3.2.2", "", 70_000, 0),
    ],
)
def test_json_longer_than_the_target_takes(
    version: str, target: str, bytes_: int, most: int
) -> None:
    """As a field, and on its way into the dynamic field."""
    text = SPEC.replace("- {from: views, type: TYPE}", "- {from: doc, type: json}")
    text = text.replace('19530"', f'19530"{target}') + "    rest: dynamic\n"
    spec = parse_spec(text, "spec.yaml").spec
    assert spec is not None
    facts = read_case(CASE)
    (source,) = facts.source.collections
    seen = Evidence(rows=100, max_bytes=bytes_)
    more = (
        SourceField("doc", "string", json_text=True, evidence=seen),
        SourceField("other", "string", evidence=seen),
    )
    source = replace(source, fields=(*source.fields, *more))
    able = configured(version_of(version).dialect.capabilities, spec.model.target.json_bytes)
    facts = replace(
        facts,
        source=replace(facts.source, collections=(source,)),
        target=replace(facts.target, capabilities=able),
    )
    plan, diagnostics = compile_plan(spec, facts)
    found = [one for one in diagnostics if one.code == "MMC386"]
    assert [one.path for one in found] == [
        "collections[0].fields[0]",
        "collections[0].rest",
    ] * bool(most)
    assert all(f"takes {most:,} bytes" in one.message for one in found)
    assert plan is not None
    assert [copy.batches.json_bytes for copy in plan.copies] == [able.json_bytes]
