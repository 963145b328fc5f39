"""The write-ahead log: numbered files of records, and mxlog.meta, which says how far it counts."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from tests.generators.milvus1.codes import RecordType
from tests.generators.milvus1.layout import Vectors

if TYPE_CHECKING:
    from tests.generators.milvus1.writer import Collection

HEADER = struct.Struct("<QBHHII")
DEFAULT = "_default"


@dataclass(frozen=True, slots=True)
class Record:
    """One insert or delete. `lsn` is the file's number << 32 | where the record ends in it."""

    lsn: int
    type: int
    collection: str
    tag: str
    ids: tuple[int, ...]
    vectors: tuple[bytes, ...]

    def encoded(self) -> bytes:
        name, tag = self.collection.encode(), self.tag.encode()
        ids, data = np.asarray(self.ids, "<i8").tobytes(), b"".join(self.vectors)
        counts = (len(name), len(tag), len(self.ids), len(data))
        return HEADER.pack(self.lsn, self.type, *counts) + name + tag + ids + data


@dataclass(slots=True)
class Log:
    """Records in order. Those after `applied` were written but never counted by mxlog.meta."""

    records: list[Record] = field(default_factory=list)
    previous: int = 0
    applied: int = 0
    torn: bool = False
    """mxlog.meta was cut off in its last write: the previous lsn counts."""
    deleted_before: int = 0
    """Files with a lower number are gone, as the server removes them after a flush."""
    _file: int = 0
    _offset: int = 0

    @property
    def counted(self) -> int:
        """Last lsn that a recovery reads."""
        return self.previous if self.torn else self.applied

    def insert(
        self,
        collection: Collection,
        ids: ArrayLike,
        vectors: Vectors,
        tag: str = "",
        *,
        applied: bool = True,
    ) -> Record:
        rows = tuple(row.tobytes() for row in collection.checked(vectors))
        binary = collection.metric.binary
        kind = RecordType.INSERT_BINARY if binary else RecordType.INSERT_VECTOR
        numbers = tuple(int(i) for i in np.asarray(ids))
        assert len(numbers) == len(rows)
        return self.add(kind, collection.name, tag, numbers, rows, applied=applied)

    def delete(
        self, collection: Collection, ids: ArrayLike, tag: str = "", *, applied: bool = True
    ) -> Record:
        """With no tag, in the collection and all its partitions; `_default`: not in those."""
        numbers = tuple(int(i) for i in np.asarray(ids))
        return self.add(RecordType.DELETE, collection.name, tag, numbers, (), applied=applied)

    def add(
        self,
        kind: int,
        collection: str,
        tag: str,
        ids: tuple[int, ...],
        vectors: tuple[bytes, ...],
        *,
        applied: bool = True,
    ) -> Record:
        size = len(Record(0, kind, collection, tag, ids, vectors).encoded())
        self._offset += size
        lsn = self._file << 32 | self._offset
        record = Record(lsn, kind, collection, tag, ids, vectors)
        self.records.append(record)
        if applied:
            self.previous, self.applied = self.applied, lsn
        return record

    def flushed(self, collection: Collection, record: Record | None = None) -> None:
        """Everything up to `record` (or so far) of the collection is in its segments."""
        lsn = self.applied if record is None else record.lsn
        for table in (collection, *collection.partitions):
            # A partition made since, or flushed by itself, does not go back.
            table.flush_lsn = max(table.flush_lsn, lsn)

    def next_file(self) -> None:
        """The buffer was full: further records go into the next file.

        Only the newest can be empty: a server that finds another empty one calls it bad.
        """
        if self._offset:
            self._file, self._offset = self._file + 1, 0

    def restart(self) -> None:
        """The server starts with nothing to recover: into a new file, and the older ones go."""
        self.next_file()
        self.deleted_before = self._file

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Name and bytes of every file that is left; the newest is there even when empty."""
        for number in range(self.deleted_before, self._file + 1):
            kept = [r.encoded() for r in self.records if r.lsn >> 32 == number]
            yield f"{number}.wal", b"".join(kept)

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.files():
            (folder / name).write_bytes(content)
        # [1] is written before [2]; they differ only after a cut-off write.
        last = self.previous if self.torn else self.applied
        words = struct.pack("<3Q", self.previous, self.applied, last)
        (folder / "mxlog.meta").write_bytes(words)
