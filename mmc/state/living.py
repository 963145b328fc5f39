"""Whether a run that has not ended still runs: from its attempt, and the lease on its target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import sqlalchemy as sa

from mmc.state.lease import Holder, holders, is_gone
from mmc.state.rows import Fields, forget_hint
from mmc.state.sql import survives_restart
from mmc.state.store import Run, RunStatus, Store
from mmc.state.tables import attempts


class Life(StrEnum):
    """What is known of the process of a run."""

    ALIVE = "alive"
    """It renews its lease."""
    SILENT = "silent"
    """It did not renew its lease in time: it may be suspended, cut off, or gone with its host."""
    GONE = "gone"
    """It ended without saying so, or another run took its target over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempted:
    """One attempt of a run, in UTC. `owner` and `host` are those of its lease."""

    attempt: int
    owner: str
    host: str
    pid: int
    status: RunStatus
    error: str
    started_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """A run with its attempts, and what its last one is doing.

    Attributes:
        holder: of the lease, when it is that of this run.
        life: of a run that has not ended; None after its end.
    """

    run: Run
    attempts: tuple[Attempted, ...]
    holder: Holder | None
    life: Life | None


def standings(store: Store, runs: Sequence[Run], now: datetime | None = None) -> list[Standing]:
    """How these runs stand."""
    now = now or datetime.now(UTC)
    held = holders(store.database)
    return [_standing(store, run, held, now) for run in runs]


def _standing(store: Store, run: Run, held: Sequence[Holder], now: datetime) -> Standing:
    tried = _attempts(store, run.id)
    owner = tried[-1].owner if tried else ""
    holder = next((it for it in held if it.lease == run.target_key and it.owner == owner), None)
    if run.status is not RunStatus.RUNNING:
        return Standing(run, tried, holder, None)
    if holder is None or is_gone(holder):
        return Standing(run, tried, None, Life.GONE)
    return Standing(run, tried, holder, Life.SILENT if holder.expires_at <= now else Life.ALIVE)


@survives_restart
def _attempts(store: Store, run: str) -> tuple[Attempted, ...]:
    chosen = sa.select(attempts).where(attempts.c.run == run).order_by(attempts.c.attempt)
    with store.database.reading() as connection:
        rows = [row._mapping for row in connection.execute(chosen)]
    found = [Fields("mmc_attempts", row, ("run", "attempt"), forget_hint(run)) for row in rows]
    return tuple(
        Attempted(
            attempt=of.count("attempt", 1),
            owner=of.text("owner"),
            host=of.text("host"),
            pid=of.count("pid"),
            status=of.one_of("status", RunStatus),
            error=of.text("error"),
            started_at=of.time("started_at"),
            finished_at=of.time_or_none("finished_at"),
        )
        for of in found
    )
