"""Golden cases: spec.yaml + facts.json -> plan.json, and the text a person sees in expected.txt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmc.compile import compile_plan
from mmc.plan import codec
from mmc.plan.tree import plan_lines
from mmc.spec.load import load_spec
from mmc.views.diagnostics import render

CASES = sorted((Path(__file__).parents[1] / "cases" / "compile").iterdir())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Path, update_golden: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(case)
    loaded = load_spec("spec.yaml")
    assert loaded.spec is not None, render(loaded.diagnostics)
    facts = codec.read_facts(Path("facts.json").read_text(encoding="utf-8"))
    plan, found = compile_plan(loaded.spec, facts)
    again, _ = compile_plan(loaded.spec, facts)
    assert again == plan
    text = render((*loaded.diagnostics, *found))
    text += "\n".join(plan_lines(plan)) + "\n" if plan else "no plan\n"
    files = {"expected.txt": text, "plan.json": codec.write_plan(plan) if plan else ""}
    for name, content in files.items():
        path = Path(name)
        if update_golden and content:
            path.write_text(content, encoding="utf-8")
        elif update_golden:
            path.unlink(missing_ok=True)
        assert (path.read_text(encoding="utf-8") if path.exists() else "") == content
    assert (plan is None) == case.name.startswith("refused_")


def test_plan_is_pure_json() -> None:
    for case in CASES:
        path = case / "plan.json"
        if path.exists():
            assert codec.write_plan(codec.read_plan(path.read_text())) == path.read_text()
            assert "\\u0000" not in path.read_text()
            json.loads(path.read_text())
