"""Everything about URLs: list, identify, read, write, delete; local or any fsspec URL.

Local paths never touch fsspec. Knows no file format.
The parts live in `filesystems`, `blobs`, `fingerprints`, `atomic`; `listing` finds files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from mmc.errors import SourceError
from mmc.saving import sync_folder
from mmc.storage.atomic import AtomicFile, abandon_uploads, open_atomic, writing_failed
from mmc.storage.blobs import Blob, open_blob
from mmc.storage.failures import world_errors
from mmc.storage.filesystems import (
    NO_STORAGE,
    filesystem,
    is_local,
    join_url,
    local_path,
    reading_failed,
)
from mmc.storage.fingerprints import fingerprint
from mmc.types import JsonValue

__all__ = [
    "AtomicFile",
    "Blob",
    "delete",
    "exists",
    "filesystem",
    "fingerprint",
    "is_local",
    "join_url",
    "list_files",
    "local_path",
    "open_atomic",
    "open_blob",
    "read_text",
    "remove_empty",
    "write_text",
]

Storage = Mapping[str, JsonValue]


def _relative(name: str, folder: str) -> str:
    return name[len(folder.rstrip("/")) + 1 :]


def exists(url: str, storage: Storage = NO_STORAGE) -> bool:
    """Whether there is a file or folder of that name. Raises SourceError."""
    if is_local(url):
        try:
            return local_path(url).exists()
        except (OSError, ValueError) as error:  # a name that no file can have
            raise reading_failed(url, error) from None
    system, path = filesystem(url, storage)
    try:
        return bool(system.exists(path))
    except world_errors() as error:
        raise reading_failed(url, error) from None


def delete(urls: Iterable[str], storage: Storage = NO_STORAGE) -> list[str]:
    """Removes files, and gives those that were there: one that is not is no error. Where the
    credentials may not look at a file, it is removed and not given. Raises TargetError.
    """
    gone: list[str] = []
    folders: set[Path] = set()
    for url in urls:
        try:
            if is_local(url):
                path = local_path(url)
                folders.add(path.parent)
                path.unlink()
                gone.append(url)
            else:
                system, remote = filesystem(url, storage)
                abandon_uploads(system, remote)
                # S3 deletes what is not there without a word.
                there = system.isfile(remote)
                system.rm_file(remote)
                if there:
                    gone.append(url)
        except FileNotFoundError:
            continue
        except world_errors() as error:
            raise writing_failed(url, error) from None
    for folder in folders:
        try:
            if folder.is_dir():
                sync_folder(folder)
        except OSError as error:
            raise writing_failed(str(folder), error) from None
    return gone


def remove_empty(url: str) -> None:
    """Removes a local folder that has nothing in it. Raises TargetError."""
    folder = local_path(url)
    try:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    except OSError as error:
        raise writing_failed(url, error) from None


def list_files(url: str, storage: Storage = NO_STORAGE) -> list[tuple[str, int]]:
    """(path relative to the folder, bytes) of all files below it, hidden ones too, sorted."""
    if is_local(url):
        root = local_path(url)
        found = [Path(folder) / name for folder, _, names in os.walk(root) for name in names]
        return sorted((path.relative_to(root).as_posix(), path.lstat().st_size) for path in found)
    system, path = filesystem(url, storage)
    try:
        infos = system.find(path, detail=True)
    except FileNotFoundError:
        return []
    except world_errors() as error:
        raise reading_failed(url, error) from None
    return sorted((_relative(name, path), int(info["size"])) for name, info in infos.items())


def read_text(url: str, storage: Storage = NO_STORAGE) -> str:
    """A whole small file as UTF-8. Raises SourceError."""
    with open_blob(url, storage) as blob:
        data = blob.read_at(0, blob.size)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SourceError(f"{url}: byte {error.start:,} is not UTF-8", code="MMC431") from None


def write_text(url: str, text: str, storage: Storage = NO_STORAGE) -> None:
    """Writes a small file, whole or not at all. Raises TargetError."""
    with open_atomic(url, storage) as file:
        file.write(text.encode("utf-8"))
        file.commit()
