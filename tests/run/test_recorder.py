"""What a run says is in its state store when it ends, however it ends, and while the store is away
a bounded number waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pytest

from mmc.errors import LeaseLost, RowsRejected, StateBusy
from mmc.events import (
    Diagnosed,
    Event,
    Failed,
    ImportProgress,
    IndexProgress,
    RunFinished,
    RunStarted,
    SplitProgress,
    SplitStarted,
    StepDone,
    StepStarted,
    VerifyProgress,
)
from mmc.plan.model import OnError
from mmc.progress import Reading
from mmc.run.recorder import Recorder
from mmc.state.eventlog import all_events, read_progress
from mmc.state.living import standings
from mmc.state.store import RunStatus
from tests.run.conftest import Bench

ALL = list(range(40))
MOVING = (SplitProgress, VerifyProgress, IndexProgress, ImportProgress)


def recorded(bench: Bench) -> list[Event]:
    (run,) = bench.store.list_runs()
    return [it.event for it in all_events(bench.store.database, run.id)]


def said(bench: Bench) -> list[Event]:
    return [event for event in bench.events if not isinstance(event, MOVING)]


def test_all_that_a_run_says_is_recorded_but_for_its_progress(bench: Bench) -> None:
    bench.apply(bench.plan())
    assert recorded(bench) == said(bench)
    assert isinstance(recorded(bench)[0], RunStarted)
    assert isinstance(recorded(bench)[-1], RunFinished)
    (standing,) = standings(bench.store, bench.store.list_runs())
    assert [it.status for it in standing.attempts] == [RunStatus.APPLIED]


def test_a_failed_run_ends_with_its_error_and_the_next_attempt_follows(bench: Bench) -> None:
    plan = bench.plan(bad=[7], on_error=OnError.FAIL)
    with pytest.raises(RowsRejected):
        bench.apply(plan)
    first = said(bench)
    *before, last = recorded(bench)
    assert before == first
    assert isinstance(last, Failed)
    assert (last.error, last.exit_code) == ("RowsRejected", 1)
    with pytest.raises(RowsRejected):
        bench.apply(plan)
    assert recorded(bench)[: len(first) + 1] == [*first, last]
    (standing,) = standings(bench.store, bench.store.list_runs())
    assert [it.status for it in standing.attempts] == [RunStatus.FAILED] * 2


def test_a_plan_that_is_refused_leaves_no_event(bench: Bench) -> None:
    plan = bench.plan()
    bench.apply(plan)
    before = recorded(bench)
    bench.apply(plan)
    assert recorded(bench) == before, "nothing was to do"


class Away:
    """A log that does not answer until it is told to."""

    def __init__(self, back_after: int = 10**9, ours: bool = True) -> None:
        self.back_after = back_after
        self.ours = ours
        self.calls = 0
        self.events: list[Event] = []
        self.running: list[dict[str, Reading]] = []

    def write(
        self, said: Sequence[tuple[datetime, Event]], running: Mapping[str, Reading], now: datetime
    ) -> bool:
        self.calls += 1
        if self.calls <= self.back_after:
            raise StateBusy("gone away")
        if self.ours:
            self.events += [event for _, event in said]
            self.running.append(dict(running))
        return self.ours


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmc.run.recorder.WRITE_SECONDS", 0.01)
    monkeypatch.setattr("mmc.run.recorder.PROGRESS_SECONDS", 0.02)


def split(number: int) -> SplitStarted:
    return SplitStarted("copy", f"{number:05}", 1)


def log(away: Away) -> Any:
    return away


def test_a_store_that_is_away_for_a_while_gets_everything_later(quick: None) -> None:
    heard: list[Event] = []
    recorder, away = Recorder(heard.append), Away(back_after=3)
    with recorder.into(log(away)):
        for number in range(5):
            recorder(split(number))
        wait_for(lambda: len(away.events) == 5)
    assert away.events == heard == [split(number) for number in range(5)]


@pytest.mark.parametrize("back", [True, False])
def test_what_is_lost_is_counted(quick: None, back: bool) -> None:
    heard: list[Event] = []
    recorder, away = Recorder(heard.append, most_waiting=3), Away()
    with recorder.into(log(away)):
        for number in range(8):
            recorder(split(number))
        wait_for(lambda: away.calls > 1)
        if back:
            away.back_after = 0
    assert away.events == ([split(number) for number in range(5, 8)] if back else [])
    (note,) = [event.diagnostic for event in heard if isinstance(event, Diagnosed)]
    assert note.code == "MMC664"
    assert note.message.startswith("5 events" if back else "8 events")
    assert ("gone away" in note.message) is not back


def test_nothing_waits_for_a_lease_that_another_has(quick: None) -> None:
    heard: list[Event] = []
    recorder, away = Recorder(heard.append), Away(back_after=0, ours=False)
    with pytest.raises(LeaseLost), recorder.into(log(away)):
        recorder(split(1))
        wait_for(lambda: away.calls > 0)
        recorder(split(2))
        raise LeaseLost("taken over")
    assert heard == [split(1), split(2)]
    assert away.events == []


def test_progress_is_told_while_a_step_runs_even_when_it_is_silent(quick: None) -> None:
    recorder, away = Recorder(lambda _: None), Away(back_after=0)
    with recorder.into(log(away)):
        recorder(StepStarted(step="copy", kind="copy_splits", label="copy a", rows=100))
        recorder(SplitProgress("copy", "00000", 40, 0))
        wait_for(lambda: len([it for it in away.running if it]) >= 3)
        recorder(StepDone(step="copy", kind="copy_splits", label="copy a", seconds=1.0))
        wait_for(lambda: len(away.events) == 2)
    assert {it["copy"].rows for it in away.running if it} >= {40}
    assert away.running[-1] == {}
    assert [type(event) for event in away.events] == [StepStarted, StepDone]


def test_events_of_many_threads_are_all_recorded(quick: None) -> None:
    recorder, away = Recorder(lambda _: None), Away(back_after=2)
    with recorder.into(log(away)):
        threads = [
            threading.Thread(
                target=lambda first=first: [recorder(split(first + it)) for it in range(200)]
            )
            for first in (0, 200, 400)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_for(lambda: away.calls > 2)
    assert sorted(str(event) for event in away.events) == [str(split(it)) for it in range(600)]


def test_the_progress_of_a_run_is_in_the_store(bench: Bench, quick: None) -> None:
    seen: list[dict[str, Any]] = []

    def emit(event: Event) -> None:
        if isinstance(event, StepDone) and event.kind == "copy_splits" and not seen:
            (run,) = bench.store.list_runs()
            wait_for(lambda: bool(read_progress(bench.store.database, run.id, 1)))
            seen.append(dict(read_progress(bench.store.database, run.id, 1)))

    bench.apply(bench.plan(), emit=emit)
    (reading,) = [it.reading for name, it in seen[0].items() if name.startswith("copy")]
    assert reading.total_rows == len(ALL)
