"""Row numbers -> ids, through the id maps of wrappers, in bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmc.errors import SourceError
from mmc.sources.faiss.cursor import Span
from mmc.storage.urls import Blob, is_local

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

IN_MEMORY = 16_000_000
"""Ids (8 bytes each) of a map that is held whole; of a longer one, each block fetches its own."""
_AT_ONCE = 1 << 20
"""Most ids of one read."""


class Ids:
    """Ids of the rows of one index. `id_map` spans the map of a wrapper, if there is one."""

    def __init__(self, blob: Blob, id_map: Span | None) -> None:
        self._blob = blob
        self._map = id_map
        self._held: NDArray[np.int64] | None = None
        self._gap = 4096 if is_local(blob.url) else 1 << 20

    def of_rows(self, start: int, stop: int) -> NDArray[np.int64]:
        """Ids of the rows start..stop-1."""
        import numpy as np

        if self._map is None:
            return np.arange(start, stop, dtype=np.int64)
        raw = self._blob.read_at(self._map.offset + start * 8, (stop - start) * 8)
        return np.frombuffer(raw, "<i8")

    def of_labels(self, labels: NDArray[np.int64]) -> NDArray[np.int64]:
        """Ids of what inverted lists call ids: where a map is around, they are row numbers."""
        import numpy as np

        span = self._map
        if span is None or not len(labels):
            return labels
        if labels.min() < 0 or labels.max() >= span.count:
            wrong = int(labels.min() if labels.min() < 0 else labels.max())
            raise SourceError(
                f"{self._blob.url}: row {wrong} is not in the id map of {span.count:,} ids",
                hint="the file is damaged",
                code="MMC401",
            )
        if span.count > IN_MEMORY:
            return self._fetched(span, labels)
        if self._held is None:
            raw = self._blob.read_at(span.offset, span.length)
            self._held = np.frombuffer(raw, "<i8")
        return self._held[labels]

    def _fetched(self, span: Span, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Ids of scattered rows, by reads that are joined where rows lie close together."""
        import numpy as np

        order = np.argsort(rows, kind="stable")
        wanted = rows[order]
        breaks = np.flatnonzero(np.diff(wanted) > self._gap // 8) + 1
        found = np.empty(len(rows), np.int64)
        for begin, end in zip([0, *breaks.tolist()], [*breaks.tolist(), len(rows)], strict=True):
            low, high = int(wanted[begin]), int(wanted[end - 1]) + 1
            for first in range(low, high, _AT_ONCE):
                last = min(first + _AT_ONCE, high)
                left, right = np.searchsorted(wanted, [first, last])
                raw = self._blob.read_at(span.offset + first * 8, (last - first) * 8)
                found[order[left:right]] = np.frombuffer(raw, "<i8")[wanted[left:right] - first]
        return found
