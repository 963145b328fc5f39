"""Whether the steps of a plan belong together: which of them need which others, before or after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from mmc.plan.ddl import DropAlias, DropCollection
from mmc.plan.model import (
    CheckKeys,
    CheckStaging,
    CopySplits,
    CreateCollection,
    ImportFiles,
    Mode,
    Plan,
    RemoveStaged,
    Verify,
    Write,
    WriteManifest,
)

_OfCopy: TypeAlias = CheckKeys | CheckStaging | ImportFiles | Verify | RemoveStaged
"""Steps that name a copy."""


def unfitting(plan: Plan) -> Iterator[tuple[str, str]]:
    """What does not belong together: (place, reason)."""
    creates = {step.collection.name: step for step in plan.creates}
    filled = Counter(copy.collection.name for copy in plan.copies)
    made = Counter(step.collection.name for step in plan.creates)
    for name, create in creates.items():
        if made[name] > 1:
            yield create.id, f"two steps make or check {name!r}"
        if not filled[name]:
            yield create.id, f"no step copies into {name!r}"
    places = {step.id: place for place, step in enumerate(plan.steps)}
    naming: dict[str, list[_OfCopy]] = {}
    for step in plan.steps:
        if isinstance(step, (CheckKeys, CheckStaging, ImportFiles, Verify, RemoveStaged)):
            naming.setdefault(step.copy, []).append(step)
    changing = [
        place
        for place, step in enumerate(plan.steps)
        if isinstance(step, (DropAlias, DropCollection, CreateCollection))
    ]
    for copy in plan.copies:
        create_ = creates.get(copy.collection.name)
        if create_ is None:
            yield copy.id, f"no step makes or checks {copy.collection.name!r}"
        else:
            if create_.collection != copy.collection:
                yield copy.id, f"{create_.id} makes another collection {copy.collection.name!r}"
            if places[create_.id] > places[copy.id]:
                yield copy.id, f"{create_.id} comes after it"
        if filled[copy.collection.name] > 1:
            yield copy.id, f"two steps copy into {copy.collection.name!r}"
        yield from _around(naming.get(copy.id, ()), copy, create_, places, changing)
    yield from _manifest(plan, places)


def _around(
    steps: Sequence[_OfCopy],
    copy: CopySplits,
    create: CreateCollection | None,
    places: dict[str, int],
    changing: Sequence[int],
) -> Iterator[tuple[str, str]]:
    """Steps that name a copy: those that it does not have, or that come at the wrong time."""
    at = places[copy.id]
    last = at
    first = min([at, *changing])
    imports = checks = 0
    for step in steps:
        if isinstance(step, CheckKeys):
            yield from _keys(step, copy, create)
            if places[step.id] > at:
                yield step.id, f"it comes after {copy.id}"
        if isinstance(step, CheckStaging):
            checks += 1
            if copy.staging is None:
                yield step.id, f"{copy.id} stages no files"
            if places[step.id] > first:
                yield step.id, "it comes after a collection is made or dropped"
        if isinstance(step, ImportFiles):
            imports += 1
            if copy.staging is None:
                yield step.id, f"{copy.id} stages no files"
        if isinstance(step, (ImportFiles, Verify)):
            last = max(last, places[step.id])
            if places[step.id] < at:
                yield step.id, f"it comes before {copy.id}"
    if copy.staging is not None and imports != 1:
        yield copy.id, f"it stages files, and {imports or 'no'} steps import them"
    if copy.staging is not None and checks != 1:
        yield copy.id, f"it stages files, and {checks or 'no'} steps try the place"
    for step in steps:
        if isinstance(step, RemoveStaged):
            if copy.staging is None or copy.write is Write.IN_PLACE or copy.staging.keep:
                yield step.id, f"there are no staged files of {copy.id} to remove"
            if places[step.id] < last:
                yield step.id, f"it comes before the end of {copy.id}"
    if copy.write is Write.IN_PLACE and copy.staging is None:
        yield copy.id, "it writes nothing, and nothing is imported"


def _keys(
    step: CheckKeys, copy: CopySplits, create: CreateCollection | None
) -> Iterator[tuple[str, str]]:
    """Keys are looked for in a collection that is there, of a target that can be asked for them."""
    for asked, mode in ((step.existing, Mode.APPEND), (step.counted, Mode.UPSERT)):
        if not asked:
            continue
        if create is None or not create.exists or create.mode is not mode:
            yield step.id, f"it asks {copy.collection.name!r} for keys, and load.mode is not {mode}"
        elif in_folder(copy):
            yield step.id, f"{copy.id} writes into a folder, which cannot be asked for keys"


def in_folder(copy: CopySplits) -> bool:
    """Whether its files are what the target keeps: they are in its manifest."""
    return copy.layout is not None and copy.staging is None


def _manifest(plan: Plan, places: dict[str, int]) -> Iterator[tuple[str, str]]:
    """What a manifest says of its collections, and that it says all."""
    steps = [step for step in plan.steps if isinstance(step, WriteManifest)]
    kept = {copy.id: copy for copy in plan.copies if in_folder(copy)}
    if kept and len(steps) != 1:
        first = next(iter(kept))
        yield first, f"it writes into a folder, and {len(steps) or 'no'} steps write its manifest"
    for step in steps:
        entries = Counter(entry.copy for entry in step.collections)
        for id_ in [*kept, *(id_ for id_ in entries if id_ not in kept)]:
            if id_ not in kept:
                yield step.id, f"{id_} writes no files that it could name"
            elif entries[id_] != 1:
                yield step.id, f"it names {id_} {entries[id_]} times"
            elif places[step.id] < places[id_]:
                yield step.id, f"it comes before {id_}"
        for entry in step.collections:
            copy = kept.get(entry.copy)
            if copy is None:
                continue
            if copy.layout != entry.layout:
                yield step.id, f"{entry.copy} writes its files into another folder"
            if copy.collection != entry.collection:
                yield step.id, f"{entry.copy} fills another collection"
