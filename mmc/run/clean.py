"""Gives up what a run left: its staged files, or all that is recorded of it. Not while an apply of
it is running, which holds the lease of the target.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mmc.errors import StateDamaged, StateError
from mmc.events import Emit
from mmc.layouts.staging import StagingPlace
from mmc.plan.model import RemoveStaged
from mmc.state.lease import Lease
from mmc.state.records import splits_of
from mmc.state.store import Run, Store


def clean_run(store: Store, run: str, emit: Emit, *, force: bool = False) -> tuple[str, ...]:
    """Deletes the staged files of a run, also half-written ones, and gives the URLs of those that
    were there; files imported in place stay.

    Args:
        run: its id, or what only it begins with.
        force: also of a run that is not complete, which then cannot be continued, and is forgotten.

    Raises:
        StateError: no such run, or it is not complete and still needs its files.
        LeaseHeld: it is not complete, and its target is being written: by its own apply, or by
            another.
        TargetError: they cannot be deleted.
    """
    known = store.run(run)
    if not known.status.complete and not force:
        raise StateError(
            f"run {known.id} is {known.status} and needs its staged files to go on",
            hint="apply its plan again; or --force, which also forgets the run",
            code="MMC644",
        )
    with _alone(store, known, emit) as found:
        removed = _remove_staged(store, found)
        if not found.status.complete:
            store.forget(found.id)
    return removed


@dataclass(frozen=True, slots=True)
class StagedFiles:
    """The staged files of one collection.

    Attributes:
        folder: URL of the folder that they are in.
        files: their names in it.
        begun: splits of which a killed attempt may have left more, whole or half-written.
    """

    folder: str
    files: tuple[str, ...]
    begun: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A run that is no longer recorded.

    Attributes:
        plan_name: "" where what was recorded cannot be read.
        staged: files that it wrote, and did not remove itself; `clean` may have. Nobody knows them
            any more.
        unread: why `staged` is not known; "" where it is.
    """

    run: str
    plan_name: str
    staged: tuple[StagedFiles, ...]
    unread: str = ""


def forget_run(store: Store, run: str, emit: Emit) -> Forgotten:
    """Removes all that is recorded of a run, also where it cannot be read. The target and staged
    files stay as they are.

    Raises:
        StateError: no such run.
        LeaseHeld: it is not complete, and its target is being written.
    """
    try:
        known = store.run(run)
        staged = tuple(_staged(store, known))
    except StateDamaged as error:
        return _forget_unread(store, run, emit, str(error))
    with _alone(store, known, emit) as found:
        store.forget(found.id)
    return Forgotten(found.id, found.plan_name, staged)


def _forget_unread(store: Store, run: str, emit: Emit, why: str) -> Forgotten:
    id_, key = store.find(run)
    # A key that was edited too is nobody's lease.
    with Lease(store.database, key[:64], emit) as lease:
        lease.check()
        store.forget(id_)
    return Forgotten(id_, "", (), why)


def _staged(store: Store, run: Run) -> Iterator[StagedFiles]:
    plan, steps = store.plan_of(run.id), store.steps(run.id)
    removes = (step for step in plan.steps if isinstance(step, RemoveStaged))
    removed = {step.copy for step in removes if step.id in steps and steps[step.id].done}
    for copy in plan.copies:
        if copy.staging is None or not copy.staging.key or copy.id in removed:
            continue
        place = StagingPlace.of(copy)
        records = splits_of(store, run.id, copy)
        folder = f"{place.key}/{place.directory}/"
        files = tuple(
            file.path.removeprefix(folder) for one in records for file in one.result.files
        )
        begun = tuple(record.split for record in records if not record.done)
        if files or begun:
            yield StagedFiles(place.url_of(folder), files, begun)


@contextmanager
def _alone(store: Store, run: Run, emit: Emit) -> Iterator[Run]:
    """The run, while nobody applies it: a complete one is never applied again."""
    if run.status.complete:
        yield run
        return
    with Lease(store.database, run.target_key, emit) as lease:
        found = store.run(run.id)
        lease.check()
        yield found


def _remove_staged(store: Store, run: Run) -> tuple[str, ...]:
    removed: list[str] = []
    for copy in store.plan_of(run.id).copies:
        if copy.staging is None or not copy.staging.key:
            continue
        place = StagingPlace.of(copy)
        records = splits_of(store, run.id, copy)
        files = [file.path for record in records for file in record.result.files]
        begun = [record.split for record in records if not record.done]
        gone = place.remove([*files, *place.left_over(copy, begun)])
        removed += [place.url_of(path) for path in gone]
    return tuple(removed)
