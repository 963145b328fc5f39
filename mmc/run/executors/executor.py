"""The seam between the driver of a run and what copies its splits. The driver hands out splits and
records them; an `Executor` copies them, on this machine or on others. Knows no executor.

What goes to another process is plain data: the endpoints of the plan, a step, an `Assignment`. So
is what comes back: events, bad rows, and the result of a split. Only the driver touches the state
store and writes quarantine files.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from mmc.copied import CopiedSplit
from mmc.events import Emit
from mmc.plan.model import CopySplits, Plan, RowPolicy, Split
from mmc.run.quarantine import BadRows
from mmc.spi import Target


@dataclass(frozen=True, slots=True)
class Assignment:
    """A split that may be copied now: its "begun" row is written.

    Attributes:
        replay: an earlier attempt may have written some of it.
        rows: what a bad row does; `max_errors` is what the run has left of it.
    """

    split: Split
    replay: bool
    rows: RowPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """The driver of a run, as its executor sees it. None of its calls leaves the driver's process.

    Attributes:
        open_target: gives the driver's own open target of a route, for copying in its process.
        quarantine: takes the bad rows of a split of a step, given by their ids, as they come: all
            of them before its result.
        emit: in the thread only that pulls `Executor.copy`.
        should_stop: looked at at every batch; splits that run then are undone and not given.
        fenced_until: until when who copies may begin to write, by the `running_time` of this
            machine.
    """

    plan: Plan
    open_target: Callable[[str], Target]
    quarantine: Callable[[str, str], BadRows]
    emit: Emit
    should_stop: Callable[[], bool]
    fenced_until: Callable[[], float]


class Executor(Protocol):
    """Copies splits while its `with` block lasts, one step after another. Nothing that it started
    outlives the block.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

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
            WorkerLost: what copied a split is gone.
            MmcError: what a split failed with.
        """
