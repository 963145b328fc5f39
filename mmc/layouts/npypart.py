"""NumPy layout, writing: fixed-width columns go to disk straight from Arrow's buffers.

Texts are spooled, because the header of a `.npy` says how long the longest is. Reading is in `npy`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mmc.errors import TargetError
from mmc.layouts.npy import TEXTS, dtype_of, header
from mmc.layouts.vectors import vector_bytes
from mmc.storage.atomic import writing_failed
from mmc.storage.filesystems import is_local, join_url, local_path
from mmc.storage.hashed import HashedFile, PartFile, hashing_thread
from mmc.types import DYNAMIC_FIELD, Collection, FieldType, JsonValue, TypeKind

_SPOOL_BYTES = 16 << 20
_CHUNK_BYTES = 16 << 20
_MOST_TEXT_BYTES = 16 << 30
"""Milvus refuses an import of more; one text far longer than the rest gets there by padding."""
_SPOOL_SCHEMA = pa.schema([pa.field("text", pa.string())])


class NumpyPart:
    """Writes one part: a folder with a file a field. `rows`: the rows it will most likely have.

    When that guess is right, each sha256 is made on the way; otherwise the header is patched and
    the file hashed again.
    """

    def __init__(
        self,
        folder: str,
        storage: Mapping[str, JsonValue],
        collection: Collection,
        rows: int | None,
    ) -> None:
        self._folder = folder
        self._thread = hashing_thread()
        self._columns: list[_Fixed | _Text] = []
        fields = [(f.name, f.type) for f in collection.fields if not f.auto_id]
        if collection.dynamic:
            fields.append((DYNAMIC_FIELD, FieldType(TypeKind.JSON)))
        try:
            for name, type_ in fields:
                make = _Text if type_.kind in TEXTS else _Fixed
                url = join_url(folder, f"{name}.npy")
                self._columns.append(make(name, type_, url, storage, rows or 0, self._thread))
        except TargetError:
            self.abort()
            raise

    def write(self, batch: pa.RecordBatch) -> None:
        """Takes a canonical batch. Raises TargetError, also for what NumPy cannot hold."""
        for column in self._columns:
            array = batch.column(column.name)
            if array.null_count:
                raise TargetError(
                    f"field {column.name}: a NumPy import cannot hold nulls",
                    hint="use format: parquet or json, or give the field a default",
                    code="MMC534",
                )
            column.write(array)

    def commit(self) -> tuple[PartFile, ...]:
        """Makes all files of the part durable under their final names. Raises TargetError."""
        for column in self._columns:
            column.finish()
        files = tuple(column.commit() for column in self._columns)
        self._thread.shutdown()
        return files

    def abort(self) -> None:
        """Removes what was written. Never raises."""
        for column in self._columns:
            column.abort()
        self._thread.shutdown()
        if is_local(self._folder):
            with suppress(OSError):
                local_path(self._folder).rmdir()


class _Fixed:
    """A column of fixed width: Arrow's buffers go to the file as they are."""

    def __init__(
        self,
        name: str,
        type_: FieldType,
        url: str,
        storage: Mapping[str, JsonValue],
        rows: int,
        thread: ThreadPoolExecutor,
    ) -> None:
        self.name = name
        self._type = type_
        self._descr, self._width = dtype_of(type_)
        self._guess = rows
        self._rows = 0
        self._file = HashedFile(url, storage, thread)
        self._file.write(header(self._descr, rows, self._width))

    def write(self, array: pa.Array) -> None:
        self._rows += len(array)
        if self._type.is_vector:
            self._file.write(vector_bytes(array))
        elif self._type.kind is TypeKind.BOOL:
            self._file.write(array.to_numpy(zero_copy_only=False))
        else:
            self._file.write(array.to_numpy(zero_copy_only=True))

    def finish(self) -> None:
        if self._rows != self._guess:
            self._file.patch(0, header(self._descr, self._rows, self._width))

    def commit(self) -> PartFile:
        return self._file.commit()

    def abort(self) -> None:
        self._file.abort()


