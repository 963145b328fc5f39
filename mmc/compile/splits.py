"""Extents joined and cut into splits of the wanted size. The only place where splits are
made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from mmc.compile.draft import Draft
from mmc.facts import Extent
from mmc.plan.model import Split

SPLIT_BYTES = 128 * 2**20
INSERT_ROWS = 100_000
"""Inserts are slow per row, so an insert split is also bounded in rows: a replay costs seconds, not
minutes.
"""


def make_splits(draft: Draft) -> Draft:
    load = draft.spec.model.load
    collections = []
    for collection in draft.collections:
        bytes_wanted = load.split_bytes or SPLIT_BYTES
        if collection.staging is not None and load.staging is not None:
            bytes_wanted = load.split_bytes or load.staging.bytes_wanted
        rows_wanted = None if collection.write == "file" else INSERT_ROWS
        splits = split_extents(collection.source.extents, bytes_wanted, rows_wanted)
        collections.append(replace(collection, splits=splits))
    return replace(draft, collections=tuple(collections))


def split_extents(
    extents: tuple[Extent, ...], bytes_wanted: int, rows_wanted: int | None
) -> tuple[Split, ...]:
    """Joins small neighbours and cuts large pieces, in order; every row of every extent is in
    exactly one split.

    Args:
        extents: in source order.
        bytes_wanted: size that a split should reach and not exceed, but for pieces that may not be
            cut.
        rows_wanted: the same in rows; None when only bytes count.
    """
    splits: list[Split] = []
    open_pieces: list[Extent] = []

    def close() -> None:
        if open_pieces:
            splits.append(_split(len(splits), tuple(open_pieces)))
            open_pieces.clear()

    for piece in (part for extent in extents for part in _cut(extent, bytes_wanted, rows_wanted)):
        if open_pieces and not _fits([*open_pieces, piece], bytes_wanted, rows_wanted):
            close()
        open_pieces.append(piece)
    close()
    return tuple(splits)


def _cut(extent: Extent, bytes_wanted: int, rows_wanted: int | None) -> Iterator[Extent]:
    """Even cuts of a cuttable extent; the others whole."""
    rows = extent.stop - extent.start
    parts = max(1, -(-extent.bytes // bytes_wanted))
    if rows_wanted is not None and extent.unit == "row":
        parts = max(parts, -(-rows // rows_wanted))
    if not extent.cuttable or extent.unit != "row" or parts == 1 or rows < 2:
        yield extent
        return
    parts = min(parts, rows)
    bounds = [extent.start + rows * number // parts for number in range(parts + 1)]
    for start, stop in pairwise(bounds):
        yield replace(
            extent,
            start=start,
            stop=stop,
            rows=stop - start,
            bytes=extent.bytes * (stop - start) // rows,
        )


def _fits(pieces: list[Extent], bytes_wanted: int, rows_wanted: int | None) -> bool:
    if len({piece.partition for piece in pieces}) > 1:
        return False
    if sum(piece.bytes for piece in pieces) > bytes_wanted:
        return False
    rows = sum(piece.rows or 0 for piece in pieces)
    return rows_wanted is None or rows <= rows_wanted


def _split(number: int, pieces: tuple[Extent, ...]) -> Split:
    rows = [piece.rows for piece in pieces]
    return Split(
        id=f"{number:05d}",
        pieces=pieces,
        rows=None if None in rows else sum(count or 0 for count in rows),
        bytes=sum(piece.bytes for piece in pieces),
        partition=pieces[0].partition,
    )
