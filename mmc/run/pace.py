"""Retries, the one place where a call is tried again, and the rate at which a target is written to.
Knows errors and events, no source or target.

Waits grow exponentially, each up to half of it shorter at random, so that many workers do not
return at once. Not shorter: what is tried again has at least a minute, in which a Milvus that was
restarted on a busy machine has found its nodes. With the whole wait random, eight attempts were
over after 10 to 60 seconds, which was too soon.
"""

from __future__ import annotations

import random as _random
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from mmc.errors import MmcError, TargetThrottled
from mmc.events import Emit, Paced, Retrying

if TYPE_CHECKING:
    import pyarrow as pa

    from mmc.spi import Writer

T = TypeVar("T")

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds before what a target refused for now is sent again: first, and longest."""
LEAST_RATE = 64 * 1024.0
"""Bytes a second, below which a rate is not cut."""
CUT_SECONDS = 1.0
"""Least time between two cuts of a rate: several threads are refused at once."""
TAKEN_SECONDS = 10.0
"""Time over which it is measured how fast a target takes rows."""

SLICE_SECONDS = 0.25
"""Longest single sleep: a stop is seen this soon."""


def never() -> bool:
    """The stop flag of a call that nobody stops."""
    return False


def call(
    what: str,
    function: Callable[[], T],
    *,
    emit: Emit,
    attempts: int = 10,
    first_wait: float = 0.5,
    longest_wait: float = 30.0,
    should_stop: Callable[[], bool] = never,
    sleep: Callable[[float], None] = time.sleep,
    random: Callable[[], float] = _random.random,
) -> T:
    """Calls `function`, again and again while it fails in a way that may pass.

    Only an MmcError with `retryable` is tried again; any other exception passes through at once.
    The call must be harmless to repeat. Each wait is between half and the whole of
    `min(longest_wait, first_wait * 2**n)` seconds and is announced by a Retrying event; as it
    stands, all waits are 61 seconds together at least, and 121 at most.

    Args:
        what: for the event, such as "write split 00007".
        attempts: most calls in all, at least 1.
        should_stop: asked before and during each wait; when true, the last error is raised.
        random: gives a float in [0, 1).

    Raises:
        MmcError: the last error, once it is final, attempts are used up, or `should_stop` says so.
    """
    attempt = 1
    while True:
        try:
            return function()
        except MmcError as error:
            if not error.retryable or attempt >= attempts or should_stop():
                raise
            longest = min(longest_wait, first_wait * 2 ** (attempt - 1))
            wait = longest * (1 + random()) / 2
            emit(Retrying(what, str(error), attempt, wait))
            if not _wait(wait, should_stop, sleep):
                raise
        attempt += 1


def _wait(seconds: float, should_stop: Callable[[], bool], sleep: Callable[[float], None]) -> bool:
    """Sleeps in slices; False when a stop was asked for meanwhile."""
    while seconds > 0:
        piece = min(seconds, SLICE_SECONDS)
        sleep(piece)
        seconds -= piece
        if should_stop():
            return False
    return True


class Rate:
    """How fast a target is written to, over all threads that share it: as fast as it takes rows,
    until it refuses some for now. Then at half of what it took, and with each batch that it takes a
    little faster, until it refuses again.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._most = 0.0
        """Bytes a second; 0 while there is no limit."""
        self._step = 0.0
        self._free_at = 0.0
        self._cut_at = -CUT_SECONDS
        self._taken: deque[tuple[float, int]] = deque()

    def write(
        self,
        what: str,
        writer: Writer,
        batch: pa.RecordBatch,
        *,
        emit: Emit,
        should_stop: Callable[[], bool] = never,
        attempts: int = 10,
    ) -> bool:
        """Has the writer write a batch, at this rate; False when a stop was asked for while it
        waited. What is refused for now is told by a Paced event, and given again.

        Raises:
            TargetThrottled: it took nothing `attempts` times, over a minute at least.
            TargetError: what else the writer raises.
        """
        refused = 0
        while True:
            if not _wait(self._reserve(batch.nbytes), should_stop, self._sleep):
                return False
            try:
                writer.write(batch)
            except TargetThrottled as error:
                refused = 1 if error.rows_written else refused + 1
                if refused >= attempts:
                    raise
                self._took(batch.slice(0, error.rows_written).nbytes)
                batch = batch.slice(error.rows_written)
                wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (refused - 1))
                emit(Paced(what, str(error), int(self._cut(wait)), wait))
            else:
                self._took(batch.nbytes)
                return True

    def _reserve(self, size: int) -> float:
        """Seconds to wait until a batch of this size may be sent."""
        with self._lock:
            now = self._clock()
            starts = max(now, self._free_at)
            if self._most:
                self._free_at = starts + size / self._most
            return starts - now

    def _took(self, size: int) -> None:
        with self._lock:
            now = self._clock()
            self._taken.append((now, size))
            while self._taken[0][0] < now - TAKEN_SECONDS:
                self._taken.popleft()
            self._most += self._step

    def _cut(self, wait: float) -> float:
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
