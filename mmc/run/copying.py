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
from mmc.errors import TooManyBadRows
from mmc.events import Diagnosed, Quarantined, SplitDone, SplitStarted
from mmc.plan.model import CopySplits, Split
from mmc.report.counts import rows_left
from mmc.run.attempt import Attempt
from mmc.run.executors.executor import Assignment, Executor
from mmc.run.quarantine import Quarantine
from mmc.state.records import splits_of, unaccounted, uncopied, unfinished_end
from mmc.state.store import SplitRecord
from mmc.text import many

LATER_PLAN = "with a plan of its own: name this one in source.after, and set load.mode: upsert"
"""How rows come along that an applied plan does not have."""


class Copying:
    """Copies for one attempt of a run.

    Attributes:
        quarantined: rows in quarantine, over the whole run.
    """

    def __init__(self, attempt: Attempt, executor: Executor, quarantine: Quarantine) -> None:
        self._attempt = attempt
        self._executor, self._quarantine = executor, quarantine
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
        for copied in self._copied(step, pending):
            record = self._record(step, copied)
            done.add(record.split)
            staged(record)
        self._attempt.go_on()
        unfinished_end(self._run, uncopied(step, len(done)))
        if left := rows_left(step, self._store.splits(self._run, step.id)):
            self._emit(Diagnosed(_moved(step, left)))

    def _copied(self, step: CopySplits, pending: Sequence[Split]) -> Iterator[CopiedSplit]:
        """Splits as they are copied. Raises what one failed with."""
        assignments = self._assignments(step, pending)
        try:
            with closing(self._executor.copy(step, assignments, len(pending))) as results:
                yield from results
        except TooManyBadRows as error:
            if not error.split:
                raise
            path = self._quarantine.path(step.id, error.split)
            raise TooManyBadRows.of_run(
                f"{path} has those of this split so far, such as {error.place}"
            ) from error
        finally:
            self._quarantine.drop_rest()

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
        """One transaction a split, and only while the lease is ours. Its bad rows are on disk
        before.
        """
        result = copied.result
        self._attempt.lease.check()
        record = SplitRecord(step=step.id, split=copied.split.id, done=True, result=result)
        unfinished_end(self._run, unaccounted(record))
        record = replace(record, quarantine=self._keep_bad_rows(record))
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

    def _keep_bad_rows(self, record: SplitRecord) -> str:
        """Path of the quarantine file of a split, "" where it has none. Raises TargetError."""
        result = record.result
        file = self._quarantine.commit(record.step, record.split)
        if file.rows != result.rows_quarantined:
            bad = many(result.rows_quarantined, "row")
            there = many(file.rows, "row")
            what = f"split {record.split} has {bad} in quarantine, and its file has {there}"
            unfinished_end(self._run, [what])
        if not file.rows:
            return ""
        path = str(file.path)
        self._emit(
            Quarantined(
                step=record.step,
                split=record.split,
                rows=file.rows,
                path=path,
                reasons=result.reasons,
            )
        )
        return path

    def _judge_errors(self) -> None:
        """`max_errors` counts over the whole run: splits that were copied side by side may exceed
        it together.
        """
        most = self._plan.rows.max_errors
        if most is not None and self.quarantined > most:
            raise TooManyBadRows.of_run(
                f"{self.quarantined:,} are in quarantine, {most:,} are allowed"
            )

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
        f"{step.read.collection}: {left:,} of {step.rows:,} rows were changed or deleted after the"
        " plan, and are not copied",
        severity=Severity.WARNING,
        hint=f"bring what changed {LATER_PLAN}",
    )
