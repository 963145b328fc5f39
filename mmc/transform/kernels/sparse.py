"""Kernels of sparse vectors: from maps, lists of {index, value}, {indices, values}, JSON text."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from mmc.transform.kernels.faults import (
    INEXACT,
    NOT_FINITE,
    NOT_READABLE,
    NULL_ELEMENT,
    RANGE,
    SPARSE,
    WRONG_LENGTH,
    Casted,
    Fault,
    Flags,
    Positions,
    fault,
    present,
)
from mmc.transform.kernels.rows import Lists, lists_of
from mmc.types import FieldType

_LIMIT = 2**32 - 1
"""Indices are below this: Milvus keeps the largest uint32 for itself."""


def sparse(array: pa.Array, target: FieldType) -> Casted:
    """Values that a float holds exactly."""
    return _sparse(array, rounding=False)


def round_sparse(array: pa.Array, target: FieldType) -> Casted:
    """Values rounded to the nearest float."""
    return _sparse(array, rounding=True)


def _sparse(array: pa.Array, *, rounding: bool) -> Casted:
    lists, indices, values, faults = _pairs(array)
    holes = np.flatnonzero(~(present(indices) & present(values)))
    if len(holes) and len(rows := lists.row_of(holes)):
        faults += (Fault(rows, NULL_ELEMENT, "a null index or value"),)
    built, found = _build(lists, _filled(indices), _filled(values), rounding=rounding)
    return Casted(built, faults + found)


def _filled(array: pa.Array) -> npt.NDArray[Any]:
    if array.null_count:
        array = array.fill_null(0)
    found: npt.NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return found


def _pairs(array: pa.Array) -> tuple[Lists, pa.Array, pa.Array, tuple[Fault, ...]]:
    """Rows, and the flat indices and values that they point into."""
    if not pa.types.is_struct(array.type):
        lists = lists_of(array)
        entries = dict(zip((f.name for f in lists.child.type), lists.child.flatten(), strict=True))
        first, second = ("key", "value") if pa.types.is_map(array.type) else ("index", "value")
        return lists, entries[first], entries[second], ()
    columns = dict(zip((field.name for field in array.type), array.flatten(), strict=True))
    left, right = lists_of(columns["indices"]), lists_of(columns["values"])
    there = present(array)
    halves = there & (left.present != right.present)
    faults = fault(halves, NULL_ELEMENT, "indices or values are null")
    both = there & left.present & right.present
    uneven = both & (left.lengths != right.lengths)
    faults += fault(uneven, WRONG_LENGTH, "not as many indices as values")
    rows = np.where(both & ~uneven, left.lengths, 0)
    offsets: Positions = np.concatenate(([0], np.cumsum(rows)))
    lists = Lists(offsets, left.child, there & (both | halves))
    return lists, _taken(left, rows, offsets), _taken(right, rows, offsets), faults


def _taken(lists: Lists, rows: Positions, offsets: Positions) -> pa.Array:
    """The child without what lies behind rows that are not used."""
    if len(lists.child) == offsets[-1] and (lists.offsets == offsets).all():
        return lists.child
    starts = np.repeat(lists.offsets[:-1] - offsets[:-1], rows)
    return lists.child.take(pa.array(starts + np.arange(offsets[-1])))


def _build(
    lists: Lists, indices: npt.NDArray[Any], values: npt.NDArray[Any], *, rounding: bool
) -> tuple[pa.Array, tuple[Fault, ...]]:
    """A canonical column, indices ascending in each row, and the rows that break a rule."""
    with np.errstate(all="ignore"):
        floats = values.astype(np.float32)
        sound = np.isfinite(values)
        fits = np.isfinite(floats)
        same = floats.astype(np.float64) == values
    outside = indices >= _LIMIT
    if indices.dtype.kind == "i":
        outside |= indices < 0
    keys = np.where(outside, 0, indices).astype(np.uint32)
    row = np.repeat(np.arange(len(lists.present)), lists.lengths)
    order = np.lexsort((keys, row))
    keys, floats, outside = keys[order], floats[order], outside[order]
    repeated = np.zeros(len(keys), dtype=np.bool_)
    if len(keys):
        repeated[1:] = (keys[1:] == keys[:-1]) & (row[1:] == row[:-1])
        repeated &= ~outside
    faults = _rows(lists, row, outside, SPARSE, "an index outside 0..2^32-2")
    faults += _rows(lists, row, repeated, SPARSE, "the same index twice")
    faults += _rows(lists, row, ~sound, NOT_FINITE, "NaN or infinity")
    faults += _rows(lists, row, sound & ~fits, RANGE, "a value outside the range of float")
    if not rounding:
        inexact = sound & fits & ~same
        faults += _rows(lists, row, inexact, INEXACT, "a value that float cannot hold exactly")
    faults += _rows(lists, row, floats < 0, SPARSE, "a negative value")
    empty = lists.present & (lists.lengths == 0)
    faults += fault(empty, SPARSE, "a sparse vector without values")
    type_ = pa.map_(pa.uint32(), pa.float32())
    listed = pa.array(lists.offsets, pa.int32(), mask=None)
    if not lists.present.all():
        ends = np.append(lists.present, True)
        listed = pa.array(lists.offsets.astype(np.int32), mask=~ends)
    return pa.MapArray.from_arrays(listed, pa.array(keys), pa.array(floats), type=type_), faults


def _rows(lists: Lists, row: Positions, flags: Flags, code: str, reason: str) -> tuple[Fault, ...]:
    rows = np.unique(row[flags])
    rows = rows[lists.present[rows]]
    return (Fault(rows, code, reason),) if len(rows) else ()


def parse_sparse(array: pa.Array, target: FieldType) -> Casted:
    """JSON text, `{"17": 0.5}` or `{"indices": [17], "values": [0.5]}`; read one by one."""
    unreadable = np.zeros(len(array), dtype=np.bool_)
    rows: list[dict[str, list[float]] | None] = []
    for row, text in enumerate(array.to_pylist()):
        pair = None if text is None else _read(text)
        unreadable[row] = text is not None and pair is None
        rows.append(None if text is None else pair or {"indices": [], "values": []})
    type_ = pa.struct({"indices": pa.list_(pa.int64()), "values": pa.list_(pa.float64())})
    found = round_sparse(pa.array(rows, type_), target)
    read = fault(unreadable, NOT_READABLE, "not the JSON of a sparse vector")
    return Casted(found.values, read + found.faults)


def _read(text: str) -> dict[str, list[float]] | None:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if type(found) is not dict:
        return None
    if set(found) == {"indices", "values"}:
        indices, values = found["indices"], found["values"]
    else:
        digits = all(key.isascii() and key.isdigit() and len(key) < 19 for key in found)
        if not digits or len({int(key) for key in found}) != text.count(":"):
            return None
        indices, values = [int(key) for key in found], list(found.values())
    lists = type(indices) is list and type(values) is list
    if (
        not lists
        or not set(map(type, indices)) <= {int}
        or not set(map(type, values)) <= {int, float}
    ):
        return None
    if any(not -(2**63) <= index < 2**63 for index in indices):
        return None
    return {"indices": indices, "values": [float(value) for value in values]}
