"""Retries: what is tried again, how long is waited, and who can stop it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mmc.errors import MmcError, TargetBusy, TargetError, TargetThrottled
from mmc.events import Event, Paced, Retrying
from mmc.run.pace import SLICE_SECONDS, Rate, call


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


class Server:
    """Takes `most` bytes a second, after a first second's worth; time passes while one sleeps, and
    0.001 s a call.
    """

    def __init__(self, most: float) -> None:
        self.now, self.most, self.tokens, self.filled = 0.0, most, most, 0.0
        self.taken = self.refused = 0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def write(self, batch: pa.RecordBatch) -> None:
        self.now += 0.001
        self.tokens = min(self.most, self.tokens + (self.now - self.filled) * self.most)
        self.filled = self.now
        if self.tokens <= 0:
            self.refused += 1
            raise TargetThrottled("rate limit exceeded")
        self.tokens -= batch.nbytes
        self.taken += batch.nbytes


def test_a_target_that_refuses_rows_gets_them_as_fast_as_it_takes_them() -> None:
    server = Server(1_000_000.0)
    rate = Rate(clock=server.clock, sleep=server.sleep)
    batch = pa.record_batch({"x": np.zeros(12_500, np.int64)})
    told: list[Paced] = []
    writer: Any = server
    for _ in range(600):
        assert rate.write("write", writer, batch, emit=told.append)  # type: ignore[arg-type]
    assert server.taken == 60_000_000
    assert server.refused == len(told) < 40
    assert server.taken / server.now > 0.6 * server.most
    assert all(200_000 < event.bytes_per_second < 1_000_000 for event in told[2:])


def test_a_target_that_refuses_nothing_is_not_slowed() -> None:
    server = Server(1e12)
    rate = Rate(clock=server.clock, sleep=server.sleep)
    writer: Any = server
    for _ in range(100):
        rate.write("write", writer, pa.record_batch({"x": [1]}), emit=lambda event: None)
    assert server.now == pytest.approx(0.1)


def test_a_target_that_takes_nothing_is_given_up_after_a_minute() -> None:
    server = Server(0.0)
    rate = Rate(clock=server.clock, sleep=server.sleep)
    writer: Any = server
    with pytest.raises(TargetThrottled):
        rate.write("write", writer, pa.record_batch({"x": [1]}), emit=lambda event: None)
    assert (server.refused, server.taken) == (10, 0)
    assert server.now > 60


def test_a_stop_while_a_target_is_given_time() -> None:
    server = Server(0.0)
    rate = Rate(clock=server.clock, sleep=server.sleep)
    writer: Any = server
    told: list[Event] = []
    batch = pa.record_batch({"x": [1]})
    assert not rate.write("w", writer, batch, emit=told.append, should_stop=lambda: bool(told))
    assert server.refused == 1 and server.now <= SLICE_SECONDS + 0.01
