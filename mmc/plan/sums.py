"""Whether the rows of a plan add up: from pieces to splits, to steps, to its summary, and to what
was seen of the source. A plan that left some out would end well, and copy less than its source has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from mmc.facts import Extent
from mmc.plan.canonical import canonical
from mmc.plan.ddl import AlterCollection, DropCollection
from mmc.plan.model import (
    BuildIndex,
    CopySplits,
    Plan,
    Split,
    WriteManifest,
)


def uneven(plan: Plan) -> Iterator[tuple[str, str]]:
    """What does not add up: (place, reason)."""
    seen = dict(plan.source_seen.rows)
    if len(seen) != len(plan.source_seen.rows):
        yield "source_seen", "a collection has two counts of its rows"
    for copy in plan.copies:
        yield from _splits(copy)
        if copy.read.collection not in seen:
            yield copy.id, f"nothing says how many rows {copy.read.collection!r} has"
        elif seen[copy.read.collection] != copy.rows:
            has = _rows(seen[copy.read.collection])
            yield copy.id, f"it copies {_rows(copy.rows)}, and {copy.read.collection!r} has {has}"
    copied = {copy.read.collection for copy in plan.copies}
    if plan.steps:
        for name, rows in seen.items():
            if name not in copied and rows != 0:
                yield "source_seen", f"{name!r} has {_rows(rows)}, and no step copies them"
    yield from _summary(plan)


def _splits(copy: CopySplits) -> Iterator[tuple[str, str]]:
    for split in copy.splits:
        yield from _pieces(copy.id, split)
    planned = total(split.rows for split in copy.splits)
    if copy.rows != planned:
        yield copy.id, f"its splits have {_rows(planned)}, and it has {_rows(copy.rows)}"
    elif copy.rows is None and not copy.splits:
        yield copy.id, "it has no splits, and nothing says that there are no rows"
    yield from _twice(copy)


def _pieces(place: str, split: Split) -> Iterator[tuple[str, str]]:
    planned = total(piece.rows for piece in split.pieces)
    if not split.pieces:
        yield place, f"split {split.id} has no pieces"
    elif split.rows != planned:
        has = f"and it has {_rows(split.rows)}"
        yield place, f"the pieces of split {split.id} have {_rows(planned)}, {has}"
    for piece in split.pieces:
        if piece.unit == "row" and (piece.rows or 0) > piece.stop - piece.start:
            where = f"{piece.start}..{piece.stop}"
            yield place, f"split {split.id} has a piece {where} of {_rows(piece.rows)}"


def _twice(copy: CopySplits) -> Iterator[tuple[str, str]]:
    """Pieces of one place that overlap: what is in both would stand for what is in none."""
    places: dict[bytes, list[tuple[str, Extent]]] = {}
    for split in copy.splits:
        for piece in split.pieces:
            places.setdefault(canonical((piece.unit, piece.locator)), []).append((split.id, piece))
    for pieces in places.values():
        pieces.sort(key=lambda one: (one[1].start, one[1].stop))
        end: int | None = None
        for id_, piece in pieces:
            if end is not None and piece.start < end:
                yield copy.id, f"split {id_} has rows of another piece, from {piece.start} on"
            end = piece.stop if end is None else max(end, piece.stop)


def _summary(plan: Plan) -> Iterator[tuple[str, str]]:
    said = plan.summary
    kinds = Counter(type(step) for step in plan.steps)
    carried = (step.collections for step in plan.steps if isinstance(step, WriteManifest))
    indexes = sum(len(entry.indexes) for entries in carried for entry in entries)
    new = sum(not step.exists for step in plan.creates)
    changes = (len(step.changes) for step in plan.steps if isinstance(step, AlterCollection))
    counts: dict[str, tuple[int | None, int | None]] = {
        "rows": (said.rows, total(copy.rows for copy in plan.copies)),
        "splits": (said.splits, sum(len(copy.splits) for copy in plan.copies)),
        "collections and indexes to create": (said.create, new + kinds[BuildIndex] + indexes),
        "settings to change": (said.change, sum(changes)),
        "collections to replace": (said.replace, kinds[DropCollection]),
    }
    for what, (told, found) in counts.items():
        if told != found:
            yield "summary", f"it says {_count(told)} {what}, and the steps have {_count(found)}"


def total(rows: Iterable[int | None]) -> int | None:
    """The sum; None when one of them is not known."""
    counts = list(rows)
    return None if None in counts else sum(count or 0 for count in counts)


def _rows(rows: int | None) -> str:
    return "an unknown number of rows" if rows is None else f"{rows:,} rows"


def _count(number: int | None) -> str:
    return "an unknown number of" if number is None else f"{number:,}"
