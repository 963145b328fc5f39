"""The write-ahead log: which inserts and deletes are in no segment yet.

Rules: `WalManager::Init`, `GetNextRecovery`, `DBImpl::ExecWalRecord` of Milvus 1.1.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mmc.diagnostics import Diagnostic, Severity
from mmc.sources.milvus1.live import LiveCollection, LivePartition
from mmc.sources.milvus1.wal.records import (
    OFFSET_MASK,
    Kind,
    LogFolder,
    Record,
    damage,
    find_logs,
    read_applied,
    read_records,
)
from mmc.storage.urls import fingerprint, open_blob
from mmc.types import JsonValue

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_DEFAULT = "_default"
_BLANKS = " \n\r\t"
"""What the server takes off both ends of a tag before it looks for the partition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A log record whose effect is not in the segments.

    Attributes:
        kind: "insert" | "delete".
        lsn: of the record.
        tables: table ids it acts on: one for an insert; a delete without a tag acts on the
            collection and on all its partitions that have not had it.
        file: URL of the log file.
        ids_at: byte offset of its int64 ids in the file.
        rows: how many ids.
        data_at: byte offset of its vectors, row-major, for an insert.
        row_bytes: bytes of one vector.
    """

    kind: str
    lsn: int
    tables: tuple[str, ...]
    file: str
    ids_at: int
    rows: int
    data_at: int = 0
    row_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Log:
    """What a log folder holds for the live collections.

    Attributes:
        pending: in order of lsn, by collection name; none for a collection without any.
        problems: by collection name; what could not be read ("" when it concerns them all).
        seen: fingerprint of each log file, from before it was read.
    """

    pending: dict[str, tuple[Pending, ...]]
    problems: dict[str, tuple[Diagnostic, ...]]
    seen: Mapping[str, str] = field(default_factory=dict, compare=False)


def read_log(
    folder: str,
    storage: Mapping[str, JsonValue],
    collections: Sequence[LiveCollection],
    global_lsn: int,
) -> Log:
    """What the log adds to the segments of the collections.

    A damaged log ends at the damage: `pending` holds what is before it, `problems` the error.

    Raises:
        SourceError: a file is there and cannot be read.
    """
    logs = {live.name: _CollectionLog(live, global_lsn) for live in collections}
    problems: defaultdict[str, list[Diagnostic]] = defaultdict(list)
    found = find_logs(folder, storage)
    seen = {file: fingerprint(file, storage) for file in map(found.file, found.sizes)}
    applied = read_applied(found)
    if isinstance(applied, Diagnostic):
        problems[""].append(applied)
    elif applied is None:
        problems[""] += _never_written(folder, logs, global_lsn)
    else:
        # As the server does: mxlog.meta is not synced, so after a loss of power it can be older
        # than what was flushed. In an older copy of the log, the end is then missing.
        end = max([applied, *(log.newest for log in logs.values())])
        for item in _relevant(found, list(logs.values()), global_lsn, end):
            if isinstance(item, Diagnostic):
                problems[""].append(item)
            elif item.name in logs:
                logs[item.name].add(item)
    for name, log in logs.items():
        problems[name] += log.problems()
    return Log(
        {name: tuple(log.pending) for name, log in logs.items() if log.pending},
        {name: tuple(found) for name, found in problems.items() if found},
        seen,
    )


def read_pending(
    pending: Pending, storage: Mapping[str, JsonValue], start: int, stop: int
) -> tuple[NDArray[np.int64], bytes]:
    """Rows start..stop of a pending record: int64 ids, and vectors row-major (a delete has none).

    Raises:
        SourceError: the log file is gone, or shorter than it was.
    """
    import numpy as np

    if not 0 <= start <= stop <= pending.rows:
        raise IndexError(f"rows {start}..{stop} of {pending.rows}")
    with open_blob(pending.file, storage) as blob:
        ids = blob.read_at(pending.ids_at + 8 * start, 8 * (stop - start))
        width = pending.row_bytes
        vectors = blob.read_at(pending.data_at + width * start, width * (stop - start))
    return np.frombuffer(ids, "<i8").astype(np.int64, copy=False), vectors


def count_pending(log: Log, name: str) -> tuple[int, int]:
    """Rows inserted into a collection, and ids deleted from it, that are only in the log."""
    rows = {"insert": 0, "delete": 0}
    for pending in log.pending.get(name, ()):
        rows[pending.kind] += pending.rows
    return rows["insert"], rows["delete"]


class _CollectionLog:
    """Gathers the records of one collection."""

    def __init__(self, live: LiveCollection, global_lsn: int) -> None:
        self._live = live
        self._global_lsn = global_lsn
        self._tables = tuple(part.table_id for part in live.partitions)
        self._partitions = {part.tag: part for part in live.partitions[1:]}
        self._unknown = {"insert": 0, "delete": 0}
        self._half = {"insert": 0, "delete": 0}
        self._entities = 0
        self._misfits = 0
        self._first_misfit = ""
        self.pending: list[Pending] = []
        lsns = [live.flush_lsn, *(part.flush_lsn for part in live.partitions[1:])]
        known = [lsn for lsn in lsns if lsn is not None]
        self.known = len(known) == len(lsns)
        self.flushed = live.flush_lsn or 0
        self.oldest, self.newest = min(known, default=0), max(known, default=0)
        self._youngest = max((lsn for lsn in lsns[1:] if lsn is not None), default=0)

    def add(self, record: Record) -> None:
        """Sorts a record in; later ones have a higher lsn."""
        if record.lsn <= self._global_lsn:
            return
        kind = "delete" if record.kind is Kind.DELETE else "insert"
        tag = record.tag.strip(_BLANKS)
        part = None if tag in ("", _DEFAULT) else self._partitions.get(tag)
        if tag not in ("", _DEFAULT) and part is None:
            return
        if not self.known:
            self._unknown[kind] += record.rows
        elif record.lsn <= self.flushed:
            if part is not None and _flush_lsn(part) < record.lsn:
                self._half[kind] += record.rows
        elif part is None or _flush_lsn(part) < record.lsn:
            tables = self._tables[:1] if part is None else (part.table_id,)
            if kind == "delete" and not tag:
                tables = self._everywhere(record.lsn)
            self._keep(record, kind, tables)

    def _keep(self, record: Record, kind: str, tables: tuple[str, ...]) -> None:
        pending = Pending(
            kind=kind,
            lsn=record.lsn,
            tables=tables,
            file=record.file,
            ids_at=record.ids_at,
            rows=record.rows,
        )
        if kind == "delete":
            self.pending.append(pending)
            return
        row_bytes = self._live.row_bytes
        binary = record.kind is Kind.INSERT_BINARY
        if binary != self._live.binary or record.data != record.rows * row_bytes:
            self._misfits += 1
            self._first_misfit = self._first_misfit or (
                f"{record.file}: {record.rows:,} rows with {record.data:,} bytes of"
                f" {'binary' if binary else 'float'} vectors (byte {record.ids_at:,})"
            )
            return
        self._entities += record.rows if record.kind is Kind.INSERT_ENTITY else 0
        self.pending.append(replace(pending, data_at=record.data_at, row_bytes=row_bytes))

    def _everywhere(self, lsn: int) -> tuple[str, ...]:
        """The tables that a delete without a tag acts on: not those flushed, or made, after it."""
        if lsn > self._youngest:
            return self._tables
        late = [p.table_id for p in self._live.partitions[1:] if _flush_lsn(p) < lsn]
        return (self._tables[0], *late)

    def problems(self) -> Iterator[Diagnostic]:
        """What is to be said of the records, after the last of them."""
        name = self._live.name
        if self._misfits:
            wanted = f"{'binary' if self._live.binary else 'float'}, {self._live.row_bytes:,} bytes"
            more = f", and {self._misfits - 1:,} more such records" if self._misfits > 1 else ""
            yield damage(
                f"{self._first_misfit} are none of collection {name} ({wanted} a row){more}"
            )
        if any(self._unknown.values()):
            yield Diagnostic(
                "MMC428",
                f"collection {name}: it cannot be told which of {_told(self._unknown)} in the log"
                " are in its segments: the metadata do not say how far it was flushed",
                severity=Severity.WARNING,
                hint="give the server's own metadata, or what mmc export-meta wrote of them",
            )
        if any(self._half.values()):
            yield Diagnostic(
                "MMC417",
                f"collection {name}: {_told(self._half)} of its partitions are left out: they are"
                " only in the log, and Milvus 1.x counts them as flushed",
                severity=Severity.WARNING,
                hint="the server was stopped between flushing the collection and its partitions;"
                " insert and delete them again",
            )
        if self._entities:
            yield Diagnostic(
                "MMC426",
                f"collection {name}: the attributes of {self._entities:,} rows in the log cannot be"
                " replayed, only their ids and vectors",
                severity=Severity.WARNING,
                hint="those in segments are not migrated either",
            )


def _relevant(
    folder: LogFolder, logs: Sequence[_CollectionLog], global_lsn: int, end: int
) -> Iterator[Record | Diagnostic]:
    """The records that may tell something about the collections, and the damage among those that
    the server would read."""
    if not logs:
        return
    start = max(global_lsn, min(log.flushed for log in logs))
    if not all(log.known for log in logs):
        yield from read_records(folder, min(folder.sizes, default=end >> 32) << 32, end)
        return
    # A partition that was flushed less far than its collection: the server does not read from
    # there, and may have removed those files, so what is missing or damaged is no finding.
    early = max(global_lsn, min(log.oldest for log in logs))
    if early < start:
        left = [n for n in folder.sizes if n >= early >> 32]
        begin = max(early, left[0] << 32) if left else start
        for item in read_records(folder, begin, min(start, end)):
            if isinstance(item, Record):
                yield item
    first = min(folder.sizes, default=0)
    if not start and first:
        yield Diagnostic(
            "MMC421",
            f"{folder.file(0)}: there is no such file, though nothing was ever flushed; what it"
            f" may have held is not migrated, the log begins with {first}.wal",
            severity=Severity.WARNING,
            hint="look in the original folder whether it is there",
        )
        start = first << 32
    number, offset = start >> 32, start & OFFSET_MASK
    if number not in folder.sizes and offset and number < end >> 32:
        yield Diagnostic(
            "MMC421",
            f"{folder.file(number)}: there is no such file; what it may have held after byte"
            f" {offset:,} is not migrated",
            severity=Severity.WARNING,
            hint="the server removes it itself when it starts with nothing to replay; look in the"
            " original folder whether it is there",
        )
        start = (number + 1) << 32
    yield from read_records(folder, start, end)


def _never_written(
    folder: str, logs: Mapping[str, _CollectionLog], global_lsn: int
) -> Iterator[Diagnostic]:
    """A log folder without a log is well for a server that logged nothing."""
    if global_lsn or any(log.newest for log in logs.values()):
        yield Diagnostic(
            "MMC428",
            f"{folder}: there is no log in this folder, but the server has written one",
            severity=Severity.WARNING,
            hint="give the server's wal.path as wal_path; or say wal: ignore",
        )


def _flush_lsn(part: LivePartition) -> int:
    return part.flush_lsn or 0


def _told(rows: Mapping[str, int]) -> str:
    return f"{rows['insert']:,} inserted rows and {rows['delete']:,} deletes"
