"""Which rows of a segment are left: `deleted_docs` as a set, live rows as row numbers of the files.

A bit a row is held, not a list: a list of 25 million deletes was sorted again for each read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from mmc.errors import SourceError
from mmc.storage.filesystems import join_url
from mmc.storage.urls import Blob, open_blob
from mmc.types import JsonValue

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers: TypeAlias = NDArray[np.int64]

HEADER = 8
"""Bytes before the values of each file of a segment: a uint64, how many bytes follow."""
_BLOCK = 1 << 16
"""Rows whose live ones are counted together: the smallest part that is searched for one row."""
_OFFSETS = 1 << 20
"""Offsets of deleted rows that are read together."""


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """The rows that are not deleted, counted from 0.

    Attributes:
        deleted: how many rows are.
    """

    deleted: int
    _mask: NDArray[np.bool_]
    """False for a deleted row; empty when none is."""
    _before: Numbers
    """Live rows before each block of the mask, and before its end."""

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> Kept:
        import numpy as np

        # Not `reduceat`: it makes 8 bytes of each bit first.
        live = [int(np.count_nonzero(mask[i : i + _BLOCK])) for i in range(0, len(mask), _BLOCK)]
        before = np.cumsum([0, *live], dtype=np.int64)
        return cls(len(mask) - int(before[-1]), mask, before)

    @classmethod
    def every(cls) -> Kept:
        """All rows of a segment without deletes."""
        import numpy as np

        return cls.of(np.ones(0, bool))

    def places(self, start: int, stop: int) -> Numbers:
        """The live rows start..stop-1 as row numbers of the files; ascending."""
        import numpy as np

        if not self.deleted or start == stop:
            return np.arange(start, stop)
        first = int(np.searchsorted(self._before, start, "right")) - 1
        end = int(np.searchsorted(self._before, stop, "left"))
        begin = start - int(self._before[first])
        found = np.flatnonzero(self._mask[first * _BLOCK : end * _BLOCK])
        return found[begin : begin + stop - start] + first * _BLOCK

    def run(self, start: int, stop: int) -> int | None:
        """The first row number of the live rows start..stop-1 when they lie together."""
        if not self.deleted:
            return start
        first = int(self.places(start, start + 1)[0])
        last = int(self.places(stop - 1, stop)[0])
        return first if last - first == stop - 1 - start else None


def deletes_url(folder: str) -> str:
    return join_url(folder, "deleted_docs")


def payload(blob: Blob) -> int:
    """Bytes that follow the header, by the header."""
    return int.from_bytes(blob.read_at(0, HEADER), "little")


def load_kept(folder: str, storage: Mapping[str, JsonValue], rows: int) -> Kept:
    """Reads `deleted_docs` of a segment. Its int32 offsets are unsorted, and some occur twice.

    Args:
        rows: of the segment, live or not.

    Raises:
        SourceError: it cannot be read; MMC418, it deletes a row that the segment does not have.
    """
    import numpy as np

    mask = np.ones(0, bool)
    url = deletes_url(folder)
    with open_blob(url, storage) as blob:
        for offsets in _offsets(blob):
            outside = offsets[(offsets < 0) | (offsets >= rows)]
            if len(outside):
                raise SourceError(
                    f"{url} deletes row {int(outside[0]):,}; the segment has {rows:,} rows, from 0",
                    code="MMC418",
                )
            mask = mask if len(mask) else np.ones(rows, bool)
            mask[offsets] = False
    return Kept.of(mask)


def _offsets(blob: Blob) -> Iterator[NDArray[np.int32]]:
    import numpy as np

    end = HEADER + payload(blob)
    for start in range(HEADER, end, 4 * _OFFSETS):
        raw = blob.read_at(start, min(4 * _OFFSETS, end - start))
        yield np.frombuffer(raw, "<i4")
