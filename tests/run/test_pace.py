"""Retries: what is tried again, how long is waited, and who can stop it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mmc.errors import MmcError, TargetBusy, TargetError
from mmc.events import Event, Retrying
from mmc.run.pace import SLICE_SECONDS, call


@pytest.fixture(autouse=True)
def no_waiting() -> None:
    """Replaces the fixture of this folder that takes the waits away: here they are the point."""


class Script:
    """A function that fails as told, then gives "done"."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


class Clock:
    """Sleeps without sleeping."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)


def busy(count: int) -> list[Exception]:
    return [TargetBusy(f"busy {number}") for number in range(1, count + 1)]


def run(
    script: Script,
    events: list[Event],
    clock: Clock,
    *,
    attempts: int = 8,
    random: Callable[[], float] = lambda: 1.0,
    should_stop: Callable[[], bool] = lambda: False,
) -> str:
    return call(
        "write split 00007",
        script,
        emit=events.append,
        attempts=attempts,
        first_wait=1.0,
        longest_wait=5.0,
        should_stop=should_stop,
        sleep=clock,
        random=random,
    )


def test_a_call_that_works_waits_for_nothing() -> None:
    events: list[Event] = []
    script, clock = Script(), Clock()
    assert run(script, events, clock) == "done"
    assert (script.calls, events, clock.slept) == (1, [], [])


def test_waits_double_up_to_the_longest() -> None:
    events: list[Event] = []
    script, clock = Script(*busy(5)), Clock()
    assert run(script, events, clock) == "done"
    waits = [1.0, 2.0, 4.0, 5.0, 5.0]
    assert events == [
        Retrying("write split 00007", f"busy {number}", number, wait)
        for number, wait in enumerate(waits, 1)
    ]
    assert sum(clock.slept) == pytest.approx(sum(waits))
    assert max(clock.slept) <= SLICE_SECONDS


def test_jitter_takes_up_to_half_of_the_wait_away() -> None:
    events: list[Event] = []
    parts = iter([0.0, 0.5, 0.25])
    run(Script(*busy(3)), events, Clock(), random=lambda: next(parts))
    waits = [event.wait_seconds for event in events if isinstance(event, Retrying)]
    assert waits == [0.5, 1.5, 2.5]


def test_what_is_tried_again_has_a_minute_at_least() -> None:
    """A restarted server that is busy needs it; however the random parts fall."""
    clock = Clock()
    with pytest.raises(TargetBusy):
        call("x", Script(*busy(99)), emit=[].append, sleep=clock, random=lambda: 0.0)
    assert 60 < sum(clock.slept) < 62


def test_the_last_error_is_raised_when_attempts_are_used_up() -> None:
    events: list[Event] = []
    script = Script(*busy(9))
    with pytest.raises(TargetBusy, match="busy 3"):
        run(script, events, Clock(), attempts=3)
    assert (script.calls, len(events)) == (3, 2)


@pytest.mark.parametrize("error", [TargetError("no"), MmcError("no"), KeyError("bug")])
def test_what_is_final_is_not_tried_again(error: Exception) -> None:
    script = Script(*busy(1), error)
    with pytest.raises(type(error), match=r"no|bug"):
        run(script, [], Clock())
    assert script.calls == 2


def test_a_stop_before_the_wait() -> None:
    events: list[Event] = []
    script, clock = Script(*busy(2)), Clock()
    with pytest.raises(TargetBusy, match="busy 1"):
        run(script, events, clock, should_stop=lambda: True)
    assert (script.calls, events, clock.slept) == (1, [], [])


def test_a_stop_while_waiting_is_seen_soon() -> None:
    script, clock = Script(*busy(2)), Clock()
    with pytest.raises(TargetBusy, match="busy 1"):
        run(script, [], clock, should_stop=lambda: len(clock.slept) >= 2)
    assert script.calls == 1
    assert sum(clock.slept) == pytest.approx(2 * SLICE_SECONDS)
