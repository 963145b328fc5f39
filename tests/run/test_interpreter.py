"""Applying and continuing: what is done, what is told, what is recorded, at every place it can
break.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmc.errors import (
    LeaseLost,
    MmcError,
    PlanStale,
    RowsRejected,
    SourceChanged,
    SourceError,
    StateError,
    TargetError,
    UnfinishedRun,
)
from mmc.events import (
    Diagnosed,
    Event,
    IndexProgress,
    NothingToDo,
    Quarantined,
    Retrying,
    RunFinished,
    RunStarted,
    SplitDone,
    StepDone,
    StepStarted,
    Verified,
)
from mmc.plan.model import Endpoint, LoadCollection, Mode, OnDrift, OnError
from mmc.report.counts import report_of
from mmc.run.interpreter import verify_plan
from mmc.state.store import RunStatus, Store
from tests.fakes import Crash, FakeTarget
from tests.run.conftest import Bench

ALL = list(range(40))
STEPS = [
    "check_keys",
    "create_collection",
    "copy_splits",
    "build_index",
    "load_collection",
    "await_indexes",
]
STEPS += ["write_manifest", "verify"]


def test_apply_carries_out_every_step_in_order(bench: Bench) -> None:
    plan = bench.plan()
    report = bench.apply(plan)
    assert report.outcome is RunStatus.APPLIED
    assert bench.keys() == ALL
    assert [event.kind for event in bench.told(StepStarted)] == STEPS
    assert [event.skipped for event in bench.told(StepDone)] == [False] * len(STEPS)
    assert (report.rows_read, report.rows_written, report.rows_filtered) == (40, 40, 0)
    assert report.verified[0].ok and report.verified[0].rows_found == 40
    started, finished = bench.told(RunStarted)[0], bench.told(RunFinished)[0]
    assert (started.attempt, started.resumed, started.splits_total) == (1, False, 4)
    assert (finished.outcome, finished.rows_written) == ("applied", 40)
    assert sum(event.rows_written for event in bench.told(SplitDone)) == 40
    copy = next(event for event in bench.told(StepStarted) if event.kind == "copy_splits")
    assert (copy.rows, copy.splits, copy.splits_done, copy.rows_done) == (40, 4, 0, 0)
    index = next(event for event in bench.told(StepStarted) if event.kind == "await_indexes")
    assert bench.told(IndexProgress) == [IndexProgress(index.step, 3, 10)]


def test_an_applied_plan_needs_no_connection(bench: Bench) -> None:
    plan = bench.plan()
    bench.apply(plan)
    before = bench.calls()
    (bench.folder / "target.db").unlink()
    report = bench.apply(plan)
    assert report.outcome is RunStatus.APPLIED
    assert [type(event) for event in bench.events] == [NothingToDo]
    assert before and not (bench.folder / "target.db").exists()


def test_first_attempt_inserts_and_a_replay_upserts(bench: Bench) -> None:
    plan = bench.plan()
    bench.fault("written.00001.1", "error")
    with pytest.raises(TargetError, match=r"failed at written\.00001\.1"):
        bench.apply(plan)
    assert bench.keys() == list(range(15)), "split 00001 was left half written"
    assert bench.told(RunFinished)[0].outcome == "failed"
    report = bench.apply(plan)
    assert report.outcome is RunStatus.APPLIED and report.attempt == 2
    assert bench.keys() == ALL
    started = bench.told(RunStarted)[0]
    assert (started.resumed, started.splits_done) == (True, 1)
    writers = [call for call in bench.calls() if call.startswith("writer")]
    assert writers == [
        "writer 00000",
        "writer 00001",
        "writer 00001 replay",
        "writer 00002",
        "writer 00003",
    ]
    skipped = {event.kind: event.skipped for event in bench.told(StepDone)}
    assert skipped["check_keys"] and skipped["create_collection"]
    assert not skipped["copy_splits"]
    copy = next(event for event in bench.told(StepStarted) if event.kind == "copy_splits")
    assert (copy.splits_done, copy.rows_done) == (1, 10)


@pytest.mark.parametrize("place", ["write.00002.1", "read.00002.1", "commit.00002", "open"])
def test_what_may_pass_is_tried_again_as_a_replay(bench: Bench, place: str) -> None:
    bench.fault(place, "busy")
    report = bench.apply(bench.plan())
    assert report.outcome is RunStatus.APPLIED
    assert bench.keys() == ALL
    assert place in bench.told(Retrying)[0].error
    if place != "open":
        assert "writer 00002 replay" in bench.calls()


@pytest.mark.parametrize(
    "place", ["ensure.before", "ensure.after", "index", "load", "count", "release"]
)
@pytest.mark.parametrize("action", ["error", "busy", "crash", "bug"])
def test_a_step_that_breaks_is_carried_out_again(bench: Bench, place: str, action: str) -> None:
    plan = bench.plan()
    bench.fault(place, action)
    if action != "busy":
        with pytest.raises((TargetError, Crash, KeyError)):
            bench.apply(plan)
        run = bench.store.list_runs()[0]
        assert run.status is RunStatus.FAILED and place in run.error
    assert bench.apply(plan).outcome is RunStatus.APPLIED
    assert bench.keys() == ALL


class Breaking:
    """A store that crashes before or after its n-th writing call."""

    def __init__(self, store: Store, number: int, when: str) -> None:
        self._store = store
        self._left = number
        self._when = when
        self.met = ""

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._store, name)
        if name not in ("begin_run", "step_begun", "step_done", "split_begun", "split_done"):
            return real

        def call(*args: Any, **options: Any) -> Any:
            self._left -= 1
            if self._left == 0 and self._when == "before":
                self.met = name
                raise Crash(name)
            found = real(*args, **options)
            if self._left == 0:
                self.met = name
                raise Crash(name)
            return found

        return call


TRANSITIONS = 1 + 2 * 7 + 2 * 4
"""begin_run, begun and done of 7 steps and of 4 splits."""


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_at_any_transition_loses_and_doubles_nothing(
    make_bench: Callable[[], Bench], when: str
) -> None:
    met = []
    for number in range(1, TRANSITIONS + 1):
        bench = make_bench()
        plan = bench.plan()
        breaking: Any = Breaking(bench.store, number, when)
        with pytest.raises(Crash):
            bench.apply(plan, store=breaking)
        met.append(breaking.met)
        report = bench.apply(plan)
        assert report.outcome is RunStatus.APPLIED, number
        assert bench.keys() == ALL, number
        assert report.rows_written == 40
        done = bench.store.splits(report.run)
        assert all(record.done for record in done) and len(done) == 4
        assert max(record.attempt for record in done) <= 2
    assert met.count("split_begun") == met.count("split_done") == 4
    assert met.count("step_begun") == met.count("step_done") == 7


@pytest.mark.parametrize(
    "place", [f"{at}.00001.{n}" for at in ("read", "write") for n in (0, 1)] + ["commit.00001"]
)
def test_a_crash_inside_a_split_loses_and_doubles_nothing(bench: Bench, place: str) -> None:
    plan = bench.plan()
    bench.fault(place, "crash")
    with pytest.raises(Crash):
        bench.apply(plan)
    assert "abort 00001" in bench.calls()
    bench.apply(plan)
    assert bench.keys() == ALL


def test_bad_rows_go_to_quarantine_and_the_run_is_partial(bench: Bench) -> None:
    plan = bench.plan(on_error=OnError.QUARANTINE, bad=[3, 17, 18])
    report = bench.apply(plan)
    assert report.outcome is RunStatus.PARTIAL
    assert bench.keys() == [row for row in ALL if row not in (3, 17, 18)]
    assert (report.rows_written, report.rows_quarantined) == (37, 3)
    copy = report.copies[0]
    assert sum(rows for *_, rows in copy.reasons) == 3 and copy.reasons[0][1] == "vector"
    texts = [Path(path).read_text().splitlines() for path in copy.quarantine]
    assert [len(lines) for lines in texts] == [1, 2]
    assert [event.rows for event in bench.told(Quarantined)] == [1, 2]
    again = bench.apply(plan)
    assert again.outcome is RunStatus.PARTIAL and bench.told(NothingToDo)


def test_on_error_fail_names_the_row_and_writes_none_of_its_batch(bench: Bench) -> None:
    plan = bench.plan(bad=[17])
    with pytest.raises(RowsRejected, match=r"fake, row 17: vector: ") as caught:
        bench.apply(plan)
    assert caught.value.code.startswith("MMC")
    assert bench.keys() == list(range(15))


def test_max_errors_counts_over_splits_and_attempts(bench: Bench) -> None:
    plan = bench.plan(on_error=OnError.QUARANTINE, max_errors=2, bad=[3, 17, 28])
    for _ in range(2):
        with pytest.raises(RowsRejected, match="max_errors") as caught:
            bench.apply(plan)
        assert caught.value.code == "MMC652"
        run = bench.store.list_runs()[0]
        done = [record for record in bench.store.splits(run.id) if record.done]
        assert sum(record.result.rows_quarantined for record in done) == 2


def test_max_errors_is_the_number_allowed(bench: Bench) -> None:
    plan = bench.plan(on_error=OnError.QUARANTINE, max_errors=3, bad=[3, 17, 28])
    assert bench.apply(plan).outcome is RunStatus.PARTIAL


def test_filtered_rows_are_counted(bench: Bench) -> None:
    report = bench.apply(bench.plan(where="id >= 25"))
    assert report.outcome is RunStatus.APPLIED
    assert bench.keys() == list(range(25, 40))
    assert (report.rows_read, report.rows_written, report.rows_filtered) == (40, 15, 25)


def test_a_source_with_fewer_rows_than_planned_is_no_success(bench: Bench) -> None:
    with pytest.raises(SourceChanged, match="00001: 10 rows were planned, the source gave 8"):
        bench.apply(bench.plan(short=2))
    run = bench.store.list_runs()[0]
    done = [record.split for record in bench.store.splits(run.id) if record.done]
    assert done == ["00000"]


def test_a_target_that_lost_rows_fails_and_is_verified_again(bench: Bench) -> None:
    plan = bench.plan()
    bench.fault("load", "error")
    with pytest.raises(TargetError):
        bench.apply(plan)
    with FakeTarget.at(bench.folder) as target, target.base:
        (lost,) = target.base.execute("SELECT row FROM rows WHERE id = 7").fetchone()
        target.base.execute("DELETE FROM rows WHERE id = 7")
    for attempt in (2, 3):
        report = bench.apply(plan)
        assert report.outcome is RunStatus.FAILED and report.attempt == attempt
        assert any("7" in problem for problem in report.verified[0].problems)
        assert not bench.told(NothingToDo) and not bench.told(Verified)[0].ok
    with FakeTarget.at(bench.folder) as target, target.base:
        target.base.execute("INSERT INTO rows VALUES ('articles', 7, ?, '')", [lost])
    report = bench.apply(plan)
    assert report.outcome is RunStatus.APPLIED and report.verified[0].ok


def test_verify_plan_judges_the_target_of_now_and_records_nothing(bench: Bench) -> None:
    plan = bench.plan()
    with pytest.raises(StateError, match="4 of 4 splits are not copied"):
        verify_plan(plan, store=bench.store, emit=bench.events.append)
    report = bench.apply(plan)
    assert verify_plan(plan, store=bench.store, emit=bench.events.append)[0].ok
    with FakeTarget.at(bench.folder) as target, target.base:
        target.base.execute("UPDATE rows SET row = replace(row, 'row 9', 'row x') WHERE id = 9")
    (verdict,) = verify_plan(plan, store=bench.store, emit=bench.events.append)
    assert not verdict.ok and verdict.rows_found == 40
    assert report_of(bench.store, bench.store.run(report.run)) == report


@pytest.mark.parametrize(
    ("file", "text", "names"),
    [
        ("source.version", "2", "source rows/file fake: 1 when planned, 2 now"),
        ("target.limit", "999", "target limit max_batch_bytes: 1048576 when planned, 999 now"),
    ],
)
def test_a_stale_plan_does_nothing(bench: Bench, file: str, text: str, names: str) -> None:
    plan = bench.plan()
    (bench.folder / file).write_text(text)
    with pytest.raises(PlanStale, match=names) as caught:
        bench.apply(plan)
    assert caught.value.exit_code == 4
    assert bench.calls() == [] and bench.store.list_runs() == []


def test_a_source_that_changes_between_attempts_makes_the_plan_stale(bench: Bench) -> None:
    plan = bench.plan()
    bench.fault("write.00002.0", "error")
    with pytest.raises(TargetError):
        bench.apply(plan)
    (bench.folder / "source.version").write_text("2")
    with pytest.raises(PlanStale):
        bench.apply(plan)
    assert bench.keys() == list(range(20))


def test_a_collection_that_appears_after_the_plan_is_drift(bench: Bench) -> None:
    plan = bench.plan()
    with FakeTarget.at(bench.folder) as target, target.base:
        target.base.execute("INSERT INTO made VALUES ('articles', 'collection')")
    with pytest.raises(PlanStale, match="target articles: absent when planned, there now"):
        bench.apply(plan)


@pytest.mark.parametrize("on_drift", list(OnDrift))
def test_row_counts_follow_on_drift(bench: Bench, on_drift: OnDrift) -> None:
    bench.apply(bench.plan(rows=10, splits=1))
    plan = bench.plan(on_drift=on_drift, mode=Mode.UPSERT, write="upsert", name="second")
    with FakeTarget.at(bench.folder) as target, target.base:
        target.base.execute("DELETE FROM rows WHERE id = 5")
    if on_drift is OnDrift.FAIL:
        with pytest.raises(PlanStale, match="articles/rows: 10 rows when planned, 9 rows now"):
            bench.apply(plan)
        return
    bench.apply(plan)
    warned = [event.diagnostic.code for event in bench.told(Diagnosed)]
    assert warned == (["MMC632"] if on_drift is OnDrift.WARN else [])


def test_a_read_error_names_itself_and_is_recorded(bench: Bench) -> None:
    bench.fault("read.00003.0", "error")
    with pytest.raises(SourceError, match=r"read\.00003\.0"):
        bench.apply(bench.plan())
    run = bench.store.list_runs()[0]
    assert run.status is RunStatus.FAILED and "read.00003.0" in run.error


def test_an_unfinished_run_of_another_plan_is_named_with_both_ways_out(bench: Bench) -> None:
    first = bench.plan(name="first")
    second = bench.plan(name="second")
    bench.fault("write.00002.0", "error")
    with pytest.raises(TargetError):
        bench.apply(first)
    run = bench.store.list_runs()[0].id
    before = bench.calls()
    with pytest.raises(UnfinishedRun, match=f"run {run} of plan `first`") as caught:
        bench.apply(second)
    assert "mmc apply" in caught.value.hint and f"mmc state forget {run}" in caught.value.hint
    assert bench.calls() == before
    bench.apply(first)
    assert bench.keys() == ALL
    with pytest.raises(PlanStale, match="target articles: absent when planned, there now"):
        bench.apply(second)


def test_a_forgotten_run_no_longer_blocks(bench: Bench) -> None:
    first = bench.plan(name="first")
    bench.fault("write.00002.0", "error")
    with pytest.raises(TargetError):
        bench.apply(first)
    bench.store.forget(bench.store.list_runs()[0].id)
    replaced = bench.plan(name="second", mode=Mode.REPLACE)
    assert bench.apply(replaced).outcome is RunStatus.APPLIED
    assert bench.keys() == ALL


def test_replace_drops_once_however_often_it_is_applied(bench: Bench) -> None:
    bench.apply(bench.plan(rows=7, splits=1))
    plan = bench.plan(mode=Mode.REPLACE, name="second")
    bench.fault("write.00002.0", "error")
    with pytest.raises(TargetError):
        bench.apply(plan)
    bench.apply(plan)
    assert bench.keys() == ALL
    assert bench.calls().count("ensure") == 2
    assert bench.calls().count("drop") == 1


@pytest.mark.parametrize("place", ["drop.before", "drop.after", "ensure.before", "ensure.after"])
def test_a_replace_that_was_cut_off_goes_on(bench: Bench, place: str) -> None:
    """What the run itself dropped is no drift."""
    bench.apply(bench.plan(rows=7, splits=1))
    plan = bench.plan(mode=Mode.REPLACE, name="second")
    bench.fault(place, "crash")
    with pytest.raises(Crash):
        bench.apply(plan)
    assert bench.apply(plan).outcome is RunStatus.APPLIED
    assert bench.keys() == ALL


@pytest.mark.parametrize("mode", [Mode.APPEND, Mode.UPSERT])
def test_append_and_upsert_keep_what_was_there(bench: Bench, mode: Mode) -> None:
    bench.apply(bench.plan(rows=1, splits=1))
    with FakeTarget.at(bench.folder) as target, target.base:
        target.base.execute(
            """UPDATE rows SET id = 777, row = replace(row, '"id": 0', '"id": 777')"""
        )
    plan = bench.plan(mode=mode, write="upsert", name="second")
    report = bench.apply(plan)
    assert report.outcome is RunStatus.APPLIED, report.verified
    assert bench.keys() == [*ALL, 777]
    assert report.verified[0].rows_found == report.verified[0].rows_expected == 41


def _twice(bench: Bench) -> None:
    """The target holds each of its keys two times, and one key that is not of the source."""
    with FakeTarget.at(bench.folder) as target, target.base:
        target.base.execute("INSERT INTO rows SELECT * FROM rows")
        target.base.execute(
            """UPDATE rows SET id = 777, row = replace(row, '"id": 0', '"id": 777')
            WHERE rowid = (SELECT max(rowid) FROM rows WHERE id = 0)"""
        )


def test_an_upsert_replaces_every_row_of_a_key(bench: Bench) -> None:
    """Also when it is killed on the way: what was replaced is counted before the first row."""
    bench.apply(bench.plan(rows=10, splits=1))
    _twice(bench)
    plan = bench.plan(mode=Mode.UPSERT, write="upsert", name="second")
    bench.fault("write.00002.0", "error")
    with pytest.raises(TargetError):
        bench.apply(plan)
    report = bench.apply(plan)
    assert report.outcome is RunStatus.APPLIED, report.verified
    assert bench.store.steps(report.run)["keys.articles"].result == {"rows": 40, "held": 19}
    assert bench.keys() == [*ALL, 777]
    assert report.verified[0].rows_found == report.verified[0].rows_expected == 41

    with FakeTarget.at(bench.folder) as target, target.base:
        target.base.execute("DELETE FROM rows WHERE id = 777")
    (again,) = verify_plan(plan, store=bench.store, emit=bench.events.append)
    assert again.problems == ("MMC701: the target counts 40 rows, 41 were expected",)


def test_a_collection_dropped_between_two_attempts_is_missed(bench: Bench) -> None:
    plan = bench.plan()
    bench.fault("write.00002.0", "error")
    with pytest.raises(TargetError):
        bench.apply(plan)
    with FakeTarget.at(bench.folder) as target, target.base:
        target.base.execute("DELETE FROM made")
        target.base.execute("DELETE FROM rows")
    with pytest.raises(PlanStale, match="is not there any more") as caught:
        bench.apply(plan)
    assert caught.value.code == "MMC635" and bench.keys() == []
    bench.store.forget(bench.store.list_runs()[0].id)
    assert bench.apply(plan).outcome is RunStatus.APPLIED
    assert bench.keys() == ALL


@pytest.mark.parametrize("end", ["source", "target"])
def test_options_that_do_not_fit_are_told_before_anything_is_made(bench: Bench, end: str) -> None:
    plan = bench.plan()
    said = {**getattr(plan, end).options, "rows": "many", "folders": 1}
    edited = Endpoint("fake", tuple(sorted(said.items())))
    plan = replace(plan, **{end: edited})
    with pytest.raises(MmcError, match=rf"do not fit: {end}\.") as caught:
        bench.apply(plan)
    assert caught.value.code == "MMC126" and bench.calls() == []


def test_a_plan_that_was_applied_elsewhere_is_not_taken_for_done(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative path is another place in another folder, whatever a shared state store says."""
    plan = bench.plan()
    target = dict(plan.target.config) | {"path": "here"}
    plan = replace(plan, target=Endpoint("fake", tuple(sorted(target.items()))))
    monkeypatch.chdir(bench.folder)
    bench.apply(plan)
    monkeypatch.chdir(bench.folder.parent)
    for again in (bench.apply, lambda it: verify_plan(it, store=bench.store, emit=print)):
        with pytest.raises(StateError, match="wrote to another place") as caught:
            again(plan)
        assert caught.value.code == "MMC634"
    monkeypatch.chdir(bench.folder)
    assert bench.apply(plan).outcome is RunStatus.APPLIED and bench.told(NothingToDo)


