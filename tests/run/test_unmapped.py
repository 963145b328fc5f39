"""Values that no column took: counted over all attempts, a reason to stop, or dropped by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mmc.errors import RowsRejected
from mmc.events import Diagnosed, NothingToDo, RunFinished, SplitDone, Unmapped
from mmc.plan.model import CopySplits, OnError, Plan
from mmc.plan.reading import UnmappedMode
from mmc.report.counts import report_of
from mmc.report.report import make_report
from mmc.run.interpreter import verify_plan
from mmc.state.store import RunStatus
from tests.fakes import Crash
from tests.run.conftest import Bench

HIDDEN = (0, 3, 12, 25, 39)


def planned(bench: Bench, mode: UnmappedMode, *drop: str, **options: Any) -> Plan:
    plan = bench.plan(hidden=HIDDEN, **options)
    steps = tuple(
        replace(step, read=replace(step.read, unmapped=mode, unmapped_drop=drop))
        if isinstance(step, CopySplits)
        else step
        for step in plan.steps
    )
    return replace(plan, steps=steps)


def warnings(bench: Bench) -> list[str]:
    return [
        event.diagnostic.message
        for event in bench.told(Diagnosed)
        if event.diagnostic.code == "MMC637"
    ]


WARNING = "rows: 5 rows had values that no column took: `hidden` in 5 rows"


def test_the_count_is_over_all_attempts(bench: Bench) -> None:
    plan = planned(bench, UnmappedMode.REPORT)
    bench.fault("read.00002.1", "crash")
    with pytest.raises(Crash):
        bench.apply(plan)
    assert len(bench.told(SplitDone)) == 2 and warnings(bench) == []
    report = bench.apply(plan)
    assert report.outcome is RunStatus.PARTIAL
    assert report.copies[0].unmapped == Unmapped(5, (("hidden", 5),))
    assert warnings(bench) == [WARNING]
    assert bench.told(RunFinished)[0].rows_unmapped == 5
    made = make_report(plan, report)
    assert (made.exit_code, made.collections[0].unmapped.rows) == (3, 5)
    bench.apply(plan)
    assert bench.told(NothingToDo)[0].rows_unmapped == 5
    assert warnings(bench) == [WARNING]


def test_each_split_records_its_own(bench: Bench) -> None:
    plan = planned(bench, UnmappedMode.REPORT)
    run = bench.apply(plan).run
    counted = [record.result.unmapped.rows for record in bench.store.splits(run)]
    assert counted == [2, 1, 1, 1]
    assert all(verdict.ok for verdict in verify_plan(plan, store=bench.store, emit=lambda _: None))


def test_rows_that_are_not_written_do_not_count(bench: Bench) -> None:
    plan = planned(
        bench, UnmappedMode.REPORT, where="id <> 3", bad=(12,), on_error=OnError.QUARANTINE
    )
    report = bench.apply(plan)
    assert (report.rows_filtered, report.rows_quarantined) == (1, 1)
    assert report.copies[0].unmapped == Unmapped(3, (("hidden", 3),))


def test_fail_stops_before_success_is_said(bench: Bench) -> None:
    plan = planned(bench, UnmappedMode.FAIL)
    for _ in range(2):
        with pytest.raises(
            RowsRejected, match=r"copy.articles/00000 has .* `hidden` in 2 rows"
        ) as it:
            bench.apply(plan)
        assert it.value.code == "MMC638"
        assert bench.told(SplitDone) == []
        assert bench.told(RunFinished)[0].outcome == "failed"


@pytest.mark.parametrize(
    ("mode", "drop"),
    [(UnmappedMode.DROP, ()), (UnmappedMode.REPORT, ("hidden",)), (UnmappedMode.FAIL, ("hidden",))],
)
def test_what_the_spec_drops_is_a_yes(
    bench: Bench, mode: UnmappedMode, drop: tuple[str, ...]
) -> None:
    plan = planned(bench, mode, *drop)
    report = bench.apply(plan)
    assert report.outcome is RunStatus.APPLIED
    assert report.copies[0].unmapped == Unmapped()
    assert warnings(bench) == []
    assert make_report(plan, report_of(bench.store, bench.store.run(report.run))).exit_code == 0
