"""Golden cases: spec.yaml and facts.txt -> the text a person sees (expected.txt) and the plan.

The plan is compared as plan.txt, which is short and has the digest of all of it; of a few cases,
which have every kind of step between them, as plan.json.
"""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from mmc.compile import compile_plan
from mmc.plan import codec
from mmc.plan.model import CreateCollection, Plan, Step
from mmc.plan.tree import plan_lines
from mmc.registry import target_folder
from mmc.views.diagnostics import render
from tests.compile.facttable import read_case
from tests.compile.plantext import plan_text
from tests.spec.reading import load_spec

CASES = sorted((Path(__file__).parents[1] / "cases" / "compile").iterdir())
WHOLE = {"append_to_not_loaded", "bulk_into_2_3", "faiss_ivf_with_join", "replace_carries_over"}
"""Cases whose plan stands there as it is saved."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Path, update_golden: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(case)
    loaded = load_spec("spec.yaml")
    assert loaded.spec is not None, render(loaded.diagnostics)
    facts = read_case(case)
    plan, found = compile_plan(loaded.spec, facts)
    again, _ = compile_plan(loaded.spec, facts)
    assert again == plan
    assert codec.read_facts(codec.write_facts(facts)) == facts
    text = render((*loaded.diagnostics, *found))
    text += (
        "\n".join(plan_lines(plan, folder=target_folder(plan.target))) + "\n"
        if plan
        else "no plan\n"
    )
    files = {"expected.txt": text, "plan.json": "", "plan.txt": ""}
    if plan is not None:
        saved = codec.write_plan(plan)
        _is_pure_json(saved, plan)
        whole = case.name in WHOLE
        files |= {"plan.json": saved} if whole else {"plan.txt": plan_text(plan)}
    for name, content in files.items():
        path = Path(name)
        if update_golden and content:
            path.write_text(content, encoding="utf-8")
        elif update_golden:
            path.unlink(missing_ok=True)
        assert (path.read_text(encoding="utf-8") if path.exists() else "") == content
    assert (plan is None) == case.name.startswith("refused_")
    assert {path.name for path in case.iterdir()} <= {"spec.yaml", "facts.txt", *files}


def _is_pure_json(saved: str, plan: Plan) -> None:
    """The file says the whole plan, in the one way to say it."""
    read = codec.read_plan(saved)
    assert read == plan
    assert codec.write_plan(read) == saved
    assert "\\u0000" not in saved


def test_whole_plans_have_every_kind_of_step() -> None:
    texts = [(case / "plan.json").read_text() for case in CASES if case.name in WHOLE]
    plans = [codec.read_plan(text) for text in texts]
    assert {type(step) for plan in plans for step in plan.steps} == set(get_args(get_args(Step)[0]))
    copies = [copy for plan in plans for copy in plan.copies]
    assert {copy.route for copy in copies} == {"files.files", "milvus.bulk", "milvus.insert"}
    assert any(copy.partitions for copy in copies)
    creates = [step for plan in plans for step in plan.steps if isinstance(step, CreateCollection)]
    assert {step.exists for step in creates} == {True, False}
