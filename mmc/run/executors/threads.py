"""Copies splits in threads of this process, which share the driver's open target.

For sources and sinks whose work is native code: while one split waits for the disk or hashes, the
other reads. Events and results come to the driver through one queue, so that only its thread emits.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

from mmc.copied import CopiedSplit
from mmc.events import Emit, Event
from mmc.plan.model import CopySplits
from mmc.run.executors.assignment import Assignment
from mmc.run.stop import SplitStopped
from mmc.spi import Target

CopyAssigned: TypeAlias = Callable[
    [CopySplits, Target, Assignment, Emit, Callable[[], bool]],
    CopiedSplit,
]


@dataclass(frozen=True, slots=True)
class _Failed:
    """A split ended with this error."""

    error: BaseException


class SplitThreads:
    """Copies splits of one step side by side.

    Args:
        copy_assigned: copies one split; called in a thread.
        emit: called in the driver's thread only.
        should_stop: looked at by every thread at every batch.
    """

    def __init__(
        self, copy_assigned: CopyAssigned, emit: Emit, should_stop: Callable[[], bool]
    ) -> None:
        self._copy_assigned = copy_assigned
        self._emit = emit
        self._should_stop = should_stop
        self._messages: queue.SimpleQueue[Event | CopiedSplit | _Failed] = queue.SimpleQueue()
        self._give_up = threading.Event()

    def copy(
        self, step: CopySplits, target: Target, assignments: Iterator[Assignment], wanted: int
    ) -> Generator[CopiedSplit, None, None]:
        """Yields each split that was copied; after a failure the others stop at their next batch,
        and the first error is raised. No thread outlives the call.
        """
        failure: BaseException | None = None
        busy = 0
        with ThreadPoolExecutor(wanted, thread_name_prefix="mmc-split") as pool:
            try:
                while True:
                    while busy < wanted and failure is None:
                        assignment = next(assignments, None)
                        if assignment is None:
                            break
                        pool.submit(self._work, step, target, assignment)
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
                            self._emit(event)
            finally:
                self._give_up.set()
        if failure is not None:
            raise failure

    def _work(self, step: CopySplits, target: Target, assignment: Assignment) -> None:
        try:
            copied = self._copy_assigned(step, target, assignment, self._messages.put, self._asked)
        except BaseException as error:  # noqa: BLE001 - raised again in the driver's thread
            self._messages.put(_Failed(error))
        else:
            self._messages.put(copied)

    def _asked(self) -> bool:
        return self._give_up.is_set() or self._should_stop()
