"""The one flag by which a run is asked to stop, and the signals that set it. Knows nothing of plans
and splits.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from mmc.errors import MmcError, Stopped


class SplitStopped(MmcError):
    """The split saw the stop flag between batches and undid what it could; it will be replayed."""


class StopFlag:
    """Asked at every batch and before every effect. Setting it again, or from another thread, is
    harmless.
    """

    def __init__(self) -> None:
        self.signal_number = 0

    def request(self, signal_number: int = signal.SIGINT) -> None:
        """Asks the run to stop. The first request decides the exit code."""
        if not self.signal_number:
            self.signal_number = signal_number

    def __call__(self) -> bool:
        return self.signal_number != 0

    def check(self) -> None:
        """Raises Stopped when a stop was asked for."""
        if self.signal_number:
            raise self.error()

    def error(self) -> Stopped:
        """What a run ends with that was asked to stop."""
        name = signal.Signals(self.signal_number).name
        return Stopped(
            f"stopped by {name}; apply the same plan again to continue", self.signal_number
        )


@contextmanager
def on_signals(stop: StopFlag) -> Iterator[StopFlag]:
    """SIGINT and SIGTERM ask `stop` once; the second signal ends the process at once. Main thread
    only.

    The second one is as hard as a kill: nothing is cleaned up, and the next apply replays what was
        begun.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop():
            os._exit(128 + number)
        stop.request(number)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ending_of(error: BaseException, stop: StopFlag) -> BaseException:
    """What a run ends with: Stopped, when it was asked to and `error` only says that it did."""
    gave_up = isinstance(error, (Stopped, SplitStopped)) or getattr(error, "retryable", False)
    if stop() and gave_up:
        return stop.error()
    return error
