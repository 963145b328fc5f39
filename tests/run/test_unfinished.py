"""Which runs stand in the way of which plans: by what is recorded of them, a row for each state."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mmc.api import unfinished_plan
from mmc.errors import DuplicateKeys, TargetError, UnfinishedRun
from mmc.plan import codec
from mmc.plan.model import (
    BuildIndex,
    CheckStaging,
    CopySplits,
    CreateCollection,
    ExecutorKind,
    FileFormat,
    ImportFiles,
    Layout,
    LoadCollection,
    Mode,
    OnDrift,
    Plan,
    Staging,
    Verify,
    Write,
)
from mmc.run.preflight import refuse_unfinished
from mmc.state.lease import Lease
from mmc.state.ledger import Ledger
from mmc.state.store import RunStatus, Store
from mmc.state.tables import runs
from mmc.state.targets import target_key
from mmc.state.unfinished import touched, unfinished
from tests.run.conftest import Bench

KEYS, CREATE, COPY = "keys.articles", "create.articles", "copy.articles"
IMPORT = ImportFiles(
    id="import.articles", copy=COPY, collection="articles", files=16, stall_seconds=900
)


def _other(plan: Plan, name: str = "letters") -> Plan:
    """The same plan for another collection of the same target."""
    steps = tuple(
        replace(step, collection=replace(step.collection, name=name))
        if isinstance(step, (CreateCollection, CopySplits))
        else replace(step, collection=name)
        if isinstance(step, (BuildIndex, LoadCollection, Verify))
        else step
        for step in plan.steps
    )
    seen = replace(plan.target_seen, rows=((name, None),))
    return replace(plan, name=name, steps=steps, target_seen=seen)


def _with(plan: Plan, write: Write = Write.INSERT, **create: Any) -> Plan:
    """The plan with another kind of copy, or another state of its collection; with an import."""
    steps = []
    for step in plan.steps:
        if isinstance(step, CreateCollection):
            steps += [CheckStaging("stage.articles", COPY), replace(step, **create)]
        elif isinstance(step, CopySplits):
            layout = Layout(FileFormat.PARQUET, "articles")
            staging = Staging("s3://bucket/staging", keep=write is Write.IN_PLACE)
            steps += [replace(step, write=write, layout=layout, staging=staging), IMPORT]
        else:
            steps.append(step)
    new = sum(not step.exists for step in steps if isinstance(step, CreateCollection))
    summary = replace(plan.summary, create=new + 1)
    return replace(plan, steps=tuple(steps), summary=summary)


NEW: dict[str, Any] = {}
THERE = {"exists": True, "mode": Mode.APPEND}
IN_PLACE = {"write": Write.IN_PLACE, **THERE}

STATES: list[tuple[str, dict[str, Any], tuple[str, ...], bool]] = [
    # what is recorded: steps by their id, "a split" of the copy, "an import" that was intended
    ("began, and no step", NEW, (), False),
    ("checked keys", NEW, (KEYS,), False),
    ("began to make its collection", NEW, (KEYS, CREATE), True),
    ("began to replace one", {"exists": True, "mode": Mode.REPLACE}, (KEYS, CREATE), True),
    ("looked at the one to append to", THERE, (KEYS, CREATE), False),
    ("looked at the one to upsert into", {"exists": True, "mode": Mode.UPSERT}, (CREATE,), False),
    ("loaded the one to append to", THERE, ("load.articles", KEYS, CREATE), False),
    ("came to the copy, but to no split", THERE, (KEYS, CREATE, COPY), False),
    ("began a split", THERE, (KEYS, CREATE, COPY, "a split"), True),
    ("read files in place", IN_PLACE, (KEYS, CREATE, COPY, "a split"), False),
    ("came to an import", IN_PLACE, (CREATE, COPY, "a split", IMPORT.id), False),
    ("meant to import", IN_PLACE, (CREATE, COPY, "a split", IMPORT.id, "an import"), True),
    ("began an index", THERE, (CREATE, COPY, "index.articles"), True),
    ("waited for indexes", THERE, (CREATE, "built.articles"), False),
    ("began a manifest", NEW, ("manifest",), True),
    ("found differences", THERE, (CREATE, COPY, "a split", "verify.articles"), True),
    ("verified what it never wrote", THERE, (CREATE, "verify.articles"), False),
]


def _quick(bench: Bench) -> Plan:
    return bench.plan(name="second", rows=4, splits=1, executor=ExecutorKind.THREADS)


def _record(store: Store, plan: Plan, recorded: tuple[str, ...]) -> str:
    run = store.begin_run(plan).id
    kinds = {step.id: step.kind for step in plan.steps}
    for what in recorded:
        if what == "a split":
            store.split_begun(run, COPY, "00000")
        elif what == "an import":
            with Lease(store.database, plan.target, lambda event: None, heartbeat=False) as lease:
                ledger = Ledger(store.database, run, IMPORT.id, (lease.key, lease.owner))
                assert ledger.intend("00000", ["00000"])
        else:
            store.step_begun(run, what, kinds[what])
    return run


def _blocks(store: Store, plan: Plan) -> bool:
    try:
        refuse_unfinished(plan, codec.digest(plan), store)
    except UnfinishedRun:
        return True
    return False


@pytest.mark.parametrize(
    ("options", "recorded", "blocks"), [it[1:] for it in STATES], ids=[it[0] for it in STATES]
)
def test_only_what_wrote_stands_in_the_way(
    bench: Bench, options: dict[str, Any], recorded: tuple[str, ...], blocks: bool
) -> None:
    store, first = bench.store, _with(bench.plan(name="first"), **options)
    second, elsewhere = bench.plan(name="second"), _other(bench.plan())
    run = _record(store, first, recorded)
    for status in (RunStatus.RUNNING, RunStatus.FAILED, RunStatus.STOPPED):
        store.finish_run(run, status)
        assert _blocks(store, second) == blocks, status
        assert not _blocks(store, elsewhere)
        assert not _blocks(store, first)
    for status in (RunStatus.APPLIED, RunStatus.PARTIAL):
        store.finish_run(run, status)
        assert not _blocks(store, second), status


def test_collections_are_what_a_plan_reads_and_writes(bench: Bench) -> None:
    plan = bench.plan()
    others = (
        replace(step, id=f"{step.id}.letters")
        for step in _other(plan).steps
        if isinstance(step, (CreateCollection, CopySplits))
    )
    both = replace(plan, steps=(*plan.steps, *others))
    assert touched(both) == {"articles", "letters"}
    _record(bench.store, both, (CREATE,))
    with pytest.raises(UnfinishedRun, match="of plan `fake` left letters half done"):
        refuse_unfinished(_other(plan), "", bench.store)


def test_a_run_of_another_version_of_mmc_is_taken_for_half_done(bench: Bench) -> None:
    """Its plan cannot be read, so nobody knows what it touches."""
    plan = bench.plan()
    run = _record(bench.store, _other(plan), (CREATE,))
    with bench.store.database.writing() as connection:
        newer = '{"format": "mmc-plan", "version": 999, "digest": "", "plan": {}}'
        connection.execute(runs.update().where(runs.c.run == run).values(plan=newer))
    with pytest.raises(UnfinishedRun, match=f"run {run} of plan `letters` left articles half done"):
        refuse_unfinished(plan, codec.digest(plan), bench.store)
    found = unfinished(bench.store, target_key(plan.target), except_digest="")
    assert [(it.run.id, it.plan) for it in found] == [(run, None)]


def test_a_create_that_was_refused_is_not_begun(bench: Bench) -> None:
    bench.fault("ensure.before", "refused")
    with pytest.raises(TargetError):
        bench.apply(bench.plan(name="first"))
    assert set(bench.store.steps(bench.store.list_runs()[0].id)) == {KEYS}
    assert bench.apply(_quick(bench)).outcome is RunStatus.APPLIED


def test_a_create_that_an_earlier_attempt_began_stays_begun(bench: Bench) -> None:
    first = bench.plan(name="first")
    for action in ("error", "refused"):
        bench.fault("ensure.before", action)
        with pytest.raises(TargetError):
            bench.apply(first)
    with pytest.raises(UnfinishedRun):
        bench.apply(_quick(bench))


def test_what_wrote_nothing_checks_again(bench: Bench) -> None:
    """Another plan may append the same keys between two attempts: none may be there twice."""
    bench.apply(bench.plan(rows=12, splits=1, executor=ExecutorKind.THREADS))
    said: dict[str, Any] = {
        "executor": ExecutorKind.THREADS,
        "mode": Mode.APPEND,
        "where": "id > 30",
        "on_drift": OnDrift.IGNORE,
    }
    first = bench.plan(name="first", **said)
    bench.fault("count", "error")
    with pytest.raises(TargetError):
        bench.apply(first)
    assert bench.store.steps(bench.store.list_runs()[0].id)[KEYS].done
    bench.apply(bench.plan(name="second", **said))
    with pytest.raises(DuplicateKeys):
        bench.apply(first)
    assert bench.keys() == [*range(12), *range(31, 40)]


def test_a_spec_whose_run_wrote_nothing_is_planned_anew(bench: Bench) -> None:
    plan = bench.plan()
    spec: Any = type("Spec", (), {"target": plan.target, "digest": plan.spec_digest})
    run = _record(bench.store, plan, (KEYS,))
    assert unfinished_plan(spec, state=bench.url) is None
    bench.store.step_begun(run, CREATE, "create_collection")
    assert unfinished_plan(spec, state=bench.url) == plan
