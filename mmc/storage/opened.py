"""The files that one look, or one split, opens. A remote one is asked what it is by `fingerprint`,
not by each `open` again, and what was fetched of it a moment ago is not fetched again. Knows no
file format.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from mmc.storage.blobs import Blob, open_blob, open_remote
from mmc.storage.filesystems import NO_STORAGE, is_local
from mmc.storage.fingerprints import fingerprint, remote_fingerprint
from mmc.types import JsonValue

_BLOCK = 1 << 20
"""Reads up to this size are kept (headers, footers, pages), and files up to it are fetched whole:
an object store takes as long for a few bytes.
"""
_BLOCKS = 8


class Opened:
    """Opens files with the options of one `storage`. For one thread."""

    def __init__(self, storage: Mapping[str, JsonValue] = NO_STORAGE) -> None:
        self.storage = storage
        self._remote: dict[str, _Seen] = {}
        self._blocks = _Blocks()

    def fingerprint(self, url: str) -> str:
        """As `mmc.storage.fingerprints.fingerprint`: asks each time."""
        if is_local(url):
            return fingerprint(url, self.storage)
        return self._look_at(url).fingerprint

    def open(self, url: str) -> Blob:
        """As `open_blob`: the file whose fingerprint was asked for last."""
        if is_local(url):
            return open_blob(url, self.storage)
        seen = self._remote.get(url) or self._look_at(url)
        return _KeptBlob(seen.blob, seen.fingerprint, self._blocks)

    def _look_at(self, url: str) -> _Seen:
        blob, info = open_remote(url, self.storage)
        seen = self._remote[url] = _Seen(blob, remote_fingerprint(blob, info))
        return seen


@dataclass(frozen=True, slots=True)
class _Seen:
    blob: Blob
    fingerprint: str


class _Blocks:
    """The latest small reads, of whatever file: (URL and fingerprint, offset) -> bytes."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int], bytes] = OrderedDict()

    def read(self, blob: Blob, fingerprint: str, offset: int, length: int) -> bytes:
        if length > _BLOCK:
            return blob.read_at(offset, length)
        file = f"{blob.url} {fingerprint}"
        for (kept, start), data in self._kept.items():
            if kept == file and start <= offset and offset + length <= start + len(data):
                self._kept.move_to_end((kept, start))
                return data[offset - start : offset - start + length]
        start, size = (0, blob.size) if blob.size <= _BLOCK else (offset, length)
        data = self._kept[file, start] = blob.read_at(start, size)
        if len(self._kept) > _BLOCKS:
            self._kept.popitem(last=False)
        return data[offset - start : offset - start + length]


class _KeptBlob(Blob):
    """A remote file whose small reads are kept."""

    def __init__(self, blob: Blob, fingerprint: str, blocks: _Blocks) -> None:
        self.url, self.size = blob.url, blob.size
        self._blob = blob
        self._fingerprint = fingerprint
        self._blocks = blocks

    def _read(self, offset: int, length: int) -> bytes:
        return self._blocks.read(self._blob, self._fingerprint, offset, length)

    def map(self, offset: int, length: int) -> memoryview | None:
        return None

    def close(self) -> None:
        return None
