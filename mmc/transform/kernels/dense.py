"""Kernels of dense vectors: `vector`, `round` and `bytes`, and JSON text.

Numbers are converted and checked in blocks that stay in the cache; a vector column that fits
already is not copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from mmc.transform.kernels.faults import (
    INEXACT,
    NOT_FINITE,
    NOT_READABLE,
    RANGE,
    WRONG_LENGTH,
    Casted,
    Fault,
    Flags,
    absent,
    fault,
    present,
)
from mmc.transform.kernels.numbers import same_integers
from mmc.transform.kernels.rows import Matrix, matrix_of_bytes, matrix_of_lists
from mmc.types import FieldType, TypeKind

_BLOCK = 1 << 16
"""Elements looked at at once: 256 KB of floats, the fastest of 8k..256k in benchmarks/transform.py.
"""
_BF16 = np.dtype("<u2")
_DTYPES: dict[TypeKind, np.dtype[Any]] = {
    TypeKind.FLOAT_VECTOR: np.dtype("<f4"),
    TypeKind.FLOAT16_VECTOR: np.dtype("<f2"),
    TypeKind.BFLOAT16_VECTOR: _BF16,
    TypeKind.INT8_VECTOR: np.dtype("i1"),
    TypeKind.BINARY_VECTOR: np.dtype("u1"),
}


def vector(array: pa.Array, target: FieldType) -> Casted:
    """A list of numbers, each of which the vector must hold exactly."""
    return _numbers(array, target, rounding=False)


def round_vector(array: pa.Array, target: FieldType) -> Casted:
    """A list of numbers, each rounded to the nearest that the vector holds, ties to even."""
    return _numbers(array, target, rounding=True)


def raw_vector(array: pa.Array, target: FieldType) -> Casted:
    """The bytes of the vector itself, little-endian."""
    width = target.bytes_per_vector
    if (
        pa.types.is_binary(array.type)
        or pa.types.is_large_binary(array.type)
        or pa.types.is_fixed_size_binary(array.type)
    ):
        matrix, faults = matrix_of_bytes(array, width)
    elif pa.types.is_binary_view(array.type):
        matrix, faults = matrix_of_bytes(array.cast(pa.large_binary()), width)
    else:
        matrix, faults = matrix_of_lists(array, width)
    values = np.ascontiguousarray(matrix).view(_DTYPES[target.kind])
    return Casted(build(values, target, absent(array)), faults + not_finite(values, target, array))


def parse_vector(array: pa.Array, target: FieldType) -> Casted:
    """JSON text of an array of numbers, read as doubles and rounded to nearest.

    Texts are read one by one: JSON has no columns.
    """
    dim = target.dim or 0
    matrix = np.zeros((len(array), dim), dtype=np.float64)
    unreadable, wrong = np.zeros(len(array), np.bool_), np.zeros(len(array), np.bool_)
    for row, text in enumerate(array.to_pylist()):
        if text is None:
            continue
        numbers = numbers_of(text)
        if numbers is None:
            unreadable[row] = True
        elif len(numbers) != dim:
            wrong[row] = True
        else:
            matrix[row] = numbers
    values, faults = convert(matrix, target, rounding=target.kind is not TypeKind.INT8_VECTOR)
    read = fault(unreadable, NOT_READABLE, "not a JSON array of numbers")
    read += fault(wrong, WRONG_LENGTH, f"not {dim} elements")
    return Casted(build(values, target, absent(array)), read + _only(faults, present(array)))


def numbers_of(text: str) -> list[float] | None:
    """The numbers of a JSON array; None when the text is anything else."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if type(found) is list and set(map(type, found)) <= {int, float}:
        return found
    return None


def _numbers(array: pa.Array, target: FieldType, *, rounding: bool) -> Casted:
    matrix, faults = matrix_of_lists(array, target.dim or 0)
    values, found = convert(matrix, target, rounding=rounding)
    return Casted(build(values, target, absent(array)), faults + _only(found, present(array)))


def convert(
    matrix: Matrix, target: FieldType, *, rounding: bool
) -> tuple[Matrix, tuple[Fault, ...]]:
    """The matrix in the target's element type, and the rows with an element that does not go."""
    if target.kind is TypeKind.BFLOAT16_VECTOR:
        values = to_bfloat16(matrix)
        back: Matrix = from_bfloat16(values)
    else:
        wanted = _DTYPES[target.kind]
        if matrix.dtype == wanted:
            return matrix, fault(~finite_rows(matrix), NOT_FINITE, "NaN or infinity")
        with np.errstate(all="ignore"):
            values = matrix.astype(wanted)
        back = values
    fits = _in_range(matrix, back, target.kind)
    faults: tuple[Fault, ...] = ()
    if not fits.all():
        sound = finite_rows(matrix)
        faults = fault(~sound, NOT_FINITE, "NaN or infinity")
        faults += fault(~fits & sound, RANGE, f"an element outside the range of {target.kind}")
    if not rounding:
        changed = _changed(matrix, back) & fits
        faults += fault(changed, INEXACT, f"an element that {target.kind} cannot hold exactly")
    return values, faults


