"""What earlier plans have read: the first sequence number of each shard that is not in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmc.sources.elasticsearch.extents import SEQ_NO
from mmc.spi import EarlierPlan

OVERLAP = 10_000
"""Numbers that are read once more. A document gets its number before a search can find it, so one
below the largest may have come to light after the plan was made.
"""

Read = Mapping[tuple[str, int], int]
"""(UUID of an index, shard) -> where to begin."""


def read_until(plans: Sequence[EarlierPlan]) -> Read:
    """Where these plans of the same cluster end, less the overlap; an index that none of them has
    is not in it.

    Raises:
        SourceError: one read the cluster in another way (MMC468).
    """
    ends: dict[tuple[str, int], int] = {}
    for plan in plans:
        for piece in plan.pieces:
            locator = piece.place
            if locator.get("method") != SEQ_NO:
                raise plan.unusable("does not read by sequence numbers, so it has no end")
            place = str(locator["uuid"]), int(str(locator["shard"]))
            ends[place] = max(ends.get(place, 0), piece.stop - OVERLAP)
    return ends
