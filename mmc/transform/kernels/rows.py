"""Lists and byte strings as numpy sees them: a matrix of equal rows, or offsets into one flat
child.

Slices, null slots with garbage behind them, and large offsets are dealt with here, so that kernels
need not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mmc.transform.kernels.faults import (
    NULL_ELEMENT,
    WRONG_LENGTH,
    Fault,
    Flags,
    Positions,
    fault,
    present,
)

Matrix: TypeAlias = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Lists:
    """A list column: row i holds child[offsets[i]:offsets[i + 1]] when it is present."""

    offsets: Positions
    child: pa.Array
    present: Flags

    @property
    def lengths(self) -> Positions:
        return np.diff(self.offsets)

    def row_of(self, positions: Positions) -> Positions:
        """Rows that child positions belong to; positions behind null rows are left out."""
        rows: Positions = np.searchsorted(self.offsets, positions, side="right") - 1
        inside = (rows >= 0) & (rows < len(self.present))
        rows = rows[inside]
        return np.unique(rows[self.present[rows]])

    def lift(self, faults: tuple[Fault, ...], what: str = "element: ") -> tuple[Fault, ...]:
        """Faults of the child as faults of the rows."""
        lifted = (Fault(self.row_of(f.rows), f.code, what + f.reason) for f in faults)
        return tuple(f for f in lifted if len(f.rows))


def lists_of(array: pa.Array) -> Lists:
    """A list, large_list, fixed_size_list or map column. Null elements stay null in the child."""
    if pa.types.is_fixed_size_list(array.type):
        size = array.type.list_size
        child = array.values.slice(array.offset * size, len(array) * size)
        return Lists(np.arange(len(array) + 1, dtype=np.int64) * size, child, present(array))
    offsets = array.offsets.to_numpy().astype(np.int64)
    first, last = int(offsets[0]), int(offsets[-1])
    if pa.types.is_map(array.type):
        entries = pa.StructArray.from_arrays([array.keys, array.items], names=["key", "value"])
        return Lists(offsets - first, entries.slice(first, last - first), present(array))
    return Lists(offsets - first, array.values.slice(first, last - first), present(array))


def matrix_of_lists(array: pa.Array, dim: int) -> tuple[Matrix, tuple[Fault, ...]]:
    """Rows of `dim` numbers, in the child's own type. No copy when every row has them."""
    lists = lists_of(array)
    faults = fault((lists.lengths != dim) & lists.present, WRONG_LENGTH, f"not {dim} elements")
    child = lists.child
    if child.null_count:
        holes = lists.row_of(np.flatnonzero(~present(child)))
        if len(holes):
            faults += (Fault(holes, NULL_ELEMENT, "a null element"),)
        child = child.fill_null(0)
    flat = child.to_numpy(zero_copy_only=False)
    if (lists.lengths == dim).all():
        return flat.reshape(len(array), dim), faults
    return _gather(flat, lists.offsets[:-1], lists.present & (lists.lengths == dim), dim), faults


def matrix_of_bytes(array: pa.Array, width: int) -> tuple[Matrix, tuple[Fault, ...]]:
    """Rows of `width` bytes, from a binary, large_binary or fixed_size_binary column."""
    if pa.types.is_fixed_size_binary(array.type):
        data = array.buffers()[1]
        flat = np.frombuffer(data if data is not None else b"", dtype=np.uint8)
        start = array.offset * width
        return flat[start : start + len(array) * width].reshape(len(array), width), ()
    if not pa.types.is_large_binary(array.type):
        array = array.cast(pa.large_binary())
    _, positions, data = array.buffers()
    offsets = np.frombuffer(positions, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
    flat = np.frombuffer(data if data is not None else b"", dtype=np.uint8)
    lengths, there = np.diff(offsets), present(array)
    faults = fault((lengths != width) & there, WRONG_LENGTH, f"not {width} bytes")
    if (lengths == width).all():
        return flat[offsets[0] : offsets[-1]].reshape(len(array), width), faults
    return _gather(flat, offsets[:-1], there & (lengths == width), width), faults


def _gather(flat: Matrix, starts: Positions, usable: Flags, width: int) -> Matrix:
    """The usable rows in their places, zeros elsewhere."""
    matrix = np.zeros((len(usable), width), dtype=flat.dtype)
    matrix[usable] = flat[starts[usable][:, None] + np.arange(width)]
    return matrix
