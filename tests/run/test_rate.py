"""The rate of writing: as fast as a target takes rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mmc.errors import TargetThrottled
from mmc.events import Event, Paced
from mmc.run.pace import SLICE_SECONDS
from mmc.run.rate import LocalRate, write_paced


@pytest.fixture(autouse=True)
def no_waiting() -> None:
    """Replaces the fixture of this folder that takes the waits away: here they are the point."""


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


def _paced(server: Server) -> Callable[..., bool]:
    rate = LocalRate(clock=server.clock)
    return partial(write_paced, rate=rate, sleep=server.sleep)


def test_a_target_that_refuses_rows_gets_them_as_fast_as_it_takes_them() -> None:
    server = Server(1_000_000.0)
    paced = _paced(server)
    batch = pa.record_batch({"x": np.zeros(12_500, np.int64)})
    told: list[Paced] = []
    writer: Any = server
    for _ in range(600):
        assert paced("write", writer, batch, emit=told.append)  # type: ignore[arg-type]
    assert server.taken == 60_000_000
    assert server.refused == len(told) < 40
    assert server.taken / server.now > 0.6 * server.most
    assert all(200_000 < event.bytes_per_second < 1_000_000 for event in told[2:])


def test_a_target_that_refuses_nothing_is_not_slowed() -> None:
    server = Server(1e12)
    paced = _paced(server)
    writer: Any = server
    for _ in range(100):
        paced("write", writer, pa.record_batch({"x": [1]}), emit=lambda event: None)
    assert server.now == pytest.approx(0.1)


def test_a_target_that_takes_nothing_is_given_up_after_a_minute() -> None:
    server = Server(0.0)
    paced = _paced(server)
    writer: Any = server
    with pytest.raises(TargetThrottled):
        paced("write", writer, pa.record_batch({"x": [1]}), emit=lambda event: None)
    assert (server.refused, server.taken) == (10, 0)
    assert server.now > 60


def test_a_stop_while_a_target_is_given_time() -> None:
    server = Server(0.0)
    paced = _paced(server)
    writer: Any = server
    told: list[Event] = []
    batch = pa.record_batch({"x": [1]})
    assert not paced("w", writer, batch, emit=told.append, should_stop=lambda: bool(told))
    assert server.refused == 1 and server.now <= SLICE_SECONDS + 0.01
