"""The ledger of imports: which files the server was asked to import, by which task, and what came
of it. Beside `store`, in the same database; only the driver of a run writes here.

A request goes intended -> submitted -> completed. "Intended" is written before the server is
asked, so that after a crash the server can be looked at for a task that nobody has noted.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from mmc.errors import StateDamaged, StateError
from mmc.state.lease import owner_of
from mmc.state.rows import Fields, forget_hint
from mmc.state.sql import Database, survives_restart
from mmc.state.tables import imports


class ImportStatus(StrEnum):
    """INTENDED: the server may or may not have been asked."""

    INTENDED = "intended"
    SUBMITTED = "submitted"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRecord:
    """One request.

    Attributes:
        request: id of its first split.
        splits: ids of all its splits.
        task: the server's, once it is known.
        attempt: how often it was meant to be asked, from 1.
        earlier: tasks of the same files that are not this request's: of earlier runs, or of earlier
            attempts that failed. The server may still list them.
        rows: imported, once it is completed.
        asked_at: UTC, when the last attempt was intended.
    """

    request: str
    splits: tuple[str, ...]
    status: ImportStatus
    attempt: int
    task: str
    earlier: tuple[str, ...]
    rows: int
    asked_at: datetime


class Ledger:
    """The requests of one step of a run. Every method is one transaction, made only while the lease
    is held.

    Args:
        lease: its key and our owner id.
    """

    def __init__(self, database: Database, run: str, step: str, lease: tuple[str, str]) -> None:
        self._database = database
        self._mine = (imports.c.run == run) & (imports.c.step == step)
        self._run, self._step = run, step
        self._lease = lease

    @survives_restart
    def held(self) -> bool:
        """Whether the lease is ours now."""
        with self._database.reading() as connection:
            return owner_of(connection, self._lease[0]) == self._lease[1]

    def records(self) -> list[ImportRecord]:
        """All requests, by id."""
        return self._read(self._mine)

    def refuse_others(self, records: Iterable[ImportRecord], splits: Collection[str]) -> None:
        """Raises StateDamaged when a request has a split that is none of these, the plan's."""
        for record in records:
            if wrong := next((it for it in record.splits if it not in splits), None):
                raise StateDamaged(
                    f"state store: mmc_imports, run {self._run}, step {self._step}, request"
                    f" {record.request}: splits has {wrong!r:.60}, which is none of its plan",
                    hint=forget_hint(self._run),
                    code="MMC586",
                )

    def record(self, request: str) -> ImportRecord:
        """One request."""
        (found,) = self._read(self._mine & (imports.c.request == request))
        return found

    @survives_restart
    def _read(self, which: sa.ColumnElement[bool]) -> list[ImportRecord]:
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(imports).where(which).order_by(imports.c.request))
            return [_record(row) for row in rows]

    def intend(self, request: str, splits: Sequence[str], earlier: Sequence[str] = ()) -> bool:
        """Records a new request, before the server is asked. `earlier`: tasks of the same files
        that the server lists already. False: the lease is not ours.
        """
        # Repeated where nobody knows whether it was committed: then it is there.
        again = imports.delete().where(
            self._mine,
            imports.c.request == request,
            imports.c.status == ImportStatus.INTENDED,
            imports.c.attempt == 1,
        )
        return self._write(
            imports.insert().values(
                run=self._run,
                step=self._step,
                request=request,
                splits=json.dumps(list(splits)),
                status=ImportStatus.INTENDED,
                attempt=1,
                task="",
                earlier=json.dumps(list(earlier)),
                rows=0,
                asked_at=datetime.now(UTC),
            ),
            before=again,
        )

    def intend_again(self, record: ImportRecord) -> bool:
        """The same request once more, after its task failed. False: the lease is not ours."""
        earlier = [*record.earlier, *([record.task] if record.task else [])]
        return self._write(
            imports.update()
            .where(self._mine, imports.c.request == record.request)
            .values(
                status=ImportStatus.INTENDED,
                attempt=record.attempt + 1,
                task="",
                earlier=json.dumps(earlier),
                asked_at=datetime.now(UTC),
            )
        )

    def submitted(self, request: str, task: str) -> bool:
        """The server has it, as `task`. False: the lease is not ours."""
        return self._write(
            imports.update()
            .where(self._mine, imports.c.request == request)
            .values(status=ImportStatus.SUBMITTED, task=task)
        )

    def completed(self, request: str, rows: int) -> bool:
        """Its rows are in the collection. False: the lease is not ours."""
        return self._write(
            imports.update()
            .where(self._mine, imports.c.request == request)
            .values(status=ImportStatus.COMPLETED, rows=rows, finished_at=datetime.now(UTC))
        )

    @survives_restart
    def _write(self, statement: Any, *, before: Any = None) -> bool:
        with self._database.writing() as connection:
            if owner_of(connection, self._lease[0], lock=True) != self._lease[1]:
                return False
            if before is not None:
                connection.execute(before)
            if not connection.execute(statement).rowcount:
                raise StateError(
                    f"run {self._run} was forgotten while it went on",
                    hint="see with `mmc verify` what is in the target before you apply again",
                    code="MMC642",
                )
        return True


def _record(row: Any) -> ImportRecord:
    fields: Mapping[str, Any] = row._mapping
    of = Fields("mmc_imports", fields, ("run", "step", "request"), forget_hint(fields["run"]))
    request, names = of.text("request"), of.parsed("splits", tuple[str, ...])
    if names[:1] != (request,) or len(set(names)) != len(names):
        of.refuse("splits", "a list of splits of which the first is the request")
    status, task = of.one_of("status", ImportStatus), of.text("task")
    if (status is ImportStatus.INTENDED) != (not task):
        of.refuse("task", f"the task of an import that is {status}")
    return ImportRecord(
        request=request,
        splits=names,
        status=status,
        attempt=of.count("attempt", 1, 2**31 - 2),
        task=task,
        earlier=of.parsed("earlier", tuple[str, ...]),
        rows=of.count("rows"),
        asked_at=of.time("asked_at"),
    )
