"""Copies splits in the driver, one after another: for a target that is open in one process only,
and for what is too little to share.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from types import TracebackType

from mmc.copied import CopiedSplit
from mmc.events import Emit
from mmc.plan.model import CopySplits
from mmc.run.executors.executor import Assignment, Driver
from mmc.run.rate import LocalRate, Rate
from mmc.run.split import copy_split
from mmc.run.stop import SplitStopped
from mmc.spi import Target


class InProcess:
    """An executor of one split at a time.

    Args:
        rate: that others of this process write at too; None makes one.
    """

    def __init__(self, driver: Driver, rate: Rate | None = None) -> None:
        self._driver = driver
        self._rate = rate or LocalRate()

    def __enter__(self) -> InProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing was started."""

    def copy(
        self, step: CopySplits, assignments: Iterator[Assignment], pending: int
    ) -> Generator[CopiedSplit, None, None]:
        driver = self._driver
        target = driver.open_target(step.route)
        for one in assignments:
            try:
                yield copy_here(
                    driver,
                    target,
                    step,
                    one,
                    rate=self._rate,
                    emit=driver.emit,
                    should_stop=driver.should_stop,
                )
            except SplitStopped:
                return


def copy_here(
    driver: Driver,
    target: Target,
    step: CopySplits,
    assignment: Assignment,
    *,
    rate: Rate,
    emit: Emit,
    should_stop: Callable[[], bool],
) -> CopiedSplit:
    """Copies a split in this process. Raises as `copy_split`."""
    result = copy_split(
        driver.plan.source,
        target,
        step,
        assignment.split,
        replay=assignment.replay,
        rows=assignment.rows,
        bad_rows=driver.quarantine(step.id, assignment.split.id),
        emit=emit,
        should_stop=should_stop,
        rate=rate,
    )
    return CopiedSplit(assignment.split, result)
