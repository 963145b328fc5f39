"""A file that a command writes: whole and new, or as it was. Knows nothing of what is in it.

The text goes into a hidden file beside the final one, is synced, and renamed. A symbolic link stays
a link, and a file keeps its mode. Devices and pipes, such as /dev/stdout, are written to directly.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from mmc.errors import MmcError

_STREAMS = ("/dev/", "/proc/")


def save_text(path: Path, text: str) -> None:
    """Writes a text file as UTF-8. Makes the folders of a new one.

    Raises:
        MmcError: it cannot be written, and what was there before is as it was (MMC663).
    """
    data = text.encode("utf-8", "surrogatepass")
    try:
        if str(path).startswith(_STREAMS) or (path.exists() and not path.is_file()):
            path.write_bytes(data)
        else:
            _replace(path.resolve(), data)
    except OSError as error:
        raise MmcError(
            f"{path} cannot be written: {error.strerror or error}",
            hint="what was there before is unchanged; free some space, or make the folder writable",
            code="MMC663",
        ) from None


def _replace(final: Path, data: bytes) -> None:
    final.parent.mkdir(parents=True, exist_ok=True)
    partial = final.with_name(f".{final.name}.{os.getpid()}.partial")
    try:
        with os.fdopen(new_file(partial), "wb") as file:
            with suppress(FileNotFoundError):
                os.fchmod(file.fileno(), stat.S_IMODE(final.stat().st_mode))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(final)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise
    sync_folder(final.parent)


def new_file(path: Path, mode: int = 0o666) -> int:
    """Descriptor of a new, empty file for writing, at a name that an earlier attempt may have left:
    never of what a link there leads to. Raises OSError.
    """
    path.unlink(missing_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)


def sync_folder(folder: Path) -> None:
    """Makes a rename or a removal in the folder durable. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
