"""What a run has done so far: runs, steps, splits. Only the driver of a run writes here; workers
never do.

A run is one plan digest with many attempts. A split's "begun" row is written before its first
effect and its "done" row after its last one, so that an apply that was killed anywhere knows what
to replay. No secret is stored: a plan holds references only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from mmc.errors import StateError
from mmc.paths import DEFAULT_STATE
from mmc.plan import codec
from mmc.plan.model import Plan
from mmc.state.lease import Lease, owner_of
from mmc.state.rows import (
    COUNTS,
    attempt_of_row,
    plan_of_row,
    run_of_row,
    split_of_row,
    step_of_row,
)
from mmc.state.rows import Run as Run
from mmc.state.rows import RunStatus as RunStatus
from mmc.state.rows import SplitRecord as SplitRecord
from mmc.state.rows import StepRecord as StepRecord
from mmc.state.sql import Access as Access
from mmc.state.sql import Database, survives_restart
from mmc.state.tables import (
    attempts,
    events,
    imports,
    progress,
    runs,
    splits,
    steps,
)
from mmc.state.targets import target_key
from mmc.types import JsonValue, nearest


class Store:
    """The state store. Every method is one transaction; all raise StateError when the database
    fails.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    @classmethod
    @contextmanager
    def open(cls, url: str = DEFAULT_STATE, access: Access = Access.MAKE) -> Iterator[Store]:
        """Opens the store at a SQLAlchemy URL and closes it at the end. One that this user may not
        write can be opened to read: it is what it was at that moment.
        """
        database = Database(url, access)
        try:
            yield cls(database)
        finally:
            database.close()

    @survives_restart
    def begin_run(self, plan: Plan, lease: Lease | None = None) -> Run:
        """Records that an attempt begins, and who holds the lease for it: a new run, or the next
        attempt of the run of this plan digest.
        """
        digest = codec.digest(plan)
        with self.database.writing() as connection:
            same = runs.c.plan_digest == digest
            found = connection.execute(
                runs.update()
                .where(same)
                .values(
                    attempt=runs.c.attempt + 1,
                    status=RunStatus.RUNNING,
                    finished_at=None,
                    error="",
                )
            )
            if not found.rowcount:
                connection.execute(
                    runs.insert().values(
                        run=digest[:12],
                        plan_digest=digest,
                        plan_name=plan.name,
                        target_key=target_key(plan.target),
                        plan=codec.write_plan(plan),
                        status=RunStatus.RUNNING,
                        attempt=1,
                        started_at=datetime.now(UTC),
                        finished_at=None,
                        error="",
                    )
                )
            run = run_of_row(connection.execute(sa.select(runs).where(same)).one())
            connection.execute(
                attempts.insert().values(
                    run=run.id,
                    attempt=run.attempt,
                    **(lease.claim if lease else {"owner": "", "host": "", "pid": 0}),
                    status=RunStatus.RUNNING,
                    error="",
                    started_at=datetime.now(UTC),
                )
            )
            return run

    @survives_restart
    def finish_run(self, run: str, status: RunStatus, error: str = "") -> None:
        """Records how an attempt ended."""
        with self.database.writing() as connection:
            ending = {"status": status, "finished_at": datetime.now(UTC), "error": error}
            connection.execute(runs.update().where(runs.c.run == run).values(**ending))
            last = sa.select(runs.c.attempt).where(runs.c.run == run).scalar_subquery()
            mine = (attempts.c.run == run) & (attempts.c.attempt == last)
            connection.execute(attempts.update().where(mine).values(**ending))

    @survives_restart
    def run_of(self, plan_digest: str) -> Run | None:
        """The run of a plan, if it was ever applied."""
        with self.database.reading() as connection:
            row = connection.execute(
                sa.select(runs).where(runs.c.plan_digest == plan_digest)
            ).one_or_none()
            return run_of_row(row) if row else None

    def run(self, run: str) -> Run:
        """A run by its id, or by a part of its id or plan digest that only it begins with.

        Raises:
            StateError: no run, or more than one, begins so.
        """
        id_, _ = self.find(run)
        with self.database.reading() as connection:
            return run_of_row(connection.execute(sa.select(runs).where(runs.c.run == id_)).one())

    @survives_restart
    def find(self, run: str) -> tuple[str, str]:
        """The whole id of a run, as `run` finds it, and the key of its target. Of a run that cannot
        be read, too.
        """
        columns = (runs.c.run, runs.c.plan_digest, runs.c.target_key)
        with self.database.reading() as connection:
            known = [tuple(map(str, row)) for row in connection.execute(sa.select(*columns))]
        found = [it for it in known if it[0] == run] or [
            it for it in known if run and it[1].startswith(run)
        ]
        if len(found) == 1:
            return found[0][0], found[0][2]
        close = nearest(run, [id_ for id_, *_ in known])
        raise StateError(
            f"{len(found)} runs begin with `{run}`"
            if found
            else f"no run `{run}` in {self.database.shown}",
            hint=f"did you mean {close}?" if close else "`mmc state list` names them",
            code="MMC642",
        )

    @survives_restart
    def list_runs(self) -> list[Run]:
        """All runs, the latest first."""
        with self.database.reading() as connection:
            rows = connection.execute(
                sa.select(runs).order_by(runs.c.started_at.desc(), runs.c.run)
            )
            return [run_of_row(row) for row in rows]

    @survives_restart
    def plan_of(self, run: str) -> Plan:
        """The plan of a run, as it was applied: `status` and `verify` need no file.

        Raises:
            StateDamaged: this mmc cannot read it; another version may have written it.
        """
        with self.database.reading() as connection:
            row = connection.execute(
                sa.select(runs.c.run, runs.c.plan, runs.c.plan_digest).where(runs.c.run == run)
            ).one()
        return plan_of_row(row)

    @survives_restart
    def open_runs(self, key: str, except_digest: str) -> list[Run]:
        """Runs of other plans on this target that did not end, the latest first."""
        ended = [RunStatus.APPLIED, RunStatus.PARTIAL]
        with self.database.reading() as connection:
            rows = connection.execute(
                sa.select(runs)
                .where(
                    runs.c.target_key == key,
                    runs.c.plan_digest != except_digest,
                    runs.c.status.not_in(ended),
                )
                .order_by(runs.c.started_at.desc())
            )
            return [run_of_row(row) for row in rows]

    @survives_restart
    def forget(self, run: str) -> None:
        """Removes a run and all that is known of its steps and splits. Nothing at the target
        changes.
        """
        with self.database.writing() as connection:
            for table in (progress, events, attempts, imports, splits, steps, runs):
                connection.execute(table.delete().where(table.c.run == run))

    def step_begun(self, run: str, step: str, kind: str) -> bool:
        """Records that a step's effects may begin; True when no attempt began it before."""
        known = step in self.steps(run)
        self._note_begun(run, step, kind)
        return not known

    @survives_restart
    def _note_begun(self, run: str, step: str, kind: str) -> None:
        with self.database.writing() as connection:
            mine = (steps.c.run == run) & (steps.c.step == step)
            if not connection.execute(steps.update().where(mine).values(status="begun")).rowcount:
                connection.execute(
                    steps.insert().values(
                        run=run,
                        step=step,
                        kind=kind,
                        status="begun",
                        result="null",
                        started_at=datetime.now(UTC),
                    )
                )

    @survives_restart
    def step_done(
        self, run: str, step: str, result: JsonValue = None, *, done: bool = True
    ) -> None:
        """Records a step's result. `done=False`: it has one, but must be carried out again (a
        failed verification).
        """
        with self.database.writing() as connection:
            connection.execute(
                steps.update()
                .where(steps.c.run == run, steps.c.step == step)
                .values(
                    status="done" if done else "begun",
                    result=json.dumps(result, allow_nan=False),
                    finished_at=datetime.now(UTC),
                )
            )

    @survives_restart
    def steps(self, run: str) -> dict[str, StepRecord]:
        """Steps that were begun, by id."""
        with self.database.reading() as connection:
            rows = connection.execute(sa.select(steps).where(steps.c.run == run))
            return {row.step: step_of_row(row) for row in rows}

    @survives_restart
    def split_begun(self, run: str, step: str, split: str) -> int:
        """Records that a split's writes may begin; returns which attempt this is, from 1."""
        with self.database.writing() as connection:
            mine = (splits.c.run == run) & (splits.c.step == step) & (splits.c.split == split)
            row = connection.execute(sa.select(splits).where(mine)).one_or_none()
            if row is None:
                empty = dict.fromkeys(COUNTS, 0)
                connection.execute(
                    splits.insert().values(
                        run=run,
                        step=step,
                        split=split,
                        status="begun",
                        attempt=1,
                        digest="",
                        files="[]",
                        quarantine="",
                        reasons="[]",
                        unmapped=None,
                        started_at=datetime.now(UTC),
                        **empty,
                    )
                )
                return 1
            attempt = attempt_of_row(row)
            connection.execute(
                splits.update()
                .where(mine)
                .values(
                    status="begun",
                    attempt=attempt + 1,
                    started_at=datetime.now(UTC),
                    finished_at=None,
                )
            )
            return attempt + 1

    @survives_restart
    def split_done(
        self, run: str, record: SplitRecord, lease: tuple[str, str] | None = None
    ) -> bool:
        """Records a split's result. With `lease` (its key and our owner id) only while we hold it.

        Returns:
            False when another owner holds the lease: nothing was recorded.
        """
        result = record.result
        values: dict[str, Any] = {name: getattr(result, name) for name in COUNTS}
        with self.database.writing() as connection:
            if lease is not None:
                key, owner = lease
                if owner_of(connection, key, lock=True) != owner:
                    return False
            updated = connection.execute(
                splits.update()
                .where(
                    splits.c.run == run,
                    splits.c.step == record.step,
                    splits.c.split == record.split,
                )
                .values(
                    status="done",
                    digest=result.digest,
                    files=json.dumps(codec.to_json(result.files)),
                    quarantine=record.quarantine,
                    reasons=json.dumps(codec.to_json(result.reasons)),
                    unmapped=json.dumps(codec.to_json(result.unmapped)),
                    finished_at=datetime.now(UTC),
                    **values,
                )
            )
            if not updated.rowcount:
                raise StateError(
                    f"run {run} was forgotten while it went on",
                    hint="apply the plan again: it begins anew",
                    code="MMC642",
                )
        return True

    @survives_restart
    def splits(self, run: str, step: str | None = None) -> list[SplitRecord]:
        """Splits that were begun, of one step or of all, by step and split."""
        mine = splits.c.run == run
        if step is not None:
            mine &= splits.c.step == step
        with self.database.reading() as connection:
            rows = connection.execute(
                sa.select(splits).where(mine).order_by(splits.c.step, splits.c.split)
            )
            return [split_of_row(row) for row in rows]