@pytest.mark.parametrize("mode", [Mode.APPEND, Mode.UPSERT])
def test_the_count_is_judged_by_the_rows_that_were_there_at_apply(bench: Bench, mode: Mode) -> None:
    bench.apply(bench.plan(rows=10, splits=1))
    plan = bench.plan(
        mode=mode, write="upsert", name="second", where="id >= 10", on_drift=OnDrift.WARN
    )
    with FakeTarget.at(bench.folder) as target, target.base:
        target.base.execute("DELETE FROM rows WHERE id < 5")
    bench.fault("written.00002.1", "error")
    with pytest.raises(TargetError):
        bench.apply(plan)
    report = bench.apply(plan)
    assert report.outcome is RunStatus.APPLIED, report.verified
    assert report.verified[0].rows_found == 35
    assert verify_plan(plan, store=bench.store, emit=bench.events.append)[0].ok


def test_finished_steps_and_their_times_are_on_record(bench: Bench) -> None:
    report = bench.apply(bench.plan())
    steps = bench.store.steps(report.run)
    assert [record.kind for record in steps.values() if record.done] == sorted(
        STEPS, key=lambda kind: next(r.step for r in steps.values() if r.kind == kind)
    )
    assert steps["keys.articles"].result == {"rows": 40}
    manifest = json.loads((bench.folder / "manifest.json").read_text())
    assert manifest["plan"] == report.plan_digest
    listed = manifest["files"]["copy.articles"]
    assert [(split, rows) for split, rows, _ in listed] == [(f"{n:05}", 10) for n in range(4)]


