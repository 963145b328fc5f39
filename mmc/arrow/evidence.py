"""Evidence of Arrow columns: what a sample shows, or exactly what a whole column holds; and which
rows a sample takes.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mmc.facts import Evidence, Extent

if TYPE_CHECKING:
    import pyarrow as pa

_WINDOWS = 16
"""Places of the source that a sample is taken from."""
_TEXT = 40
"""Characters of an example."""


def sample_pieces(
    extents: tuple[Extent, ...], wanted: int, seed: int
) -> Iterator[tuple[Extent, int]]:
    """Pieces and how many rows to take of each: all rows, or windows spread by the seed.

    A piece may hold fewer rows than that.
    """
    total = sum(extent.rows or 0 for extent in extents)
    if total <= wanted:
        yield from ((extent, extent.rows or 0) for extent in extents)
        return
    pick = random.Random(seed)
    weights = [extent.rows or 0 for extent in extents]
    count = min(_WINDOWS, wanted)
    for i, extent in enumerate(pick.choices(extents, weights, k=count)):
        rows = wanted // count + (i < wanted % count)
        if extent.unit == "list":
            yield replace(extent, start=pick.randrange(extent.start, extent.stop)), rows
        else:
            start = pick.randrange(extent.start, max(extent.stop - rows, extent.start) + 1)
            yield replace(extent, start=start, stop=min(start + rows, extent.stop)), rows


def sampled_evidence(
    extents: tuple[Extent, ...],
    wanted: int,
    seed: int,
    read: Callable[[Extent, int], Iterator[pa.RecordBatch]],
) -> dict[str, Evidence]:
    """Evidence of each column of a sample; none of a source without rows.

    Args:
        wanted: rows to look at.
        read: gives the batches of a piece, of at most so many rows.
    """
    import pyarrow as pa

    batches: list[pa.RecordBatch] = []
    for piece, rows in sample_pieces(extents, wanted, seed):
        left = rows
        for batch in read(piece, max(1, min(left, 4096))):
            batches.append(batch.replace_schema_metadata(None).slice(0, left))
            left -= batches[-1].num_rows
            if left <= 0:
                break
    if not batches:
        return {}
    rows_of = pa.Table.from_batches(batches)
    return {name: of_sample(rows_of.column(name)) for name in rows_of.column_names}


def of_sample(column: pa.ChunkedArray) -> Evidence:
    """Evidence of id or vector values."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = len(column)
    if not rows:
        return Evidence()
    if pa.types.is_integer(column.type):
        return _integers(Evidence(rows=rows, examples=_examples(column)), column)
    if pa.types.is_fixed_size_list(column.type):
        bad = 0
        for chunk in column.chunks:
            values = chunk.flatten().to_numpy().reshape(len(chunk), -1)
            bad += int((~np.isfinite(values)).any(axis=1).sum())
        return Evidence(rows=rows, non_finite=bad, max_items=column.type.list_size)
    return Evidence(rows=rows, max_bytes=int(pc.max(pc.binary_length(column)).as_py()))


def of_column(column: pa.Array, missing: int | None) -> Evidence:
    """Evidence of a whole column of the side table; `missing` ids have no row there."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    rows, nulls = len(column), column.null_count
    found = Evidence(rows=rows, nulls=nulls + (missing or 0), examples=_examples(column))
    if rows == nulls:
        return found
    if _is_text(kind) or pa.types.is_fixed_size_binary(kind):
        return replace(found, max_bytes=int(pc.max(pc.binary_length(column)).as_py()))
    if pa.types.is_integer(kind):
        return _integers(found, column)
    if pa.types.is_floating(kind):
        bad = pc.sum(pc.invert(pc.is_finite(column))).as_py()
        return replace(found, non_finite=int(bad or 0))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        items = int(pc.max(pc.list_value_length(column)).as_py())
        inner = column.flatten()
        longest = None
        if _is_text(inner.type) and len(inner) > inner.null_count:
            longest = int(pc.max(pc.binary_length(inner)).as_py())
        found = replace(found, max_items=items, max_bytes=longest)
        if pa.types.is_integer(inner.type) and len(inner) > inner.null_count:
            return _integers(found, inner)
    return found


def _integers(found: Evidence, column: Any) -> Evidence:
    import pyarrow.compute as pc

    limits = pc.min_max(column).as_py()
    return replace(found, min_value=int(limits["min"]), max_value=int(limits["max"]))


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    types = pa.types
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
    )


def _examples(column: Any) -> tuple[str, ...]:
    values = [value for value in column.slice(0, 16).to_pylist() if value is not None]
    return tuple(str(value)[:_TEXT] for value in values[:3])
