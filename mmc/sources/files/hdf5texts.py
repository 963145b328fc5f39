"""Texts of variable length in an HDF5 file, read in a process of their own: where their heap is
damaged, the HDF5 library may loop for ever, and only the end of its process ends that. Processor
time is what is limited: a server that is slow has its own limits.
"""

from __future__ import annotations

import resource
import subprocess
import threading
import weakref
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from mmc import child
from mmc.errors import SourceError
from mmc.sources.files.arrays import AnyArray
from mmc.storage.blobs import BlobFile, open_blob
from mmc.storage.filesystems import is_local, local_path
from mmc.types import JsonValue

SECONDS = 30
"""Processor time of one answer, of some 100,000 texts: they take less than one second."""


DAMAGED = (OSError, RuntimeError, ValueError, KeyError, TypeError, OverflowError, MemoryError)
"""What h5py raises when a file is damaged, whatever comes to hand."""


class Texts:
    """The texts of one file; its process is started when the first are asked for."""

    def __init__(self, file: str, storage: Mapping[str, JsonValue]) -> None:
        self.mark = _mark(file)
        self._file, self._storage = file, storage
        self._pipe: Connection | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, name: str, start: int, count: int) -> AnyArray:
        """Texts of a dataset, of shape (count,) or (count, width). Raises SourceError, or what h5py
        raises.
        """
        if self._pipe is None:
            self._process, self._pipe = child.start(__name__, stdout=subprocess.DEVNULL)
            self._end = weakref.finalize(self, _end, self._process, self._pipe)
            self._pipe.send((self._file, dict(self._storage), SECONDS))
        try:
            self._pipe.send((name, start, count))
            answer = self._pipe.recv()
        except (EOFError, OSError):
            self.close()
            raise SourceError(
                f"{self._file}[{name}]: rows {start:,}..{start + count:,}: the HDF5 library"
                f" crashed, or came to no end in {SECONDS} s",
                hint="the texts of this file are damaged: copy it again, or write them as texts of"
                " fixed length",
                code="MMC440",
            ) from None
        if isinstance(answer, Exception):
            raise answer
        return np.asarray(answer, dtype=object)

    def close(self) -> None:
        """Ends the process; another one is started when texts are asked for. Harmless when there is
        none.
        """
        if self._pipe is not None:
            self._end()
            self._pipe = None


def _end(process: subprocess.Popen[bytes], pipe: Connection) -> None:
    pipe.close()
    process.kill()
    process.wait()


_KEPT = threading.local()


def texts_of(file: str, storage: Mapping[str, JsonValue]) -> Texts:
    """Those of a file. The next piece of the same file has the same process, for it takes half a
    second to start.
    """
    kept: Texts | None = getattr(_KEPT, "texts", None)
    if kept is not None and kept.mark and kept.mark == _mark(file):
        return kept
    if kept is not None:
        kept.close()
    _KEPT.texts = made = Texts(file, storage)
    return made


def _mark(file: str) -> tuple[str, ...]:
    """What must be the same for a file that a process has open; () where that is not known."""
    if not is_local(file):
        return ()
    state = local_path(file).stat()
    return file, str(state.st_dev), str(state.st_ino), f"{state.st_size}:{state.st_mtime_ns}"


def main() -> None:
    """The process: texts for requests, until nobody asks any more."""
    import h5py

    pipe, _ = child.begin()
    file, storage, seconds = pipe.recv()
    with open_blob(file, storage) as blob:
        opened = str(local_path(file)) if is_local(file) else BlobFile(blob)
        handle = h5py.File(opened, "r")
        while True:
            try:
                name, start, count = pipe.recv()
            except EOFError:
                return
            _limit_time(seconds)
            pipe.send(_answer(handle, name, start, count))


def _limit_time(seconds: int) -> None:
    """The system ends this process when it takes so much more processor time."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = int(used.ru_utime + used.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _answer(handle: Any, name: str, start: int, count: int) -> Any:
    """The texts, or what h5py raises: that is any exception, when a file is damaged."""
    try:
        return handle[name].asstr()[start : start + count].tolist()
    except SourceError as error:
        return SourceError(str(error), hint=error.hint, code=error.code)
    except UnicodeDecodeError as error:
        return error
    except DAMAGED as error:
        return OSError(str(error).partition("\n")[0] or type(error).__name__)