def test_a_collection_that_was_loaded_first_may_have_other_rows_than_were_stored(
    bench: Bench,
) -> None:
    """Stored rows, which is what the plan knows, have deleted ones among them."""
    bench.apply(bench.plan(rows=10, splits=1))
    plan = bench.plan(mode=Mode.APPEND, name="second", where="id >= 10")
    plan = replace(
        plan, steps=(LoadCollection(id="open.articles", collection="articles"), *plan.steps)
    )
    bench.fault("read.00000.0", "error")
    with pytest.raises(SourceError):
        bench.apply(plan)
    assert bench.calls()[-1] == "load"
    with FakeTarget.at(bench.folder) as target, target.base:
        target.base.execute("DELETE FROM rows WHERE id < 5")
    report = bench.apply(plan)
    assert report.outcome is RunStatus.APPLIED, report.verified
    assert bench.keys() == ALL[5:]


@pytest.mark.parametrize("mode", [Mode.APPEND, Mode.UPSERT])
def test_rows_of_before_are_counted_in_each_partition(bench: Bench, mode: Mode) -> None:
    parts = ("p", "q")
    bench.apply(bench.plan(rows=10, splits=2, partitions=parts))
    plan = bench.plan(mode=mode, write="upsert", name="second", where="id >= 10", partitions=parts)
    assert bench.apply(plan).outcome is RunStatus.APPLIED
    assert verify_plan(plan, store=bench.store, emit=print)[0].ok
    with FakeTarget.at(bench.folder) as target, target.base:
        target.base.execute("UPDATE rows SET part = 'q' WHERE part = 'p' AND id >= 10")
    (verdict,) = verify_plan(plan, store=bench.store, emit=print)
    assert not verdict.ok
    assert verdict.problems[0].startswith("MMC710: partition `p` counts 5 rows, ")


@pytest.mark.parametrize("kind", ["copy_splits", "verify"])
def test_a_state_that_was_deleted_is_no_success(bench: Bench, kind: str) -> None:
    """However short a time is left: the next apply would know nothing of this one."""

    def emit(event: Event) -> None:
        if isinstance(event, StepDone) and event.kind == kind:
            shutil.rmtree(bench.folder / "state")

    with pytest.raises(LeaseLost, match=r"state\.db was deleted or replaced meanwhile"):
        bench.apply(bench.plan(), emit=emit)
