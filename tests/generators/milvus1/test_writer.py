"""The builder against known bytes of a real server, and against a reader of thirty lines."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import struct
from collections import Counter
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tests.generators.milvus1 import damage
from tests.generators.milvus1.codes import Engine, FileType, IdFlag, Metric
from tests.generators.milvus1.generate import generate, seeds
from tests.generators.milvus1.layout import bits, deleted_docs, floats, raw_vectors, row_ids
from tests.generators.milvus1.meta import COLUMNS
from tests.generators.milvus1.old import crc32c, write_0_6, write_0_11
from tests.generators.milvus1.truth import Entity
from tests.generators.milvus1.writer import Segment, Server
from tests.servers.mariadb import MariaDB


def blob_sha1(content: bytes) -> str:
    """As git names a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def test_same_bytes_as_a_real_server(tmp_path: Path) -> None:
    """10,000 rows of 256 ones under ids from 1, as a 1.1 server wrote them in 2023."""
    server = Server(tmp_path)
    segment = server.collection("test1w", 256).segment(
        range(1, 10_001), np.ones((10_000, 256), np.float32)
    )
    server.write()
    assert blob_sha1(segment.rv.read_bytes()) == "b9b97438b7c4b2e6e7eb9d5a8940eddd272fca09"
    assert blob_sha1(segment.uid.read_bytes()) == "24716c31ca5af263c51a840d30e0e39f3fc5e2c7"
    empty = "1b1cb4d44c57c2d7a5122870fa6ac3e62ff7e94e"
    assert blob_sha1(segment.deleted_docs.read_bytes()) == empty
    bloom = (segment.folder / "bloom_filter").read_bytes()
    assert bloom[:20].hex() == "626c6f6f6d5f3000" + "10270000" + "7b14ae47e17a843f"
    (row,) = server.rows().tables["TableFiles"]
    assert row["file_size"] == 10_320_000


def test_bytes_of_each_file() -> None:
    assert raw_vectors(np.array([[1, -2]], np.float32)).hex() == "0800000000000000" + (
        "0000803f" + "000000c0"
    )
    assert raw_vectors(np.array([[7, 255]], np.uint8)).hex() == "0200000000000000" + "07ff"
    assert row_ids([-1]).hex() == "0800000000000000" + "ff" * 8
    assert deleted_docs([5, 2, 5]).hex() == "0c00000000000000" + "050000000200000005000000"


def test_layout_of_folders(tmp_path: Path) -> None:
    server = Server(tmp_path, secondary=(tmp_path / "more",))
    words = server.collection("words", 8, index=("IVF_SQ8", {"nlist": 64}))
    tagged = words.partition("2021-03-01")
    first = words.segment([1], floats(1, 8)).build_index()
    second = tagged.segment([2], floats(1, 8), tables=1)
    second.leftovers = True
    server.write()
    index = first.files[1].file_id
    assert index not in (first.id, tagged.table_id) and index.endswith("000")
    assert sorted(p.name for p in first.folder.iterdir()) == sorted(
        [f"{first.id}.rv", f"{first.id}.uid", "bloom_filter", "deleted_docs", index]
    )
    assert first.folder == tmp_path / "db/tables/words" / first.id
    assert second.folder == tmp_path / "more/tables" / tagged.table_id / second.id
    assert {"temp_del", "temp_bloom"} <= {p.name for p in second.folder.iterdir()}
    assert (tmp_path / "wal/mxlog.meta").read_bytes() == bytes(24)


