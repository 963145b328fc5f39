"""Copies one split: read, transform, digest, write, commit. A function of plain data, the same in
every executor.

Touches no state and writes no file of the run: the driver keeps the bad rows, and then records
what is returned.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from mmc import registry
from mmc.copied import SplitResult, Tally, unmapped_text
from mmc.errors import RowsRejected, RunIncomplete, SourceChanged, TooManyBadRows
from mmc.events import Emit, Rejection, SplitProgress, Unmapped
from mmc.plan.mapping import Expression
from mmc.plan.model import CopySplits, Endpoint, OnError, RowPolicy, Split
from mmc.plan.reading import UnmappedMode
from mmc.run.pace import call
from mmc.run.quarantine import BadRows
from mmc.run.rate import Rate, write_paced
from mmc.run.stop import SplitStopped
from mmc.spi import Target, Writer
from mmc.transform.badrow import BadRow
from mmc.transform.transform import Transform, Transformed
from mmc.types import DYNAMIC_FIELD
from mmc.verify.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import pyarrow as pa

PROGRESS_SECONDS = 0.1
"""Least time between two SplitProgress events of a split."""


def copy_split(
    source: Endpoint,
    target: Target,
    step: CopySplits,
    split: Split,
    *,
    replay: bool,
    rows: RowPolicy,
    bad_rows: BadRows,
    emit: Emit,
    should_stop: Callable[[], bool],
    rate: Rate,
) -> SplitResult:
    """Copies a split, again from its start while it fails in a way that may pass.

    Args:
        replay: an earlier attempt may have written some of it.
        rows: what a bad row does; `max_errors` is what is left of it for this split.
        bad_rows: takes the bad rows of this split.
        rate: of writing to this target, for all splits that go there.

    Raises:
        RowsRejected: a bad row.
        TooManyBadRows: more of them than allowed.
        SourceChanged: the source gives other rows than planned.
        SplitStopped: `should_stop` said so.
        SourceError, TargetError: from reading and writing.
    """
    again = replay

    def attempt() -> SplitResult:
        nonlocal again
        copy = _Copy(step, split, rows, emit, should_stop, bad_rows, rate)
        replaying, again = again, True
        return copy.run(source, target, replaying)

    return call(f"split {step.id}/{split.id}", attempt, emit=emit, should_stop=should_stop)


def read_split(
    source: Endpoint, step: CopySplits, split: Split, columns: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """The split in source batches of these columns; the reader ends when the caller does."""
    options = registry.options_of("source", source)
    reader = registry.source(source.type).read(
        options, step.read.collection, split, columns, step.batches.rows
    )
    if hasattr(reader, "close"):
        with closing(cast("Generator[pa.RecordBatch, None, None]", reader)):
            yield from reader
    else:
        yield from reader


def values_unmapped(split: str, unmapped: Unmapped) -> RowsRejected:
    """The source has values that no column takes, and the plan says that none may be lost."""
    return RowsRejected(
        f"split {split} has values that no column takes: {unmapped_text(unmapped)}",
        hint="plan with a larger sample.rows, so that they get columns; drop them by name in the"
        " spec; or say unmapped: report or dynamic",
        code="MMC638",
    )


def read_again(
    source: Endpoint, step: CopySplits, split: Split, fields: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """The split as it is sent, but only these target fields; rows that are filtered or bad are left
    out.
    """
    whole = DYNAMIC_FIELD in fields
    transform = Transform(step, only=None if whole else fields)
    for batch in read_split(source, step, split, columns_for(step, fields)):
        for part in transform(batch):
            yield part.batch


def columns_for(step: CopySplits, fields: Sequence[str]) -> Sequence[str]:
    """Source columns that these target fields need: theirs alone, or all where SQL may name any."""
    wanted = [mapping for mapping in step.mappings if mapping.field.name in fields]
    if (
        step.read.where
        or len(wanted) < len(fields)
        or any(isinstance(mapping.origin, Expression) for mapping in wanted)
    ):
        return step.read.columns
    needed = {mapping.column for mapping in wanted}
    return [column for column in step.read.columns if column in needed] or step.read.columns


@dataclass(slots=True)
class _Copy:
    """One attempt at one split, with its counts."""

    step: CopySplits
    split: Split
    policy: RowPolicy
    emit: Emit
    should_stop: Callable[[], bool]
    bad_rows: BadRows
    rate: Rate
    read: int = 0
    written: int = 0
    filtered: int = 0
    bad: int = 0
    seen_bytes: int = 0
    told: float = 0.0
    reasons: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def run(self, source: Endpoint, target: Target, replay: bool) -> SplitResult:
        transform, tally = Transform(self.step), Tally()
        digest = Digest.of(self.step.collection)
        writer = target.writer(self.step, self.split, replay=replay)
        with _undone_on_failure(writer, self.bad_rows):
            for batch in read_split(source, self.step, self.split, self.step.read.columns):
                self.read += batch.num_rows
                for done in transform(batch):
                    self._write(done, writer, digest)
                    if self.step.read.unmapped is not UnmappedMode.DROP:
                        tally.add(done.unmapped)
                self._tell(batch)
            self._account()
            unmapped = tally.sum
            if unmapped.rows and self.step.read.unmapped is UnmappedMode.FAIL:
                raise values_unmapped(self._name, unmapped)
            files = writer.commit()
        return SplitResult(
            rows_read=self.read,
            rows_written=self.written,
            rows_filtered=self.filtered,
            rows_quarantined=self.bad,
            bytes_read=self.split.bytes,
            digest=digest.hex(),
            files=files,
            reasons=tuple(Rejection(*why, rows) for why, rows in self.reasons.most_common()),
            unmapped=unmapped,
        )

    def _write(self, done: Transformed, writer: Writer, digest: Digest) -> None:
        if self.should_stop():
            raise SplitStopped(f"split {self._name} was stopped")
        self.filtered += done.rows_filtered
        if done.bad:
            self._judge(done.bad)
        if not done.batch.num_rows:
            return
        digest.add(done.batch)
        if not write_paced(
            f"write of split {self._name}",
            writer,
            done.batch,
            rate=self.rate,
            emit=self.emit,
            should_stop=self.should_stop,
        ):
            raise SplitStopped(f"split {self._name} was stopped")
        self.written += done.batch.num_rows

    @property
    def _name(self) -> str:
        return f"{self.step.id}/{self.split.id}"

    def _judge(self, bad: Sequence[BadRow]) -> None:
        """Bad rows end the run, or go to quarantine, within what is left of `max_errors`."""
        first = bad[0]
        place = f"{first.path}, {first.unit} {first.row}: {first.field}: {first.reason}"
        if self.policy.on_error is OnError.FAIL:
            raise RowsRejected(
                f"row rejected: {place}",
                hint="mend the row, change its field in the spec, or set rows.on_error: quarantine",
                code=first.code,
            )
        self.bad += len(bad)
        self.reasons.update((row.code, row.field, row.reason) for row in bad)
        self.bad_rows.add(bad)
        if self.policy.max_errors is not None and self.bad > self.policy.max_errors:
            raise TooManyBadRows.at(self.split.id, place)

    def _account(self) -> None:
        """What was read is written, filtered or quarantined, and is as much as was planned."""
        if self.should_stop():
            raise SplitStopped(f"split {self._name} was stopped")
        if self.read != self.written + self.filtered + self.bad:
            raise RunIncomplete(
                f"split {self._name}: {self.read:,} rows read, but {self.written:,} written,"
                f" {self.filtered:,} filtered and {self.bad:,} quarantined",
                hint="nothing of it counts as done; report it",
                code="MMC587",
            )
        if self.step.read.moving or self.split.rows in (None, self.read):
            return
        raise SourceChanged(
            f"split {self._name}: {self.split.rows:,} rows were planned,"
            f" the source gave {self.read:,}",
            hint="the source changed or cannot be read whole: plan again",
            code="MMC653",
        )

    def _tell(self, batch: pa.RecordBatch) -> None:
        self.seen_bytes += batch.nbytes
        now = time.monotonic()
        if now - self.told < PROGRESS_SECONDS:
            return
        self.told = now
        planned = self.split
        done = planned.bytes * self.read // planned.rows if planned.rows else self.seen_bytes
        self.emit(SplitProgress(self.step.id, planned.id, self.read, min(done, planned.bytes)))


@contextmanager
def _undone_on_failure(writer: Writer, bad_rows: BadRows) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        writer.abort()
        if isinstance(error, TooManyBadRows):
            bad_rows.keep()  # although the split is undone: they say what there was too much of
        else:
            bad_rows.drop()
        raise
