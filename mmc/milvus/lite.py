"""Embedded databases: the Milvus Lite server of a path, and what a killed process leaves in it.

Milvus Lite is one server a database and process, so opens of the same path share it and the last
close stops it, which flushes and unlocks the folder.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmc.errors import TargetError

DEFAULT_DATABASE = "default"

_lock = threading.Lock()
_opens: dict[str, int] = {}


@contextmanager
def embedded(path: Path) -> Iterator[None]:
    """Holds the Milvus Lite server of a path: started by the first holder, stopped by the last."""
    from milvus_lite.server_manager import server_manager_instance as manager

    key = str(path)
    with _lock:
        if _opens.get(key, 0) == 0:
            _start(path, manager)
        _opens[key] = _opens.get(key, 0) + 1
    try:
        yield
    finally:
        with _lock:
            _opens[key] -= 1
            if _opens[key] == 0:
                del _opens[key]
                manager.release_server(key)


def _start(path: Path, manager: Any) -> None:
    if path.is_file():
        raise TargetError(
            f"{path} is a file, and a Milvus Lite database is a folder",
            hint="databases of milvus-lite before 3.0 cannot be opened; give another path",
            code="MMC504",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TargetError(f"cannot open {path}: {error.strerror}", code="MMC500") from None
    with _caught_logs("milvus_lite.server_manager") as caught:
        started = manager.start_and_get_uri(str(path))
    if started is not None:
        return
    reason = caught[-1] if caught else None
    if type(reason).__name__ == "DataDirLockedError":
        raise TargetError(
            f"{path} is open in another process",
            hint="an embedded database has one process at a time: wait for it, or stop it",
            code="MMC501",
        )
    raise TargetError(f"cannot open {path}: {reason or 'no reason given'}", code="MMC500")


@contextmanager
def _caught_logs(name: str) -> Iterator[list[BaseException]]:
    """The exceptions that a logger is told meanwhile: Milvus Lite says why it fails only there."""
    caught: list[BaseException] = []

    class Catch(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info and record.exc_info[1]:
                caught.append(record.exc_info[1])

    logger, handler = logging.getLogger(name), Catch()
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.ERROR)
    logger.propagate = False
    try:
        yield caught
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


def remove_remnant(path: Path, database: str, collection: str) -> None:
    """Removes the folder of a collection that does not exist for Milvus Lite.

    A collection is its `schema.json`. Killed between making the folder and writing that file, or
    half way through a drop, Milvus Lite 3.2 leaves a folder that it neither lists nor lets
    anyone create again. We hold the database's lock, and nothing can read what is in there.
    """
    root = path
    if database not in ("", DEFAULT_DATABASE):
        root = path / "databases" / database
    folder = root / "collections" / collection
    if folder.is_dir() and not (folder / "schema.json").exists():
        shutil.rmtree(folder)