def rows_of(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def test_rows_of_the_meta_database(tmp_path: Path) -> None:
    server = Server(tmp_path, "1.1.0")
    words = server.collection(
        "words", 8, Metric.IP, ("IVF_SQ8", {"nlist": 64}), IdFlag.BY_SERVER, file_mib=2
    )
    tagged = words.partition(" a b ")
    words.segment([1, 2], floats(2, 8), deleted=[1, 1], row_count=0).build_index()
    tagged.segment([1, 2], floats(2, 8), deleted=[1, 1])
    server.write()
    columns = (
        "id, table_id, state, dimension, flag, index_file_size, engine_type, index_params, "
        "metric_type, owner_table, partition_tag, version, flush_lsn"
    )
    number = tagged.table_id
    settings = (2 * 2**20, Engine.IVF_SQ8, '{"nlist":64}', Metric.IP)
    assert rows_of(server.meta, f"SELECT {columns} FROM Tables ORDER BY id") == [
        (1, "words", 0, 8, 1, *settings, "", "", "1.1.0", 0),
        (2, number, 0, 8, 0, *settings, "words", "a b", "1.1.0", 0),
    ]
    columns = "id, table_id, file_type, file_size, row_count, date, file_id = segment_id"
    size = 2 * (32 + 8)
    assert rows_of(server.meta, f"SELECT {columns} FROM TableFiles ORDER BY id") == [
        (1, "words", FileType.BACKUP, size, 0, 1200813, 1),
        (2, "words", FileType.INDEX, 35, 0, 1200813, 0),
        (3, number, FileType.RAW, size, 1, 1200813, 1),
    ]
    assert rows_of(server.meta, "SELECT * FROM Fields") == []
    assert rows_of(server.meta, "SELECT * FROM Environment") == [(0,)]
    assert rows_of(server.meta, "PRAGMA journal_mode") == [("wal",)]


@pytest.mark.parametrize("meta", ["sqlite-wal", "sqlite-only-wal"])
def test_latest_rows_in_the_wal_of_sqlite_only(meta: str, tmp_path: Path) -> None:
    server = Server(tmp_path)
    words = server.collection("words", 8)
    for i in range(5):
        words.segment([i], floats(1, 8)).remove()
    server.write(meta)
    assert Path(f"{server.meta}-wal").stat().st_size > 0
    assert Path(f"{server.meta}-shm").exists()
    whole, alone = tmp_path / "whole", tmp_path / "alone"
    shutil.copytree(server.meta.parent, whole)
    alone.mkdir()
    shutil.copy(server.meta, alone)
    query = "SELECT id, file_type FROM TableFiles ORDER BY id"
    assert rows_of(whole / "meta.sqlite", query) == [(i, 4) for i in range(1, 6)]
    if meta == "sqlite-wal":
        assert rows_of(alone / "meta.sqlite", query) == [(1, 1), (3, 1), (5, 1)]
    else:
        assert rows_of(alone / "meta.sqlite", "SELECT * FROM sqlite_master") == []
    damage.tear_wal(server.meta)
    assert rows_of(server.meta, query) != [(i, 4) for i in range(1, 6)] or meta != "sqlite-wal"


@pytest.mark.parametrize(("version", "fields"), [("0.8.0", 0), ("0.10.4", 1), ("1.0.0", 0)])
def test_versions_differ(version: str, fields: int, tmp_path: Path) -> None:
    server = Server(tmp_path, version)
    words = server.collection("words", 8)
    if fields:
        words.attributes["age"] = 5
    segment = words.segment([1, 2], floats(2, 8))
    server.write()
    has = rows_of(server.meta, "SELECT 1 FROM sqlite_master WHERE name = 'Fields'") == [(1,)]
    assert has == (version != "0.8.0")
    assert has is False or len(rows_of(server.meta, "SELECT * FROM Fields")) == fields
    assert (segment.folder / "age.ra").exists() == bool(fields)
    assert not (segment.folder / "bloom_filter").read_bytes().startswith(b"bloom_0")


def test_life_of_a_segment(tmp_path: Path) -> None:
    server = Server(tmp_path)
    words = server.collection("words", 8)
    x = floats(6, 8)
    first = words.segment([1, 2, 3], x[:3], deleted=[2, 0, 2])
    second = words.segment([4, 5, 6], x[3:])
    assert [row.id for row in server.truth()["words"].rows] == [2, 4, 5, 6]
    assert [f.type for f in first.build_index().files] == [FileType.BACKUP, FileType.INDEX]
    assert [f.type for f in first.drop_index().files] == [FileType.RAW, FileType.TO_DELETE]
    cut = words.merge(first, second, cut_off=True)
    words.orphan([99], x[:1])
    assert (cut.live, first.live, second.live) == (False, True, True)
    merged = words.merge(first, second)
    assert (merged.live, first.live, second.live) == (True, False, False)
    assert [row.id for row in server.truth()["words"].rows] == [2, 4, 5, 6]
    assert merged.row_count == 4
    server.write()
    assert first.folder.exists()
    assert len(list((tmp_path / "db/tables/words").iterdir())) == 5


def test_dropped_and_made_again(tmp_path: Path) -> None:
    server = Server(tmp_path)
    old = server.collection("words", 8)
    old.segment([1], floats(1, 8))
    server.log.insert(old, [2], floats(1, 8))
    old.drop(purged=True)
    words = server.collection("words", 16, Metric.HAMMING)
    gone, tagged = words.partition("p"), None
    gone.segment([3], bits(1, 16))
    gone.drop(cut_off=True)
    tagged = words.partition("p")
    tagged.segment([4], bits(1, 16, seed=2))
    other = server.collection("other", 8)
    other.segment([5], floats(1, 8))
    other.drop(cut_off=True)
    truth = server.truth("replay")
    assert list(truth) == ["words"]
    assert truth["words"].rows == [Entity("p", 4, bits(1, 16, seed=2).tobytes())]
    assert (truth["words"].dim, truth["words"].binary) == (16, True)
    server.write()
    live = rows_of(server.meta, "SELECT table_id FROM Tables WHERE state = 0 ORDER BY id")
    assert live == [("words",), (tagged.table_id,)]


def counted(path: Path) -> bytes:
    content = path.read_bytes()
    (size,) = struct.unpack_from("<Q", content)
    assert len(content) >= 8 + size
    return content[8 : 8 + size]


def read_segment(server: Server, table_id: str, name: str, tag: str, width: int) -> list[Entity]:
    (folder,) = (t / table_id / name for t in server.tables if (t / table_id / name).exists())
    rv, uid = counted(folder / f"{name}.rv"), counted(folder / f"{name}.uid")
    gone = {offset for (offset,) in struct.iter_unpack("<i", counted(folder / "deleted_docs"))}
    ids = [number for (number,) in struct.iter_unpack("<q", uid)]
    assert len(rv) == len(ids) * width
    vectors = [rv[i * width : (i + 1) * width] for i in range(len(ids))]
    pairs = zip(ids, vectors, strict=True)
    return [Entity(tag, i, v) for offset, (i, v) in enumerate(pairs) if offset not in gone]


def read_back(server: Server) -> dict[str, list[Entity]]:
    """From the files alone, by the rules of the format, as slowly as it is plain."""
    found: dict[str, list[Entity]] = {}
    roots = "SELECT table_id, dimension, metric_type FROM Tables WHERE state = 0"
    segments = (
        "SELECT t.table_id, t.partition_tag, f.segment_id FROM Tables t "
        "JOIN TableFiles f ON f.table_id = t.table_id "
        "WHERE t.state = 0 AND (t.table_id = '{0}' OR t.owner_table = '{0}') "
        "GROUP BY f.segment_id HAVING max(f.file_type IN (1, 2, 3, 7)) ORDER BY min(f.id)"
    )
    for name, dim, metric in rows_of(server.meta, f"{roots} AND owner_table = '' ORDER BY id"):
        width = dim * 4 if metric < 3 else dim // 8
        found[name] = [
            row
            for table_id, tag, segment in rows_of(server.meta, segments.format(name))
            for row in read_segment(server, table_id, segment, tag, width)
        ]
    return found


@pytest.mark.parametrize("seed", seeds(30))
def test_generated_files_hold_the_truth(seed: int, tmp_path: Path) -> None:
    server = generate(tmp_path, seed, nan=seed % 2 == 0)
    assert read_back(server) == {name: t.rows for name, t in server.truth().items()}


def sizes(root: Path) -> dict[Path, int]:
    return {p.relative_to(root): p.stat().st_size for p in root.rglob("*") if p.is_file()}


def test_generated_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    one, two = (generate(tmp_path / name, 5) for name in "ab")
    assert one.rows() == two.rows()
    assert one.truth("replay") == two.truth("replay")
    assert sizes(one.root) == sizes(two.root)


def test_generated_are_of_every_kind(tmp_path: Path) -> None:
    seen: Counter[str] = Counter()
    for seed in seeds(40):
        server = generate(tmp_path / str(seed), seed)
        seen["pending"] += bool(server.pending())
        seen["replay"] += server.truth() != server.truth("replay")
        seen["secondary"] += any(s.tables_folder != server.tables[0] for s in server.segments())
        seen["-wal"] += Path(f"{server.meta}-wal").exists()
        seen["dropped"] += any(t.state for t in server.every_table())
        seen["binary"] += any(t.binary for t in server.truth().values())
        seen["9 partitions"] += any(len(c.partitions) >= 9 for c in server.collections)
        seen["same id twice"] += any(
            len({r.id for r in t.rows}) < len(t.rows) for t in server.truth().values()
        )
        seen["all deleted"] += any(s.ids and not s.kept() for s in server.segments())
        seen["empty"] += any(not s.ids for s in server.segments() if s.live)
        seen["unsorted"] += any(s.deleted != sorted(set(s.deleted)) for s in server.segments())
    assert min(seen.values()) >= 1, seen


@pytest.mark.parametrize("metric", Metric)
def test_every_metric(metric: Metric, tmp_path: Path) -> None:
    server = Server(tmp_path)
    c = server.collection("c", 16, metric)
    x = bits(3, 16) if metric.binary else floats(3, 16, not_finite=[1])
    c.segment([1, 2, 3], x, deleted=[0])
    server.write()
    assert read_back(server)["c"] == [Entity("", i + 1, x[i].tobytes()) for i in (1, 2)]
    assert metric.binary or np.isnan(x).sum() == 1


@pytest.fixture
def whole(tmp_path: Path) -> tuple[Server, Segment]:
    server = Server(tmp_path, "0.8.0", secondary=(tmp_path / "more",))
    segment = server.collection("words", 8).segment([1, 2, 3], floats(3, 8), deleted=[1])
    server.write()
    return server, segment


def test_damage(whole: tuple[Server, Segment]) -> None:
    server, segment = whole
    damage.delete_offsets(segment, -1, 3)
    assert np.frombuffer(counted(segment.deleted_docs), "<i4").tolist() == [1, -1, 3]
    damage.lose_rows(segment.uid, 1, width=8)
    assert counted(segment.uid) == struct.pack("<2q", 1, 2)
    damage.odd(segment.uid)
    assert len(counted(segment.uid)) == 17
    damage.claim(segment.uid, 16)
    assert counted(segment.uid) == struct.pack("<2q", 1, 2)
    damage.flip(segment.uid, 8)
    assert counted(segment.uid)[0] == 1 ^ 0xFF
    assert damage.put_in_two_roots(server, segment).is_relative_to(server.tables[1])
    damage.cut(segment.rv, 5)
    assert segment.rv.stat().st_size == 8 + 96 - 5
    damage.cut_to(segment.rv, 7)
    assert segment.rv.stat().st_size == 7
    damage.remove(segment.deleted_docs)
    assert not segment.deleted_docs.exists()
    damage.remove(segment.folder)
    assert not segment.folder.exists()


def test_older_and_newer_layouts(tmp_path: Path) -> None:
    columns = rows_of(write_0_6(tmp_path / "a"), "SELECT name FROM pragma_table_info('TableFiles')")
    assert ("file_id",) in columns and ("segment_id",) not in columns
    tables = rows_of(write_0_11(tmp_path / "b"), "SELECT name FROM sqlite_master")
    assert ("SegmentCommit",) in tables and ("TableFiles",) not in tables
    assert crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize("seed", seeds(3))
def test_meta_in_mariadb(seed: int, tmp_path: Path, mysql_database: MariaDB) -> None:
    server = generate(tmp_path, seed, meta=mysql_database.url)
    assert not server.meta.exists()
    with mysql_database.connect() as connection, connection.cursor() as cursor:
        for name, rows in server.rows().tables.items():
            order = "ORDER BY `id`" if rows and "id" in rows[0] else ""
            cursor.execute(f"SELECT * FROM `{name}` {order}")
            assert [column[0] for column in cursor.description] == [
                column for column, *_ in COLUMNS[name]
            ]
            assert list(cursor.fetchall()) == [tuple(row.values()) for row in rows]


def test_types_of_columns_in_mariadb(tmp_path: Path, mysql_database: MariaDB) -> None:
    server = Server(tmp_path)
    words = server.collection("words", 32767)
    words.partition("量子 " * 40)
    server.write(mysql_database.url)
    with mysql_database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name, column_type FROM information_schema.columns "
            "WHERE table_schema = DATABASE() AND table_name = 'Tables'"
        )
        types = dict(cursor.fetchall())
        cursor.execute("SELECT `dimension`, `partition_tag` FROM `Tables` ORDER BY `id`")
        assert cursor.fetchall() == ((32767, ""), (32767, ("量子 " * 40).strip(" ")))
    assert types["dimension"].startswith("smallint")
    assert types["table_id"] == "varchar(255)"
    assert types["state"].startswith("int")
    assert types["flush_lsn"].startswith("bigint")
