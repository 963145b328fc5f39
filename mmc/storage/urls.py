"""Everything about URLs: find, list, identify, read, write, delete; local or any fsspec URL.

Local paths never touch fsspec. Knows no file format.
The parts live in `filesystems`, `blobs`, `fingerprints` and `atomic`.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Mapping, Sequence
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
from mmc.storage.names import as_text, is_text
from mmc.types import JsonValue

__all__ = [
    "AtomicFile",
    "Blob",
    "delete",
    "exists",
    "expand",
    "filesystem",
    "fingerprint",
    "is_local",
    "join_url",
    "list_files",
    "local_path",
    "open_atomic",
    "open_blob",
    "read_text",
    "refuse_bytes",
    "write_text",
]

Storage = Mapping[str, JsonValue]


def expand(paths: str | Sequence[str], storage: Storage = NO_STORAGE) -> list[str]:
    """The files that paths, folders and globs name: sorted, each once.

    A folder, also one that a glob finds, stands for all files below it; names that begin with `.`
    or `_` (as in `_SUCCESS`) are left out there, and so are `*.partial`. A path that
    exists is taken literally, even with `[` in its name.

    Raises:
        SourceError: one of the patterns finds nothing, or a name that is not UTF-8.
    """
    found: set[str] = set()
    for pattern in [paths] if isinstance(paths, str) else paths:
        some = _local_matches(pattern) if is_local(pattern) else _remote_matches(pattern, storage)
        if not some:
            raise SourceError(
                f"{pattern}: no file found",
                hint="give a file, a folder, or a glob such as 'data/*.parquet' or 'data/**/*.npy'",
                code="MMC430",
            )
        found.update(some)
    for name in sorted(found):
        refuse_bytes(name)
    return sorted(found)


def refuse_bytes(name: str) -> None:
    """Raises SourceError where the name of a file, or of a folder above it, is not UTF-8."""
    if not is_text(name):
        raise SourceError(
            f"{as_text(name)}: this name is not UTF-8",
            hint="rename the file, or the folder that it is in: plans and reports are UTF-8 text",
            code="MMC431",
        )


def _local_matches(pattern: str) -> list[str]:
    path = local_path(pattern)
    if path.exists():
        return _below(path)
    return [
        name
        for match in glob.glob(str(path), recursive=True)  # noqa: PTH207
        for name in _below(Path(match))
    ]


def _below(path: Path) -> list[str]:
    if not path.is_dir():
        return [str(path)]
    found = (Path(folder) / name for folder, _, names in os.walk(path) for name in names)
    return [str(file) for file in found if not _hidden(str(file.relative_to(path)))]


def _hidden(relative: str) -> bool:
    """Whether part of a path below a folder is hidden, or it is a half-written file of ours."""
    begins = any(part.startswith((".", "_")) for part in Path(relative).parts)
    return begins or relative.endswith(".partial")


def _remote_matches(pattern: str, storage: Storage) -> list[str]:
    if "::" in pattern:
        return [pattern]
    system, path = filesystem(pattern, storage)
    try:
        if system.isfile(path):
            return [system.unstrip_protocol(path)]
        names: list[str] = []
        folders = [path]
        if glob.has_magic(path):
            infos = system.glob(path, detail=True).items()
            dotted = path.rpartition("/")[2].startswith(".")
            shown = [(name, info["type"]) for name, info in infos if dotted or "/." not in name]
            names = [name for name, kind in shown if kind == "file"]
            folders = [name for name, kind in shown if kind != "file"]
        for folder in folders:
            names += [name for name in system.find(folder) if not _hidden(_relative(name, folder))]
    except FileNotFoundError:
        return []
    except world_errors() as error:
        raise reading_failed(pattern, error) from None
    return [system.unstrip_protocol(name) for name in names]


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
        if folder.is_dir():
            sync_folder(folder)
    return gone


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
