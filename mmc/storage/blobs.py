"""Random access to one file, local or remote, by offset and length. Knows no file format.

The local way is plain `pread` and `mmap`, without fsspec; the remote one asks for byte ranges.
"""

from __future__ import annotations

import errno
import io
import mmap
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from mmc.errors import SourceError
from mmc.storage.failures import world_errors
from mmc.storage.filesystems import (
    NO_STORAGE,
    file_info,
    filesystem,
    is_local,
    local_path,
    reading_failed,
)
from mmc.types import JsonValue

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_AT_ONCE = 1 << 30
"""Most bytes of one pread: Linux stops at 2 GiB - 4 KiB."""


class Blob(ABC):
    """An open file of known size that is read by offset and length. A context manager.

    Attributes:
        url: as it was given.
        size: bytes, when it was opened.
    """

    url: str
    size: int

    def read_at(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes from `offset`. Raises SourceError, also at an early end."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise self._short(offset, length)
        return self._read(offset, length) if length else b""

    @abstractmethod
    def map(self, offset: int, length: int) -> memoryview | None:
        """The bytes as a window of memory that the system pages in and out; None for remote files.

        The window stays valid after `close`. A file that is cut while a window is read kills the
        process (SIGBUS): map only what nothing else writes.
        """

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @abstractmethod
    def _read(self, offset: int, length: int) -> bytes: ...

    def _short(self, offset: int, length: int) -> SourceError:
        return SourceError(
            f"{self.url}: ends at byte {self.size:,}, but bytes {offset:,}..{offset + length:,}"
            " are needed",
            hint="the file is cut short or damaged; copy it again",
            code="MMC432",
        )


class _LocalBlob(Blob):
    def __init__(self, url: str) -> None:
        self.url = url
        try:
            self._file = os.open(local_path(url), os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except OSError as error:
            raise reading_failed(url, error) from None
        self.size = os.fstat(self._file).st_size

    def _read(self, offset: int, length: int) -> bytes:
        try:
            data = os.pread(self._file, min(length, _AT_ONCE), offset)
            if len(data) == length:
                return data
            parts = [data]
            while data and (missing := length - sum(map(len, parts))):
                data = os.pread(self._file, min(missing, _AT_ONCE), offset + length - missing)
                parts.append(data)
        except OSError as error:
            raise reading_failed(self.url, error) from None
        whole = b"".join(parts)
        if len(whole) != length:
            self.size = os.fstat(self._file).st_size
            raise self._short(offset, length)
        return whole

    def map(self, offset: int, length: int) -> memoryview | None:
        if offset < 0 or length < 0 or offset + length > self.size:
            raise self._short(offset, length)
        if not length:
            return memoryview(b"")
        start = offset - offset % mmap.ALLOCATIONGRANULARITY
        if offset + length > os.fstat(self._file).st_size:
            self.size = os.fstat(self._file).st_size
            raise self._short(offset, length)
        try:
            window = mmap.mmap(
                self._file, offset + length - start, access=mmap.ACCESS_READ, offset=start
            )
        except OSError as error:
            raise reading_failed(self.url, error) from None
        return memoryview(window)[offset - start :]

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class _RemoteBlob(Blob):
    def __init__(self, url: str, size: int, system: AbstractFileSystem, path: str) -> None:
        self.url = url
        self.size = size
        self._system = system
        self._path = path

    def _read(self, offset: int, length: int) -> bytes:
        try:
            data: bytes = self._system.cat_file(self._path, start=offset, end=offset + length)
        except world_errors() as error:
            raise reading_failed(self.url, error) from None
        if len(data) != length:
            raise self._short(offset, length)
        return data

    def map(self, offset: int, length: int) -> memoryview | None:
        return None

    def close(self) -> None:
        return None


class BlobFile(io.RawIOBase):
    """A blob as a seekable binary file, for libraries that want one.

    Closing it leaves the blob open.
    """

    def __init__(self, blob: Blob) -> None:
        self._blob = blob
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._blob.size}[whence]
        if start + offset < 0:
            raise OSError(errno.EINVAL, "seek before the beginning", self._blob.url)
        self._at = start + offset
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._blob.size - self._at)
        count = left if size is None or size < 0 else min(size, left)
        data = self._blob.read_at(self._at, count) if count else b""
        self._at += count
        return data

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        return self.read()


def open_blob(url: str, storage: Mapping[str, JsonValue] = NO_STORAGE) -> Blob:
    """Opens a file for random access. Raises SourceError, PluginMissing, SecretError."""
    return _LocalBlob(url) if is_local(url) else open_remote(url, storage)[0]


def open_remote(url: str, storage: Mapping[str, JsonValue]) -> tuple[Blob, dict[str, Any]]:
    """A remote file, and what its server tells of it. Raises as `open_blob`."""
    system, path = filesystem(url, storage)
    info = file_info(system, path, url)
    if info["size"] is None:
        raise SourceError(f"{url}: the server does not tell the size", code="MMC431")
    return _RemoteBlob(url, int(info["size"]), system, path), info
