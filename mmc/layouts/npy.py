"""NumPy layout, headers and reading: a part is a folder with one `<field>.npy` a field.

Format: numpy.lib.format version 1.0, C order. Milvus takes exact dtypes, and texts as `|S` (UTF-8)
or `<U`. Writing is in `npypart`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack

import numpy as np
import pyarrow as pa

from mmc.arrow.schema import canonical_schema, canonical_type
from mmc.errors import SourceError, TargetError
from mmc.layouts.npyheader import MAGIC, MOST_BYTES, Header, parse_header
from mmc.layouts.vectors import vectors_from
from mmc.storage.blobs import Blob, open_blob
from mmc.storage.filesystems import join_url
from mmc.types import DYNAMIC_FIELD, Collection, FieldType, JsonValue, TypeKind

HEADER_BYTES = 128
"""Header size of the files written here: any shape fits, so the row count can be put in last."""
_CHUNK_BYTES = 32 << 20

_DTYPES: dict[TypeKind, str] = {
    TypeKind.BOOL: "|b1",
    TypeKind.INT8: "|i1",
    TypeKind.INT16: "<i2",
    TypeKind.INT32: "<i4",
    TypeKind.INT64: "<i8",
    TypeKind.FLOAT: "<f4",
    TypeKind.DOUBLE: "<f8",
    TypeKind.FLOAT_VECTOR: "<f4",
    TypeKind.INT8_VECTOR: "|i1",
    TypeKind.FLOAT16_VECTOR: "|u1",
    TypeKind.BFLOAT16_VECTOR: "|u1",
    TypeKind.BINARY_VECTOR: "|u1",
}
TEXTS = frozenset({TypeKind.VARCHAR, TypeKind.JSON})


def dtype_of(type_: FieldType) -> tuple[str, int]:
    """The `descr` of a fixed-width type and its items a row (0: the file is one-dimensional).

    fp16 and bf16 vectors are raw little-endian bytes, `|u1` of shape (rows, 2 * dim).

    Raises:
        TargetError: NumPy files cannot hold the type (arrays, sparse vectors).
    """
    if type_.kind not in _DTYPES:
        raise TargetError(
            f"a NumPy import cannot hold {type_}",
            hint="use format: parquet or format: json",
            code="MMC534",
        )
    descr = _DTYPES[type_.kind]
    if not type_.is_vector:
        return descr, 0
    return descr, type_.bytes_per_vector // np.dtype(descr).itemsize


def header(descr: str, rows: int, width: int) -> bytes:
    """A version 1.0 header of `HEADER_BYTES` bytes, C order; `width` 0 is one-dimensional."""
    shape = f"({rows}, {width})" if width else f"({rows},)"
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    body = text.encode().ljust(HEADER_BYTES - 11) + b"\n"
    return MAGIC + b"\x01\x00" + (HEADER_BYTES - 10).to_bytes(2, "little") + body


def read_header(blob: Blob) -> Header:
    """The header of a file in this layout. Raises SourceError."""
    try:
        header = parse_header(blob.read_at(0, min(blob.size, MOST_BYTES)))
        if header.fortran:
            raise ValueError("in Fortran order, which Milvus reads as C order")
        if len(header.shape) not in (1, 2):
            raise ValueError(f"has shape {header.shape}")
        expected = header.offset + header.rows * header.row_bytes
        if expected != blob.size:
            raise ValueError(f"{blob.size:,} bytes, but its header says {expected:,}")
    except ValueError as error:
        raise SourceError(f"{blob.url}: {error}", code="MMC536") from None
    return header


def count_rows(folder: str, fields: Sequence[str], storage: Mapping[str, JsonValue]) -> int:
    """Rows of a part, by headers and sizes. Raises SourceError when its files differ."""
    counts: dict[int, str] = {}
    for name in fields:
        with open_blob(join_url(folder, f"{name}.npy"), storage) as blob:
            counts.setdefault(read_header(blob).rows, name)
    if len(counts) > 1:
        said = ", ".join(f"{name}.npy {rows:,}" for rows, name in counts.items())
        raise SourceError(f"{folder}: row counts differ: {said}", code="MMC536")
    return next(iter(counts), 0)


def read_rows(
    folder: str,
    storage: Mapping[str, JsonValue],
    collection: Collection,
    columns: Sequence[str],
    start: int,
    stop: int,
    batch_rows: int,
) -> Iterator[pa.RecordBatch]:
    """Rows start..stop-1 of a part as canonical batches of `columns`, of 32 MiB at most.

    Raises:
        SourceError: unreadable, cut short, or not of this layout.
    """
    full = canonical_schema(collection)
    schema = pa.schema([full.field(name) for name in columns])
    types = {f.name: f.type for f in collection.fields} | {DYNAMIC_FIELD: FieldType(TypeKind.JSON)}
    with ExitStack() as stack:
        opened = []
        for name in columns:
            blob = stack.enter_context(open_blob(join_url(folder, f"{name}.npy"), storage))
            found = read_header(blob)
            _check_layout(blob, found, types[name])
            opened.append((blob, found, types[name]))
        wide = sum(found.row_bytes for _, found, _ in opened)
        step = max(min(batch_rows, _CHUNK_BYTES // max(wide, 1)), 1)
        for first in range(start, stop, step):
            rows = min(step, stop - first)
            arrays = [_column(blob, found, type_, first, rows) for blob, found, type_ in opened]
            yield pa.record_batch(arrays, schema=schema)


def _check_layout(blob: Blob, found: Header, type_: FieldType) -> None:
    kind = found.dtype.kind
    if type_.kind in TEXTS:
        good = kind in "SU" and len(found.shape) == 1
    else:
        descr, width = dtype_of(type_)
        good = found.dtype == np.dtype(descr) and found.shape[1:] == ((width,) if width else ())
    if not good:
        raise SourceError(
            f"{blob.url}: {found.dtype.str} of shape {found.shape} is not the layout of {type_}",
            code="MMC536",
        )


def _column(blob: Blob, found: Header, type_: FieldType, first: int, rows: int) -> pa.Array:
    data = blob.read_at(found.offset + first * found.row_bytes, rows * found.row_bytes)
    if type_.is_vector:
        return vectors_from(pa.py_buffer(data), rows, canonical_type(type_), None)
    values = np.frombuffer(data, dtype=found.dtype)
    made = pa.array(values)
    return made.cast(pa.string()) if type_.kind in TEXTS else made
