"""Row JSON layout: `{"rows":[...]}`, one row a line, as Milvus imports it.

Floats are the shortest text of their float32, so bits survive. `json` fields and `$meta` are
written as text, which Milvus takes and which keeps key order; so no key of `$meta` can clash with a
field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from mmc.arrow.schema import canonical_schema, canonical_type
from mmc.errors import SourceError, TargetError
from mmc.layouts.vectors import (
    exact_float32,
    float_rows,
    sparse_from,
    sparse_texts,
    vector_bytes,
    vectors_from,
)
from mmc.storage.blobs import Blob, open_blob
from mmc.storage.hashed import HashedFile, PartFile, hashing_thread
from mmc.types import DYNAMIC_FIELD, FLOATS, Collection, FieldType, JsonValue, TypeKind

_HEAD = b'{"rows":[\n'
_TAIL = b"\n]}\n"
_CHUNK = 4 << 20
_FLOAT_VECTORS = {TypeKind.FLOAT_VECTOR, TypeKind.FLOAT16_VECTOR, TypeKind.BFLOAT16_VECTOR}


def _fields(collection: Collection) -> dict[str, FieldType]:
    fields = {f.name: f.type for f in collection.fields if not f.auto_id}
    if collection.dynamic:
        fields[DYNAMIC_FIELD] = FieldType(TypeKind.JSON)
    return fields


def to_rows(batch: pa.RecordBatch, collection: Collection) -> list[bytes]:
    """One JSON object a row of a canonical batch.

    Raises:
        TargetError: NaN, infinity, or a null inside an array: JSON or Milvus has no place for it.
    """
    fields = _fields(collection)
    columns = [_to_values(name, batch.column(name), type_) for name, type_ in fields.items()]
    names = tuple(fields)
    return [
        orjson.dumps(dict(zip(names, row, strict=True)), option=orjson.OPT_SERIALIZE_NUMPY)
        for row in zip(*columns, strict=True)
    ]


def _to_values(name: str, array: pa.Array, type_: FieldType) -> list[Any]:
    values: list[Any]
    match type_.kind:
        case kind if kind in _FLOAT_VECTORS:
            values = list(_finite(name, float_rows(array, type_), array))
        case TypeKind.INT8_VECTOR:
            values = list(np.frombuffer(vector_bytes(array), "i1").reshape(len(array), -1))
        case TypeKind.BINARY_VECTOR:
            values = list(np.frombuffer(vector_bytes(array), "u1").reshape(len(array), -1))
        case TypeKind.SPARSE_FLOAT_VECTOR:
            offsets = array.offsets
            first, last = offsets[0].as_py(), offsets[-1].as_py()
            _finite(name, np.asarray(array.items.slice(first, last - first)), None)
            values = [text and orjson.Fragment(text) for text in sparse_texts(array)]
            return values
        case kind if kind in FLOATS:
            filled = array.fill_null(0.0) if array.null_count else array
            values = list(_finite(name, filled.to_numpy(), None))
        case TypeKind.ARRAY:
            return _array_values(name, array, type_)
        case _:
            return list(array.to_pylist())
    if array.null_count:
        for place in np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False)):
            values[place] = None
    return values


def _array_values(name: str, array: pa.Array, type_: FieldType) -> list[Any]:
    if array.flatten().null_count:
        raise TargetError(
            f"field {name}: an array holds a null, which Milvus refuses", code="MMC534"
        )
    assert type_.element is not None
    if type_.element.kind not in FLOATS:
        return list(array.to_pylist())
    _finite(name, array.flatten().to_numpy(), None)
    offsets = np.asarray(array.offsets)
    first = int(offsets[0])
    numbers = array.values.slice(first, int(offsets[-1]) - first).to_numpy(zero_copy_only=False)
    return [
        numbers[start - first : stop - first] if known else None
        for start, stop, known in zip(
            offsets[:-1], offsets[1:], array.is_valid().to_pylist(), strict=True
        )
    ]


def _finite(name: str, numbers: Any, array: pa.Array | None) -> Any:
    """The numbers; the slots of null vectors may hold anything."""
    good = np.isfinite(numbers)
    if good.all():
        return numbers
    if array is not None and array.null_count:
        rows = array.is_valid().to_numpy(zero_copy_only=False)
        if good[rows].all():
            return numbers
    raise TargetError(
        f"field {name}: JSON cannot hold NaN or infinity",
        hint="use format: parquet, or make them null with an expression",
        code="MMC534",
    )


def from_rows(
    rows: Sequence[dict[str, Any]], collection: Collection, columns: Sequence[str], place: str
) -> pa.RecordBatch:
    """Parsed rows as a canonical batch. `place` is named in errors. Raises SourceError."""
    types = _fields(collection)
    full = canonical_schema(collection)
    arrays = []
    for name in columns:
        try:
            arrays.append(_from_values([row.get(name) for row in rows], types[name]))
        except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
            raise SourceError(f"{place}: field {name}: {error}", code="MMC536") from None
    return pa.record_batch(arrays, schema=pa.schema([full.field(name) for name in columns]))


def _from_values(values: list[Any], type_: FieldType) -> pa.Array:
    wanted = canonical_type(type_)
    match type_.kind:
        case kind if kind in _FLOAT_VECTORS:
            return _vectors(values, type_, _FROM_FLOATS[kind])
        case TypeKind.INT8_VECTOR:
            return _vectors(values, type_, lambda rows: _small(rows, "i1"))
        case TypeKind.BINARY_VECTOR:
            return _vectors(values, type_, lambda rows: _small(rows, "u1"))
        case TypeKind.SPARSE_FLOAT_VECTOR:
            return sparse_from(values)
        case TypeKind.FLOAT:
            return _singles(values)
        case TypeKind.ARRAY if wanted.value_type == pa.float32():
            lists = pa.array(values, pa.list_(pa.float64()))
            mask = lists.is_null() if lists.null_count else None
            items = _singles(lists.values.to_pylist())
            return pa.ListArray.from_arrays(lists.offsets, items, wanted, mask=mask)
        case _:
            return pa.array(values, wanted)


def _singles(values: list[Any]) -> pa.Array:
    doubles = pa.array(values, pa.float64())
    filled = doubles.fill_null(0.0) if doubles.null_count else doubles
    mask = doubles.is_null().to_numpy(zero_copy_only=False) if doubles.null_count else None
    return pa.array(exact_float32(filled.to_numpy()), pa.float32(), mask=mask)


def _small(rows: list[Any], dtype: str) -> Any:
    """Integers that must fit; NumPy refuses those that do not."""
    wide = np.array(rows, dtype=np.int16)
    made = wide.astype(dtype)
    if not np.array_equal(wide, made):
        raise ValueError(f"a number does not fit {np.dtype(dtype)}")
    return made


def _to_bfloat16(rows: list[Any]) -> Any:
    return (exact_float32(rows).view("<u4") >> np.uint32(16)).astype("<u2")


_FROM_FLOATS: dict[TypeKind, Callable[[list[Any]], Any]] = {
    TypeKind.FLOAT_VECTOR: exact_float32,
    TypeKind.FLOAT16_VECTOR: lambda rows: exact_float32(rows).astype("<f2"),
    TypeKind.BFLOAT16_VECTOR: _to_bfloat16,
}


def _vectors(values: list[Any], type_: FieldType, make: Callable[[list[Any]], Any]) -> pa.Array:
    wanted = canonical_type(type_)
    width = type_.bytes_per_vector if type_.kind is TypeKind.BINARY_VECTOR else type_.dim or 0
    known = [value is not None for value in values]
    numbers = make([[0] * width if value is None else value for value in values])
    if len(values) and numbers.shape != (len(values), width):
        raise ValueError(f"a vector does not have {width} numbers")
    valid = None if all(known) else pa.array(known)
    return vectors_from(pa.py_buffer(np.ascontiguousarray(numbers)), len(values), wanted, valid)


class JsonPart:
    """Writes one file."""

    def __init__(self, url: str, storage: Mapping[str, JsonValue], collection: Collection) -> None:
        self._collection = collection
        self._thread = hashing_thread()
        self._file = HashedFile(url, storage, self._thread)
        self._between = _HEAD

    def write(self, batch: pa.RecordBatch) -> None:
        """Takes a canonical batch. Raises TargetError."""
        rows = to_rows(batch, self._collection)
        if rows:
            self._file.write(self._between)
            self._file.write(b",\n".join(rows))
            self._between = b",\n"

    def commit(self) -> tuple[PartFile, ...]:
        """Makes the file durable under its final name. Raises TargetError."""
        self._file.write(_TAIL)
        made = self._file.commit()
        self._thread.shutdown()
        return (made,)

    def abort(self) -> None:
        """Removes what was written. Never raises."""
        self._file.abort()
        self._thread.shutdown()


def count_rows(url: str, storage: Mapping[str, JsonValue]) -> int:
    """Rows by counting lines. Raises SourceError when the file is not of this layout."""
    with open_blob(url, storage) as blob:
        _check_ends(blob)
        lines = sum(data.count(b"\n") for data in _chunks(blob))
    return lines - 2


def read_rows(
    url: str,
    storage: Mapping[str, JsonValue],
    collection: Collection,
    columns: Sequence[str],
    start: int,
    stop: int,
    batch_rows: int,
) -> Iterator[pa.RecordBatch]:
    """Rows start..stop-1 as canonical batches of `columns`. Raises SourceError."""
    with open_blob(url, storage) as blob:
        _check_ends(blob)
        at = 0
        for lines in _batches(blob, batch_rows):
            wanted = lines[max(start - at, 0) : max(stop - at, 0)]
            at += len(lines)
            if wanted:
                yield from_rows(_parse(wanted, url, at), collection, columns, url)
            if at >= stop:
                return


def _check_ends(blob: Blob) -> None:
    if blob.size < len(_HEAD) + len(_TAIL) or blob.read_at(0, len(_HEAD)) != _HEAD:
        raise SourceError(
            f"{blob.url}: does not begin with {_HEAD.decode().strip()}", code="MMC536"
        )
    if blob.read_at(blob.size - len(_TAIL), len(_TAIL)) != _TAIL:
        raise SourceError(f"{blob.url}: does not end with ]}}: it is cut short", code="MMC536")


def _chunks(blob: Blob) -> Iterator[bytes]:
    for offset in range(len(_HEAD) - 1, blob.size, _CHUNK):
        yield blob.read_at(offset, min(_CHUNK, blob.size - offset))


def _batches(blob: Blob, batch_rows: int) -> Iterator[list[bytes]]:
    """Lines of the rows, without their line ends, in lists of at most `batch_rows`.

    A list also ends with each chunk: parsed numbers take some ten times the memory of their text.
    """
    rest = b""
    end = blob.size - len(_TAIL)
    for offset in range(len(_HEAD), end, _CHUNK):
        pieces = (rest + blob.read_at(offset, min(_CHUNK, end - offset))).split(b"\n")
        rest = pieces.pop()
        if offset + _CHUNK >= end:
            pieces.append(rest)
        for start in range(0, len(pieces), batch_rows):
            yield pieces[start : start + batch_rows]


def _parse(lines: list[bytes], url: str, at: int) -> list[dict[str, Any]]:
    try:
        found = orjson.loads(b"[" + b"\n".join(lines).rstrip(b",") + b"]")
    except ValueError as error:
        raise SourceError(f"{url}: rows up to {at:,}: {error}", code="MMC536") from None
    if len(found) != len(lines):
        raise SourceError(f"{url}: not one row a line", code="MMC536")
    return list(found)
