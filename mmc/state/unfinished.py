"""Runs that began to change a target and did not end, and which collections they left half done.

A run that only looked, checked keys or was refused before its first write has changed nothing: it
stands in no one's way.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

import sqlalchemy as sa

from mmc.errors import StateDamaged
from mmc.plan.ddl import AlterCollection, CreateAlias, DropAlias, DropCollection
from mmc.plan.model import (
    AwaitIndexes,
    BuildIndex,
    CheckKeys,
    CheckStaging,
    CopySplits,
    CreateCollection,
    ImportFiles,
    LoadCollection,
    Plan,
    RemoveStaged,
    Step,
    Verify,
    Write,
    WriteManifest,
)
from mmc.state.sql import survives_restart
from mmc.state.store import Run, StepRecord, Store
from mmc.state.tables import imports, splits, steps


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A run that is half done.

    Attributes:
        plan: None where another version of mmc wrote it, and this one cannot read it.
        collections: of the plan.
    """

    run: Run
    plan: Plan | None
    collections: frozenset[str]


def unfinished(store: Store, key: str, *, except_digest: str) -> list[Unfinished]:
    """Runs of other plans that changed something at this target and did not end, the latest first.

    Args:
        key: of the target, `mmc.state.targets.target_key`.
    """
    found = []
    for run in store.open_runs(key, except_digest):
        begun = store.steps(run.id)
        if not begun:
            continue
        try:
            plan = store.plan_of(run.id)
        except StateDamaged:
            found.append(Unfinished(run, None, frozenset()))
            continue
        if has_written(store, run.id, plan, begun):
            found.append(Unfinished(run, plan, touched(plan)))
    return found


def touched(plan: Plan) -> frozenset[str]:
    """Collections of the target that a plan reads or writes; a files target has a folder for each,
    of the same name.
    """
    names = {name for name, _ in plan.target_seen.rows}
    for step in plan.steps:
        if isinstance(step, (CreateCollection, CopySplits)):
            names.add(step.collection.name)
    return frozenset(names)


def has_written(store: Store, run: str, plan: Plan, begun: Mapping[str, StepRecord]) -> bool:
    """Whether a run may have changed anything at the target, by what is recorded of it.

    Args:
        begun: its steps, by id.
    """
    copied = {record.step for record in store.splits(run)}
    asked_of = sa.select(imports.c.step).where(imports.c.run == run)
    with store.database.reading() as connection:
        asked = set(connection.execute(asked_of).scalars())
    return any(_writes(step, copied, asked) for step in plan.steps if step.id in begun)


def take_back(store: Store, run: str, step: str) -> None:
    """Drops that a step was begun: it was refused before its first effect."""
    with store.database.writing() as connection:
        connection.execute(steps.delete().where(steps.c.run == run, steps.c.step == step))


@survives_restart
def begin_again(
    store: Store, run: str, lost: Mapping[str, Sequence[str]], undone: Collection[str]
) -> None:
    """Drops that these splits and steps are done: what they wrote is not there any more.

    Args:
        lost: ids of splits, by step.
    """
    with store.database.writing() as connection:
        for step, ids in lost.items():
            mine = (splits.c.run == run) & (splits.c.step == step)
            for at in range(0, len(ids), 500):  # databases take some thousand values a statement
                again = splits.update().where(mine, splits.c.split.in_(ids[at : at + 500]))
                connection.execute(again.values(status="begun", finished_at=None))
        mine = (steps.c.run == run) & steps.c.step.in_(sorted(undone))
        connection.execute(steps.update().where(mine).values(status="begun", finished_at=None))


def restart_unwritten(store: Store, plan: Plan, digest: str) -> None:
    """Drops what is recorded of this plan's run while it has written nothing, so that its checks
    are made again: another plan may have changed the same collections since. That it loaded one
    stays, for that is why the facts differ from the plan's.
    """
    run = store.run_of(digest)
    if run is None or run.status.complete:
        return
    if not has_written(store, run.id, plan, store.steps(run.id)):
        with store.database.writing() as connection:
            for table in (imports, splits):
                connection.execute(table.delete().where(table.c.run == run.id))
            kept = [step.id for step in plan.steps if isinstance(step, LoadCollection)]
            others = steps.c.step.not_in(kept)
            connection.execute(steps.delete().where(steps.c.run == run.id, others))


def _writes(step: Step, copied: Collection[str], asked: Collection[str]) -> bool:
    """Whether a step that was begun may have written.

    Args:
        copied: steps of which a split was begun.
        asked: steps of which an import was intended.
    """
    match step:
        case CheckKeys() | CheckStaging() | Verify() | LoadCollection() | AwaitIndexes():
            return False
        case RemoveStaged():
            return False
        case CreateCollection():
            # To append or upsert it is only checked.
            return step.makes
        case CopySplits():
            # Files that are imported where they lie are only read.
            return step.id in copied and step.write is not Write.IN_PLACE
        case ImportFiles():
            return step.id in asked
        case BuildIndex() | WriteManifest():
            return True
        case DropAlias() | DropCollection() | CreateAlias() | AlterCollection():
            return True
        case _:
            assert_never(step)
