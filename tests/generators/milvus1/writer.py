"""Builds what a Milvus 1.x server leaves under storage.path, and says what is in it.

Written from a description of the format alone, so that the reader can be told wrong by it. A
`Server` is put together in memory, written once, and gives the truth to compare with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from tests.generators.milvus1 import layout
from tests.generators.milvus1.codes import LIVE, Engine, FileType, IdFlag, Metric, State
from tests.generators.milvus1.layout import Vectors
from tests.generators.milvus1.meta import Meta, write_mysql, write_sqlite, write_sqlite_wal
from tests.generators.milvus1.rows import meta_rows
from tests.generators.milvus1.truth import Pending, Truth, pending, truth
from tests.generators.milvus1.wal import Log

START = 1_600_000_000_000_000
"""Microseconds since 1970 at which every server here is born."""


@dataclass(slots=True)
class File:
    """A row of `TableFiles`."""

    id: int
    file_id: str
    type: int
    size: int
    created: int
    engine: int


@dataclass(slots=True, eq=False)
class Segment:
    """A folder of one table, and the rows of `TableFiles` that name it (none: an orphan)."""

    table: Table
    id: str
    ids: list[int]
    vectors: Vectors
    deleted: list[int]
    """Offsets as the file lists them: unsorted, repeated where the caller says so."""
    row_count: int
    tables_folder: Path
    files: list[File] = field(default_factory=list)
    trailing: bytes = b""
    """Follows the counted part of .rv, .uid and deleted_docs."""
    leftovers: bool = False
    """A cut-off delete left temp_del and temp_bloom."""
    has_folder: bool = True

    @property
    def folder(self) -> Path:
        return self.tables_folder / self.table.table_id / self.id

    @property
    def rv(self) -> Path:
        return self.folder / f"{self.id}.rv"

    @property
    def uid(self) -> Path:
        return self.folder / f"{self.id}.uid"

    @property
    def deleted_docs(self) -> Path:
        return self.folder / "deleted_docs"

    @property
    def live(self) -> bool:
        return any(file.type in LIVE for file in self.files)

    def kept(self) -> list[int]:
        """Offsets of the rows that are left, upward."""
        gone = set(self.deleted)
        return [offset for offset in range(len(self.ids)) if offset not in gone]

    def row(self, file_type: int, *, index: bool = False) -> File:
        """A further row of `TableFiles`: of the raw data, or with `index` of an index file."""
        server = self.table.server
        raw_size = len(self.ids) * (self.table.row_bytes + 8)
        raw_engine = Engine.BIN_FLAT if self.table.metric.binary else Engine.FLAT
        self.files.append(
            File(
                id=server.next_row("TableFiles"),
                file_id=server.next_id() if index else self.id,
                type=file_type,
                size=len(layout.index_file(self.table.root.engine)) if index else raw_size,
                created=server.now(),
                engine=self.table.root.engine if index else raw_engine,
            )
        )
        return self.files[-1]

    def become(self, *types: int) -> Segment:
        """The file types of its rows, in the order of the rows."""
        for file, file_type in zip(self.files, types, strict=True):
            file.type = file_type
        return self

    def build_index(self) -> Segment:
        """An INDEX row and file; the raw row becomes BACKUP."""
        self.become(*(FileType.BACKUP if f.type in LIVE else f.type for f in self.files))
        self.row(FileType.INDEX, index=True)
        return self

    def drop_index(self) -> Segment:
        """INDEX rows are TO_DELETE, the BACKUP is RAW again."""
        back = {FileType.INDEX: FileType.TO_DELETE, FileType.BACKUP: FileType.RAW}
        return self.become(*(back.get(FileType(f.type), f.type) for f in self.files))

    def remove(self, *, folder_stays: bool = True) -> Segment:
        """TO_DELETE; the folder goes only at the next clean-up."""
        self.has_folder = folder_stays
        return self.become(*(FileType.TO_DELETE for _ in self.files))

    def write(self) -> None:
        self.folder.mkdir(parents=True)
        self.rv.write_bytes(layout.raw_vectors(self.vectors) + self.trailing)
        self.uid.write_bytes(layout.row_ids(self.ids) + self.trailing)
        self.deleted_docs.write_bytes(layout.deleted_docs(self.deleted) + self.trailing)
        headed = self.table.server.release >= (1, 1)
        bloom = layout.bloom_filter(len(self.ids), headed=headed)
        (self.folder / "bloom_filter").write_bytes(bloom)
        for file in self.files:
            if file.file_id != self.id:
                (self.folder / file.file_id).write_bytes(layout.index_file(file.engine))
        for name in self.table.root.attributes:
            values = np.arange(len(self.ids), dtype="<i8")
            (self.folder / f"{name}.ra").write_bytes(layout.counted(values.tobytes()))
        if self.leftovers:
            (self.folder / "temp_del").write_bytes(layout.deleted_docs([0]))
            (self.folder / "temp_bloom").write_bytes(bloom[: len(bloom) // 2])


@dataclass(slots=True, eq=False)
class Table:
    """A row of `Tables`, and the segments under its table_id."""

    server: Server
    row_id: int
    table_id: str
    created: int
    flush_lsn: int
    state: int = State.NORMAL
    purged: bool = False
    """The row is gone already; those of its segments are still there."""
    segments: list[Segment] = field(default_factory=list)

    @property
    def root(self) -> Collection:
        raise NotImplementedError

    @property
    def label(self) -> str:
        """The tag, which only a partition has."""
        return ""

    @property
    def metric(self) -> Metric:
        return self.root.metric

    @property
    def row_bytes(self) -> int:
        return self.root.dim // 8 if self.metric.binary else self.root.dim * 4

    def checked(self, vectors: Vectors) -> Vectors:
        kind, columns = ("u1", self.root.dim // 8) if self.metric.binary else ("f4", self.root.dim)
        assert vectors.dtype == np.dtype(kind), vectors.dtype
        assert vectors.shape[1:] == (columns,), vectors.shape
        return vectors

    def drop(self, *, purged: bool = False, cut_off: bool = False) -> None:
        """TO_DELETE, with its partitions and segments.

        Cut off, only its own row says so. `purged`: the clean-up has already removed the rows of
        `Tables`, not yet those of `TableFiles`.
        """
        self.state, self.purged = State.TO_DELETE, purged
        if not cut_off:
            for segment in self.segments:
                segment.remove()
            for partition in self.root.partitions if self is self.root else ():
                partition.drop(purged=purged)

    def segment(
        self,
        ids: ArrayLike,
        vectors: Vectors,
        deleted: Sequence[int] = (),
        file_type: int = FileType.RAW,
        row_count: int | None = None,
        tables: int = 0,
        trailing: bytes = b"",
    ) -> Segment:
        """A segment with one raw row. `tables` is the number of its folder in Server.tables."""
        segment = self.orphan(ids, vectors, deleted, tables)
        segment.row(file_type)
        segment.trailing = trailing
        if row_count is not None:
            segment.row_count = row_count
        return segment

    def orphan(
        self, ids: ArrayLike, vectors: Vectors, deleted: Sequence[int] = (), tables: int = 0
    ) -> Segment:
        """A folder that no row names, such as a cut-off merge leaves after a restart."""
        numbers = [int(i) for i in np.asarray(ids).ravel()]
        assert len(numbers) == len(self.checked(vectors))
        left = len(numbers) - len(set(deleted))
        folder = self.server.tables[tables]
        made = Segment(self, self.server.next_id(), numbers, vectors, list(deleted), left, folder)
        self.segments.append(made)
        return made

    def merge(self, *sources: Segment, cut_off: bool = False) -> Segment:
        """A segment of the rows left in `sources`, which become TO_DELETE.

        Cut off, only the copy's folder and its NEW_MERGE row are there, and the sources live on.
        """
        ids = [s.ids[offset] for s in sources for offset in s.kept()]
        parts = [s.vectors[s.kept()] for s in sources]
        merged = self.segment(ids, np.concatenate(parts))
        if cut_off:
            return merged.become(FileType.NEW_MERGE)
        for source in sources:
            source.remove()
        return merged


@dataclass(slots=True, eq=False)
class Partition(Table):
    tag: str = ""
    owner: Collection = field(kw_only=True)

    @property
    def root(self) -> Collection:
        return self.owner

    @property
    def label(self) -> str:
        return self.tag


@dataclass(slots=True, eq=False)
class Collection(Table):
    """The root table: has the settings, and what was inserted without a tag."""

    name: str = ""
    dim: int = 0
    metric_: Metric = Metric.L2
    engine: int = Engine.FLAT
    params: dict[str, int] = field(default_factory=dict)
    flag: int = IdFlag.BY_USER
    file_mib: int = 1024
    partitions: list[Partition] = field(default_factory=list)
    attributes: dict[str, int] = field(default_factory=dict)
    """Fields of a hybrid collection (0.9, 0.10) with their types; each an .ra file a segment."""

    @property
    def root(self) -> Collection:
        return self

    @property
    def metric(self) -> Metric:
        return self.metric_

    def partition(self, tag: str) -> Partition:
        """A table of its own with a number for a name."""
        server = self.server
        made = Partition(
            server=server,
            row_id=server.next_row("Tables"),
            table_id=server.next_id(),
            created=server.now(),
            flush_lsn=server.log.applied,
            tag=tag.strip(" "),
            owner=self,
        )
        self.partitions.append(made)
        return made


@dataclass(slots=True)
class Server:
    """A data directory to be. `secondary`: further roots, as 0.7 to 0.9 could have."""

    root: Path
    version: str = "1.1.1"
    secondary: tuple[Path, ...] = ()
    global_lsn: int | None = 0
    """The one row of `Environment`; None: no row."""
    collections: list[Collection] = field(default_factory=list)
    log: Log = field(default_factory=Log)
    _ticks: int = 0
    _rows: dict[str, int] = field(default_factory=dict)

    @property
    def tables(self) -> tuple[Path, ...]:
        """Folders that hold segments, the primary one first."""
        return (self.root / "db" / "tables", *(path / "tables" for path in self.secondary))

    @property
    def meta(self) -> Path:
        return self.root / "db" / "meta.sqlite"

    @property
    def wal(self) -> Path:
        return self.root / "wal"

    @property
    def release(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.version.split("."))

    def collection(
        self,
        name: str,
        dim: int,
        metric: int = Metric.L2,
        index: tuple[str, dict[str, int]] | None = None,
        flag: int = IdFlag.BY_USER,
        file_mib: int = 1024,
    ) -> Collection:
        metric = Metric(metric)
        plain = Engine.BIN_FLAT if metric.binary else Engine.FLAT
        made = Collection(
            server=self,
            row_id=self.next_row("Tables"),
            table_id=name,
            created=self.now(),
            flush_lsn=self.log.applied,
            name=name,
            dim=dim,
            metric_=metric,
            engine=Engine[index[0]] if index else plain,
            params=dict(index[1]) if index else {},
            flag=flag,
            file_mib=file_mib,
        )
        self.collections.append(made)
        return made

    def now(self) -> int:
        """Microseconds since 1970, later at each call."""
        self._ticks += 1
        return START + self._ticks

    def next_id(self) -> str:
        """Of a segment, an index file or a partition: nanoseconds that end in 000."""
        return str(self.now() * 1000)

    def next_row(self, table: str) -> int:
        self._rows[table] = self._rows.get(table, 0) + 1
        return self._rows[table]

    def segments(self) -> list[Segment]:
        return [s for table in self.every_table() for s in table.segments]

    def every_table(self) -> list[Table]:
        return [table for c in self.collections for table in (c, *c.partitions)]

    def truth(self, wal: str = "ignore") -> dict[str, Truth]:
        """By name of each live collection; `wal="replay"` with the pending part of the log."""
        return truth(self, replay=wal == "replay")

    def pending(self) -> dict[str, Pending]:
        """What the log has for each live collection beyond its segments; none, no entry."""
        return pending(self)

    def write(self, meta: str = "sqlite") -> Server:
        """Writes all of it. `meta`: sqlite, sqlite-wal, sqlite-only-wal, or a URL of MySQL."""
        for folder in self.tables:
            folder.mkdir(parents=True, exist_ok=True)
        for segment in self.segments():
            if segment.has_folder:
                segment.write()
        self.log.write(self.wal)
        writers: dict[str, Callable[[], None]] = {
            "sqlite": lambda: write_sqlite(self.rows(), self.meta),
            "sqlite-wal": lambda: write_sqlite_wal(self.rows(), self.meta),
            "sqlite-only-wal": lambda: write_sqlite_wal(self.rows(), self.meta, checkpointed=False),
        }
        writers.get(meta, lambda: write_mysql(self.rows(), meta))()
        return self

    def rows(self) -> Meta:
        """The tables of the meta database, by row id."""
        return meta_rows(self)
