"""Catalogue -> what is live: collections, their partitions, their segments, each once. Pure.

The rules follow the queries of Milvus 1.1 (`FilesToSearch`, `Count`, `DropCollection`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mmc.diagnostics import Diagnostic
from mmc.sources.milvus1.catalogue import Catalogue, FileRow, FileType, TableRow
from mmc.sources.milvus1.contradictions import (
    DROPPED,
    about_partitions,
    about_root,
    is_name,
    lost_merges,
    unsafe,
    unsearched,
    wrong,
)

_RAW = frozenset({FileType.RAW, FileType.TO_INDEX, FileType.BACKUP})
"""Rows about the raw data; counts of INDEX rows are about the index."""
LIVE = _RAW | {FileType.INDEX}


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSegment:
    """A segment with rows that count.

    Attributes:
        table_id: folder below the data folder.
        order: smallest id of its rows in `TableFiles`; segments are in this order.
        row_count: what the metadata says is left of it; None when its rows disagree. May be stale.
        file_size: bytes, of the raw data as the metadata says; may be stale.
    """

    table_id: str
    segment_id: str
    order: int
    row_count: int | None
    file_size: int = 0


@dataclass(frozen=True, slots=True)
class LivePartition:
    """The collection itself (`tag` is "") or one of its partitions."""

    tag: str
    table_id: str
    segments: tuple[LiveSegment, ...]
    flush_lsn: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveCollection:
    """A collection that was not dropped.

    Attributes:
        partitions: the collection itself first, then its live partitions by id.
        problems: what is odd or wrong about it in the metadata.
    """

    name: str
    dimension: int
    metric_type: int
    engine_type: int
    index_params: str
    flag: int
    partitions: tuple[LivePartition, ...]
    flush_lsn: int | None = None
    hybrid: bool = False
    problems: tuple[Diagnostic, ...] = ()

    @property
    def binary(self) -> bool:
        """By the metric: dropping an index resets the engine type, also of binary collections."""
        return self.metric_type >= 3

    @property
    def row_bytes(self) -> int:
        """Bytes of one vector in a raw file."""
        return self.dimension // 8 if self.binary else 4 * self.dimension


def live_collections(catalogue: Catalogue) -> tuple[LiveCollection, ...]:
    """What a server would serve, sorted by name; each segment once.

    Never raises: what contradicts itself is among the `problems` of its collection, and a segment
    whose name would lead out of the data folder is left out.
    """
    roots: dict[str, list[TableRow]] = {}
    partitions: dict[str, list[TableRow]] = {}
    for row in sorted(catalogue.tables, key=lambda row: row.id):
        if row.state != DROPPED and row.owner_table:
            partitions.setdefault(row.owner_table, []).append(row)
        elif row.state != DROPPED:
            roots.setdefault(row.table_id, []).append(row)
    files: dict[str, list[FileRow]] = {}
    for file in sorted(catalogue.files, key=lambda file: file.id):
        files.setdefault(file.table_id, []).append(file)
    found = [
        _collection(catalogue, rows, partitions.get(name, ()), files)
        for name, rows in sorted(roots.items())
    ]
    return _with_shared(found)


def _collection(
    catalogue: Catalogue,
    rows: Sequence[TableRow],
    below: Sequence[TableRow],
    files: Mapping[str, Sequence[FileRow]],
) -> LiveCollection:
    root = rows[0]
    problems = [*about_root(catalogue, rows), *about_partitions(root, below)]
    partitions = []
    for row in (root, *below):
        place = f"`{root.table_id}`" + (
            f", partition `{row.partition_tag}`" if row.owner_table else ""
        )
        if not is_name(row.table_id):
            problems.append(unsafe(place, "table_id", row.table_id))
            if row.owner_table:
                continue
        segments, said = _segments(place, files.get(row.table_id, ()))
        problems += said
        kept = segments if is_name(row.table_id) else ()
        tag = row.partition_tag if row.owner_table else ""
        partitions.append(LivePartition(tag, row.table_id, kept, row.flush_lsn))
    return LiveCollection(
        name=root.table_id,
        dimension=root.dimension,
        metric_type=root.metric_type,
        engine_type=root.engine_type,
        index_params=root.index_params,
        flag=root.flag,
        partitions=tuple(partitions),
        flush_lsn=root.flush_lsn,
        hybrid=root.table_id in catalogue.hybrid,
        problems=tuple(problems),
    )


def _segments(
    place: str, files: Sequence[FileRow]
) -> tuple[tuple[LiveSegment, ...], list[Diagnostic]]:
    """Live segments of a table in order, from its rows in order of id."""
    groups: dict[str, list[FileRow]] = {}
    for file in files:
        groups.setdefault(file.segment_id, []).append(file)
    segments: list[LiveSegment] = []
    problems: list[Diagnostic] = []
    alone: list[str] = []
    for name, rows in groups.items():
        types = {row.file_type for row in rows}
        if unknown := sorted(types - set(FileType)):
            problems.append(wrong(f"{place}, segment {name}: unknown file_type {unknown[0]}"))
        if not types & LIVE:
            continue
        if not is_name(name):
            problems.append(unsafe(place, "segment_id", name))
            continue
        if types & LIVE == {FileType.BACKUP}:
            alone.append(name)
        segments.append(_segment(rows))
    if alone:
        problems.append(unsearched(place, alone))
    problems += lost_merges(place, groups)
    return tuple(segments), problems


def _segment(rows: Sequence[FileRow]) -> LiveSegment:
    raw = [row for row in rows if row.file_type in _RAW]
    counted = raw or [row for row in rows if row.file_type == FileType.INDEX]
    counts = {row.row_count for row in counted}
    first = rows[0]
    return LiveSegment(
        table_id=first.table_id,
        segment_id=first.segment_id,
        order=first.id,
        row_count=counts.pop() if len(counts) == 1 and min(counts) >= 0 else None,
        file_size=max((row.file_size for row in raw), default=0),
    )


def _with_shared(collections: Sequence[LiveCollection]) -> tuple[LiveCollection, ...]:
    """Adds an error where one segment belongs to two tables: its rows would count twice."""
    owners: dict[str, set[tuple[str, str]]] = {}
    for collection in collections:
        for partition in collection.partitions:
            for segment in partition.segments:
                owner = (collection.name, partition.table_id)
                owners.setdefault(segment.segment_id, set()).add(owner)
    problems: dict[str, list[Diagnostic]] = {}
    for name, owning in owners.items():
        if len(owning) > 1:
            tables = " and ".join(f"`{table}`" for table in sorted({table for _, table in owning}))
            for collection_name in sorted({root for root, _ in owning}):
                problem = wrong(f"`{collection_name}`: segment {name} belongs to both {tables}")
                problems.setdefault(collection_name, []).append(problem)
    return tuple(
        replace(found, problems=(*found.problems, *problems.get(found.name, ())))
        for found in collections
    )
