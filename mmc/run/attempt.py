"""One attempt of a run, as those who carry it out share it: what it works on, and whether it may go
on. Takes no step itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from mmc.events import Emit
from mmc.plan.model import Plan
from mmc.run.pace import call
from mmc.run.stop import StopFlag
from mmc.state.lease import Lease
from mmc.state.store import Run, Store

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """While `lease` is held and `stop` is not asked for, it may go on."""

    plan: Plan
    run: Run
    store: Store
    lease: Lease
    emit: Emit
    stop: StopFlag

    def should_stop(self) -> bool:
        """Whether the run is to stop or the lease is lost."""
        return self.stop() or self.lease.lost

    def go_on(self) -> None:
        """Raises Stopped or LeaseLost."""
        self.lease.check()
        self.stop.check()

    def keep(self, ours: bool) -> None:
        """Takes what the state store said of the lease. Raises LeaseLost."""
        if not ours:
            self.lease.lose("another process took it over")

    @property
    def holder(self) -> tuple[str, str]:
        """Key and owner of the lease, for writing only while it is ours."""
        return self.lease.key, self.lease.owner

    def call(self, what: str, function: Callable[[], T]) -> T:
        """`mmc.run.pace.call`, until the run is to stop."""
        return call(what, function, emit=self.emit, should_stop=self.should_stop)
