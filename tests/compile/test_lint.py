"""What the sample says about values."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mmc.compile import compile_plan
from mmc.diagnostics import Severity
from mmc.facts import Evidence, SourceField
from mmc.spec.load import parse_spec
from tests.compile.facttable import read_case

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
