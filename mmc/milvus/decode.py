"""Milvus's protobuf columns -> canonical Arrow columns, bit for bit. The inverse of `encode`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from mmc.arrow.schema import canonical_field, canonical_type
from mmc.errors import TargetError
from mmc.milvus.encode import ARRAY_SLOTS, SPARSE_PAIR
from mmc.types import DYNAMIC_FIELD, Collection, Field, FieldType, TypeKind


def decode(collection: Collection, columns: Sequence[str], fields_data: Any) -> pa.RecordBatch:
    """The wanted columns of a query's answer, as a canonical batch.

    Raises:
        TargetError: a column is not in the answer, or not of its type (MMC521).
    """
    found = {DYNAMIC_FIELD if one.is_dynamic else one.field_name: one for one in fields_data}
    arrays, schema = [], []
    for name in columns:
        if name not in found:
            raise TargetError(
                f"read {collection.name}: the answer lacks column {name}", code="MMC521"
            )
        if name == DYNAMIC_FIELD:
            texts = [text.decode() for text in found[name].scalars.json_data.data]
            arrays.append(pa.array(texts, pa.string()))
            schema.append(pa.field(name, pa.string(), nullable=False))
            continue
        field = collection.field(name)
        arrays.append(_column(field, found[name]))
        schema.append(canonical_field(field))
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(schema))


def _column(field: Field, data: Any) -> pa.Array:
    kind = field.type.kind
    if field.type.is_vector:
        values = _vectors(field.type, data.vectors)
    elif kind is TypeKind.ARRAY:
        values = _arrays(field.type, data.scalars.array_data)
    elif kind is TypeKind.JSON:
        texts = [text.decode() for text in data.scalars.json_data.data]
        values = pa.array(texts, pa.string())
    else:
        values = _scalars(kind, getattr(data.scalars, ARRAY_SLOTS[kind]))
    return _with_nulls(values, data.valid_data)


def _with_nulls(values: pa.Array, valid_data: Sequence[bool]) -> pa.Array:
    """Puts nulls in: the values come one a row, or only the valid ones (both are seen)."""
    if not len(valid_data):
        return values
    valid = np.fromiter(valid_data, dtype=bool, count=len(valid_data))
    if valid.all():
        return values
    if len(values) == len(valid):
        rows = np.arange(len(valid))
    else:
        rows = np.maximum(np.cumsum(valid) - 1, 0)
    return values.take(pa.array(rows, pa.int64(), mask=~valid))


def _scalars(kind: TypeKind, message: Any) -> pa.Array:
    arrow = canonical_type(FieldType(kind, length=1 if kind is TypeKind.VARCHAR else None))
    match kind:
        case TypeKind.FLOAT:
            return pa.array(unpacked(message, np.dtype("<f4")), arrow)
        case TypeKind.DOUBLE:
            return pa.array(unpacked(message, np.dtype("<f8")), arrow)
        case _:
            return pa.array(list(message.data), arrow)


def unpacked(message: Any, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """The numbers of a message whose only field 1 is a packed `repeated` of fixed width.

    The wire form is parsed (tag, length, bytes); what looks different is read element by element.
    """
    wire = message.SerializeToString()
    count = len(message.data)
    size = count * dtype.itemsize
    if len(wire) > 1 and wire[0] == 0x0A:
        length, at, shift = 0, 1, 0
        while True:
            byte = wire[at]
            length |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if byte < 0x80:
                break
        if length == size and at + length == len(wire):
            return np.frombuffer(wire, dtype, count, at)
    return np.array(message.data, dtype)


def _vectors(type_: FieldType, vectors: Any) -> pa.Array:
    arrow = canonical_type(type_)
    match type_.kind:
        case TypeKind.SPARSE_FLOAT_VECTOR:
            return _sparse(vectors.sparse_float_vector.contents)
        case TypeKind.FLOAT_VECTOR:
            values = pa.array(unpacked(vectors.float_vector, np.dtype("<f4")), pa.float32())
        case TypeKind.FLOAT16_VECTOR:
            values = pa.array(np.frombuffer(vectors.float16_vector, "<f2"), pa.float16())
        case TypeKind.INT8_VECTOR:
            values = pa.array(np.frombuffer(vectors.int8_vector, "i1"), pa.int8())
        case TypeKind.BFLOAT16_VECTOR:
            return _fixed(vectors.bfloat16_vector, arrow)
        case _:
            return _fixed(vectors.binary_vector, arrow)
    return pa.FixedSizeListArray.from_arrays(values, type=arrow)


def _fixed(wire: bytes, arrow: pa.DataType) -> pa.Array:
    rows = len(wire) // arrow.byte_width
    return pa.FixedSizeBinaryArray.from_buffers(arrow, rows, [None, pa.py_buffer(wire)])


def _sparse(contents: Sequence[bytes]) -> pa.MapArray:
    sizes = np.fromiter((len(one) for one in contents), dtype=np.int64, count=len(contents))
    pairs = np.frombuffer(b"".join(contents), SPARSE_PAIR)
    counts = sizes // SPARSE_PAIR.itemsize
    rows = np.repeat(np.arange(len(counts)), counts)
    order = np.lexsort((pairs["index"], rows))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return pa.MapArray.from_arrays(
        pa.array(offsets, pa.int32()),
        pa.array(pairs["index"][order], pa.uint32()),
        pa.array(pairs["weight"][order], pa.float32()),
    )


def _arrays(type_: FieldType, array_data: Any) -> pa.ListArray:
    assert type_.element is not None
    slot = ARRAY_SLOTS[type_.element.kind]
    values: list[Any] = []
    offsets = [0]
    for row in array_data.data:
        values.extend(getattr(row, slot).data)
        offsets.append(len(values))
    arrow = canonical_type(type_)
    return pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()), pa.array(values, arrow.value_type), type=arrow
    )
