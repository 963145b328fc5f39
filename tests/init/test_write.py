"""The spec that `init` writes: its text, and that it plans as the smallest spec does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmc.compile import compile_plan
from mmc.diagnostics import Diagnostic, Severity
from mmc.errors import SpecInvalid
from mmc.facts import Facts, SourceCollection, SourceField
from mmc.init.minimal import checked
from mmc.init.write import InitialSpec, write_spec
from mmc.plan import codec
from mmc.plan.model import Plan
from mmc.registry import MODELS
from mmc.spec.document import parse
from mmc.types import Index, JsonValue
from tests.compile.facttable import read_case
from tests.spec.reading import format_spec, parse_spec

CASES = Path(__file__).parents[1] / "cases"
SEEN = sorted((CASES / "compile").iterdir())
SHOWN = [
    "elasticsearch_into_2_3",
    "faiss_ivf_with_join",
    "lossy",
    "milvus1_partitions_to_numpy",
    "nothing_said",
    "refused_metric",
    "refused_no_key_no_vector",
    "refused_types",
    "refused_same_name_twice",
    "refused_two_to_one",
]


def written(data: dict[str, JsonValue], facts: Facts) -> InitialSpec:
    return write_spec(data, facts, "spec.yaml", MODELS)


def seen(case: Path) -> tuple[dict[str, JsonValue], Facts]:
    """A case's source and target alone, as data, and its facts."""
    said = parse((case / "spec.yaml").read_text(encoding="utf-8"), "spec.yaml").data
    assert isinstance(said, dict)
    data = {name: said[name] for name in ("source", "target")}
    facts = read_case(case)
    return {"version": 1, **data}, facts


def rows_of(plan: Plan | None) -> list[Any]:
    """What a plan does, without the notes for people."""
    assert plan is not None
    made = []
    for step in plan.steps:
        data: Any = codec.to_json(step)
        data.pop("note", None)
        data.pop("reason", None)
        for mapping in data.get("mappings", ()):
            del mapping["note"]
        made.append(data)
    return made


def plan_of(text: str, facts: Facts) -> Plan | None:
    loaded = parse_spec(text, "spec.yaml")
    assert loaded.spec is not None, loaded.diagnostics
    return compile_plan(loaded.spec, facts)[0]


@pytest.mark.parametrize("case", SEEN, ids=lambda case: case.name)
def test_it_is_canonical_and_plans_as_the_smallest_spec(case: Path) -> None:
    data, facts = seen(case)
    smallest, refusals = compile_plan(checked(data, MODELS), facts)
    try:
        made = written(data, facts)
    except SpecInvalid:
        assert smallest is None
        return
    assert format_spec(made.text) == made.text
    if smallest is not None:
        assert rows_of(plan_of(made.text, facts)) == rows_of(smallest)
        assert not [found for found in made.diagnostics if found.is_error]
    elif plan_of(made.text, facts) is None:
        assert [found for found in made.diagnostics if found.is_error]
    else:  # it says what the smallest spec could not leave to a guess
        assert made.diagnostics or {"MMC331", "MMC341"} & {found.code for found in refusals}


@pytest.mark.parametrize("name", SHOWN)
def test_text(name: str, golden: Callable[[Path, str], None]) -> None:
    made = written(*seen(CASES / "compile" / name))
    golden(CASES / "init" / f"{name}.yaml", made.text)


def one_column(facts: Facts, name: str, field: SourceField, note: str = "") -> Facts:
    """The facts with one more column, and the collection under another name."""
    collection = facts.source.collections[0]
    more = replace(
        collection,
        name=name,
        fields=(*collection.fields, field),
        notes=(note,) if note else (),
    )
    return replace(facts, source=replace(facts.source, collections=(more,)))


ODD = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12
) | st.sampled_from(
    ["{{ x }}", "{%", "{# #}", '"', "on", "010", "1e3", "null", "- a", "a: b", "# x", ".inf", "'"]
)


@settings(max_examples=40, deadline=None)
@given(name=ODD, column=ODD, note=ODD)
def test_names_of_a_source_cannot_change_the_spec(name: str, column: str, note: str) -> None:
    data, facts = seen(CASES / "compile" / "nothing_said")
    facts = one_column(facts, name, SourceField(column, "int32", note=note), note)
    smallest = compile_plan(checked(data, MODELS), facts)[0]
    if smallest is None:  # the column has the name of another
        return
    made = written(data, facts)
    assert rows_of(plan_of(made.text, facts)) == rows_of(smallest)


def test_an_error_stands_at_its_field_and_is_told_at_its_line() -> None:
    data, facts = seen(CASES / "compile" / "nothing_said")
    vector = SourceField("v", "fixed_size_list<float>[4]", index=Index("HNSW", None))
    facts = one_column(facts, "words", replace(vector, vector="float_vector(4)"))
    made = written(data, facts)
    (found,) = [one for one in made.diagnostics if one.code == "MMC372"]
    assert found.span is not None
    lines = made.text.splitlines()
    assert "from: v" in lines[found.span.line - 1]
    above = " ".join(line.strip(" #") for line in lines[found.span.line - 6 : found.span.line - 1])
    assert "error[MMC372]" in above and "settle it" in above


def test_a_damaged_collection_is_told_and_left_out() -> None:
    data, facts = seen(CASES / "compile" / "nothing_said")
    good = facts.source.collections[0]
    problem = Diagnostic("MMC418", "segment 7 is cut short", severity=Severity.ERROR)
    bad: SourceCollection = replace(good, name="torn", problems=(problem,))
    made = written(data, replace(facts, source=replace(facts.source, collections=(good, bad))))
    assert "# left out: torn: segment 7 is cut short" in made.text
    assert "from: torn" not in made.text
    assert problem in made.diagnostics


def test_no_collection_is_an_error() -> None:
    data, facts = seen(CASES / "compile" / "nothing_said")
    with pytest.raises(SpecInvalid, match="no collections"):
        written(data, replace(facts, source=replace(facts.source, collections=())))


def test_a_given_secret_needs_no_hint() -> None:
    data, facts = seen(CASES / "compile" / "elasticsearch_into_2_3")
    assert "auth: {password: {secret: env:NAME}}" in written(data, facts).text
    key = {"api_key": {"secret": "env:ES_API_KEY"}}
    assert isinstance(data["source"], dict)
    given = {**data, "source": {**data["source"], "auth": key}}
    text = written(given, facts).text
    assert "auth: {api_key: {secret: env:ES_API_KEY}}" in text and "env:NAME" not in text
    assert json.dumps(key) not in text
