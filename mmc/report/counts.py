"""What a run came to, read from the state store: the values behind the report for a change ticket
and `mmc status`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from mmc.copied import NOTHING_UNMAPPED, unmapped_line, unmapped_sum
from mmc.diagnostics import Diagnostic, Severity
from mmc.events import Rejection, Unmapped, Verified
from mmc.plan import codec
from mmc.plan.model import CopySplits, Plan, Verify
from mmc.state.records import checked_splits
from mmc.state.store import Run, RunStatus, SplitRecord, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyReport:
    """One collection: its splits and rows. `rows_read` = written + filtered + quarantined.

    Attributes:
        reasons: why rows are in quarantine, most rows first.
        quarantine: paths of the quarantine files.
        rows_left: planned, but changed since, so that they are somewhere else in the source by now.
        unmapped: what the rows written had that no column took.
    """

    step: str
    source: str
    collection: str
    splits_done: int
    splits_total: int
    rows_read: int
    rows_written: int
    rows_filtered: int
    rows_quarantined: int
    bytes_read: int
    reasons: tuple[Rejection, ...]
    quarantine: tuple[str, ...]
    rows_left: int = 0
    unmapped: Unmapped = NOTHING_UNMAPPED


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """One run over all its attempts. `seconds` is from the first start to the last end.

    Attributes:
        outcome: applied | partial (rows in quarantine) | failed | stopped | running.
        error: what the last attempt ended with, or "".
        verified: the verdicts, in order of the plan; those not reached are missing.
    """

    run: str
    plan_digest: str
    plan_name: str
    outcome: RunStatus
    attempt: int
    started_at: datetime
    finished_at: datetime | None
    error: str
    copies: tuple[CopyReport, ...]
    verified: tuple[Verified, ...]

    @property
    def seconds(self) -> float:
        return (self.finished_at - self.started_at).total_seconds() if self.finished_at else 0.0

    @property
    def rows_read(self) -> int:
        return sum(copy.rows_read for copy in self.copies)

    @property
    def rows_written(self) -> int:
        return sum(copy.rows_written for copy in self.copies)

    @property
    def rows_filtered(self) -> int:
        return sum(copy.rows_filtered for copy in self.copies)

    @property
    def rows_quarantined(self) -> int:
        return sum(copy.rows_quarantined for copy in self.copies)

    @property
    def rows_left(self) -> int:
        return sum(copy.rows_left for copy in self.copies)

    @property
    def rows_unmapped(self) -> int:
        return sum(copy.unmapped.rows for copy in self.copies)

    @property
    def findings(self) -> Iterator[Diagnostic]:
        """What did not come over although the run ended well, as far as no column took it."""
        for copy in self.copies:
            if copy.unmapped.rows:
                yield Diagnostic(
                    "MMC637",
                    f"{copy.source}: {unmapped_line(copy.unmapped)}",
                    severity=Severity.WARNING,
                    hint="plan again with a larger sample.rows, so that they get columns, or with"
                    " unmapped: dynamic; or drop them by name in the spec",
                )


def report_of(store: Store, run: Run, plan: Plan | None = None) -> RunReport:
    """The report of a run as the store has it now; so is the plan, when not given."""
    plan = plan or store.plan_of(run.id)
    records = store.splits(run.id)
    steps = store.steps(run.id)
    return RunReport(
        run=run.id,
        plan_digest=run.plan_digest,
        plan_name=run.plan_name,
        outcome=run.status,
        attempt=run.attempt,
        started_at=run.started_at,
        finished_at=run.finished_at,
        error=run.error,
        copies=tuple(
            _copy(copy, [it for it in checked_splits(run.id, copy, records) if it.done])
            for copy in plan.copies
        ),
        verified=tuple(
            codec.from_json(Verified, steps[step.id].result)
            for step in plan.steps
            if isinstance(step, Verify) and step.id in steps and steps[step.id].result is not None
        ),
    )


def _copy(step: CopySplits, done: list[SplitRecord]) -> CopyReport:
    results = [record.result for record in done]
    rejected: Counter[tuple[str, str, str]] = Counter()
    for why in chain.from_iterable(result.reasons for result in results):
        rejected[why.code, why.field, why.reason] += why.rows
    ordered = sorted(rejected.items(), key=lambda item: (-item[1], item[0]))
    return CopyReport(
        step=step.id,
        source=step.read.collection,
        collection=step.collection.name,
        splits_done=len(done),
        splits_total=len(step.splits),
        rows_read=sum(it.rows_read for it in results),
        rows_written=sum(it.rows_written for it in results),
        rows_filtered=sum(it.rows_filtered for it in results),
        rows_quarantined=sum(it.rows_quarantined for it in results),
        bytes_read=sum(it.bytes_read for it in results),
        reasons=tuple(Rejection(*key, rows) for key, rows in ordered),
        quarantine=tuple(it.quarantine for it in done if it.quarantine),
        rows_left=rows_left(step, done),
        unmapped=unmapped_sum(it.unmapped for it in results),
    )


def rows_left(step: CopySplits, done: Iterable[SplitRecord]) -> int:
    """Rows of these splits that were planned and not found, where that is no error."""
    if not step.read.moving:
        return 0
    planned = {split.id: split.rows or 0 for split in step.splits}
    return sum(max(0, planned[record.split] - record.result.rows_read) for record in done)
