"""The meta.sqlite of a server, local or remote, as a Database: a copy is read, never the file.

A server keeps it in WAL mode, and a crash leaves committed rows in `meta.sqlite-wal`. Opening the
original would write to its folder, and `immutable=1` shows old rows without a word; so both files
go into a temporary folder, where SQLite recovers them.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from mmc.diagnostics import Diagnostic, Severity
from mmc.errors import FileMissing, SourceBusy, SourceError
from mmc.sources.milvus1.meta.tables import SQLITE_OR_MYSQL, Row
from mmc.storage.urls import exists, fingerprint, is_local, local_path, open_blob
from mmc.types import JsonValue

ATTEMPTS = 5
"""Copies that are tried while a server writes."""
PAUSE_SECONDS = 0.2
_SIDES = ("", "-wal", "-journal")
"""The file, and those that hold part of its content. `-shm` is only an index of the -wal."""
_CHUNK = 8 << 20
_MAGIC = b"SQLite format 3\0"
_HEAD = 18
"""Bytes up to the size of a page (https://sqlite.org/fileformat.html, 1.3)."""

Storage = Mapping[str, JsonValue]


class SqliteDatabase:
    """See `mmc.sources.milvus1.meta.tables.Database`.

    Attributes:
        problems: what was odd about copying it.
    """

    def __init__(
        self, connection: sqlite3.Connection, where: str, problems: tuple[Diagnostic, ...]
    ) -> None:
        self._connection = connection
        self._where = where
        self.problems = problems
        # Text that is not UTF-8 shall be an error that names its row.
        connection.text_factory = bytes
        names = self._run("SELECT name FROM sqlite_master WHERE type = 'table'")
        tables = [_text(name) for (name,) in names if not _text(name).startswith("sqlite_")]
        self.columns = {
            table: [_text(row[1]) for row in self._run(f"PRAGMA table_info({_quoted(table)})")]
            for table in tables
        }

    def select(self, table: str, columns: Sequence[str]) -> Iterable[Row]:
        names = ", ".join(_quoted(column) for column in columns)
        return self._run(f"SELECT {names} FROM {_quoted(table)} ORDER BY rowid")

    def check(self) -> None:
        """Looks for damage. Raises SourceError."""
        ((found,),) = self._run("PRAGMA quick_check(1)")
        if _text(found) != "ok":
            raise _damaged(self._where, _text(found))

    def _run(self, statement: str) -> list[tuple[object, ...]]:
        try:
            return self._connection.execute(statement).fetchall()
        except (sqlite3.Error, UnicodeDecodeError) as error:  # it may quote what is damaged
            raise _damaged(self._where, str(error)) from None


@contextmanager
def open_sqlite(url: str, storage: Storage) -> Iterator[SqliteDatabase]:
    """Copies the file with what belongs to it, and opens the copy.

    Raises:
        SourceError: it is not there, not SQLite, or damaged.
        SourceBusy: it changed during every attempt to copy it.
    """
    with tempfile.TemporaryDirectory(prefix="mmc-") as folder:
        copied = Path(folder) / "meta.sqlite"
        attempts = _copy(url, storage, copied)
        _check_head(url, copied)
        with closing(sqlite3.connect(copied)) as connection:
            database = SqliteDatabase(connection, url, _restless(url, attempts))
            database.check()
            yield database


def _copy(url: str, storage: Storage, copied: Path) -> int:
    """Copies until nothing changed meanwhile; gives the number of attempts."""
    if is_local(url) and local_path(url).is_dir():
        raise SourceError(
            f"{url}: is a folder", hint=f"give the file, such as {url}/meta.sqlite", code="MMC414"
        )
    if not exists(url, storage):
        raise FileMissing(
            f"{url}: no such file",
            hint="Milvus 1.x keeps <storage.path>/db/meta.sqlite beside <storage.path>/db/tables,"
            " which is `data`; `meta` names it where it is elsewhere",
            code="MMC430",
        )
    for attempt in range(1, ATTEMPTS + 1):
        before = _seen(url, storage)
        for side in _SIDES:
            copied.with_name(copied.name + side).unlink(missing_ok=True)
            if side in before:
                _copy_file(url + side, storage, copied.with_name(copied.name + side))
        if _seen(url, storage) == before:
            return attempt
        time.sleep(PAUSE_SECONDS)
    raise SourceBusy(
        f"{url}: changed during each of {ATTEMPTS} attempts to copy it; a server is writing to it",
        hint="stop Milvus 1.x; what it writes from now on would not be migrated",
        code="MMC414",
    )


def _seen(url: str, storage: Storage) -> dict[str, str]:
    """Fingerprints of the file and of those beside it that are there."""
    return {
        side: fingerprint(url + side, storage)
        for side in _SIDES
        if not side or exists(url + side, storage)
    }


def _copy_file(url: str, storage: Storage, to: Path) -> None:
    with open_blob(url, storage) as blob, to.open("wb") as file:
        for start in range(0, blob.size, _CHUNK):
            file.write(blob.read_at(start, min(_CHUNK, blob.size - start)))


def _check_head(url: str, copied: Path) -> None:
    with copied.open("rb") as file:
        head = file.read(_HEAD)
    if not head:
        raise SourceError(
            f"{url}: has 0 bytes", hint="copy it again: " + SQLITE_OR_MYSQL, code="MMC414"
        )
    if not head.startswith(_MAGIC):
        raise SourceError(f"{url}: is not a SQLite file", hint=SQLITE_OR_MYSQL, code="MMC414")
    # SQLite reads what is missing of the last page as zeros, without a word. While a -wal is there,
    # a checkpoint may have been cut off, and the -wal has the page.
    page, size = int.from_bytes(head[16:18]), _bytes(copied)
    page = 65_536 if page == 1 else page
    sides = [copied.with_name(copied.name + side) for side in _SIDES[1:]]
    if page and size % page and not any(_bytes(side) for side in sides):
        raise _damaged(url, f"{size:,} bytes are no whole number of pages of {page:,}")


def _bytes(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _restless(url: str, attempts: int) -> tuple[Diagnostic, ...]:
    if attempts == 1:
        return ()
    message = f"{url} changed while it was copied; it was copied again, attempt {attempts} is whole"
    hint = "a server is running: stop it before you migrate, or what it writes is left out"
    return (Diagnostic("MMC414", message, severity=Severity.WARNING, hint=hint),)


def _damaged(where: str, what: str) -> SourceError:
    return SourceError(
        f"{where}: is a damaged SQLite file: {what}",
        hint="copy meta.sqlite together with meta.sqlite-wal again, with the server stopped",
        code="MMC414",
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
