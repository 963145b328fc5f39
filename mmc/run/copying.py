"""Copies the splits of a step that are not done, and records each: the driver's side of the
executor.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace

from mmc.copied import CopiedSplit
from mmc.diagnostics import Diagnostic, Severity
from mmc.events import Diagnosed, SplitDone, SplitStarted
from mmc.plan.model import CopySplits, Split
from mmc.report.counts import rows_left
from mmc.run.attempt import Attempt
from mmc.run.executors.assignment import Assignment
from mmc.run.executors.local import LocalExecutor
from mmc.run.split import too_many_errors
from mmc.state.records import splits_of, unaccounted, uncopied, unfinished_end
from mmc.state.store import SplitRecord


class Copying:
    """Copies for one attempt of a run.

    Attributes:
        quarantined: rows in quarantine, over the whole run.
    """

    def __init__(self, attempt: Attempt, executor: LocalExecutor) -> None:
        self._attempt = attempt
        self._executor = executor
        self._plan, self._store, self._emit = attempt.plan, attempt.store, attempt.emit
        self._run = attempt.run.id
        self.quarantined = 0
        self._begun: dict[str, float] = {}

    def copy(self, step: CopySplits, staged: Callable[[SplitRecord], None]) -> None:
        """Copies what is left of a step. `staged` gets each split that is done, those of earlier
        attempts first.
        """
        records = [it for it in splits_of(self._store, self._run, step) if it.done]
        for record in records:
            staged(record)
        done = {record.split for record in records}
        pending = [split for split in step.splits if split.id not in done]
        self._judge_errors()
        with closing(
            self._executor.copy(step, self._assignments(step, pending), len(pending))
        ) as results:
            for copied in results:
                record = self._record(step, copied)
                done.add(record.split)
                staged(record)
        self._attempt.go_on()
        unfinished_end(self._run, uncopied(step, len(done)))
        if left := rows_left(step, self._store.splits(self._run, step.id)):
            self._emit(Diagnosed(_moved(step, left)))

    def _assignments(self, step: CopySplits, pending: Sequence[Split]) -> Iterator[Assignment]:
        """Splits to hand out, each recorded as begun just before; ends early when the run is to
        stop.
        """
        for split in pending:
            if self._attempt.should_stop():
                return
            most = self._plan.rows.max_errors
            attempt = self._store.split_begun(self._run, step.id, split.id)
            self._emit(SplitStarted(step.id, split.id, attempt))
            self._begun[split.id] = time.monotonic()
            yield Assignment(
                split,
                replay=attempt > 1,
                rows=replace(
                    self._plan.rows, max_errors=None if most is None else most - self.quarantined
                ),
            )

    def _record(self, step: CopySplits, copied: CopiedSplit) -> SplitRecord:
        """One transaction a split, and only while the lease is ours."""
        result = copied.result
        self._attempt.lease.check()
        record = SplitRecord(step.id, copied.split.id, done=True, result=result)
        unfinished_end(self._run, unaccounted(record))
        self._attempt.keep(self._store.split_done(self._run, record, self._attempt.holder))
        self.quarantined += result.rows_quarantined
        self._emit(
            SplitDone(
                step=step.id,
                split=record.split,
                rows_read=result.rows_read,
                rows_written=result.rows_written,
                rows_filtered=result.rows_filtered,
                rows_quarantined=result.rows_quarantined,
                bytes_read=result.bytes_read,
                seconds=time.monotonic() - self._begun[record.split],
            )
        )
        self._judge_errors()
        return record

    def _judge_errors(self) -> None:
        """`max_errors` counts over the whole run: splits that were copied side by side may exceed
        it together.
        """
        most = self._plan.rows.max_errors
        if most is not None and self.quarantined > most:
            raise too_many_errors(f"{self.quarantined:,} are in quarantine, {most:,} are allowed")

    def written(self, copy: CopySplits) -> list[CopiedSplit]:
        """The splits of a copy that are done, with their files."""
        splits = {split.id: split for split in copy.splits}
        return [
            CopiedSplit(splits[record.split], record.result)
            for record in splits_of(self._store, self._run, copy)
            if record.done
        ]


def _moved(step: CopySplits, left: int) -> Diagnostic:
    return Diagnostic(
        "MMC655",
        f"{step.source}: {left:,} of {step.rows:,} rows were changed or deleted after the plan,"
        " and are not copied",
        severity=Severity.WARNING,
        hint="bring what changed with a plan of its own: name this one in source.after, and set"
        " load.mode: upsert",
    )
