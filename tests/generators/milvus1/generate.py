"""Data directories at random, the same for the same seed: for properties, not for reading."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np

from tests.generators.milvus1 import layout
from tests.generators.milvus1.codes import Engine, FileType, Metric
from tests.generators.milvus1.layout import Vectors
from tests.generators.milvus1.writer import Collection, Segment, Server, Table

TAGS = (
    "2021-03-01",
    "a-b",
    "a_b",
    "a b",
    "a.b",
    "量子 力学",
    "7",
    "",
    "x" * 255,
    "ü/ß",
    "'; --",
    "A_b",
    "default",
    "字" * 85,
)
METAS = ("sqlite", "sqlite-wal", "sqlite-only-wal")
VERSIONS = ("0.7.1", "0.8.0", "0.9.1", "0.10.4", "1.0.0", "1.1.0", "1.1.1")
RAW_TYPES = (FileType.RAW, FileType.RAW, FileType.TO_INDEX)


def generate(root: Path, seed: int, *, nan: bool = False, meta: str | None = None) -> Server:
    """A written server: 1-4 live collections of 0-60 rows a segment, and what is not live.

    With `nan`, some float rows hold NaN or an infinity. `meta` as for Server.write; else one of
    the SQLite ones, by the seed.
    """
    rng = Random(seed)
    version = rng.choice(VERSIONS)
    # Only 0.7 to 0.9 spread segments over several roots.
    server = Server(root, version)
    if server.release < (0, 10):
        server.secondary = tuple(root / f"more{i}" for i in range(rng.randint(0, 2)))
    server.global_lsn = rng.choice([0, None])
    if rng.random() < 0.4:
        _dropped(rng, server)
    for number in range(rng.randint(1, 4)):
        _collection(rng, server, f"c{number}", nan=nan)
    _log(rng, server)
    return server.write(meta or rng.choice(METAS))


def vectors_of(rng: Random, collection: Collection, rows: int, *, nan: bool = False) -> Vectors:
    seed = rng.getrandbits(32)
    if collection.metric.binary:
        return layout.bits(rows, collection.dim, seed)
    odd = rng.sample(range(rows), min(rows, 2)) if nan and rng.random() < 0.5 else ()
    return layout.floats(rows, collection.dim, seed, not_finite=odd)


def _collection(rng: Random, server: Server, name: str, *, nan: bool) -> None:
    metric = rng.choice(tuple(Metric))
    dim = rng.randint(1, 8) * 8 if metric.binary else rng.randint(1, 64)
    kinds = [e.name for e in Engine if e.name.startswith("BIN_") == metric.binary]
    index = (rng.choice(kinds), {"nlist": 64}) if rng.random() < 0.6 else None
    collection = server.collection(name, dim, metric, index, flag=rng.choice([1, 2]))
    if server.release[:2] in ((0, 9), (0, 10)) and rng.random() < 0.2:
        collection.attributes["age"] = 5
    _segments(rng, collection, nan=nan)
    for tag in rng.sample(TAGS, rng.choice([0, 0, 1, 3, 9])):
        if rng.random() < 0.2:
            partition = collection.partition(tag)
            _segments(rng, partition, nan=nan)
            partition.drop(purged=rng.random() < 0.3, cut_off=rng.random() < 0.5)
        _segments(rng, collection.partition(tag), nan=nan)


def _dropped(rng: Random, server: Server) -> None:
    """A collection that is gone; if even its row is, one of the same name may follow."""
    purged = rng.random() < 0.5
    collection = server.collection("c0" if purged else "gone", 8)
    for table in (collection, collection.partition("p")):
        _segments(rng, table, nan=False)
    server.log.insert(collection, [1, 2], layout.floats(2, 8))
    collection.drop(purged=purged, cut_off=not purged and rng.random() < 0.5)


def _segments(rng: Random, table: Table, *, nan: bool) -> None:
    made = [_segment(rng, table, nan=nan) for _ in range(rng.choice([0, 1, 1, 2, 4]))]
    sources = [s for s in made if s.live]
    if len(sources) > 1 and rng.random() < 0.4:
        table.merge(*sources[:2], cut_off=rng.random() < 0.5)
    if rng.random() < 0.1:
        table.orphan([5], vectors_of(rng, table.root, 1))


def _segment(rng: Random, table: Table, *, nan: bool) -> Segment:
    rows = rng.choice([0, 1, 2, rng.randint(3, 60)])
    segment = table.segment(
        _ids(rng, rows),
        vectors_of(rng, table.root, rows, nan=nan),
        _deleted(rng, rows),
        rng.choice(RAW_TYPES),
        tables=rng.randrange(len(table.server.tables)),
        trailing=rng.randbytes(rng.choice([0, 0, 3, 40])),
    )
    if rng.random() < 0.2:
        segment.row_count = rng.randint(0, 100)
    segment.leftovers = rng.random() < 0.1
    happened = rng.random()
    if happened < 0.3:
        segment.build_index()
    elif happened < 0.4:
        segment.build_index().drop_index()
    elif happened < 0.5:
        segment.row(FileType.NEW_INDEX, index=True)
    elif happened < 0.6:
        # A crash between two updates of MySQL.
        segment.row(FileType.INDEX, index=True)
    elif happened < 0.65:
        segment.become(FileType.BACKUP)
    elif happened < 0.75:
        segment.remove(folder_stays=rng.random() < 0.5)
    elif happened < 0.8:
        segment.become(rng.choice([FileType.NEW, FileType.NEW_MERGE]))
    return segment


def _ids(rng: Random, rows: int) -> list[int]:
    way = rng.randrange(4)
    if way == 0:
        first = rng.randint(-50, 50)
        return list(range(first, first + rows))
    if way == 1:
        return [rng.randint(-(2**63), 2**63 - 1) for _ in range(rows)]
    if way == 2:
        return [rng.randint(0, max(1, rows // 2)) for _ in range(rows)]
    ends = (range(2**63 - 1, 0, -1), range(-(2**63), 0), range(rows), range(-1, -rows - 1, -1))
    return [ends[i % 4][i // 4] for i in range(rows)]


def _deleted(rng: Random, rows: int) -> list[int]:
    """None, some, all; in any order, some of them twice."""
    share = rng.choice([0, 0, 0.1, 0.5, 1])
    offsets = rng.sample(range(rows), round(share * rows))
    return offsets + rng.sample(offsets, rng.choice([0, len(offsets) // 3]))


def _log(rng: Random, server: Server) -> None:
    """Inserts and deletes, here and there a flush, in a few files."""
    live = [c for c in server.collections if not c.state]
    for _ in range(rng.choice([0, 0, 4, 12])):
        collection = rng.choice(live)
        tags = ["", *(p.tag for p in collection.partitions)]
        what = rng.random()
        if what < 0.5:
            rows = rng.randint(1, 6)
            vectors = vectors_of(rng, collection, rows)
            server.log.insert(collection, _ids(rng, rows), vectors, rng.choice(tags))
        elif what < 0.75:
            known = [i for s in _every_segment(collection) for i in s.ids] or [1]
            gone = [rng.choice(known) for _ in range(rng.randint(1, 5))]
            server.log.delete(collection, gone, rng.choice([*tags, "_default"]))
        elif what < 0.83:
            server.log.flushed(collection)
        elif what < 0.88 and collection.partitions:
            rng.choice(collection.partitions).flush_lsn = server.log.applied
        elif what < 0.92:
            for each in live:
                server.log.flushed(each)
            server.log.restart()
        else:
            server.log.next_file()
    server.log.torn = rng.random() < 0.1
    if server.global_lsn is not None and rng.random() < 0.5:
        server.global_lsn = min((c.flush_lsn for c in live), default=0)
        start = server.global_lsn >> 32
        server.log.deleted_before = max(server.log.deleted_before, start)


def _every_segment(collection: Collection) -> list[Segment]:
    return [s for t in (collection, *collection.partitions) for s in t.segments]


def seeds(count: int) -> list[int]:
    """As many seeds as asked, always the same."""
    return [int(s) for s in np.random.default_rng(1).integers(0, 2**31, count)]
