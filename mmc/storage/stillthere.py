"""Files that were written once, beside what is there now: anyone may delete, cut or change one.
Knows no format and no run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from mmc.storage.hashed import sha256_of
from mmc.storage.urls import Storage, exists, join_url, list_files, open_blob


class WrittenFile(Protocol):
    """`path` is relative to the root that the files are below."""

    @property
    def path(self) -> str: ...
    @property
    def bytes(self) -> int: ...
    @property
    def sha256(self) -> str: ...


GONE = "not there any more"


def faults(
    root: str, folder: str, storage: Storage, files: Iterable[WrittenFile], *, content: bool
) -> Iterator[tuple[str, str]]:
    """Files below a folder of `root` that are not as they were written: (path, what is wrong).

    A listing tells most of it, by one request for many files.

    Args:
        content: whether files of the right size are read, and compared by their sha256.

    Raises:
        SourceError: the folder cannot be listed, or a file cannot be read.
    """
    sizes = {f"{folder}/{path}": size for path, size in list_files(join_url(root, folder), storage)}
    for file in files:
        url = join_url(root, file.path)
        size = sizes.get(file.path)
        if size != file.bytes:
            # A listing may lag behind, and gives the size of a link, not of its file.
            if not exists(url, storage):
                yield file.path, GONE
                continue
            with open_blob(url, storage) as blob:
                size = blob.size
        if size != file.bytes:
            yield file.path, f"{size:,} bytes, but {file.bytes:,} were written"
        elif content and sha256_of(url, storage) != file.sha256:
            yield file.path, "its content is not what was written"
