"""The files of the write-ahead log -> records, each proven to be whole. Knows no collections.

Layout: `db/wal/WalBuffer.{h,cpp}`, `WalMetaHandler.cpp` of Milvus 1.1; entities: of 0.10.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

from mmc.diagnostics import Diagnostic
from mmc.errors import FileMissing
from mmc.storage.urls import Blob, join_url, list_files, open_blob
from mmc.types import JsonValue

OFFSET_MASK = (1 << 32) - 1
"""An lsn is the number of the file << 32 | the offset at which the record ends in it."""
_HEADER = struct.Struct("<QBHHII")
"""lsn, type, bytes of name and tag, number of ids, bytes of data; without padding."""
_META = struct.Struct("<3Q")
_FILE = re.compile(r"(0|[1-9][0-9]*)\.wal")
_NAME = re.compile(rb"[A-Za-z_][A-Za-z0-9_]{0,254}")
"""What Milvus 1.x accepts for a collection: any other name is a damaged record."""
_NEAR, _FAR = 1 << 16, 1 << 22
_DAMAGED = (
    "copy the folder again from a stopped server; or say wal: ignore to leave the log out"
    " (Milvus 1.x itself drops a log that it cannot read, so keep a copy before you start it)"
)


class Kind(IntEnum):
    """Types of records; Milvus writes no others into a file."""

    INSERT_BINARY = 1
    INSERT_FLOAT = 2
    DELETE = 3
    INSERT_ENTITY = 6


_KINDS = frozenset(Kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record whose lengths agree with its place in the file.

    Attributes:
        ids_at: byte offset of its int64 ids in `file`.
        rows: how many ids, at least one.
        data_at: byte offset of its `data` bytes of vectors.
    """

    kind: Kind
    lsn: int
    name: str
    tag: str
    file: str
    ids_at: int
    rows: int
    data_at: int
    data: int


@dataclass(frozen=True, slots=True)
class LogFolder:
    """A folder with a log; `sizes`: bytes of its `<number>.wal` files."""

    url: str
    storage: Mapping[str, JsonValue]
    sizes: Mapping[int, int]

    def file(self, number: int) -> str:
        return join_url(self.url, f"{number}.wal")


def find_logs(url: str, storage: Mapping[str, JsonValue]) -> LogFolder:
    """The log files of a folder; an empty folder has none. Raises SourceError."""
    sizes = {
        int(found[1]): size
        for name, size in list_files(url, storage)
        if (found := _FILE.fullmatch(name))
    }
    return LogFolder(url, storage, dict(sorted(sizes.items())))


def read_applied(folder: LogFolder) -> int | Diagnostic | None:
    """The lsn up to which records count; None where no log was written: no mxlog.meta, no records.

    Raises:
        SourceError: the file is there and cannot be read.
    """
    url = join_url(folder.url, "mxlog.meta")
    try:
        with open_blob(url, folder.storage) as blob:
            head, size = blob.read_at(0, min(blob.size, _META.size)), blob.size
    except FileMissing:
        head, size = b"", -1
    if len(head) == _META.size:
        previous, first, second = _META.unpack(head)
        return int(second if first == second else previous)
    # The server makes an empty file when it starts, and fills it at the first insert.
    if size <= 0 and not any(folder.sizes.values()):
        return None
    what = "there is no such file" if size < 0 else f"has {size} bytes of {_META.size}"
    return damage(f"{url}: {what}, so it cannot be told how far the log counts")


def damage(message: str) -> Diagnostic:
    """The problem of a log that cannot be read as the server would."""
    return Diagnostic("MMC421", message, hint=_DAMAGED)


