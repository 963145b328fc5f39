"""Removes what a run left in its staging place: exactly the files that it recorded."""

from __future__ import annotations

from mmc.errors import StateError
from mmc.run.staging import StagingPlace
from mmc.state.store import Store


def clean_run(store: Store, run: str, *, force: bool = False) -> tuple[str, ...]:
    """Deletes the staged files of a run and gives their URLs; files imported in place stay.

    Args:
        run: its id, or what only it begins with.
        force: also of a run that is not complete, which then cannot be continued, and is forgotten.

    Raises:
        StateError: no such run, or it is not complete and still needs its files.
        TargetError: they cannot be deleted.
    """
    found = store.run(run)
    if not found.status.complete and not force:
        raise StateError(
            f"run {found.run} is {found.status} and needs its staged files to go on",
            hint="apply its plan again; or --force, which also forgets the run",
            code="MMC644",
        )
    removed: list[str] = []
    for copy in store.plan_of(found.run).copies:
        if copy.staging is None or not copy.staging.key:
            continue
        files = [file.path for record in store.splits(found.run, copy.id) for file in record.files]
        place = StagingPlace.of(copy)
        place.remove(files)
        removed += [place.url_of(path) for path in files]
    if not found.status.complete:
        store.forget(found.run)
    return tuple(removed)
