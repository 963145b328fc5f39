"""Kernels whose target is a varchar. Lengths are bytes of UTF-8."""

from __future__ import annotations

from base64 import b64encode
from binascii import hexlify

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mmc.transform.kernels.faults import (
    NOT_UTF8,
    TOO_LONG,
    Casted,
    Fault,
    failing,
    fault,
    present,
    without,
)
from mmc.types import FieldType


def fits(array: pa.Array, target: FieldType) -> Casted:
    """Text as it is."""
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        rows = failing(array, lambda part: part.validate(full=True))
        array = without(array, rows)
        return bounded(array.cast(pa.string()), target, (Fault(rows, NOT_UTF8, "not UTF-8"),))
    return bounded(array.cast(pa.string()), target)


def text(array: pa.Array, target: FieldType) -> Casted:
    """Numbers and truth values in their shortest exact form."""
    if pa.types.is_float16(array.type):
        array = array.cast(pa.float32())
    return bounded(array.cast(pa.string()), target)


def utf8(array: pa.Array, target: FieldType) -> Casted:
    """Bytes that are text."""
    if not pa.types.is_large_binary(array.type):
        array = array.cast(pa.binary())
    try:
        return bounded(array.cast(pa.string()), target)
    except pa.ArrowInvalid:
        rows = failing(array, lambda part: part.cast(pa.string()))
        values = without(array, rows).cast(pa.string())
        return bounded(values, target, (Fault(rows, NOT_UTF8, "not UTF-8"),))


def base64(array: pa.Array, target: FieldType) -> Casted:
    """Bytes in base64 with padding; one by one, as nothing in Arrow writes it."""
    values = [None if value is None else b64encode(value) for value in array.to_pylist()]
    return bounded(pa.array(values, pa.binary()).cast(pa.string()), target)


def hexadecimal(array: pa.Array, target: FieldType) -> Casted:
    """Bytes as two digits each, in one pass over the whole column."""
    array = array.cast(
        pa.large_binary() if not pa.types.is_fixed_size_binary(array.type) else pa.binary()
    )
    array = array.cast(pa.large_binary())
    _, positions, data = array.buffers()
    offsets = np.frombuffer(positions, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
    raw = memoryview(data if data is not None else b"")[offsets[0] : offsets[-1]]
    doubled = pa.py_buffer(((offsets - offsets[0]) * 2).astype(np.int32))
    bitmap = np.packbits(present(array), bitorder="little")
    buffers = [pa.py_buffer(bitmap), doubled, pa.py_buffer(hexlify(raw))]
    return bounded(pa.StringArray.from_buffers(len(array), doubled, buffers[2], buffers[0]), target)


def bounded(values: pa.Array, target: FieldType, faults: tuple[Fault, ...] = ()) -> Casted:
    """The text, with the values longer than the field as faults."""
    length = target.length or 0
    if values.nbytes > length:
        longest = pc.max(pc.binary_length(values)).as_py()
        if longest is not None and longest > length:
            flags = pc.greater(pc.binary_length(values), length).fill_null(False)
            long = flags.to_numpy(zero_copy_only=False)
            faults += fault(long, TOO_LONG, f"longer than {length} bytes of UTF-8")
    return Casted(values, faults)
