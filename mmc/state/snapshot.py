"""A SQLite store that this user may not write, on a read-only disk or of another user: a copy of it
in memory, to read from. Nothing beside it is made, changed or removed.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from mmc.errors import StateBusy

_TRIES = 5


def unwritable(database: Path) -> Path | None:
    """What of a store that is there this user may not write: its file, its folder, or one of the
    files that SQLite keeps beside it while it is open.
    """
    there = (path for path in _files(database) if path.exists())
    return next((path for path in (*there, database.parent) if not os.access(path, os.W_OK)), None)


def snapshot(database: Path) -> sqlite3.Connection:
    """The store as it was at one moment, with what is committed in its write-ahead log.

    SQLite itself reads that log only by the index of it, the `-shm` file, which it makes anew where
    it is missing. It must not here: the owner could not write a file of ours. Without one nobody
    has the store open, as far as can be known, so its files are copied and opened elsewhere.

    Raises:
        OSError, sqlite3.Error: it cannot be read.
        StateBusy: somebody writes to it, and there is no index.
    """
    if _files(database)[2].exists():
        try:
            return _read(f"{database.absolute().as_uri()}?mode=ro")
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")):
                raise
    with tempfile.TemporaryDirectory(prefix="mmc-state-") as folder:
        copy = Path(folder) / "state.db"
        for _ in range(_TRIES):
            before = _seen(database)
            for source, name in zip(_files(database)[:2], _files(copy), strict=False):
                name.unlink(missing_ok=True)
                if source.exists():
                    shutil.copyfile(source, name)
            if _seen(database) == before:
                return _read(copy.as_uri())
    raise StateBusy(
        f"state store {database}: it is being written, and its file"
        f" {_files(database)[2].name} cannot be read",
        hint="ask its owner for permission to read that file, or try again later",
        code="MMC640",
    )


def _files(database: Path) -> tuple[Path, Path, Path]:
    """The database, its log, and the index of that."""
    return database, Path(f"{database}-wal"), Path(f"{database}-shm")


def _seen(database: Path) -> list[tuple[int, int, int]]:
    stats = (path.stat() for path in _files(database)[:2] if path.exists())
    return [(stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in stats]


def _read(uri: str) -> sqlite3.Connection:
    memory = sqlite3.connect(":memory:", check_same_thread=False)
    with closing(sqlite3.connect(uri, uri=True)) as opened:
        opened.backup(memory)
    return memory
