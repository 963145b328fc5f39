"""Copies splits side by side in worker processes of this machine.

Each worker opens its own source and target and is told of one split at a time through its own
pipe; nothing is shared between workers, so one that dies harms no other.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import cast

from mmc.copied import CopiedSplit, SplitResult
from mmc.errors import TargetError
from mmc.plan.model import CopySplits
from mmc.run.executors.executor import Assignment, Driver
from mmc.run.executors.inprocess import InProcess
from mmc.run.executors.worker import Failure, Rejected, Setup, Undone, Worker
from mmc.run.stop import SplitStopped

POLL_SECONDS = 0.2
"""How often the stop flag is looked at while workers are busy."""


class Processes:
    """An executor of as many splits side by side as the plan has workers. Its processes live as
    long as the `with` block.
    """

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._alone = InProcess(driver)
        self._workers: list[Worker] = []

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the workers: none outlives the run, whatever it ended with."""
        for worker in self._workers:
            worker.end(at_once=error is not None)
        for worker in self._workers:
            worker.join()
        self._workers.clear()

    def copy(
        self, step: CopySplits, assignments: Iterator[Assignment], pending: int
    ) -> Generator[CopiedSplit, None, None]:
        plan = self._driver.plan
        workers = min(plan.workers, pending)
        if workers <= 1:
            yield from self._alone.copy(step, assignments, pending)
            return
        while len(self._workers) < workers:
            self._workers.append(Worker.start(Setup(plan.source, plan.target)))
        yield from self._in_workers(step, assignments)

    def _in_workers(
        self, step: CopySplits, assignments: Iterator[Assignment]
    ) -> Iterator[CopiedSplit]:
        driver = self._driver
        idle = list(self._workers)
        busy: dict[Worker, Assignment] = {}
        failure: BaseException | None = None
        while True:
            while idle and failure is None and (one := next(assignments, None)) is not None:
                worker = idle.pop()
                worker.send(step, one, driver.fenced_until())
                busy[worker] = one
            if not busy:
                break
            if failure is not None or driver.should_stop():
                for worker in busy:
                    worker.ask_to_stop()
            for worker in busy:
                worker.renew(driver.fenced_until())
            by_pipe = {worker.pipe: worker for worker in busy}
            for pipe in wait(list(by_pipe), timeout=POLL_SECONDS):
                worker = by_pipe[cast("Connection", pipe)]
                message = worker.receive()
                match message:
                    case SplitResult():
                        yield CopiedSplit(busy.pop(worker).split, message)
                        idle.append(worker)
                    case Failure(error):
                        del busy[worker]
                        if not isinstance(error, SplitStopped):
                            failure = failure or error
                    case Rejected() | Undone():
                        try:
                            self._quarantine(step, busy[worker], message)
                        except TargetError as error:
                            failure = failure or error
                    case _:
                        driver.emit(message)
        if failure is not None:
            raise failure

    def _quarantine(
        self, step: CopySplits, assignment: Assignment, message: Rejected | Undone
    ) -> None:
        bad_rows = self._driver.quarantine(step.id, assignment.split.id)
        match message:
            case Rejected(rows):
                bad_rows.add(rows)
            case Undone(kept=True):
                bad_rows.keep()
            case Undone():
                bad_rows.drop()
