"""Parquet layout: one file a part, in types that every Milvus reads.

No dictionary types, large or fixed-size lists, or half floats (a half-float column stops Milvus
2.3): vectors are list<float>, list<int8> or list<uint8> (raw little-endian bytes), sparse vectors
are JSON text. Pages carry checksums.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from mmc.arrow.schema import canonical_schema, canonical_type
from mmc.errors import SourceError, TargetError
from mmc.layouts.vectors import sparse_from, sparse_texts, vector_bytes, vectors_from
from mmc.storage.atomic import writing_failed
from mmc.storage.blobs import Blob, open_blob
from mmc.storage.filesystems import is_local, local_path
from mmc.storage.hashed import HashedFile, PartFile, hashing_thread
from mmc.types import DYNAMIC_FIELD, Collection, FieldType, JsonValue, TypeKind

ROW_GROUP_BYTES = 32 << 20
"""Milvus holds a row group in memory while it imports; its own bulk writer uses this size."""

_BATCH_BYTES = 8 << 20

_RAW = {TypeKind.FLOAT16_VECTOR, TypeKind.BFLOAT16_VECTOR, TypeKind.BINARY_VECTOR}
_SHORT = {TypeKind.VARCHAR, TypeKind.JSON}


def layout_type(type_: FieldType) -> pa.DataType:
    """The Arrow type of a Milvus type in a file."""
    match type_.kind:
        case TypeKind.FLOAT_VECTOR:
            return pa.list_(pa.float32())
        case TypeKind.INT8_VECTOR:
            return pa.list_(pa.int8())
        case kind if kind in _RAW:
            return pa.list_(pa.uint8())
        case TypeKind.SPARSE_FLOAT_VECTOR:
            return pa.string()
        case _:
            return canonical_type(type_)


def layout_schema(collection: Collection) -> pa.Schema:
    """Columns of a file: the fields in order but auto-id ones, then `$meta`."""
    return pa.schema(
        [
            pa.field(name, layout_type(type_), nullable=nullable)
            for name, type_, nullable in _fields(collection)
        ]
    )


def _fields(collection: Collection) -> list[tuple[str, FieldType, bool]]:
    fields = [(f.name, f.type, f.nullable) for f in collection.fields if not f.auto_id]
    if collection.dynamic:
        fields.append((DYNAMIC_FIELD, FieldType(TypeKind.JSON), False))
    return fields


def to_layout(batch: pa.RecordBatch, collection: Collection) -> pa.RecordBatch:
    """A canonical batch as the columns of a file.

    Raises:
        TargetError: an array holds a null element (Milvus would make it 0).
    """
    arrays = [_to_column(name, batch.column(name), type_) for name, type_, _ in _fields(collection)]
    return pa.record_batch(arrays, schema=layout_schema(collection))


def _to_column(name: str, array: pa.Array, type_: FieldType) -> pa.Array:
    match type_.kind:
        case TypeKind.FLOAT_VECTOR | TypeKind.INT8_VECTOR:
            return array.cast(layout_type(type_))
        case kind if kind in _RAW:
            width, rows = type_.bytes_per_vector, len(array)
            valid = array.is_valid() if array.null_count else None
            raw = vectors_from(vector_bytes(array), rows, pa.list_(pa.uint8(), width), valid)
            return raw.cast(layout_type(type_))
        case TypeKind.SPARSE_FLOAT_VECTOR:
            return pa.array(sparse_texts(array), pa.binary()).cast(pa.string())
        case TypeKind.ARRAY:
            if array.flatten().null_count:
                raise TargetError(
                    f"field {name}: an array holds a null, which an import turns into 0",
                    code="MMC534",
                )
            return array
        case _:
            return array


def from_layout(
    batch: pa.RecordBatch, collection: Collection, columns: Sequence[str], place: str
) -> pa.RecordBatch:
    """Columns of a file as a canonical batch. `place` is named in errors. Raises SourceError."""
    types = {name: type_ for name, type_, _ in _fields(collection)}
    full = canonical_schema(collection)
    arrays = []
    for name in columns:
        try:
            arrays.append(_from_column(batch.column(name), types[name]))
        except (pa.ArrowException, ValueError) as error:
            raise SourceError(f"{place}: column {name}: {error}", code="MMC536") from None
    return pa.record_batch(arrays, schema=pa.schema([full.field(name) for name in columns]))


def _from_column(array: pa.Array, type_: FieldType) -> pa.Array:
    wanted = canonical_type(type_)
    match type_.kind:
        case kind if kind in _RAW:
            raw = array.cast(pa.list_(pa.uint8(), type_.bytes_per_vector))
            valid = raw.is_valid() if raw.null_count else None
            return vectors_from(vector_bytes(raw), len(raw), wanted, valid)
        case TypeKind.SPARSE_FLOAT_VECTOR:
            import orjson

            texts = array.to_pylist()
            return sparse_from([None if text is None else orjson.loads(text) for text in texts])
        case _:
            return array.cast(wanted)


class ParquetPart:
    """Writes one file, in row groups of about `ROW_GROUP_BYTES`."""

    def __init__(self, url: str, storage: Mapping[str, JsonValue], collection: Collection) -> None:
        self._collection = collection
        self._schema = layout_schema(collection)
        self._waiting: list[pa.RecordBatch] = []
        self._bytes = 0
        self._thread = hashing_thread()
        self._file = HashedFile(url, storage, self._thread)
        plain = [name for name, type_, _ in _fields(collection) if not type_.is_vector]
        flat = [name for name in plain if not pa.types.is_nested(self._schema.field(name).type)]
        texts = [name for name, type_, _ in _fields(collection) if type_.kind in _SHORT]
        self._writer = pq.ParquetWriter(
            pa.PythonFile(self._file, mode="w"),
            self._schema,
            compression="zstd",
            compression_level=1,
            use_dictionary=texts or False,
            write_statistics=flat or False,
            write_page_checksum=True,
        )

    def write(self, batch: pa.RecordBatch) -> None:
        """Takes a canonical batch. Raises TargetError."""
        made = to_layout(batch, self._collection)
        self._waiting.append(made)
        self._bytes += made.nbytes
        if self._bytes >= ROW_GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        table = pa.Table.from_batches(self._waiting, self._schema)
        self._waiting, self._bytes = [], 0
        try:
            self._writer.write_table(table, row_group_size=max(len(table), 1))
        except OSError as error:
            raise writing_failed(self._file.url, error) from None

    def commit(self) -> tuple[PartFile, ...]:
        """Makes the file durable under its final name. Raises TargetError."""
        if self._waiting:
            self._flush()
        try:
            self._writer.close()
        except OSError as error:
            raise writing_failed(self._file.url, error) from None
        made = self._file.commit()
        self._thread.shutdown()
        return (made,)

    def abort(self) -> None:
        """Removes what was written. Never raises."""
        self._file.abort()
        self._thread.shutdown()


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Rows start..stop-1 of a file, and their bytes in it."""

    start: int
    stop: int
    bytes: int