def _in_range(matrix: Matrix, values: Matrix, kind: TypeKind) -> Flags:
    if kind is TypeKind.INT8_VECTOR:
        return np.asarray(((matrix >= -128) & (matrix <= 127)).all(axis=1))
    return finite_rows(values)


def _changed(matrix: Matrix, values: Matrix) -> Flags:
    """Which rows have an element that is not what it was."""
    flags = np.zeros(len(matrix), dtype=np.bool_)
    for rows in _blocks(matrix):
        before, after = matrix[rows], values[rows]
        if before.dtype.kind in "iu" and after.dtype.kind == "f":
            same = same_integers(before, after)
        else:
            same = before == after.astype(np.result_type(before, after))
        flags[rows] = ~same.all(axis=1)
    return flags


def _only(faults: tuple[Fault, ...], there: Flags) -> tuple[Fault, ...]:
    """Leaves out null rows: what lies behind a null is no value."""
    if there.all():
        return faults
    kept = (Fault(f.rows[there[f.rows]], f.code, f.reason) for f in faults)
    return tuple(f for f in kept if len(f.rows))


def not_finite(values: Matrix, target: FieldType, array: pa.Array) -> tuple[Fault, ...]:
    """Rows of raw vectors with NaN or infinity."""
    if target.kind is TypeKind.BFLOAT16_VECTOR:
        values = from_bfloat16(values)
    if values.dtype.kind != "f":
        return ()
    return _only(fault(~finite_rows(values), NOT_FINITE, "NaN or infinity"), present(array))


def finite_rows(matrix: Matrix) -> Flags:
    """Which rows hold finite numbers only."""
    flags = np.ones(len(matrix), dtype=np.bool_)
    if matrix.dtype.kind != "f":
        return flags
    for rows in _blocks(matrix):
        if not _all_finite(matrix[rows]):
            flags[rows] = np.isfinite(matrix[rows]).all(axis=1)
    return flags


def _all_finite(block: Matrix) -> bool:
    if block.dtype == np.float16 and block.flags.c_contiguous:
        return not bool(((block.view(np.uint16) & 0x7C00) == 0x7C00).any())
    return bool(np.isfinite(block).all())


def _blocks(matrix: Matrix) -> Iterator[slice]:
    step = max(1, _BLOCK // max(1, matrix.shape[1]))
    for start in range(0, len(matrix), step):
        yield slice(start, start + step)


def to_bfloat16(matrix: Matrix) -> npt.NDArray[np.uint16]:
    """The nearest bfloat16 of each number, ties to even, as its bits. NaN stays NaN."""
    with np.errstate(all="ignore"):
        single = np.ascontiguousarray(matrix, dtype=np.float32)
        bits = single.view(np.uint32).copy()
        if matrix.dtype.itemsize > 2 and matrix.dtype != np.float32:
            bits = _round_to_odd(matrix, single, bits)
    nan = np.isnan(single)
    bits += 0x7FFF + ((bits >> 16) & 1)
    found = (bits >> 16).astype(np.uint16)
    found[nan] = 0x7FC0
    return found


def _round_to_odd(
    matrix: Matrix, single: npt.NDArray[np.float32], bits: npt.NDArray[np.uint32]
) -> npt.NDArray[np.uint32]:
    """Undoes the first of two roundings: cuts towards zero and marks what was cut in the last bit.

    Otherwise a double just above the middle between two bfloat16 would first become the middle,
    then round down.
    """
    wide = single.astype(np.float64)
    exact = matrix.astype(np.float64)
    larger = np.abs(wide) > np.abs(exact)
    bits = np.where(larger, bits - 1, bits)
    inexact = (wide != exact) & np.isfinite(exact)
    return np.where(inexact, bits | 1, bits).astype(np.uint32)


def from_bfloat16(bits: npt.NDArray[np.uint16]) -> npt.NDArray[np.float32]:
    """The numbers behind bfloat16 bits, exactly."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def build(values: Matrix, target: FieldType, nulls: pa.Array | None) -> pa.Array:
    """A canonical column over the matrix; no copy when it is contiguous."""
    flat = np.require(values, requirements=["C", "A"]).reshape(-1)
    if target.kind in (TypeKind.BFLOAT16_VECTOR, TypeKind.BINARY_VECTOR):
        width = target.bytes_per_vector
        bitmap = None
        if nulls is not None:
            there = ~nulls.to_numpy(zero_copy_only=False)
            bitmap = pa.py_buffer(np.packbits(there, bitorder="little"))
        return pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(width), len(values), [bitmap, pa.py_buffer(flat)]
        )
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), target.dim, mask=nulls)
