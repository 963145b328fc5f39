"""Vectors between the canonical batch and what files hold: raw bytes, float32 texts, sparse JSON.

Below the formats (`npy`, `parquet`, `jsonrows`); knows no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from mmc.types import FieldType, TypeKind

Floats: TypeAlias = npt.NDArray[np.float32]

SPARSE_TYPE = pa.map_(pa.uint32(), pa.float32())

_ITEM_BYTES = {pa.float32(): 4, pa.float16(): 2, pa.int8(): 1, pa.uint8(): 1}


def vector_bytes(array: pa.Array) -> pa.Buffer:
    """The values of a dense vector column as one buffer, row after row, without a copy.

    `array` is a fixed_size_list or a fixed_size_binary; the slots of nulls hold anything.
    """
    type_ = array.type
    if pa.types.is_fixed_size_list(type_):
        values, width = array.values, type_.list_size * _ITEM_BYTES[type_.value_type]
        start = values.offset * _ITEM_BYTES[type_.value_type] + array.offset * width
        buffer = values.buffers()[1]
    else:
        width = type_.byte_width
        start, buffer = array.offset * width, array.buffers()[1]
    if buffer is None or not len(array):
        return pa.py_buffer(b"")
    return buffer.slice(start, len(array) * width)


def vectors_from(buffer: pa.Buffer, rows: int, type_: pa.DataType, valid: pa.Array) -> pa.Array:
    """Inverse of `vector_bytes`, without a copy. `valid`: one boolean a row, or None for all."""
    mask = None if valid is None else valid.buffers()[1]
    nulls = 0 if valid is None else valid.false_count
    if pa.types.is_fixed_size_list(type_):
        item = type_.value_type
        values = pa.Array.from_buffers(item, rows * type_.list_size, [None, buffer])
        return pa.Array.from_buffers(type_, rows, [mask], nulls, children=[values])
    return pa.Array.from_buffers(type_, rows, [mask, buffer], nulls)


def float_rows(array: pa.Array, type_: FieldType) -> Floats:
    """A float, float16 or bfloat16 vector column as float32 of shape (rows, dim), exactly."""
    data = vector_bytes(array)
    shape = (len(array), type_.dim or 0)
    match type_.kind:
        case TypeKind.FLOAT16_VECTOR:
            return np.frombuffer(data, dtype="<f2").reshape(shape).astype("<f4")
        case TypeKind.BFLOAT16_VECTOR:
            high = np.frombuffer(data, dtype="<u2").reshape(shape).astype("<u4")
            return (high << np.uint32(16)).view("<f4")
        case _:
            return np.frombuffer(data, dtype="<f4").reshape(shape)


def exact_float32(values: npt.ArrayLike) -> Floats:
    """Doubles that were read from the shortest texts of float32 values, as those float32 values.

    Rounding text to double and then to float32 is not the same as rounding once: where the double
    lies exactly between two float32 values (7.038531e-26 does) a plain cast may give the wrong one.
    There the neighbour whose own text reads as this double is taken.
    """
    doubles = np.asarray(values, dtype=np.float64)
    with np.errstate(over="ignore", under="ignore"):
        singles = doubles.astype(np.float32)
    # A midpoint of two float32 values has at most 25 significant bits: the low 28 of 53 are zero.
    low = doubles.view(np.uint64) & np.uint64((1 << 28) - 1)
    doubtful = np.flatnonzero((low == 0) & (singles.astype(np.float64) != doubles))
    if len(doubtful):
        flat, wanted = singles.reshape(-1), doubles.reshape(-1)
        for place in doubtful:
            flat[place] = _by_text(flat[place], float(wanted[place]))
    return singles


def _by_text(single: np.float32, double: float) -> np.float32:
    direction = np.float32(np.inf if double > float(single) else -np.inf)
    neighbour: np.float32 = np.nextafter(single, direction)
    if float(orjson.dumps(neighbour, option=orjson.OPT_SERIALIZE_NUMPY)) == double:
        return neighbour
    return single


def sparse_texts(array: pa.Array) -> list[bytes | None]:
    """Sparse vectors as `{"17":0.5,"30":1.0}`, each value the shortest text of its float32."""
    offsets = np.asarray(array.offsets)
    first, last = int(offsets[0]), int(offsets[-1])
    keys = np.asarray(array.keys[first:last])
    values = np.ascontiguousarray(array.items[first:last])
    pairs = [
        b'"%b":%b' % pair for pair in zip(_number_texts(keys), _number_texts(values), strict=True)
    ]
    valid = array.is_valid().to_pylist()
    return [
        b"{" + b",".join(pairs[start - first : stop - first]) + b"}" if known else None
        for start, stop, known in zip(offsets[:-1], offsets[1:], valid, strict=True)
    ]


def _number_texts(numbers: npt.NDArray[Any]) -> list[bytes]:
    if not len(numbers):
        return []
    return orjson.dumps(numbers, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")


def sparse_from(rows: Sequence[dict[str, float] | None]) -> pa.Array:
    """Inverse of `sparse_texts`, from parsed JSON objects; indices come out ascending.

    Raises:
        ValueError: an index is no number between 0 and 2**32 - 1.
    """
    ordered = [
        [] if row is None else sorted((int(key), value) for key, value in row.items())
        for row in rows
    ]
    offsets = np.zeros(len(rows) + 1, dtype=np.int32)
    np.cumsum([len(row) for row in ordered], out=offsets[1:])
    try:
        keys = pa.array([key for row in ordered for key, _ in row], pa.uint32())
    except (pa.ArrowInvalid, OverflowError) as error:
        raise ValueError(str(error)) from None
    items = pa.array(exact_float32([value for row in ordered for _, value in row]), pa.float32())
    valid = [row is not None for row in rows]
    mask = None if all(valid) else pa.array([not known for known in valid])
    return pa.MapArray.from_arrays(pa.array(offsets), keys, items, SPARSE_TYPE, mask=mask)