class _Text:
    """A column of texts: spooled, then padded with NULs to the longest.

    Milvus's two text readers each lose something. Of a `|S` value it takes the bytes up to the
    first NUL, but an empty value comes in as a string of NULs; of a `<U` value it drops every NUL.
    So: `|S` (UTF-8, compact) unless a value is empty, else `<U` (4 bytes a character), and a NUL
    inside a value is refused.
    """

    def __init__(
        self,
        name: str,
        type_: FieldType,
        url: str,
        storage: Mapping[str, JsonValue],
        rows: int,
        thread: ThreadPoolExecutor,
    ) -> None:
        self.name = name
        self._url, self._storage, self._thread = url, storage, thread
        folder = None
        if is_local(url):
            made = local_path(url).parent
            try:
                made.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise writing_failed(url, error) from None
            folder = str(made)
        self._spool: IO[bytes] = tempfile.SpooledTemporaryFile(  # noqa: SIM115
            max_size=_SPOOL_BYTES, dir=folder
        )
        self._writer = pa.ipc.new_stream(pa.PythonFile(self._spool, mode="w"), _SPOOL_SCHEMA)
        self._rows = self._bytes = self._characters = 0
        self._empty = False
        self._file: HashedFile | None = None

    def write(self, array: pa.Array) -> None:
        longest = pc.min_max(pc.binary_length(array))
        if longest["max"].as_py() is None:
            return
        if pc.any(pc.match_substring(array, "\0")).as_py():
            raise TargetError(
                f"field {self.name}: a NumPy import loses the character U+0000 inside a text",
                hint="use format: parquet or format: json",
                code="MMC534",
            )
        self._rows += len(array)
        self._bytes = max(self._bytes, longest["max"].as_py())
        self._characters = max(self._characters, pc.max(pc.utf8_length(array)).as_py())
        self._empty = self._empty or longest["min"].as_py() == 0
        try:
            self._writer.write_batch(pa.record_batch([array], schema=_SPOOL_SCHEMA))
        except OSError as error:
            raise writing_failed(self._url, error) from None

    def finish(self) -> None:
        wide = max(self._characters if self._empty else self._bytes, 1)
        row_bytes = 4 * wide if self._empty else wide
        if self._rows * row_bytes > _MOST_TEXT_BYTES:
            raise TargetError(
                f"field {self.name}: {self._rows:,} texts padded to the longest would need"
                f" {self._rows * row_bytes:,} bytes, more than one import takes",
                hint="use format: parquet or format: json for long texts",
                code="MMC537",
            )
        self._file = HashedFile(self._url, self._storage, self._thread)
        self._file.write(header(f"<U{wide}" if self._empty else f"|S{wide}", self._rows, 0))
        chunk = max(_CHUNK_BYTES // row_bytes, 1)
        try:
            self._writer.close()
            self._spool.seek(0)
            for batch in pa.ipc.open_stream(pa.PythonFile(self._spool, mode="r")):
                for start in range(0, len(batch), chunk):
                    self._file.write(
                        _padded(batch.column(0)[start : start + chunk], wide, self._empty)
                    )
        except OSError as error:
            raise writing_failed(self._url, error) from None
        self._spool.close()

    def commit(self) -> PartFile:
        assert self._file is not None
        return self._file.commit()

    def abort(self) -> None:
        self._spool.close()
        if self._file is not None:
            self._file.abort()


def _padded(texts: pa.Array, width: int, as_characters: bool) -> Any:
    if as_characters:
        return np.array(texts.to_pylist(), dtype=f"<U{width}")
    # Counts bytes, not characters: all values come out `width` bytes long, one after another.
    padded = pc.ascii_rpad(texts, width, padding="\0")
    start = np.frombuffer(padded.buffers()[1], dtype=np.int32)[padded.offset]
    return padded.buffers()[2].slice(int(start), len(padded) * width)
