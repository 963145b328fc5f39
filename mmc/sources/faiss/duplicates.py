"""FlatDedup: equal vectors are stored once; a table says which other ids share them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmc.errors import SourceError
from mmc.sources.faiss.nodes import Ivf
from mmc.storage.urls import Blob

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_AT_ONCE = 1 << 20
"""Ids looked at together."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Duplicates:
    """Ids that share a stored vector.

    Attributes:
        keys: ids that stand in a list, ascending, each once.
        starts: where the others of a key begin in `others`; one more than keys.
        others: the ids that are in no list.
        per_list: rows that come on top, for each non-empty list.
        rows: their sum.
    """

    keys: NDArray[np.int64]
    starts: NDArray[np.int64]
    others: NDArray[np.int64]
    per_list: NDArray[np.int64]
    rows: int

    def counts(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many others each id brings."""
        import numpy as np

        if not len(self.keys):
            return np.zeros(len(ids), np.int64)
        place = np.minimum(np.searchsorted(self.keys, ids), len(self.keys) - 1)
        found = self.keys[place] == ids
        return np.where(found, self.starts[place + 1] - self.starts[place], 0)

    def expand(
        self, ids: NDArray[np.int64], most: int
    ) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Rows with their duplicates, at most `most` in a piece: (position of the vector, id)."""
        import numpy as np

        counts = self.counts(ids)
        stops = np.cumsum(counts + 1)
        total = int(stops[-1]) if len(stops) else 0
        first = np.searchsorted(self.keys, ids) if len(self.keys) else np.zeros(len(ids), np.int64)
        pieces = []
        for begin in range(0, total, most):
            out = np.arange(begin, min(begin + most, total))
            row = np.searchsorted(stops, out, "right")
            nth = out - (stops[row] - counts[row] - 1)
            place = self.starts[np.minimum(first[row], len(self.starts) - 1)] + nth - 1
            safe = np.clip(place, 0, max(len(self.others) - 1, 0))
            other = self.others[safe] if len(self.others) else ids[row]
            pieces.append((row, np.where(nth == 0, ids[row], other)))
        return pieces


def load_duplicates(index: Blob, data: Blob, store: Ivf) -> Duplicates:
    """Reads the table and finds by list how many rows it adds: one pass over the ids, no vectors.

    Raises:
        SourceError: an id of the table is in the lists twice, so that its duplicates may mean
            either.
    """
    import numpy as np

    assert store.duplicates is not None
    pairs = np.frombuffer(index.read_at(store.duplicates.offset, store.duplicates.length), "<i8")
    pairs = pairs.reshape(-1, 2)
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    keys, first = np.unique(pairs[:, 0], return_index=True)
    starts = np.append(first, len(pairs)).astype(np.int64)
    lists = store.lists
    table = Duplicates(
        keys=keys.astype(np.int64),
        starts=starts,
        others=np.ascontiguousarray(pairs[:, 1], np.int64),
        per_list=np.zeros(len(lists.numbers), np.int64),
        rows=0,
    )
    seen = np.zeros(len(keys), np.int64)
    for i in range(len(lists.numbers)) if len(keys) else ():
        for begin in range(0, int(lists.sizes[i]), _AT_ONCE):
            count = min(_AT_ONCE, int(lists.sizes[i]) - begin)
            ids = np.frombuffer(data.read_at(int(lists.ids[i]) + begin * 8, count * 8), "<i8")
            table.per_list[i] += table.counts(ids).sum()
            place = np.minimum(np.searchsorted(keys, ids), len(keys) - 1)
            seen += np.bincount(place[keys[place] == ids], minlength=len(keys))
    if (seen > 1).any():
        raise SourceError(
            f"{index.url}: id {int(keys[np.argmax(seen > 1)])} is in the lists more than once and "
            "has duplicates; which vector they share cannot be told",
            hint="rebuild the index with unique ids",
            code="MMC413",
        )
    return Duplicates(
        keys=table.keys,
        starts=starts,
        others=table.others,
        per_list=table.per_list,
        rows=int(table.per_list.sum()),
    )
