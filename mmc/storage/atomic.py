"""Files that appear whole or not at all, local and remote. Knows no file format.

Local: `<final>.partial` beside the final name, synced, renamed.
Remote: a local temporary file, put whole at commit.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self, TypeAlias

from mmc.errors import TargetBusy, TargetError
from mmc.saving import new_file, sync_folder
from mmc.storage.failures import Trouble, failure, world_errors
from mmc.storage.filesystems import (
    DENIED_HINT,
    NO_STORAGE,
    UNTRUSTED,
    UNTRUSTED_HINT,
    bucket_of,
    filesystem,
    is_local,
    local_path,
)
from mmc.types import JsonValue

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

Buffer: TypeAlias = bytes | bytearray | memoryview

_BUFFER = 1 << 20
_IN_PARTS = 100 << 20
"""From this size on s3fs uploads in parts (of 50 MiB)."""
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class AtomicFile:
    """A file being written; nothing is under its final name before `commit` returns.

    A context manager: leaving it without `commit` aborts. Made by `open_atomic`.

    Attributes:
        url: the final name.
    """

    def __init__(self, url: str, storage: Mapping[str, JsonValue]) -> None:
        self.url = url
        self._remote = None if is_local(url) else filesystem(url, storage)
        self._written = 0
        self._open = True
        self._named = True
        try:
            if self._remote is None:
                self._final = local_path(url)
                self._final.parent.mkdir(parents=True, exist_ok=True)
                self._partial = self._final.with_name(self._final.name + ".partial")
                self._file: BinaryIO = os.fdopen(new_file(self._partial), "wb", buffering=_BUFFER)
            else:
                handle, name = tempfile.mkstemp(prefix="mmc-", suffix=".partial")
                self._partial, self._named = _nameless(handle, Path(name))
                self._file = os.fdopen(handle, "wb", buffering=_BUFFER)
        except OSError as error:
            raise self._failed(error, 0) from None

    def write(self, data: Buffer) -> int:
        """Appends any bytes-like object (C-contiguous); gives its bytes. Raises TargetError."""
        length = data.nbytes if isinstance(data, memoryview) else len(data)
        try:
            self._file.write(data)
        except OSError as error:
            raise self._failed(error, length) from None
        self._written += length
        return length

    def tell(self) -> int:
        """Bytes written so far."""
        return self._written

    def patch(self, offset: int, data: bytes) -> None:
        """Overwrites bytes that were written before, such as a header. Raises TargetError."""
        if offset < 0 or offset + len(data) > self._written:
            raise ValueError("patch lies outside of what was written")
        try:
            self._file.flush()
            os.pwrite(self._file.fileno(), data, offset)
        except OSError as error:
            raise self._failed(error, len(data)) from None

    def commit(self) -> None:
        """Makes the file durable under its final name; replaces one there. Raises TargetError."""
        try:
            self._file.flush()
            if self._remote is None:
                os.fsync(self._file.fileno())
                self._file.close()
                self._partial.replace(self._final)
                sync_folder(self._final.parent)
            else:
                system, path = self._remote
                system.put_file(str(self._partial), path)
                self._remove()
                if self._written >= _IN_PARTS:
                    abandon_uploads(system, path)
        except world_errors() as error:
            raise self._failed(error, 0) from None
        self._open = False

    def abort(self) -> None:
        """Gives up and removes the partial file; harmless after `commit`. Never raises."""
        if not self._open:
            return
        self._open = False
        with contextlib.suppress(OSError):
            self._remove()

    def _remove(self) -> None:
        try:
            self._file.close()
        finally:
            if self._named:
                self._partial.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.abort()

    def _failed(self, error: Exception, length: int) -> TargetError:
        folder = (
            local_path(self.url).parent if self._remote is None else Path(tempfile.gettempdir())
        )
        if isinstance(error, OSError) and error.errno in _FULL:
            needed = self._written + length
            temporary = self._remote is not None
            folder = Path(tempfile.gettempdir()) if temporary else local_path(self.url).parent
            elsewhere = ", or let TMPDIR name another folder" if temporary else ""
            return TargetError(
                f"{self.url}: no space left in {folder}: the file needs {needed:,} bytes or more"
                f"{_free(folder)}",
                hint=f"free some space{elsewhere}, then apply again: it continues",
                code="MMC443",
            )
        return writing_failed(self.url, error)


def _free(folder: Path) -> str:
    try:
        return f", {shutil.disk_usage(folder).free:,} are free"
    except OSError:
        return ""


def _nameless(handle: int, path: Path) -> tuple[Path, bool]:
    """Takes the file's name away where another path leads to it, so a kill leaves nothing behind.
    Gives the path that leads to it, and whether that is still its name.
    """
    by_handle = Path(f"/proc/self/fd/{handle}")
    if not by_handle.exists():
        return path, True
    path.unlink()
    return by_handle, False


def abandon_uploads(system: AbstractFileSystem, path: str) -> None:
    """Drops unfinished S3 uploads of exactly this key: a killed writer leaves its parts, unseen
    but paid for. Where the keys may not list uploads, a rule of the bucket must do it.
    """
    if "s3" not in system.protocol:
        return
    bucket, key, _ = system.split_path(path)
    with contextlib.suppress(*world_errors()):
        found = system.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=key)
        for upload in found.get("Uploads", ()):
            if upload["Key"] == key:
                system.abort_mpu(bucket, key, upload["UploadId"])


def open_atomic(url: str, storage: Mapping[str, JsonValue] = NO_STORAGE) -> AtomicFile:
    """Begins a file; missing folders are made. Raises TargetError, PluginMissing, SecretError."""
    return AtomicFile(url, storage)


def writing_failed(url: str, error: Exception) -> TargetError:
    """The error of ours for a failed write; what may pass (network, throttling) is retryable."""
    failed = failure(error, local=is_local(url))
    match failed.trouble:
        case Trouble.DENIED:
            hint = "" if is_local(url) else DENIED_HINT
            return TargetError(f"{url}: permission denied", hint=hint, code="MMC444")
        case Trouble.NO_BUCKET | Trouble.MISSING if not is_local(url):
            return TargetError(
                f"{url}: cannot be written: no bucket {bucket_of(url)!r}",
                hint="make the bucket first: mmc makes none",
                code="MMC444",
            )
        case Trouble.UNTRUSTED:
            return TargetError(f"{url}: {UNTRUSTED}", hint=UNTRUSTED_HINT, code="MMC444")
        case Trouble.BUSY:
            return TargetBusy(f"{url}: cannot be written: {failed.text}", code="MMC444")
        case _:
            return TargetError(f"{url}: cannot be written: {failed.text}", code="MMC444")
