"""Databases as servers leave them, and as they must not be: read without a trace, or refused in
words.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from mmc.diagnostics import Severity
from mmc.errors import SourceBusy, SourceError
from mmc.sources.milvus1.catalogue import Catalogue
from mmc.sources.milvus1.live import live_collections
from mmc.sources.milvus1.meta import sqlite as metasqlite
from mmc.sources.milvus1.meta.read import load_catalogue
from tests.generators.milvus1.codes import FileType, Metric
from tests.generators.milvus1.old import write_0_6, write_0_11
from tests.generators.milvus1.writer import Server


def make(root: Path, meta: str = "sqlite", version: str = "1.1.1") -> Server:
    server = Server(root, version=version)
    words = server.collection("words", 4, Metric.IP, ("IVF_SQ8", {"nlist": 64}))
    words.segment([1, 2, 3], np.ones((3, 4), np.float32), deleted=[1])
    part = words.partition("2021-03-01")
    part.segment([4], np.ones((1, 4), np.float32), file_type=FileType.TO_INDEX).build_index()
    server.collection("bits", 16, Metric.JACCARD)
    return server.write(meta)


def read(path: Path) -> Catalogue:
    return load_catalogue(str(path), None, {})


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {f.name: (f.read_bytes(), f.stat().st_mtime_ns) for f in folder.glob("meta.sqlite*")}


def names(catalogue: Catalogue) -> list[tuple[str, list[tuple[str, int]]]]:
    return [
        (live.name, [(part.tag, len(part.segments)) for part in live.partitions])
        for live in live_collections(catalogue)
    ]


@pytest.fixture
def sealed(tmp_path: Path) -> Iterator[Callable[[Path], None]]:
    """Takes the right to write away from a folder, until the end."""
    closed: list[Path] = []

    def seal(folder: Path) -> None:
        closed.append(folder)
        for path in folder.glob("meta.sqlite*"):
            path.chmod(0o444)
        folder.chmod(0o555)

    yield seal
    for folder in closed:
        folder.chmod(0o755)


@pytest.mark.parametrize("meta", ["sqlite", "sqlite-wal", "sqlite-only-wal"])
@pytest.mark.parametrize("version", ["0.8.0", "1.1.1"])
def test_committed_rows_are_seen_and_the_folder_is_left_as_it_was(
    tmp_path: Path, meta: str, version: str, sealed: Callable[[Path], None]
) -> None:
    server = make(tmp_path, meta, version)
    folder = server.meta.parent
    before = snapshot(folder)
    sealed(folder)
    found = read(server.meta)
    assert names(found) == [("bits", [("", 0)]), ("words", [("", 1), ("2021-03-01", 1)])]
    rows = server.rows().tables
    assert [row.table_id for row in found.tables] == [row["table_id"] for row in rows["Tables"]]
    assert [row.file_type for row in found.files] == [r["file_type"] for r in rows["TableFiles"]]
    (words,) = (row for row in found.tables if row.table_id == "words")
    assert (words.dimension, words.metric_type, words.engine_type) == (4, 2, 3)
    assert (words.index_params, words.version) == ('{"nlist":64}', version)
    assert found.problems == ()
    assert snapshot(folder) == before


def test_the_wal_decides(tmp_path: Path) -> None:
    """Without its -wal the same file tells an older story: so the copy of it is not for show."""
    server = make(tmp_path, "sqlite-wal")
    whole = read(server.meta)
    server.meta.with_name("meta.sqlite-wal").unlink()
    assert read(server.meta) != whole


def test_a_hot_journal_is_rolled_back(tmp_path: Path) -> None:
    """Before WAL mode, a crash in a transaction leaves new pages and the old ones in -journal."""
    server = make(tmp_path)
    whole = read(server.meta)
    with closing(sqlite3.connect(server.meta)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("PRAGMA cache_size=1")
        connection.execute("CREATE TABLE filler (x)")
        connection.commit()
        connection.execute("PRAGMA cache_spill=1")
        connection.execute("BEGIN")
        connection.execute("UPDATE Tables SET state = 1")
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)"
            " INSERT INTO filler SELECT zeroblob(500) FROM n"
        )
        crashed = tmp_path / "crashed"
        crashed.mkdir()
        for name in ("meta.sqlite", "meta.sqlite-journal"):
            (crashed / name).write_bytes(server.meta.with_name(name).read_bytes())
        connection.rollback()
    assert (crashed / "meta.sqlite").stat().st_size > 1_000_000
    assert read(crashed / "meta.sqlite") == whole


def test_a_file_that_changes_is_copied_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = make(tmp_path)
    wanted = read(server.meta)
    copied = metasqlite._copy_file
    changes = iter([1, 2])

    def meanwhile(url: str, storage: metasqlite.Storage, to: Path) -> None:
        copied(url, storage, to)
        if (seconds := next(changes, None)) is not None:
            os.utime(server.meta, (seconds, seconds))

    monkeypatch.setattr(metasqlite, "_copy_file", meanwhile)
    monkeypatch.setattr(metasqlite, "PAUSE_SECONDS", 0.0)
    found = read(server.meta)
    assert found == wanted
    (problem,) = found.problems
    assert problem.severity is Severity.WARNING
    assert "attempt 3" in problem.message
    assert "stop it" in problem.hint


def test_a_file_that_never_rests_is_an_error_that_may_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = make(tmp_path)
    copied = metasqlite._copy_file
    wal = server.meta.with_name("meta.sqlite-wal")

    def meanwhile(url: str, storage: metasqlite.Storage, to: Path) -> None:
        copied(url, storage, to)
        wal.write_bytes(b"x" * (wal.stat().st_size + 1 if wal.exists() else 1))

    monkeypatch.setattr(metasqlite, "_copy_file", meanwhile)
    monkeypatch.setattr(metasqlite, "PAUSE_SECONDS", 0.0)
    with pytest.raises(SourceBusy, match="a server is writing to it"):
        read(server.meta)


def test_other_layouts_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"0\.6 or older") as old:
        read(write_0_6(tmp_path / "old"))
    with pytest.raises(SourceError, match=r"0\.11 or 0\.12") as new:
        read(write_0_11(tmp_path / "new"))
    assert {old.value.code, new.value.code} == {"MMC415"}
    assert "SDK" in old.value.hint and "SDK" in new.value.hint


def test_tables_of_0_10_beside_those_of_0_11(tmp_path: Path) -> None:
    """A server that was upgraded and went back: readable while 0.11 has written nothing."""
    server = make(tmp_path)
    whole = read(server.meta)
    change(server.meta, "CREATE TABLE SegmentCommit (id INTEGER)")
    assert read(server.meta) == whole
    change(server.meta, "INSERT INTO SegmentCommit VALUES (1)")
    with pytest.raises(SourceError, match=r"0\.11 or 0\.12"):
        read(server.meta)


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def loosened(path: Path, table: str) -> None:
    """The table again without its constraints, as only a person makes it."""
    change(
        path,
        f"CREATE TABLE copy AS SELECT * FROM {table}",
        f"DROP TABLE {table}",
        f"ALTER TABLE copy RENAME TO {table}",
    )


@pytest.mark.parametrize(
    ("statement", "code", "said"),
    [
        ("DROP TABLE TableFiles", "MMC415", "has no table `TableFiles`; it has `Environment`"),
        ("DROP TABLE Tables", "MMC415", "has no table `Tables`"),
        (
            "ALTER TABLE Tables DROP COLUMN flush_lsn",
            "MMC415",
            "`Tables` has no column `flush_lsn`",
        ),
        ("ALTER TABLE Fields DROP COLUMN collection_id", "MMC415", "no column `collection_id`"),
        (
            "UPDATE Tables SET dimension = NULL WHERE id = 3",
            "MMC414",
            "row id 3: `dimension` is NULL",
        ),
        ("UPDATE Tables SET dimension = 'x' WHERE id = 1", "MMC414", "is `x`, not a whole number"),
        (
            "UPDATE TableFiles SET row_count = 1.5",
            "MMC414",
            "`row_count` is 1.5, not a whole number",
        ),
        ("UPDATE Tables SET id = NULL", "MMC414", "row number 1: `id` is NULL"),
        ("UPDATE TableFiles SET segment_id = x'ff00'", "MMC414", "`segment_id` is not UTF-8 text"),
        ("UPDATE Environment SET global_lsn = NULL", "MMC414", "`global_lsn` is NULL"),
    ],
)
def test_what_no_server_writes(tmp_path: Path, statement: str, code: str, said: str) -> None:
    server = make(tmp_path)
    for table in ("Tables", "TableFiles"):
        loosened(server.meta, table)
    change(server.meta, statement)
    with pytest.raises(SourceError) as caught:
        read(server.meta)
    assert caught.value.code == code
    assert said in str(caught.value)
    assert str(server.meta) in str(caught.value)
    assert caught.value.hint


def test_what_may_be_missing(tmp_path: Path) -> None:
    server = make(tmp_path)
    whole = read(server.meta)
    change(server.meta, "DROP TABLE Fields", "DROP TABLE Environment")
    assert read(server.meta) == whole


def test_numbers_of_the_log_and_hybrid_collections(tmp_path: Path) -> None:
    server = Server(tmp_path, global_lsn=77)
    server.collection("mixed", 4).attributes["age"] = 4
    found = read(server.write().meta)
    assert found.global_lsn == 77
    assert found.hybrid == {"mixed"}
    server = Server(tmp_path / "other", global_lsn=None)
    assert read(server.write().meta).global_lsn == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has 0 bytes"),
        (b"SQLite format 2", "is not a SQLite file"),
        (b"PAR1" * 4096, "is not a SQLite file"),
        (b"SQLite format 3\0", "damaged SQLite file"),
    ],
)
def test_files_that_are_no_database(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "meta.sqlite"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=said) as caught:
        read(path)
    assert caught.value.code == "MMC414"


def test_a_database_without_tables(tmp_path: Path) -> None:
    path = tmp_path / "meta.sqlite"
    change(path, "PRAGMA user_version = 1")
    with pytest.raises(SourceError, match="no tables") as caught:
        read(path)
    assert "-wal" in caught.value.hint


def test_a_server_without_collections(tmp_path: Path) -> None:
    assert live_collections(read(Server(tmp_path).write().meta)) == ()


def test_damage_never_passes_for_other_metadata(tmp_path: Path) -> None:
    """Every page overwritten or cut off, one at a time: an error, or the same rows."""
    server = make(tmp_path)
    whole, content = read(server.meta), server.meta.read_bytes()
    refused = 0
    for start in range(0, len(content), 4096):
        garbage = content[:start] + b"\xa5" * 4096 + content[start + 4096 :]
        for damaged in (garbage, content[:start]):
            server.meta.write_bytes(damaged)
            try:
                assert read(server.meta) == whole
            except SourceError as error:
                assert error.code in ("MMC414", "MMC415")
                refused += 1
    assert refused >= len(content) // 4096


def test_a_last_page_that_is_cut_is_not_read_as_zeros(tmp_path: Path) -> None:
    server = make(tmp_path)
    content = server.meta.read_bytes()
    for lost in (1, 50, 200, 4095):
        server.meta.write_bytes(content[:-lost])
        with pytest.raises(SourceError, match="no whole number of pages of 4,096") as caught:
            read(server.meta)
        assert str(server.meta) in str(caught.value)


def test_a_cut_last_page_that_stands_in_the_wal_is_no_damage(tmp_path: Path) -> None:
    server = make(tmp_path, "sqlite-wal")
    whole = read(server.meta)
    server.meta.write_bytes(server.meta.read_bytes()[:-50])
    assert read(server.meta) == whole


def test_damage_that_sqlite_quotes(tmp_path: Path) -> None:
    server = make(tmp_path)
    content = server.meta.read_bytes()
    harmed = content.replace(b"CREATE TABLE TableFiles", b"CREATE \xccABLE TableFiles")
    assert harmed != content
    server.meta.write_bytes(harmed)
    with pytest.raises(SourceError, match="damaged SQLite file") as caught:
        read(server.meta)
    assert caught.value.code == "MMC414"
