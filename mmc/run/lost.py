"""Files that a run wrote and recorded, and that somebody deleted or changed since: their splits are
copied again. Looked at once, when an apply goes on, before anything is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from mmc.diagnostics import Diagnostic, Severity
from mmc.events import Diagnosed
from mmc.layouts.files import FileRecord
from mmc.layouts.staging import StagingPlace
from mmc.plan.model import (
    CopySplits,
    ImportFiles,
    Verify,
    Write,
    WriteManifest,
)
from mmc.run.attempt import Attempt
from mmc.run.claims import claim_of
from mmc.run.inspect import route_of
from mmc.run.targets import OpenTargets
from mmc.spi import KeepsFiles
from mmc.state.ledger import ImportStatus, Ledger
from mmc.state.store import SplitRecord, StepRecord
from mmc.state.unfinished import begin_again
from mmc.text import many


@dataclass(frozen=True, slots=True)
class _Lost:
    """Splits of a copy whose files are not as they were written. `faults`: by path."""

    copy: CopySplits
    splits: Sequence[SplitRecord]
    faults: Mapping[str, str]


def begin_lost_again(attempt: Attempt, targets: OpenTargets) -> None:
    """Takes back that splits are done whose files are gone or changed, with the steps that rest on
    them, and says so. Files that are imported already are not needed any more.

    Raises:
        TargetError: the files cannot be looked at, or another run fills their folder by now.
    """
    steps = attempt.store.steps(attempt.run.id)
    done = {id_ for id_, record in steps.items() if record.done}
    lost = list(_lost(attempt, targets, steps, done))
    undone = {one.copy.id for one in lost}
    gone = set(undone)
    for step in attempt.plan.steps:
        if isinstance(step, WriteManifest) and step.id in done:
            copies = {entry.copy for entry in step.collections}
            if not gone & copies:
                if _is_recorded(attempt, targets, step):
                    continue
                gone |= copies
            undone.add(step.id)
    undone |= {
        step.id for step in attempt.plan.steps if isinstance(step, Verify) and step.copy in gone
    }
    if not undone:
        return
    for one in lost:
        _claim_again(attempt, targets, one.copy)
        attempt.emit(Diagnosed(_note(one)))
    attempt.go_on()
    splits = {one.copy.id: [record.split for record in one.splits] for one in lost}
    begin_again(attempt.store, attempt.run.id, splits, undone)


def _lost(
    attempt: Attempt, targets: OpenTargets, steps: Mapping[str, StepRecord], done: set[str]
) -> Iterator[_Lost]:
    for copy in attempt.plan.copies:
        records = [
            record
            for record in attempt.store.splits(attempt.run.id, copy.id)
            if record.done and record.result.files
        ]
        if copy.layout is None or copy.write is Write.IN_PLACE:
            continue
        if copy.staging is not None:
            records = _not_imported(attempt, copy, records, done)
        if not records:
            continue
        files = [file for record in records for file in record.result.files]
        faults = _faults(attempt, targets, copy, files, _differed(attempt, steps, copy))
        if faults:
            splits = [
                one for one in records if any(file.path in faults for file in one.result.files)
            ]
            yield _Lost(copy, splits, faults)


def _not_imported(
    attempt: Attempt, copy: CopySplits, records: Sequence[SplitRecord], done: set[str]
) -> list[SplitRecord]:
    """Splits whose staged files the server may still have to read."""
    imports = (
        it for it in attempt.plan.steps if isinstance(it, ImportFiles) and it.copy == copy.id
    )
    step = next(imports, None)
    if step is None or step.id in done:
        return []
    ledger = Ledger(attempt.store.database, attempt.run.id, step.id, attempt.holder)
    ended = {
        split
        for request in ledger.records()
        if request.status is ImportStatus.COMPLETED
        for split in request.splits
    }
    return [record for record in records if record.split not in ended]


def _faults(
    attempt: Attempt,
    targets: OpenTargets,
    copy: CopySplits,
    files: Sequence[FileRecord],
    content: bool,
) -> Mapping[str, str]:
    what = f"look for the files of {copy.collection.name}"
    if copy.staging is not None:
        place = StagingPlace.of(copy)
        return attempt.call(what, lambda: place.lost(files))
    target = targets.by_route(copy.route)
    if not isinstance(target, KeepsFiles):
        return {}
    return attempt.call(what, lambda: target.lost(copy, files, content=content))


def _differed(attempt: Attempt, steps: Mapping[str, StepRecord], copy: CopySplits) -> bool:
    """Whether the last verification of a copy found differences: then files are read, too."""
    for step in attempt.plan.steps:
        if isinstance(step, Verify) and step.copy == copy.id and step.id in steps:
            record = steps[step.id]
            return not record.done and record.result is not None
    return False


def _is_recorded(attempt: Attempt, targets: OpenTargets, step: WriteManifest) -> bool:
    target = targets.by_route(route_of(attempt.plan))
    if not isinstance(target, KeepsFiles):
        return True
    digest = attempt.run.plan_digest
    return attempt.call(f"look for {step.path}", lambda: target.records(step, digest))


def _claim_again(attempt: Attempt, targets: OpenTargets, copy: CopySplits) -> None:
    target = targets.by_route(copy.route)
    if not isinstance(target, KeepsFiles):
        return
    claim = claim_of(attempt.run, begun=True)
    for step in attempt.plan.creates:
        if step.collection.name == copy.collection.name and step.makes:
            what = f"claim {copy.collection.name}"
            attempt.call(what, partial(target.claim_again, step, claim))


def _note(lost: _Lost) -> Diagnostic:
    files, rows = len(lost.faults), sum(record.result.rows_written for record in lost.splits)
    path, why = next(iter(lost.faults.items()))
    more = "" if files == 1 else f", and {many(files - 1, 'more file')}"
    return Diagnostic(
        "MMC576",
        f"{lost.copy.collection.name}: {path}: {why}{more}; {many(rows, 'row')} of"
        f" {many(len(lost.splits), 'split')} are copied again",
        severity=Severity.NOTE,
        hint="this run wrote them: let nothing else delete or change them while it goes on",
    )
