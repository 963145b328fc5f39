"""An atomic file whose sha256 is made while it is written, in a thread: hashing releases the GIL.

Also what Arrow needs of a Python file (`write`, `tell`, `flush`, `closed`). Knows no file format.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from mmc.storage.atomic import AtomicFile, open_atomic
from mmc.storage.blobs import open_blob
from mmc.storage.filesystems import NO_STORAGE
from mmc.types import JsonValue

_INLINE = 1 << 18
"""Buffers below this are hashed on the spot: handing them over costs more."""
_AHEAD = 4
"""Buffers waiting to be hashed: they are kept alive, so memory is bounded by them."""
_CHUNK = 8 << 20


@dataclass(frozen=True, slots=True)
class PartFile:
    """A file that is durable under its final name: `url`, its bytes and its sha256 in hex."""

    url: str
    bytes: int
    sha256: str


class HashedFile:
    """Writes one file; `commit` gives its size and sha256.

    Buffers given to `write` must not change afterwards: they are hashed a little later.

    Args:
        thread: where hashing runs; one thread, shared by the files of a part.
    """

    closed = False

    def __init__(
        self, url: str, storage: Mapping[str, JsonValue], thread: ThreadPoolExecutor
    ) -> None:
        self.url = url
        self._storage = storage
        self._file: AtomicFile = open_atomic(url, storage)
        self._thread = thread
        self._sha = hashlib.sha256()
        self._waiting: deque[Future[None]] = deque()
        self._patched = False
        self._aborted = False

    def write(self, data: Any) -> int:
        """Appends a contiguous bytes-like object. Raises TargetError."""
        if self._aborted:
            return 0
        view = memoryview(data).cast("B")
        if len(view) < _INLINE and not self._waiting:
            self._sha.update(view)
        elif not self._patched:
            self._waiting.append(self._thread.submit(self._sha.update, view))
            if len(self._waiting) > _AHEAD:
                self._waiting.popleft().result()
        return self._file.write(view)

    def patch(self, offset: int, data: bytes) -> None:
        """Overwrites earlier bytes; `commit` hashes the whole file again. Raises TargetError."""
        self._file.patch(offset, data)
        self._patched = True

    def tell(self) -> int:
        return self._file.tell()

    def flush(self) -> None:
        """Nothing to do before `commit`."""

    def close(self) -> None:
        """Nothing to do before `commit`."""

    def commit(self) -> PartFile:
        """Makes the file durable under its final name. Raises TargetError."""
        size = self._file.tell()
        self._file.commit()
        while self._waiting:
            self._waiting.popleft().result()
        digest = sha256_of(self.url, self._storage) if self._patched else self._sha.hexdigest()
        return PartFile(self.url, size, digest)

    def abort(self) -> None:
        """Removes what was written, and takes no more. Never raises."""
        self._aborted = True
        for future in self._waiting:
            future.cancel()
        self._file.abort()


def hashing_thread() -> ThreadPoolExecutor:
    """The thread that the files of one part share."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="sha256")


def sha256_of(url: str, storage: Mapping[str, JsonValue] = NO_STORAGE) -> str:
    """sha256 of a whole file, in hex, in bounded memory. Raises SourceError."""
    sha = hashlib.sha256()
    with open_blob(url, storage) as blob:
        for offset in range(0, blob.size, _CHUNK):
            sha.update(blob.read_at(offset, min(_CHUNK, blob.size - offset)))
    return sha.hexdigest()
