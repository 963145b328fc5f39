"""The meta database: its rows, and SQLite and MySQL as the server creates and leaves them."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.engine import Connection

Row = dict[str, int | str]

# name -> columns in order: (name, type in SQLite, type in MySQL)
COLUMNS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "Environment": (("global_lsn", "INTEGER", "BIGINT DEFAULT 0"),),
    "Tables": (
        ("id", "INTEGER PRIMARY KEY NOT NULL", "BIGINT PRIMARY KEY AUTO_INCREMENT"),
        ("table_id", "TEXT UNIQUE NOT NULL", "VARCHAR(255) UNIQUE NOT NULL"),
        ("state", "INTEGER NOT NULL", "INT NOT NULL"),
        ("dimension", "INTEGER NOT NULL", "SMALLINT NOT NULL"),
        ("created_on", "INTEGER NOT NULL", "BIGINT NOT NULL"),
        ("flag", "INTEGER NOT NULL", "BIGINT DEFAULT 0 NOT NULL"),
        ("index_file_size", "INTEGER NOT NULL", "BIGINT DEFAULT 1024 NOT NULL"),
        ("engine_type", "INTEGER NOT NULL", "INT DEFAULT 1 NOT NULL"),
        ("index_params", "TEXT NOT NULL", "VARCHAR(512) NOT NULL"),
        ("metric_type", "INTEGER NOT NULL", "INT DEFAULT 1 NOT NULL"),
        ("owner_table", "TEXT NOT NULL", "VARCHAR(255) NOT NULL"),
        ("partition_tag", "TEXT NOT NULL", "VARCHAR(255) NOT NULL"),
        ("version", "TEXT NOT NULL", "VARCHAR(64) NOT NULL"),
        ("flush_lsn", "INTEGER NOT NULL", "BIGINT DEFAULT 0 NOT NULL"),
    ),
    "TableFiles": (
        ("id", "INTEGER PRIMARY KEY NOT NULL", "BIGINT PRIMARY KEY AUTO_INCREMENT"),
        ("table_id", "TEXT NOT NULL", "VARCHAR(255) NOT NULL"),
        ("segment_id", "TEXT NOT NULL", "VARCHAR(255) NOT NULL"),
        ("engine_type", "INTEGER NOT NULL", "INT DEFAULT 1 NOT NULL"),
        ("file_id", "TEXT NOT NULL", "VARCHAR(255) NOT NULL"),
        ("file_type", "INTEGER NOT NULL", "INT DEFAULT 0 NOT NULL"),
        ("file_size", "INTEGER NOT NULL", "BIGINT DEFAULT 0 NOT NULL"),
        ("row_count", "INTEGER NOT NULL", "BIGINT DEFAULT 0 NOT NULL"),
        ("updated_time", "INTEGER NOT NULL", "BIGINT NOT NULL"),
        ("created_on", "INTEGER NOT NULL", "BIGINT NOT NULL"),
        ("date", "INTEGER NOT NULL", "INT DEFAULT -1 NOT NULL"),
        ("flush_lsn", "INTEGER NOT NULL", "BIGINT DEFAULT 0 NOT NULL"),
    ),
    "Fields": (
        ("collection_id", "TEXT NOT NULL", "VARCHAR(255) NOT NULL"),
        ("field_name", "TEXT NOT NULL", "VARCHAR(255) NOT NULL"),
        ("field_type", "INTEGER NOT NULL", "INT DEFAULT 0 NOT NULL"),
        ("field_params", "TEXT NOT NULL", "VARCHAR(255) NOT NULL"),
    ),
}


@dataclass(frozen=True, slots=True)
class Meta:
    """Rows of every table that exists; a table that is absent here is not created."""

    tables: dict[str, list[Row]] = field(default_factory=dict)

    def older(self) -> Meta:
        """What a checkpoint some time ago saw: every other row, nothing dropped or indexed yet."""
        young = {"state": 0, "file_type": 1, "global_lsn": 0, "flush_lsn": 0}
        return Meta(
            {
                name: [row | {k: v for k, v in young.items() if k in row} for row in rows[::2]]
                for name, rows in self.tables.items()
            }
        )


def write_sqlite(meta: Meta, path: Path) -> None:
    """Everything in the one file, in WAL mode, as a stop that closes the database leaves it."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        _create(connection, meta)
        _fill(connection, meta)


def write_sqlite_wal(meta: Meta, path: Path, *, checkpointed: bool = True) -> None:
    """What a kill leaves: `path`, -wal and -shm, with the latest commits in -wal alone.

    The file itself tells the older story of `Meta.older`, or with `checkpointed=False` has not
    even a table.
    """
    with tempfile.TemporaryDirectory() as folder:
        running = Path(folder) / path.name
        with closing(sqlite3.connect(running)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA wal_autocheckpoint=0")
            if checkpointed:
                _create(connection, meta)
                _fill(connection, meta.older())
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                for name in meta.tables:
                    connection.execute(f"DELETE FROM {name}")
            else:
                _create(connection, meta)
            _fill(connection, meta)
            for suffix in ("", "-wal", "-shm"):
                shutil.copyfile(f"{running}{suffix}", f"{path}{suffix}")


def write_mysql(meta: Meta, url: str) -> None:
    """Into an empty database of a MySQL or MariaDB server, at an SQLAlchemy URL."""
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            for name, rows in meta.tables.items():
                columns = ", ".join(f"`{c}` {mysql}" for c, _, mysql in COLUMNS[name])
                connection.exec_driver_sql(f"CREATE TABLE `{name}` ({columns})")
                _fill_mysql(connection, name, rows)
    finally:
        engine.dispose()


def _create(connection: sqlite3.Connection, meta: Meta) -> None:
    for name in meta.tables:
        columns = ", ".join(f"{c} {sqlite}" for c, sqlite, _ in COLUMNS[name])
        connection.execute(f"CREATE TABLE {name} ({columns})")
    connection.commit()


def _fill(connection: sqlite3.Connection, meta: Meta) -> None:
    for name, rows in meta.tables.items():
        marks = ", ".join("?" for _ in COLUMNS[name])
        connection.executemany(f"INSERT INTO {name} VALUES ({marks})", _values(name, rows))
    connection.commit()


def _fill_mysql(connection: Connection, name: str, rows: Sequence[Row]) -> None:
    marks = ", ".join("%s" for _ in COLUMNS[name])
    for values in _values(name, rows):
        connection.exec_driver_sql(f"INSERT INTO `{name}` VALUES ({marks})", values)


def _values(name: str, rows: Sequence[Row]) -> list[tuple[int | str, ...]]:
    values = []
    for row in rows:
        assert set(row) == {c for c, _, _ in COLUMNS[name]}, f"{name}: {sorted(row)}"
        # Enums are ints to us, not to every driver.
        values.append(
            tuple(int(row[c]) if isinstance(row[c], int) else row[c] for c, _, _ in COLUMNS[name])
        )
    return values
