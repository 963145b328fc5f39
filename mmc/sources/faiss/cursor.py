"""Bounded forward reading of a Faiss index file: every size is checked before it is used.

Knows the primitives of Faiss's serialisation (little-endian scalars, vectors as u64 count and
items), but no index.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from mmc.errors import SourceError
from mmc.storage.urls import Blob

_AHEAD = 1 << 16
"""Bytes fetched at once: headers lie close together, and a remote request is dear."""
_DAMAGED = "the file is cut short or damaged, or it is no Faiss index"


@dataclass(frozen=True, slots=True)
class Span:
    """Items in a file: `count` of `item` bytes each from byte `offset`."""

    offset: int
    count: int
    item: int = 1

    @property
    def length(self) -> int:
        return self.count * self.item

    @property
    def stop(self) -> int:
        return self.offset + self.length


class Cursor:
    """Reads a file forward from byte `position`. Errors are SourceError and name the byte."""

    def __init__(self, blob: Blob, position: int = 0) -> None:
        self.blob = blob
        self.position = position
        self._window = b""
        self._window_at = 0

    @property
    def left(self) -> int:
        """Bytes between here and the end of the file."""
        return self.blob.size - self.position

    def fault(self, message: str, *, at: int | None = None, code: str = "MMC401") -> SourceError:
        """The error for something wrong at this place."""
        place = self.position if at is None else at
        return SourceError(self._at(place, message), hint=_DAMAGED, code=code)

    def unread(self, message: str, *, at: int) -> SourceError:
        """The error for something at this place that may be right, but that is not read."""
        return SourceError(self._at(at, message), code="MMC402")

    def _at(self, place: int, message: str) -> str:
        return f"{self.blob.url}: {message} (byte {place:,} of {self.blob.size:,})"

    def take(self, length: int, what: str) -> bytes:
        """The next `length` bytes; for small things only."""
        if not 0 <= length <= self.left:
            raise self.fault(f"{what} needs {length:,} bytes, {self.left:,} are left")
        begin = self.position - self._window_at
        if not 0 <= begin <= len(self._window) - length:
            self._window = self.blob.read_at(self.position, min(max(length, _AHEAD), self.left))
            self._window_at, begin = self.position, 0
        self.position += length
        return self._window[begin : begin + length]

    def unpack(self, layout: str, what: str) -> tuple[Any, ...]:
        """The next values, by a `struct` layout without its byte order."""
        layout = "<" + layout
        return struct.unpack(layout, self.take(struct.calcsize(layout), what))

    def int32(self, what: str) -> int:
        return int(self.unpack("i", what)[0])

    def uint64(self, what: str) -> int:
        return int(self.unpack("Q", what)[0])

    def flag(self, what: str) -> bool:
        """A byte that is 0 or 1."""
        value = self.take(1, what)[0]
        if value > 1:
            raise self.fault(f"{what} is {value}, not 0 or 1", at=self.position - 1)
        return bool(value)

    def fourcc(self, what: str) -> str:
        """Four characters; bytes that are no printable ASCII come as `\\xNN`."""
        raw = self.take(4, what)
        return "".join(chr(c) if 32 <= c < 127 else f"\\x{c:02x}" for c in raw)

    def skip(self, count: int, item: int, what: str) -> Span:
        """Steps over `count` items of known size."""
        if count < 0 or count * item > self.left:
            raise self.fault(
                f"{what}: {count:,} items of {item} bytes do not fit into {self.left:,}"
            )
        span = Span(self.position, count, item)
        self.position = span.stop
        return span

    def vector(self, item: int, what: str, expect: int | None = None) -> Span:
        """Steps over a vector: u64 count, then the items. `expect` is the only count allowed."""
        at = self.position
        count = self.uint64(what)
        if expect is not None and count != expect:
            raise self.fault(f"{what} has {count:,} items instead of {expect:,}", at=at)
        return self.skip(count, item, what)

    def read(self, span: Span) -> bytes:
        """The bytes of a span, wherever it is."""
        return self.blob.read_at(span.offset, span.length)
