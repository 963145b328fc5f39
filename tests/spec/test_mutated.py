"""Specs changed at random, as text and as data: validated, formatted and compiled, or refused with
a place. Never a traceback.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from mmc.compile import compile_plan
from mmc.errors import SpecInvalid
from mmc.facts import Facts
from mmc.plan import codec
from mmc.spec.document import parse
from mmc.views.diagnostics import render
from tests.compile.facttable import read_case
from tests.mutations import TEXTS, VALUES, change, change_text
from tests.spec.reading import format_spec, load_spec

CASES = sorted(
    path.parent for path in (Path(__file__).parents[1] / "cases" / "compile").glob("*/spec.yaml")
)
SQL = ["repeat(id, 3)", "1 +", "repeat('x', 1000000)", "random()", "(" * 2000, "\0", "id; SELECT 1"]


FOUND = [
    # Facts know of a way to import, and the spec gives no place for the files.
    (
        "bulk_into_2_3",
        "{version: 1, source: {type: milvus1, data: milvus/db/tables}, target: {type: milvus,"
        " uri: 'http://localhost:19530'}, load: {route: bulk}}",
    ),
    (
        "nullable_arrays_by_import",
        "{version: 1, source: {type: files, path: rows.parquet}, target: {type: milvus, uri:"
        " 'http://localhost:19530'}, collections: [{from: rows, fields: [{from: tenant, type:"
        " varchar(64)}, {from: tags, type: array<int64>(8)}]}]}",
    ),
]
"""What was found by changing more of them: a case, whose facts are used, and a spec."""


def _pass(file: Path, facts: Facts) -> bool:
    """Whether the spec of a file has a plan; raises nothing but what is a fault of mmc."""
    loaded = load_spec(file, env={"HOME": "/root"})
    assert loaded.spec is not None or any(found.is_error for found in loaded.diagnostics)
    assert all(found.span is not None or found.code == "MMC595" for found in loaded.diagnostics)
    render(loaded.diagnostics)
    try:
        once = format_spec(file.read_text(encoding="utf-8"), str(file))
        assert format_spec(once, str(file)) == once
    except (SpecInvalid, UnicodeDecodeError):
        assert loaded.spec is None
    if loaded.spec is None:
        return False
    plan, found = compile_plan(loaded.spec, facts)
    render(found)
    assert plan is None or codec.read_plan(codec.write_plan(plan)) == plan
    return plan is not None


def _try(case: Path, folder: Path, seed: int, number: int) -> int:
    """Passes changed specs of a case; gives how many still had a plan."""
    chance = random.Random(f"{case.name} {seed}")
    facts = read_case(case)
    text = (case / "spec.yaml").read_bytes()
    data = parse(text.decode(), "spec.yaml").data
    file, planned = folder / "spec.yaml", 0
    for count in range(number):
        if chance.random() < 0.5:
            changed = change_text(text, chance)
        else:
            body = json.loads(json.dumps(data))
            change(body, chance, [*VALUES, *TEXTS, *SQL])
            changed = json.dumps(body).encode()
        file.write_bytes(changed)
        try:
            planned += _pass(file, facts)
        except Exception as error:
            raise AssertionError(f"{case.name}, seed {seed}, {count}: {changed!r}") from error
    return planned


def test_mutated_specs_are_planned_or_refused(tmp_path: Path) -> None:
    assert 5 < sum(_try(case, tmp_path, 1, 5) for case in CASES) < 200


@pytest.mark.parametrize(("case", "text"), FOUND)
def test_what_was_found(case: str, text: str, tmp_path: Path) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text(text)
    _pass(file, read_case(CASES[0].parent / case))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 103))
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_many_mutated_specs_are_planned_or_refused(case: Path, seed: int, tmp_path: Path) -> None:
    _try(case, tmp_path, seed, 100)
