"""What earlier plans have read: the first sequence number of each shard that is not in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmc.facts import Extent
from mmc.sources.elasticsearch.client.connect import Connection
from mmc.sources.elasticsearch.extents import SEQ_NO
from mmc.sources.elasticsearch.reading.indices import Group
from mmc.sources.elasticsearch.reading.shards import together, total_of, written_since
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


def added_since(connection: Connection, group: Group, pieces: Sequence[Extent], read: Read) -> int:
    """Documents that match and are behind all pieces of a plan: in higher numbers, or in indices
    that it does not have.

    Args:
        read: as `read_until` of the plans before it.
    """
    ends, whole = dict(read), dict[str, int]()
    for piece in pieces:
        uuid = str(piece.place["uuid"])
        if piece.place.get("method") == SEQ_NO:
            place = uuid, int(str(piece.place["shard"]))
            ends[place] = max(ends.get(place, 0), piece.stop)
        else:
            whole[uuid] = whole.get(uuid, 0) + (piece.rows or 0)
    query = connection.options.query or None
    return sum(
        max(0, total_of(connection, index, together(index.filter, query)) - whole[index.uuid])
        if index.uuid in whole
        else sum(
            written_since(connection, index, shard, ends.get((index.uuid, shard), 0), query)
            for shard in index.shards
        )
        for index in group.indices
    )
