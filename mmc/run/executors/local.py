"""Copies the splits of a step on this machine: one after another, or side by side in threads or in
worker processes, as the plan says.

Each worker process opens its own source and target and is told of one split at a time through its
own pipe; nothing is shared between workers, so one that dies harms no other. Threads share the
driver's open target. Only the driver, which consumes the results, touches the state.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import TracebackType
from typing import cast

from mmc.copied import CopiedSplit, SplitResult
from mmc.events import Emit
from mmc.plan.model import CopySplits, Executor, Plan
from mmc.run.executors.assignment import Assignment
from mmc.run.executors.threads import SplitThreads
from mmc.run.executors.worker import Failure, Setup, Worker
from mmc.run.pace import Rate
from mmc.run.split import copy_split
from mmc.run.stop import SplitStopped
from mmc.spi import Target

POLL_SECONDS = 0.2
"""How often the stop flag is looked at while workers are busy."""


class LocalExecutor:
    """Copies splits while the `with` block lasts; its workers live as long, and serve one step
    after another.

    Args:
        open_target: gives the driver's own open target, for copying in this process.
        should_stop: looked at at every batch; splits that run then are undone and not yielded.
        fenced_until: until when workers may begin to write, by `running_time`.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        open_target: Callable[[str], Target],
        run_dir: Path,
        emit: Emit,
        should_stop: Callable[[], bool],
        fenced_until: Callable[[], float],
    ) -> None:
        self._plan = plan
        self._open_target = open_target
        self._run_dir = run_dir
        self._emit = emit
        self._should_stop = should_stop
        self._fenced_until = fenced_until
        self._workers: list[Worker] = []
        self._rate = Rate()

    def __enter__(self) -> LocalExecutor:
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
        """Yields each split that was copied, in the order they end.

        `assignments` is pulled only when a split can begin at once. When a split fails, the others
        are stopped at their next batch, those that end meanwhile are still yielded, and the first
        error is raised.

        Args:
            pending: how many assignments there are at most.

        Raises:
            WorkerLost: a worker process died.
            MmcError: what a split failed with.
        """
        wanted = min(self._plan.workers, pending)
        if wanted <= 1:
            yield from self._here(step, assignments)
        elif self._plan.executor is Executor.THREADS:
            threads = SplitThreads(self._copy, self._emit, self._should_stop)
            yield from threads.copy(step, self._open_target(step.route), assignments, wanted)
        else:
            yield from self._in_workers(step, assignments, wanted)

    def _here(self, step: CopySplits, assignments: Iterator[Assignment]) -> Iterator[CopiedSplit]:
        target = self._open_target(step.route)
        for assignment in assignments:
            try:
                yield self._copy(step, target, assignment, self._emit, self._should_stop)
            except SplitStopped:
                return

    def _copy(
        self,
        step: CopySplits,
        target: Target,
        assignment: Assignment,
        emit: Emit,
        should_stop: Callable[[], bool],
    ) -> CopiedSplit:
        result = copy_split(
            self._plan.source,
            target,
            step,
            assignment.split,
            replay=assignment.replay,
            run_dir=self._run_dir,
            rows=assignment.rows,
            emit=emit,
            should_stop=should_stop,
            rate=self._rate,
        )
        return CopiedSplit(assignment.split, result)

    def _in_workers(
        self, step: CopySplits, assignments: Iterator[Assignment], wanted: int
    ) -> Iterator[CopiedSplit]:
        while len(self._workers) < wanted:
            self._workers.append(
                Worker.start(Setup(self._plan.source, self._plan.target, self._run_dir))
            )
        idle = list(self._workers)
        busy: dict[Worker, Assignment] = {}
        failure: BaseException | None = None
        while True:
            while idle and failure is None and (assignment := next(assignments, None)) is not None:
                worker = idle.pop()
                worker.send(step, assignment, self._fenced_until())
                busy[worker] = assignment
            if not busy:
                break
            if failure is not None or self._should_stop():
                for worker in busy:
                    worker.ask_to_stop()
            for worker in busy:
                worker.renew(self._fenced_until())
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
                    case _:
                        self._emit(message)
        if failure is not None:
            raise failure
