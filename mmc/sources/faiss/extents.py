"""The re-readable pieces of an index: one run of rows, or runs of inverted lists of like size.

Sizes are those of the vectors as they come out, so that splits of a lossy index are not larger
than those of an exact one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mmc.facts import Extent
from mmc.sources.faiss.nodes import Ivf
from mmc.sources.faiss.table import Table
from mmc.types import JsonValue, freeze

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RUN_BYTES = 32 << 20
"""A run of lists ends when it is this large."""
LARGE_LIST = 64 << 20
"""A list this large is not part of a run: its rows can be cut."""


def list_extents(table: Table, locator: Mapping[str, JsonValue]) -> tuple[Extent, ...]:
    """All rows of the table, each once. Empty for an empty index."""
    store = table.store
    if not isinstance(store, Ivf):
        if not table.rows:
            return ()
        size = table.rows * table.width
        return (
            Extent(
                locator=freeze(locator),
                start=0,
                stop=table.rows,
                unit="row",
                rows=table.rows,
                bytes=size,
                cuttable=True,
            ),
        )
    import numpy as np

    lists = store.lists
    rows = lists.sizes
    if table.duplicates is not None:
        rows = rows + table.duplicates.per_list
    weights: NDArray[np.int64] = rows * (table.width + 8)
    large = weights > LARGE_LIST if table.duplicates is None else np.zeros(len(rows), bool)
    found: list[Extent] = []
    stops, i = np.cumsum(weights), 0
    borders = np.append(np.flatnonzero(large), len(rows))
    while i < len(rows):
        number = int(lists.numbers[i])
        if large[i]:
            place = freeze({**locator, "list": number})
            count = int(rows[i])
            found.append(
                Extent(
                    locator=place,
                    start=0,
                    stop=count,
                    unit="row",
                    rows=count,
                    bytes=int(weights[i]),
                    cuttable=True,
                )
            )
            i += 1
            continue
        before = int(stops[i - 1]) if i else 0
        border = int(borders[np.searchsorted(borders, i)])
        j = max(i + 1, int(np.searchsorted(stops, before + RUN_BYTES, "right")))
        j = min(j, border)
        found.append(
            Extent(
                locator=freeze(locator),
                start=number,
                stop=int(lists.numbers[j - 1]) + 1,
                unit="list",
                rows=int(rows[i:j].sum()),
                bytes=int(weights[i:j].sum()),
            )
        )
        i = j
    return tuple(found)
