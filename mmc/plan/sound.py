"""Whether a plan that was read is one that mmc could have made. Pure; knows no endpoint.

A plan is untrusted input: its digest shows that nothing was changed by mistake, and is no
signature. So every name of a place in it must stay below the place that it belongs to, every value
must be one that `run` knows, its steps must belong together (`fitting`), its rows add up (`sums`),
and it reads nothing but its source (`origins`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmc.casts.table import CASTS
from mmc.paths import stays_below
from mmc.plan.fitting import unfitting
from mmc.plan.mapping import Column, Expression, Mapping
from mmc.plan.model import (
    CheckKeys,
    CheckStaging,
    CopySplits,
    ImportFiles,
    Layout,
    Plan,
    RemoveStaged,
    Split,
    Verify,
    Write,
    WriteManifest,
)
from mmc.plan.origins import strayed
from mmc.plan.sums import uneven
from mmc.types import ArrowType, TypeSyntaxError

MOST_WORKERS = 256
"""As `load.workers` of a spec admits."""
MANIFEST = "manifest.json"
LONGEST_PATH = 255
"""Bytes of the name of a folder that a file system takes."""
_SPLIT = re.compile(r"[0-9]{5,18}")
_KEY = re.compile(r"(?:[0-9a-f]{16,64})?")


def unsound(plan: Plan) -> Iterator[tuple[str, str]]:
    """What is wrong in a plan: (place, reason), such as ("copy.a: layout", "...")."""
    if not 1 <= plan.workers <= MOST_WORKERS:
        yield "workers", f"{plan.workers} is not between 1 and {MOST_WORKERS}"
    copies = {copy.id: copy for copy in plan.copies}
    seen: set[str] = set()
    for step in plan.steps:
        if step.id in seen:
            yield step.id, "two steps have this id"
        seen.add(step.id)
        match step:
            case CopySplits():
                yield from _copy(step)
            case CheckKeys() | CheckStaging() | RemoveStaged():
                if step.copy not in copies:
                    yield step.id, f"there is no copy step {step.copy!r}"
            case ImportFiles() | Verify():
                copy = copies.get(step.copy)
                if copy is None:
                    yield step.id, f"there is no copy step {step.copy!r}"
                elif copy.collection.name != step.collection:
                    yield step.id, f"{step.copy} copies {copy.collection.name!r}"
                if isinstance(step, ImportFiles) and step.files < 1:
                    yield step.id, f"{step.files} files an import"
            case WriteManifest():
                yield from _path(step.id, step.path)
                if step.path != MANIFEST:
                    yield step.id, f"a manifest is {MANIFEST}, not {step.path!r}"
                for entry in step.collections:
                    if entry.copy not in copies:
                        yield step.id, f"there is no copy step {entry.copy!r}"
                    yield from _layout(step.id, entry.layout)
            case _:
                pass
    yield from _folders(plan)
    yield from unfitting(plan)
    yield from uneven(plan)
    yield from strayed(plan)


def _folders(plan: Plan) -> Iterator[tuple[str, str]]:
    """Folders of copies that lie in each other: one would remove what the other wrote."""
    kept: dict[tuple[str, ...], str] = {}
    for copy in plan.copies:
        if copy.layout is not None and copy.write is not Write.IN_PLACE:
            staged = (copy.staging.url, copy.staging.key) if copy.staging is not None else ("", "")
            folder = (*staged, *copy.layout.directory.split("/"))
            for other, id_ in kept.items():
                shared = min(len(folder), len(other))
                if folder[:shared] == other[:shared]:
                    yield copy.id, f"its folder and that of {id_} are not apart"
            kept[folder] = copy.id


def _copy(step: CopySplits) -> Iterator[tuple[str, str]]:
    if step.batches.rows < 1 or step.batches.bytes < 1:
        yield step.id, f"batches of {step.batches.rows} rows or {step.batches.bytes} bytes"
    if step.layout is not None:
        yield from _layout(step.id, step.layout)
    if step.staging is not None and not _KEY.fullmatch(step.staging.key):
        yield step.id, f"staging key {step.staging.key!r} is no digest"
    files = step.write in (Write.FILE, Write.IN_PLACE) or step.staging is not None
    if files and step.layout is None:
        yield step.id, "it writes files, and nothing says where"
    ids = set()
    for split in step.splits:
        if not _SPLIT.fullmatch(split.id):
            yield step.id, f"split {split.id!r} is no number of five digits or more"
        if split.id in ids:
            yield step.id, f"two splits are {split.id}"
        ids.add(split.id)
        yield from _split(step.id, split)
    names = [field.name for field in step.collection.fields]
    mapped = [mapping.field.name for mapping in step.mappings]
    if sum(field.primary_key for field in step.collection.fields) != 1:
        yield step.id, "the collection has no primary key, or more than one"
    if any(name not in names for name in mapped) or len(set(mapped)) != len(mapped):
        yield step.id, "the mappings are not those of the collection's fields"
    elif missing := sorted(set(names) - set(mapped)):
        yield step.id, f"nothing says what field {missing[0]!r} is made of"
    elif tuple(mapping.field for mapping in step.mappings) != step.collection.fields:
        yield (
            step.id,
            "the mappings are not one for each of the collection's fields, in their order",
        )
    for mapping in step.mappings:
        yield from _mapping(step, mapping)
    for column in step.rest:
        yield from _arrow(step.id, column.arrow)
        if column.source not in step.read.columns:
            yield step.id, f"column {column.source!r} is used and not read"


def _mapping(step: CopySplits, mapping: Mapping) -> Iterator[tuple[str, str]]:
    place = f"{step.id}.{mapping.field.name}"
    origin = mapping.origin
    if isinstance(origin, (Column, Expression)):
        if origin.cast not in CASTS:
            yield place, f"there is no cast {origin.cast!r}"
        yield from _arrow(place, origin.arrow)
    if isinstance(origin, Column) and origin.name not in step.read.columns:
        yield place, f"column {origin.name!r} is used and not read"


def _arrow(place: str, text: str) -> Iterator[tuple[str, str]]:
    try:
        ArrowType.parse(text)
    except TypeSyntaxError as error:
        yield place, f"{text!r} is no Arrow type: {error}"


def _split(place: str, split: Split) -> Iterator[tuple[str, str]]:
    for piece in split.pieces:
        least = 0 if piece.unit in ("row", "byte", "list") else piece.start  # of keys: any
        if not least <= piece.start <= piece.stop or piece.bytes < 0 or (piece.rows or 0) < 0:
            yield place, f"split {split.id} has a piece {piece.start}..{piece.stop}"
    if split.bytes < 0 or (split.rows or 0) < 0:
        yield place, f"split {split.id} has less than nothing"


def _layout(place: str, layout: Layout) -> Iterator[tuple[str, str]]:
    yield from _path(place, layout.directory)
    if layout.directory.partition("/")[0] == MANIFEST:
        yield place, f"{layout.directory!r} is where the manifest goes"


def _path(place: str, path: str) -> Iterator[tuple[str, str]]:
    if not stays_below(path):
        yield place, f"{path!r} is no path below the target"
    elif len(path.encode(errors="replace")) > LONGEST_PATH:
        yield place, f"a path of {len(path):,} characters is too long: {path[:40]!r}..."
