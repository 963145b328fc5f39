"""Tables of a metadata database -> Catalogue: which layout it is, and each value checked.

Knows no driver: `metasqlite` and `metamysql` bring the rows. Names and types of the columns:
`db/meta/SqliteMetaImpl.cpp` and `MySQLMetaImpl.cpp` of Milvus 1.1; the same since 0.7.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from mmc.errors import SourceError
from mmc.sources.milvus1.catalogue import Catalogue, FileRow, TableRow

SQLITE_OR_MYSQL = "give the meta.sqlite, or the MySQL database, of a Milvus 0.7 to 1.1 server"

_TABLES = {
    "id": int,
    "table_id": str,
    "state": int,
    "dimension": int,
    "metric_type": int,
    "engine_type": int,
    "index_params": str,
    "flag": int,
    "owner_table": str,
    "partition_tag": str,
    "version": str,
    "flush_lsn": int,
}
_FILES = {
    "id": int,
    "table_id": str,
    "segment_id": str,
    "file_type": int,
    "row_count": int,
    "file_size": int,
    "engine_type": int,
    "file_id": str,
}
_SNAPSHOTS = ("CollectionCommit", "SegmentCommit", "SegmentFile", "SchemaCommit")
"""Tables that only 0.11 and 0.12 have."""

Row = Sequence[object]


class Database(Protocol):
    """An open metadata database, in one consistent look."""

    @property
    def columns(self) -> Mapping[str, Collection[str]]:
        """Table -> its columns, by the names that the database uses."""

    def select(self, table: str, columns: Sequence[str]) -> Iterable[Row]:
        """All rows, as the driver gives the values. Raises SourceError."""


def read_catalogue(database: Database, where: str) -> Catalogue:
    """Everything a metadata database says.

    Args:
        database: open.
        where: its file or URL, for messages, without a password.

    Raises:
        SourceError: MMC415, the layout of an older or newer server, or of something else; MMC414,
            a value that cannot be.
    """
    source = _Source(database, where)
    source.check_layout()
    tables = tuple(TableRow(**row) for row in source.rows("Tables", _TABLES))
    files = tuple(FileRow(**row) for row in source.rows("TableFiles", _FILES))
    # 0 or 1 row; of several, the smallest leaves no log record out.
    lsns = [row["global_lsn"] for row in source.rows("Environment", {"global_lsn": int})]
    hybrid = frozenset(
        row["collection_id"] for row in source.rows("Fields", {"collection_id": str})
    )
    return Catalogue(
        where=where, tables=tables, files=files, global_lsn=min(lsns, default=0), hybrid=hybrid
    )


class _Source:
    def __init__(self, database: Database, where: str) -> None:
        self.database = database
        self.where = where
        # MySQL on Windows and macOS keeps the names of tables in lower case.
        self.names = {name.lower(): name for name in database.columns}

    def has(self, table: str) -> bool:
        return table.lower() in self.names

    def columns(self, table: str) -> Mapping[str, str]:
        """Column in lower case -> as the database spells it; none when there is no such table."""
        found = self.database.columns.get(self.names.get(table.lower(), ""), ())
        return {name.lower(): name for name in found}

    def check_layout(self) -> None:
        if not self.names:
            raise SourceError(
                f"{self.where}: the database is empty: it has no tables",
                hint="a meta.sqlite that was copied without its meta.sqlite-wal can look like this;"
                " otherwise: " + SQLITE_OR_MYSQL,
                code="MMC414",
            )
        if self._holds_snapshots():
            raise SourceError(
                f"{self.where}: is the metadata of Milvus 0.11 or 0.12, whose layout (snapshots,"
                " files in db/collections) is another one and was never carried on into 1.0",
                hint="read the vectors out with that server and its own SDK, into Parquet or NumPy"
                " files, and migrate those with `type: files`",
                code="MMC415",
            )
        if self._before_segments():
            raise SourceError(
                f"{self.where}: is the metadata of Milvus 0.6 or older, which has no segments",
                hint="read the vectors out with that server and its own SDK, into Parquet or NumPy"
                " files, and migrate those with `type: files`",
                code="MMC415",
            )
        for table, wanted in (("Tables", _TABLES), ("TableFiles", _FILES)):
            if not self.has(table):
                found = ", ".join(f"`{name}`" for name in sorted(self.names.values())[:8])
                raise SourceError(
                    f"{self.where}: has no table `{table}`; it has {found}",
                    hint=SQLITE_OR_MYSQL,
                    code="MMC415",
                )
            missing = [f"`{name}`" for name in wanted if name not in self.columns(table)]
            if missing:
                raise SourceError(
                    f"{self.where}: table `{table}` has no column {', '.join(missing)}",
                    hint=SQLITE_OR_MYSQL,
                    code="MMC415",
                )

    def _holds_snapshots(self) -> bool:
        """An upgraded server may have left the tables of 0.10 beside those of 0.11: then it counts
        whether 0.11 has written anything.
        """
        found = [table for table in _SNAPSHOTS if self.has(table)]
        if not found or not self.has("TableFiles"):
            return bool(found)
        name = self.names[found[0].lower()]
        first = sorted(self.database.columns[name])[:1]
        return any(True for _ in self.database.select(name, first))

    def _before_segments(self) -> bool:
        files = self.columns("TableFiles")
        return "file_id" in files and "segment_id" not in files

    def rows(self, table: str, wanted: Mapping[str, type]) -> Iterator[dict[str, Any]]:
        """Rows by column name, each value of the wanted kind; none where the table is missing."""
        columns = self.columns(table)
        if not self.has(table):
            return
        if missing := [name for name in wanted if name not in columns]:
            raise SourceError(
                f"{self.where}: table `{table}` has no column `{missing[0]}`",
                hint=SQLITE_OR_MYSQL,
                code="MMC415",
            )
        name = self.names[table.lower()]
        for number, row in enumerate(
            self.database.select(name, [columns[column] for column in wanted]), 1
        ):
            pairs = zip(wanted.items(), row, strict=True)
            yield {
                column: self._value(table, number, row, column, kind, value)
                for (column, kind), value in pairs
            }

    def _value(
        self, table: str, number: int, row: Row, column: str, kind: type, value: object
    ) -> object:
        if kind is str and isinstance(value, bytes):
            try:
                return value.decode("utf-8")
            except UnicodeDecodeError:
                raise self._wrong(table, number, row, column, "is not UTF-8 text") from None
        if isinstance(value, kind):
            return value
        if value is None:
            raise self._wrong(table, number, row, column, "is NULL")
        wanted = "a whole number" if kind is int else "text"
        raise self._wrong(table, number, row, column, f"is {_shown(value)}, not {wanted}")

    def _wrong(self, table: str, number: int, row: Row, column: str, what: str) -> SourceError:
        key = f"id {row[0]}" if isinstance(row[0], int) else f"number {number}"
        return SourceError(
            f"{self.where}: table `{table}`, row {key}: `{column}` {what}",
            hint="no Milvus writes this: the database is damaged, or was changed by hand",
            code="MMC414",
        )


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    text = f"`{value}`" if isinstance(value, str) else repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
