"""What earlier plans have read: the first sequence number of each shard that is not in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmc.errors import SourceError, SpecInvalid
from mmc.plan.codec import read_plan
from mmc.plan.model import Plan
from mmc.sources.elasticsearch.extents import SEQ_NO

OVERLAP = 10_000
"""Numbers that are read once more. A document gets its number before a search can find it, so one
below the largest may have come to light after the plan was made.
"""

Read = Mapping[tuple[str, int], int]
"""(UUID of an index, shard) -> where to begin."""


def read_until(paths: Sequence[str]) -> Read:
    """Where these plans end, less the overlap; an index that none of them has is not in it.

    Args:
        paths: plan files, of the same cluster.

    Raises:
        SourceError: a file cannot be read, is no plan, or read the cluster in another way
            (MMC468).
    """
    found: dict[tuple[str, int], int] = {}
    for path in paths:
        for locator, stop in _pieces(path, _plan(path)):
            place = str(locator["uuid"]), int(str(locator["shard"]))
            found[place] = max(found.get(place, 0), stop - OVERLAP)
    return found


def _plan(path: str) -> Plan:
    from mmc.storage.urls import open_blob

    try:
        with open_blob(path, {}) as blob:
            text = blob.read_at(0, blob.size)
    except SourceError as error:
        raise _refused(path, f"cannot be read: {error}") from None
    try:
        return read_plan(text.decode(errors="replace"), path)
    except SpecInvalid as error:
        raise _refused(path, f"is no plan: {error}") from None


def _pieces(path: str, plan: Plan) -> list[tuple[Mapping[str, object], int]]:
    made: list[tuple[Mapping[str, object], int]] = []
    for copy in plan.copies:
        for piece in (piece for split in copy.splits for piece in split.pieces):
            locator = piece.place
            if locator.get("method") != SEQ_NO:
                raise _refused(path, "does not read by sequence numbers, so it has no end")
            made.append((locator, piece.stop))
    return made


def _refused(path: str, what: str) -> SourceError:
    return SourceError(
        f"source.after: {path} {what}",
        hint="name the saved plan of an earlier migration from these indices",
        code="MMC468",
    )