def read_records(folder: LogFolder, begin: int, end: int) -> Iterator[Record | Diagnostic]:
    """The records with begin < lsn <= end, in order; a Diagnostic, as the last item, at damage.

    Both must be borders of records. What follows `end` was never acknowledged, and is not looked
    at. Reads headers in chunks and steps over the data.

    Raises:
        SourceError: a file cannot be read.
    """
    number, offset = begin >> 32, begin & OFFSET_MASK
    while begin < end and (number, 0) < (end >> 32, end & OFFSET_MASK):
        url, last = folder.file(number), number == end >> 32
        if number not in folder.sizes:
            yield damage(f"{url}: there is no such file, but the log needs it")
            return
        with open_blob(url, folder.storage) as blob:
            stop = end & OFFSET_MASK if last else blob.size
            # The server goes on to the next file when a record does not fit, so none is empty.
            if offset > blob.size or (not last and not blob.size):
                yield damage(f"{url}: ends at byte {blob.size:,}; the log needs more of it")
                return
            parse = _Parser(blob, number, stop).parse
            while offset < stop:
                found = parse(offset)
                yield found
                if isinstance(found, Diagnostic):
                    return
                offset = found.lsn & OFFSET_MASK
        number, offset = number + 1, 0


class _Parser:
    """Records of one file. Fetches little after a jump over data, more in a run of small records:
    a log of single rows has millions of headers, and a remote request for each is too dear."""

    def __init__(self, blob: Blob, number: int, stop: int) -> None:
        self._blob, self._number, self._stop = blob, number, stop
        self._window, self._at, self._ahead = b"", 0, _NEAR

    def parse(self, start: int) -> Record | Diagnostic:
        """The record that starts at byte `start`."""
        if min(self._stop, self._blob.size) - start < _HEADER.size:
            return self._fault(start, "ends inside a record")
        lsn, code, name_size, tag_size, rows, data = _HEADER.unpack(self._take(start, _HEADER.size))
        end = lsn & OFFSET_MASK
        if lsn >> 32 != self._number or not start + _HEADER.size <= end <= self._stop:
            return self._fault(start, f"a record with lsn {lsn:,} cannot stand here")
        if end > self._blob.size:
            return self._fault(start, f"ends inside a record of {end - start:,} bytes")
        if code not in _KINDS:
            return self._fault(start, f"a record of type {code}, which Milvus does not write")
        kind, names_at, after = Kind(code), start + _HEADER.size, 0
        if kind is Kind.INSERT_ENTITY:
            attributes = self._attributes(names_at, end)
            if attributes is None:
                return self._fault(start, "the attributes of the record do not fit into it")
            names_at, after = attributes
        ids_at = names_at + name_size + tag_size
        data_at = ids_at + 8 * rows
        if data_at + data + after != end or not rows or (kind is Kind.DELETE and data):
            return self._fault(start, "the lengths in the record contradict each other")
        names = self._take(names_at, name_size + tag_size)
        if not _NAME.fullmatch(names, 0, name_size):
            return self._fault(start, f"no collection can be named {names[:name_size]!r}")
        name, tag = names[:name_size].decode(), names[name_size:].decode("utf-8", "surrogateescape")
        return Record(
            kind=kind,
            lsn=lsn,
            name=name,
            tag=tag,
            file=self._blob.url,
            ids_at=ids_at,
            rows=rows,
            data_at=data_at,
            data=data,
        )

    def _attributes(self, at: int, end: int) -> tuple[int, int] | None:
        """Where the names of an entity begin, and the bytes of attributes after its vectors.

        Layout: uint32 n, uint64[n] bytes of the names, of the values, of one value.
        """
        if end - at < 4:
            return None
        (count,) = struct.unpack("<I", self._take(at, 4))
        if end - at < 4 + 24 * count:
            return None
        sizes = struct.unpack(f"<{2 * count}Q", self._take(at + 4, 16 * count))
        return at + 4 + 24 * count, sum(sizes)

    def _take(self, start: int, length: int) -> bytes:
        begin = start - self._at
        if not 0 <= begin <= len(self._window) - length:
            run = 0 <= begin < len(self._window) * 9 // 8
            self._ahead = min(2 * self._ahead, _FAR) if run else _NEAR
            wanted = min(max(length, self._ahead), self._blob.size - start)
            self._window, self._at, begin = self._blob.read_at(start, wanted), start, 0
        return self._window[begin : begin + length]

    def _fault(self, start: int, message: str) -> Diagnostic:
        return damage(f"{self._blob.url}: {message} (byte {start:,} of {self._blob.size:,})")
