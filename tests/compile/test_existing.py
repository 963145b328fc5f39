"""Joining a collection that exists: what would be lost there is refused, or said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mmc.compile import compile_plan
from mmc.diagnostics import Diagnostic
from mmc.facts import Evidence, Facts, SourceField
from mmc.plan.model import CheckKeys, Plan
from mmc.types import Collection, Field, FieldType
from tests.compile.facttable import read_case
from tests.spec.reading import parse_spec

CASES = Path(__file__).parents[1] / "cases" / "compile"
CASE = CASES / "upsert_into_existing"
NOT_LOADED = CASES / "append_to_not_loaded"


def _compiled(
    mode: str, change: dict[str, object], fields: tuple[Field, ...] = ()
) -> tuple[Plan | None, tuple[Diagnostic, ...]]:
    """The golden case with its existing collection changed."""
    text = (CASE / "spec.yaml").read_text(encoding="utf-8")
    spec = parse_spec(text.replace("mode: upsert", f"mode: {mode}"), "spec.yaml").spec
    assert spec is not None
    facts = read_case(CASE)
    (there,) = facts.target.collections
    schema: Collection = replace(there.schema, **change)  # type: ignore[arg-type]
    schema = replace(schema, fields=schema.fields + fields)
    target = replace(facts.target, collections=(replace(there, schema=schema),))
    return compile_plan(spec, Facts(source=facts.source, target=target))


def _found(code: str, diagnostics: tuple[Diagnostic, ...]) -> list[str]:
    return [one.message for one in diagnostics if one.code == code]


@pytest.mark.parametrize("mode", ["append", "upsert"])
def test_keys_that_the_target_makes_cannot_be_replayed(mode: str) -> None:
    facts = read_case(CASE)
    fields = facts.target.collections[0].schema.fields
    made = tuple(replace(field, auto_id=field.primary_key) for field in fields)
    plan, diagnostics = _compiled(mode, {"fields": made})
    assert plan is None
    assert "makes the keys of `id` itself" in _found("MMC511", diagnostics)[0]


def test_an_upsert_says_which_values_it_empties() -> None:
    note = Field("note", FieldType.parse("varchar(9)"), nullable=True)
    plan, diagnostics = _compiled("upsert", {"dynamic": True}, (note,))
    assert plan is not None
    (message,) = _found("MMC364", diagnostics)
    assert message.endswith("lose their values of `score`, `note`, the dynamic field")
    assert not _found("MMC364", _compiled("append", {"dynamic": True}, (note,))[1])


def test_a_collection_without_an_index_cannot_be_loaded() -> None:
    """Where it is loaded nobody asks for one."""
    spec = parse_spec((NOT_LOADED / "spec.yaml").read_text(encoding="utf-8"), "spec.yaml").spec
    assert spec is not None
    facts = read_case(NOT_LOADED)
    (there,) = facts.target.collections
    for loaded in (True, False):
        bare = replace(facts.target, collections=(replace(there, indexes=(), loaded=loaded),))
        plan, diagnostics = compile_plan(spec, replace(facts, target=bare))
        found = _found("MMC366", diagnostics)
        assert (plan is None) == bool(found) == (not loaded)
    assert found[0].endswith("there is no index on `embedding`")


@pytest.mark.parametrize(("mode", "existing"), [("append", True), ("upsert", False)])
def test_only_an_append_asks_for_keys_that_are_there(mode: str, existing: bool) -> None:
    plan, _ = _compiled(mode, {})
    assert plan is not None
    (check,) = [step for step in plan.steps if isinstance(step, CheckKeys)]
    assert check.existing is existing


@pytest.mark.parametrize(
    ("objects", "others", "refused"), [(True, 3, 1), (True, 0, 0), (False, 3, 0)]
)
def test_lists_for_a_json_field_that_takes_only_objects(
    objects: bool, others: int, refused: int
) -> None:
    """They may have come by import, which takes them."""
    text = (CASE / "spec.yaml").read_text(encoding="utf-8")
    spec = parse_spec(text.replace("- {from: title}", "- {from: parts}"), "spec.yaml").spec
    assert spec is not None
    facts = read_case(CASE)
    (source,), (there,) = facts.source.collections, facts.target.collections
    seen = Evidence(rows=10, non_objects=others)
    parts = SourceField("parts", "string", json_text=True, nullable=True, evidence=seen)
    kept = Field("parts", FieldType.parse("json"), nullable=True)
    source = replace(source, fields=(*source.fields, parts))
    there = replace(there, schema=replace(there.schema, fields=(*there.schema.fields, kept)))
    able = replace(facts.target.capabilities, json_objects=objects)
    target = replace(facts.target, capabilities=able, collections=(there,))
    source_facts = replace(facts.source, collections=(source,))
    _, diagnostics = compile_plan(spec, Facts(source=source_facts, target=target))
    told = [one for one in _found("MMC363", diagnostics) if "takes only objects there" in one]
    assert len(told) == refused
