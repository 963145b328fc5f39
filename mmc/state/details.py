"""Everything that the State tells of one run, at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mmc.plan.model import Plan
from mmc.state.eventlog import StepReading, read_progress
from mmc.state.living import Life, Standing, standings
from mmc.state.rows import SplitRecord, StepRecord
from mmc.state.store import Run, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDetails:
    """How far a run is.

    Attributes:
        steps: by id, those that have begun.
        splits: those that have begun.
        readings: how far each step of the last attempt was when it was last told.
    """

    standing: Standing
    plan: Plan
    steps: Mapping[str, StepRecord]
    splits: tuple[SplitRecord, ...]
    readings: Mapping[str, StepReading]

    @property
    def over(self) -> bool:
        """Whether nothing more will come: it ended, or its process is gone."""
        return self.standing.life in (None, Life.GONE)


def details(store: Store, run: Run) -> RunDetails:
    """Reads them. Raises StateError, StateDamaged."""
    (standing,) = standings(store, [run])
    return RunDetails(
        standing=standing,
        plan=store.plan_of(run.id),
        steps=store.steps(run.id),
        splits=tuple(store.splits(run.id)),
        readings=read_progress(store.database, run.id, run.attempt),
    )
