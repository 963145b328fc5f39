"""Verify steps: of a run as it goes, and of an applied plan again. `mmc.verify` judges."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mmc.copied import CopiedSplit
from mmc.diagnostics import Diagnostic, Severity
from mmc.errors import MmcError, StateError
from mmc.events import Diagnosed, Emit, Verified
from mmc.plan import codec
from mmc.plan.model import CheckKeys, CopySplits, CreateCollection, Plan, Split, Verify
from mmc.run.labels import label_of
from mmc.run.pace import call
from mmc.run.preflight import refuse_elsewhere
from mmc.run.split import read_again
from mmc.run.stop import StopFlag, ending_of
from mmc.run.targets import OpenTargets
from mmc.state.records import splits_of
from mmc.state.store import SplitRecord, StepRecord, Store
from mmc.verify.check import Replaced, verify_step
from mmc.verify.planned import planned

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_BEFORE = "rows_before"
PARTITIONS_BEFORE = "partitions_before"
OWN_PROPERTIES = "own_properties"
"""Rows of each partition that the plan writes to. Both stand in the recorded result of a
CreateCollection step, and so does OWN_PROPERTIES: those that the target gave a new collection by
itself.
"""

KEYS, HELD = "rows", "held"
"""In the recorded result of a CheckKeys step: keys of the source, and rows that the target had
under them before the first of ours.
"""


def verify_plan(
    plan: Plan, *, store: Store, emit: Emit, stop: StopFlag | None = None
) -> tuple[Verified, ...]:
    """Verifies an applied plan again, against the target as it is now. Changes nothing, and records
    nothing.

    Raises:
        StateError: not all splits of the plan were copied with this store.
        Stopped: a signal.
    """
    stop = stop or StopFlag()
    run = store.run_of(codec.digest(plan))
    if run is not None:
        refuse_elsewhere(plan, run)
    verdicts = []
    with ExitStack() as stack:
        targets = OpenTargets(plan, emit, stop, stack)
        for step in plan.steps:
            if isinstance(step, Verify):
                known = (
                    recorded(store, run.id, plan, step)
                    if run
                    else Recorded(splits=(), rows_before=None)
                )
                try:
                    verdicts.append(verify_copied(plan, step, known, targets, emit, stop))
                except MmcError as error:
                    raise ending_of(error, stop) from None
                tell_verdict(verdicts[-1], emit, ended=run is not None and run.status.complete)
    return tuple(verdicts)


def tell_verdict(verdict: Verified, emit: Emit, *, ended: bool) -> None:
    """Emits a verdict and, where files are damaged, the way out. `ended`: the run is complete, and
    applying its plan again does nothing.
    """
    emit(verdict)
    if not verdict.damaged:
        return
    hint = "apply the plan again: it looks for such files, and copies their rows again"
    if ended:
        hint = (
            "the run is complete, so applying its plan again does nothing: set"
            " `load: {mode: replace}` in the spec, and apply that, which writes all files anew"
        )
    message = f"{verdict.collection}: files that were written are gone or changed"
    emit(Diagnosed(Diagnostic("MMC576", message, severity=Severity.NOTE, hint=hint)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What a run recorded of a copy. `rows_before`: rows that the collection had before its first
    row; None when none stay. `partitions_before`: the same of each partition. `replaced`: what an
    upsert replaces of them, where it was counted. `own_properties`: what the target gave the
    collection by itself.
    """

    splits: Sequence[SplitRecord]
    rows_before: int | None
    partitions_before: Mapping[str, int] = field(default_factory=dict)
    replaced: Replaced | None = None
    own_properties: Mapping[str, str] = field(default_factory=dict)


def recorded(store: Store, run: str, plan: Plan, step: Verify) -> Recorded:
    steps = store.steps(run)
    create = steps.get(_create_of(plan, step).id)
    result = create.result if create is not None else None
    found = result if isinstance(result, dict) else {}
    before, parts = found.get(ROWS_BEFORE), found.get(PARTITIONS_BEFORE)
    held = parts.items() if isinstance(parts, dict) else ()
    own = found.get(OWN_PROPERTIES)
    return Recorded(
        splits=splits_of(store, run, copy_of(plan, step.copy)),
        rows_before=before if isinstance(before, int) else None,
        partitions_before={name: rows for name, rows in held if isinstance(rows, int)},
        replaced=_replaced(plan, step, steps),
        own_properties={name: str(value) for name, value in own.items()}
        if isinstance(own, dict)
        else {},
    )


def _replaced(plan: Plan, step: Verify, steps: Mapping[str, StepRecord]) -> Replaced | None:
    """What the check of keys counted, as it was recorded."""
    checks = (it for it in plan.steps if isinstance(it, CheckKeys) and it.copy == step.copy)
    check = next(checks, None)
    record = steps.get(check.id) if check is not None else None
    found = record.result if record is not None and isinstance(record.result, dict) else {}
    keys, held = found.get(KEYS), found.get(HELD)
    return Replaced(keys, held) if isinstance(keys, int) and isinstance(held, int) else None


def rows_before(store: Store, run: str, plan: Plan, copy: CopySplits) -> int:
    """Rows that stay in the collection of a copy, counted before the first of it came."""
    name = copy.collection.name
    makes = (step for step in plan.steps if isinstance(step, CreateCollection))
    create = store.steps(run).get(next(it.id for it in makes if it.collection.name == name))
    result = create.result if create is not None else None
    before = result.get(ROWS_BEFORE) if isinstance(result, dict) else None
    return before if isinstance(before, int) else 0


def verify_copied(
    plan: Plan,
    step: Verify,
    known: Recorded,
    targets: OpenTargets,
    emit: Emit,
    should_stop: Callable[[], bool],
) -> Verified:
    copy = copy_of(plan, step.copy)
    done = {record.split: record.result for record in known.splits if record.done}
    if any(split.id not in done for split in copy.splits):
        raise StateError(
            f"{step.collection}: {len(copy.splits) - len(done)} of {len(copy.splits)} splits"
            " are not copied",
            hint="`mmc apply` the plan first, with the same --state",
            code="MMC633",
        )
    create = _create_of(plan, step)
    if known.rows_before is not None:
        create = replace(create, rows_before=known.rows_before)

    def read_split(split: Split, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        return read_again(plan.source, copy, split, columns)

    def verify() -> Verified:
        return verify_step(
            step,
            copy,
            targets.of(step.collection),
            [CopiedSplit(split, done[split.id]) for split in copy.splits],
            create=create,
            shape=planned(plan, step.collection),
            partitions_before=known.partitions_before,
            replaced=known.replaced,
            own_properties=known.own_properties,
            read_split=read_split,
            emit=emit,
            should_stop=should_stop,
        )

    return call(label_of(step), verify, emit=emit, should_stop=should_stop)


def _create_of(plan: Plan, step: Verify) -> CreateCollection:
    return next(
        it
        for it in plan.steps
        if isinstance(it, CreateCollection) and it.collection.name == step.collection
    )


def copy_of(plan: Plan, step_id: str) -> CopySplits:
    step = plan.step(step_id)
    assert isinstance(step, CopySplits)
    return step
