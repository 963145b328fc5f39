"""Splits side by side in threads of the driver."""

from __future__ import annotations

import threading

import pytest

from mmc.errors import Stopped, TargetError
from mmc.events import Quarantined, SplitDone, SplitStarted
from mmc.plan.model import ExecutorKind, OnError
from mmc.run.stop import StopFlag
from mmc.state.store import RunStatus
from tests.run.conftest import Bench

ALL = list(range(40))


def _threads() -> list[str]:
    return [it.name for it in threading.enumerate() if it.name.startswith("mmc-split")]


def test_two_threads_copy_everything_once(bench: Bench) -> None:
    plan = bench.plan(
        workers=2,
        executor=ExecutorKind.THREADS,
        rows=80,
        splits=8,
        on_error=OnError.QUARANTINE,
        bad=[5, 77],
    )
    report = bench.apply(plan)
    assert report.outcome is RunStatus.PARTIAL
    assert bench.keys() == [row for row in range(80) if row not in (5, 77)]
    assert len(bench.told(SplitStarted)) == len(bench.told(SplitDone)) == 8
    assert sorted(event.split for event in bench.told(Quarantined)) == ["00000", "00007"]
    assert report.verified[0].ok
    assert _threads() == []


def test_a_failed_split_stops_the_others_and_the_next_apply_finishes(bench: Bench) -> None:
    plan = bench.plan(workers=2, executor=ExecutorKind.THREADS, rows=40, splits=4)
    bench.fault("commit.00001", "error")
    with pytest.raises(TargetError):
        bench.apply(plan)
    assert _threads() == []
    assert bench.store.list_runs()[0].status is RunStatus.FAILED
    assert bench.apply(plan).outcome is RunStatus.APPLIED
    assert bench.keys() == ALL


def test_a_stop_ends_the_threads_at_their_next_batch(bench: Bench) -> None:
    plan = bench.plan(workers=2, executor=ExecutorKind.THREADS, rows=40, splits=4, batch_rows=2)
    stop = StopFlag()
    seen = 0

    def emit(event: object) -> None:
        nonlocal seen
        seen += isinstance(event, SplitStarted)
        if seen == 2:
            stop.request()

    from mmc.run.interpreter import apply_plan

    with pytest.raises(Stopped) as caught:
        apply_plan(plan, store=bench.store, emit=emit, directory=bench.folder / "mmc", stop=stop)
    assert caught.value.signal_number == 2
    assert _threads() == []
    assert bench.apply(plan).outcome is RunStatus.APPLIED
    assert bench.keys() == ALL
