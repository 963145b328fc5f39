"""What is recorded of a copy, read against its plan: of its own splits only, with their own files.

The state store may have been edited by hand, and files are removed and put into manifests by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mmc.errors import RunIncomplete
from mmc.layouts import layout
from mmc.plan.model import (
    CopySplits,
    ImportFiles,
    Plan,
    Split,
    Write,
)
from mmc.state.ledger import ImportRecord, ImportStatus, Ledger
from mmc.state.rows import CONTENT, damaged_split
from mmc.state.store import Run, RunStatus, SplitRecord, Store

_NAMED = 5
"""Things left undone that are named."""


def splits_of(store: Store, run: str, copy: CopySplits) -> list[SplitRecord]:
    """The splits of a copy that were begun.

    Raises:
        StateDamaged: one is none of the plan's, or has other files than it can have written.
    """
    return checked_splits(run, copy, store.splits(run, copy.id))


def checked_splits(run: str, copy: CopySplits, records: Iterable[SplitRecord]) -> list[SplitRecord]:
    """The same of what was read already; records of other steps are left out."""
    planned = {split.id: split for split in copy.splits}
    mine = [record for record in records if record.step == copy.id]
    for record in mine:
        if record.split not in planned:
            raise damaged_split(run, record, "split", f"one of the {len(planned)} of its plan")
        if not record.done:
            continue
        result = record.result
        counted = result.digest.partition(":")[0]
        if not CONTENT.fullmatch(result.digest) or int(counted, 16) != result.rows_written:
            raise damaged_split(run, record, "digest", f"that of {result.rows_written:,} rows")
        if wrong := next(unaccounted(record), ""):
            raise damaged_split(run, record, "its count", f"right: {wrong}")
        if copy.layout is not None:
            wanted = _files(copy, planned[record.split]) if result.rows_written else ()
            if tuple(file.path for file in result.files) != wanted:
                names = ", ".join(wanted) or "none, for it has no rows"
                raise damaged_split(run, record, "files", f"what it writes: {names}")
            if any(file.rows != result.rows_written for file in result.files):
                raise damaged_split(run, record, "files", f"of {result.rows_written:,} rows")
    return mine


def _files(copy: CopySplits, split: Split) -> tuple[str, ...]:
    """Paths of the files of a split that has rows."""
    assert copy.layout is not None
    if copy.write is Write.IN_PLACE:
        part = str(dict(split.pieces[0].locator)["path"])
    else:
        key = copy.staging.key if copy.staging is not None else ""
        name = layout.part_name(copy.layout.format, split.id)
        part = "/".join(filter(None, (key, copy.layout.directory, name)))
    return layout.files_of(copy.layout.format, part, copy.collection)


def refuse_incomplete(store: Store, run: Run, plan: Plan) -> None:
    """The last look at a run before it counts as done, and each time that it is said to be.

    Raises:
        RunIncomplete: a step or a split is not done, an import is missing, or rows do not add up.
        StateDamaged: as `splits_of`.
    """
    left = list(_left(store, run, plan))
    if not left:
        return
    more = f"; and {len(left) - _NAMED:,} more" if len(left) > _NAMED else ""
    ended = (
        "it is recorded as done, so applying again does nothing: " if run.status.complete else ""
    )
    raise RunIncomplete(
        f"run {run.id} is not complete: {'; '.join(left[:_NAMED])}{more}",
        hint=f"{ended}`mmc state forget {run.id}`, and plan again with load.mode: replace;"
        " if it happens again, report it",
        code="MMC587",
    )


def _left(store: Store, run: Run, plan: Plan) -> Iterator[str]:
    steps = store.steps(run.id)
    for step in plan.steps:
        if step.id not in steps or not steps[step.id].done:
            yield f"step {step.id} is not done"
    records = store.splits(run.id)
    written: dict[str, list[SplitRecord]] = {}
    for copy in plan.copies:
        done = [it for it in checked_splits(run.id, copy, records) if it.done]
        written[copy.id] = done
        yield from uncopied(copy, len(done))
        if run.status is RunStatus.APPLIED and any(it.result.rows_quarantined for it in done):
            yield f"{copy.id}: rows are in quarantine, and the run is recorded as {run.status}"
        if run.status is RunStatus.APPLIED and any(it.result.unmapped.rows for it in done):
            yield (
                f"{copy.id}: rows have values that no column took, and the run is recorded as"
                f" {run.status}"
            )
    for step in plan.steps:
        if isinstance(step, ImportFiles):
            # Of a run that is over nobody writes: no lease is asked for.
            ledger = Ledger(store.database, run.id, step.id, ("", ""))
            yield from unimported(step, written[step.copy], ledger.records())


def uncopied(copy: CopySplits, done: int) -> Iterator[str]:
    """Whether splits of a copy are missing."""
    if done != len(copy.splits):
        yield f"{copy.id}: {done:,} of {len(copy.splits):,} splits are copied"


def unaccounted(record: SplitRecord) -> Iterator[str]:
    """Whether rows of a split are missing: read = written + filtered + quarantined."""
    result = record.result
    if result.rows_read != result.rows_written + result.rows_filtered + result.rows_quarantined:
        yield (
            f"{result.rows_read:,} rows of split {record.split} read, but"
            f" {result.rows_written:,} written, {result.rows_filtered:,} filtered and"
            f" {result.rows_quarantined:,} quarantined"
        )
    if (told := sum(it.rows for it in result.reasons)) != result.rows_quarantined:
        yield (
            f"{result.rows_quarantined:,} rows of split {record.split} quarantined, but {told:,}"
            " with a reason"
        )
    if result.unmapped.rows > result.rows_written:
        yield (
            f"{result.rows_written:,} rows of split {record.split} written, but"
            f" {result.unmapped.rows:,} of them with values that no column took"
        )


def unimported(
    step: ImportFiles, done: Iterable[SplitRecord], requests: Sequence[ImportRecord]
) -> Iterator[str]:
    """Whether files of splits were not imported, or more than once, or with other rows."""
    asked = [split for it in requests for split in it.splits]
    rows = {record.split: record.result.rows_written for record in done}
    for request in requests:
        wanted = sum(rows.get(split, 0) for split in request.splits)
        if request.status is not ImportStatus.COMPLETED:
            yield f"{step.id}: import {request.request} is {request.status}"
        elif request.rows != wanted:
            yield f"{step.id}: import {request.request} has {request.rows:,} rows of {wanted:,}"
    if sorted(asked) != sorted(split for split, number in rows.items() if number):
        yield f"{step.id}: the imports are not of the files of each split, once"


def unfinished_end(run: str, what: Iterable[str]) -> None:
    """Raises RunIncomplete when there is something that was left undone."""
    if left := "; ".join(what):
        raise RunIncomplete(
            f"run {run} ended too early: {left}",
            hint="apply the plan again to continue; if it happens again, report it",
            code="MMC587",
        )
