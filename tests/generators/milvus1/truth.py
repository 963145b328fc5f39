"""What a written server holds, row for row: from its parts in memory, never from its files."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tests.generators.milvus1.codes import Metric, RecordType, State
from tests.generators.milvus1.wal import DEFAULT, Record

if TYPE_CHECKING:
    from tests.generators.milvus1.writer import Collection, Server, Table

INSERTS = (RecordType.INSERT_BINARY, RecordType.INSERT_VECTOR)


class Entity(NamedTuple):
    """A row: the tag of its partition ("" for none), its id, the bytes of its vector."""

    tag: str
    id: int
    vector: bytes


Placed = tuple[str, Entity]
"""A row with the table_id it stands under: a partition's tag may be empty, too."""


@dataclass(slots=True)
class Truth:
    """A live collection. Rows go segment by segment in order of TableFiles, then the log's."""

    dim: int
    metric: Metric
    binary: bool
    rows: list[Entity] = field(default_factory=list)

    def bag(self) -> Counter[Entity]:
        """Without the order, with the repeats."""
        return Counter(self.rows)


@dataclass(slots=True)
class Pending:
    """Ids in the records of the log that are not in the segments."""

    inserts: int = 0
    deletes: int = 0


def truth(server: Server, *, replay: bool) -> dict[str, Truth]:
    found = {}
    for collection in _live(server):
        rows = _segments(collection)
        if replay:
            for record in _pending_records(server, collection):
                rows = _after(record, collection, rows)
        metric = collection.metric
        entities = [entity for _, entity in rows]
        found[collection.name] = Truth(collection.dim, metric, metric.binary, entities)
    return found


def pending(server: Server) -> dict[str, Pending]:
    found: dict[str, Pending] = {}
    for collection in _live(server):
        for record in _pending_records(server, collection):
            counts = found.setdefault(collection.name, Pending())
            if record.type in INSERTS:
                counts.inserts += len(record.ids)
            elif record.type == RecordType.DELETE:
                counts.deletes += len(record.ids)
    return found


def _live(server: Server) -> list[Collection]:
    live = [c for c in server.collections if c.state == State.NORMAL]
    assert len({c.name for c in live}) == len(live)
    return live


def _tables(collection: Collection) -> list[tuple[str, Table]]:
    partitions = [p for p in collection.partitions if p.state == State.NORMAL]
    return [("", collection), *((p.tag, p) for p in partitions)]


def _segments(collection: Collection) -> list[Placed]:
    tagged = [
        (tag, segment)
        for tag, table in _tables(collection)
        for segment in table.segments
        if segment.live
    ]
    tagged.sort(key=lambda pair: pair[1].files[0].id)
    return [
        (s.table.table_id, Entity(tag, s.ids[offset], s.vectors[offset].tobytes()))
        for tag, s in tagged
        for offset in s.kept()
    ]


def _named(collection: Collection, tag: str) -> Table | None:
    """The live table that a record's tag means; None: the record is of no use any more."""
    if tag in ("", DEFAULT):
        return collection
    return next((table for found, table in _tables(collection) if found == tag), None)


def _pending_records(server: Server, collection: Collection) -> list[Record]:
    roots = [c.flush_lsn for c in _live(server)]
    start = max(server.global_lsn or 0, min(roots, default=0))
    found = []
    for record in server.log.records:
        table = _named(collection, record.tag)
        gone = record.lsn >> 32 < server.log.deleted_before
        if record.collection == collection.name and table is not None and not gone:
            flushed = max(start, collection.flush_lsn, table.flush_lsn)
            if flushed < record.lsn <= server.log.counted:
                found.append(record)
    return found


def _after(record: Record, collection: Collection, rows: list[Placed]) -> list[Placed]:
    table = _named(collection, record.tag)
    assert table is not None
    if record.type in INSERTS:
        tag = "" if record.tag == DEFAULT else record.tag
        pairs = zip(record.ids, record.vectors, strict=True)
        return rows + [(table.table_id, Entity(tag, number, vector)) for number, vector in pairs]
    if record.type == RecordType.DELETE:
        gone = set(record.ids)
        meant = _tables(collection) if record.tag == "" else [(record.tag, table)]
        # What was flushed, or made, after the delete holds only rows that came after it.
        places = {t.table_id for _, t in meant if t.flush_lsn < record.lsn}
        return [(place, row) for place, row in rows if row.id not in gone or place not in places]
    return rows
