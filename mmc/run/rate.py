"""The rate at which a target is written to: as fast as it takes rows, until it refuses some for
now. Knows errors and events, no target.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from mmc.errors import TargetThrottled
from mmc.events import Emit, Paced
from mmc.run.pace import never, wait

if TYPE_CHECKING:
    import pyarrow as pa

    from mmc.spi import Writer

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds before what a target refused for now is sent again: first, and longest."""
LEAST_RATE = 64 * 1024.0
"""Bytes a second, below which a rate is not cut."""
CUT_SECONDS = 1.0
"""Least time between two cuts of a rate: several threads are refused at once."""
TAKEN_SECONDS = 10.0
"""Time over which it is measured how fast a target takes rows."""


class Rate(Protocol):
    """How fast a target is written to, by all who share this rate. For any thread. An executor of
    several machines may share one between them; `LocalRate` is that of one process.
    """

    def reserve(self, size: int) -> float:
        """Seconds to wait until a batch of this many bytes may be sent."""

    def took(self, size: int) -> None:
        """The target took as many bytes."""

    def refused(self, wait: float) -> float:
        """The target refused a batch, which will be sent again in `wait` seconds. Gives the bytes
        a second from now on.
        """


def write_paced(
    what: str,
    writer: Writer,
    batch: pa.RecordBatch,
    *,
    rate: Rate,
    emit: Emit,
    should_stop: Callable[[], bool] = never,
    attempts: int = 10,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Has the writer write a batch, at this rate; False when a stop was asked for while it waited.
    What is refused for now is told by a Paced event, and given again.

    Raises:
        TargetThrottled: it took nothing `attempts` times, over a minute at least.
        TargetError: what else the writer raises.
    """
    refused = 0
    while True:
        if not wait(rate.reserve(batch.nbytes), should_stop, sleep):
            return False
        try:
            writer.write(batch)
        except TargetThrottled as error:
            refused = 1 if error.rows_written else refused + 1
            if refused >= attempts:
                raise
            rate.took(batch.slice(0, error.rows_written).nbytes)
            batch = batch.slice(error.rows_written)
            seconds = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (refused - 1))
            emit(Paced(what, str(error), int(rate.refused(seconds)), seconds))
        else:
            rate.took(batch.nbytes)
            return True


class LocalRate:
    """The rate of one process, over all its threads. There is no limit until the target refuses
    rows; then it is half of what the target took, and with each batch that it takes a little more,
    until it refuses again.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._most = 0.0
        """Bytes a second; 0 while there is no limit."""
        self._step = 0.0
        self._free_at = 0.0
        self._cut_at = -CUT_SECONDS
        self._taken: deque[tuple[float, int]] = deque()

    def reserve(self, size: int) -> float:
        """See `Rate`."""
        with self._lock:
            now = self._clock()
            starts = max(now, self._free_at)
            if self._most:
                self._free_at = starts + size / self._most
            return starts - now

    def took(self, size: int) -> None:
        """See `Rate`."""
        with self._lock:
            now = self._clock()
            self._taken.append((now, size))
            while self._taken[0][0] < now - TAKEN_SECONDS:
                self._taken.popleft()
            self._most += self._step

    def refused(self, wait: float) -> float:
        """Halves the rate, once for all threads that are refused at a time; nobody sends within the
        wait.
        """
        with self._lock:
            now = self._clock()
            if now - self._cut_at >= CUT_SECONDS:
                since = min(now - self._taken[0][0], TAKEN_SECONDS) if self._taken else 0.0
                taken = sum(size for _, size in self._taken) / max(since, 1.0)
                most = min(self._most, taken) if self._most else taken
                self._most = max(most / 2, LEAST_RATE)
                self._step = self._most / 20
                self._cut_at = now
            self._free_at = max(self._free_at, now + wait)
            return self._most