def row_groups(url: str, storage: Mapping[str, JsonValue]) -> tuple[RowGroup, ...]:
    """The row groups of a file, from its footer. Raises SourceError."""
    with open_blob(url, storage) as blob, _open(blob) as file:
        return _groups(file)


def _groups(file: pq.ParquetFile) -> tuple[RowGroup, ...]:
    found, start = [], 0
    for number in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(number)
        stored = sum(group.column(c).total_compressed_size for c in range(group.num_columns))
        found.append(RowGroup(start, start + group.num_rows, stored))
        start += group.num_rows
    return tuple(found)


def count_rows(url: str, storage: Mapping[str, JsonValue]) -> int:
    """Rows by the footer. Raises SourceError."""
    with open_blob(url, storage) as blob, _open(blob) as file:
        return int(file.metadata.num_rows)


def read_rows(
    url: str,
    storage: Mapping[str, JsonValue],
    collection: Collection,
    columns: Sequence[str],
    start: int,
    stop: int,
    batch_rows: int,
) -> Iterator[pa.RecordBatch]:
    """Rows start..stop-1 as canonical batches of `columns`, checksums verified.

    Raises:
        SourceError: unreadable, damaged, or not of this layout.
    """
    with open_blob(url, storage) as blob, _open(blob) as file:
        missing = [name for name in columns if name not in file.schema_arrow.names]
        if missing:
            raise SourceError(f"{url}: no column {missing[0]}", code="MMC536")
        try:
            # One group at a time: a reader of many holds what it has decoded of all of them.
            for number, group in enumerate(_groups(file)):
                if group.start >= stop or group.stop <= start:
                    continue
                at = group.start
                step = _step(file, number, batch_rows)
                for batch in file.iter_batches(step, row_groups=[number], columns=list(columns)):
                    first, last = max(start - at, 0), min(stop - at, len(batch))
                    at += len(batch)
                    if first < last:
                        part = batch.slice(first, last - first)
                        yield from_layout(part, collection, columns, url)
        except (pa.ArrowException, OSError) as error:
            raise SourceError(f"{url}: {error}", code="MMC536") from None


def _step(file: pq.ParquetFile, number: int, batch_rows: int) -> int:
    """Rows of a batch of at most `_BATCH_BYTES`: the decoder holds some ten batches at a time."""
    group = file.metadata.row_group(number)
    row_bytes = max(group.total_byte_size // max(group.num_rows, 1), 1)
    return int(max(min(batch_rows, _BATCH_BYTES // row_bytes), 1))


def _open(blob: Blob) -> pq.ParquetFile:
    where = str(local_path(blob.url)) if is_local(blob.url) else pa.PythonFile(_Reader(blob), "r")
    try:
        return pq.ParquetFile(where, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{blob.url}: {error}", code="MMC536") from None


class _Reader(io.RawIOBase):
    """A blob as the file object that Arrow reads from."""

    def __init__(self, blob: Blob) -> None:
        self._blob = blob
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._blob.size}[whence]
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        left = self._blob.size - self._at
        length = left if size < 0 else min(size, left)
        data = self._blob.read_at(self._at, max(length, 0))
        self._at += len(data)
        return data

    def size(self) -> int:
        return self._blob.size
