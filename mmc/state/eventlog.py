"""What a run said, and how far its steps are: written by its driver, read by `status` and by
whoever follows the run.

Events get numbers without gaps, from 1, over all attempts of a run. Events of progress are not
among them: how far a step is stands in one row, which is written over.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

import sqlalchemy as sa

from mmc.events import EVENTS, Event, kind_of
from mmc.plan import codec
from mmc.progress import Reading
from mmc.secrets import REDACTOR
from mmc.state.lease import owner_of
from mmc.state.rows import Fields, forget_hint
from mmc.state.sql import Database, survives_restart
from mmc.state.tables import events, progress


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event as it was recorded. `number` is its place in the run; `at` is in UTC."""

    number: int
    attempt: int
    at: datetime
    event: Event


@dataclass(frozen=True, slots=True)
class StepReading:
    """How far a step was when its run last said so, in UTC."""

    step: str
    at: datetime
    reading: Reading


class EventLog:
    """The events of one attempt, written only while its lease is held.

    Args:
        lease: its key and our owner id.
    """

    def __init__(self, database: Database, run: str, attempt: int, lease: tuple[str, str]) -> None:
        self._database = database
        self._run, self._attempt = run, attempt
        self._lease = lease
        self._next = 0

    def write(
        self, said: Sequence[tuple[datetime, Event]], running: Mapping[str, Reading], now: datetime
    ) -> bool:
        """Records events, and how far steps are, in one transaction. Called again with the same
        events when it failed: nothing is recorded twice.

        Args:
            said: with their times, in order.
            running: by id of the step.

        Returns:
            False when another owner holds the lease: nothing was recorded.
        """
        key, owner = self._lease
        with self._database.writing() as connection:
            if owner_of(connection, key, lock=True) != owner:
                return False
            mine = events.c.run == self._run
            if not self._next:
                greatest = sa.select(sa.func.max(events.c.number).label("number")).where(mine)
                row = connection.execute(greatest).one()._mapping
                last = Fields("mmc_events", row, (), forget_hint(self._run))
                self._next = (last.count_or_none("number") or 0) + 1
            if said:
                # An earlier call may have recorded them, and its answer was lost.
                connection.execute(events.delete().where(mine, events.c.number >= self._next))
                connection.execute(
                    events.insert(),
                    [
                        {
                            "run": self._run,
                            "number": self._next + place,
                            "attempt": self._attempt,
                            "at": at,
                            "kind": kind_of(type(event)),
                            "fields": json.dumps(REDACTOR.clean_data(codec.to_json(event))),
                        }
                        for place, (at, event) in enumerate(said)
                    ],
                )
            for step, reading in running.items():
                self._write_reading(connection, step, reading, now)
        self._next += len(said)
        return True

    def _write_reading(
        self, connection: sa.Connection, step: str, reading: Reading, now: datetime
    ) -> None:
        values = {name: getattr(reading, name) for name in _READING}
        values |= {"attempt": self._attempt, "updated_at": now}
        mine = (progress.c.run == self._run) & (progress.c.step == step)
        if not connection.execute(progress.update().where(mine).values(**values)).rowcount:
            connection.execute(progress.insert().values(run=self._run, step=step, **values))


@survives_restart
def read_events(
    database: Database, run: str, *, after: int = 0, limit: int = 1_000
) -> list[LoggedEvent]:
    """Events of a run with numbers above `after`, in order, at most `limit`.

    Raises:
        StateError: one is of a kind that this mmc does not know, or was edited.
    """
    chosen = (
        sa.select(events)
        .where(events.c.run == run, events.c.number > after)
        .order_by(events.c.number)
        .limit(limit)
    )
    with database.reading() as connection:
        return [_event(run, row._mapping) for row in connection.execute(chosen)]


def all_events(database: Database, run: str) -> list[LoggedEvent]:
    """All events of a run, in order. Raises as `read_events` does."""
    said: list[LoggedEvent] = []
    while page := read_events(database, run, after=said[-1].number if said else 0):
        said += page
    return said


@survives_restart
def read_progress(database: Database, run: str, attempt: int) -> dict[str, StepReading]:
    """How far the steps of an attempt were when it last said so, by id of the step."""
    chosen = sa.select(progress).where(progress.c.run == run, progress.c.attempt == attempt)
    with database.reading() as connection:
        rows = [row._mapping for row in connection.execute(chosen)]
    found = [Fields("mmc_progress", row, ("run", "step"), forget_hint(run)) for row in rows]
    return {
        of.text("step"): StepReading(of.text("step"), of.time("updated_at"), _reading(of))
        for of in found
    }


def _reading(of: Fields) -> Reading:
    return Reading(
        label=of.text("label"),
        seconds=of.number("seconds"),
        rows=of.count("rows"),
        total_rows=of.count_or_none("total_rows"),
        bytes=of.count("bytes"),
        total_bytes=of.count("total_bytes"),
        quarantined=of.count("quarantined"),
        splits=of.count("splits"),
        splits_done=of.count("splits_done"),
        rows_per_second=of.number("rows_per_second"),
        bytes_per_second=of.number("bytes_per_second"),
    )


def _event(run: str, row: sa.RowMapping) -> LoggedEvent:
    hint = f"was it written by a newer mmc, or edited? `mmc state forget {run}` removes the run"
    of = Fields("mmc_events", row, ("run", "number"), hint)
    if (kind := of.text("kind")) not in EVENTS:
        of.refuse("kind", "that of an event")
    event: Event = of.parsed("fields", EVENTS[kind])
    return LoggedEvent(of.count("number"), of.count("attempt"), of.time("at"), event)


_READING = tuple(field.name for field in fields(Reading))
