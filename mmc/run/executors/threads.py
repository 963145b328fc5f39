"""Copies splits in threads of this process, which share the driver's open target.

For sources and sinks whose work is native code: while one split waits for the disk or hashes, the
other reads. Events and results come to the driver through one queue, so that only its thread emits.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

from mmc.copied import CopiedSplit
from mmc.events import Event
from mmc.plan.model import CopySplits
from mmc.run.executors.executor import Assignment, Driver
from mmc.run.executors.inprocess import InProcess, copy_here
from mmc.run.rate import LocalRate
from mmc.run.stop import SplitStopped
from mmc.spi import Target


@dataclass(frozen=True, slots=True)
class _Failed:
    """A split ended with this error."""

    error: BaseException


class Threads:
    """An executor of as many splits side by side as the plan has workers."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._rate = LocalRate()

    def __enter__(self) -> Threads:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """No thread outlives `copy`."""

    def copy(
        self, step: CopySplits, assignments: Iterator[Assignment], pending: int
    ) -> Generator[CopiedSplit, None, None]:
        workers = min(self._driver.plan.workers, pending)
        if workers <= 1:
            yield from InProcess(self._driver, self._rate).copy(step, assignments, pending)
            return
        target = self._driver.open_target(step.route)
        yield from _SideBySide(self._driver, self._rate, step, target).copy(assignments, workers)


class _SideBySide:
    """The threads of one step."""

    def __init__(self, driver: Driver, rate: LocalRate, step: CopySplits, target: Target) -> None:
        self._driver, self._rate, self._step, self._target = driver, rate, step, target
        self._messages: queue.SimpleQueue[Event | CopiedSplit | _Failed] = queue.SimpleQueue()
        self._give_up = threading.Event()

    def copy(
        self, assignments: Iterator[Assignment], workers: int
    ) -> Generator[CopiedSplit, None, None]:
        failure: BaseException | None = None
        busy = 0
        with ThreadPoolExecutor(workers, thread_name_prefix="mmc-split") as pool:
            try:
                while True:
                    while busy < workers and failure is None:
                        assignment = next(assignments, None)
                        if assignment is None:
                            break
                        pool.submit(self._work, assignment)
                        busy += 1
                    if not busy:
                        break
                    match self._messages.get():
                        case CopiedSplit() as copied:
                            busy -= 1
                            yield copied
                        case _Failed(error):
                            busy -= 1
                            if failure is None and not isinstance(error, SplitStopped):
                                failure = error
                                self._give_up.set()
                        case event:
                            self._driver.emit(event)
            finally:
                self._give_up.set()
        if failure is not None:
            raise failure

    def _work(self, assignment: Assignment) -> None:
        try:
            copied = copy_here(
                self._driver,
                self._target,
                self._step,
                assignment,
                rate=self._rate,
                emit=self._messages.put,
                should_stop=self._asked,
            )
        except BaseException as error:  # noqa: BLE001 - raised again in the driver's thread
            self._messages.put(_Failed(error))
        else:
            self._messages.put(copied)

    def _asked(self) -> bool:
        return self._give_up.is_set() or self._driver.should_stop()
