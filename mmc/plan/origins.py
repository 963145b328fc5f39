"""Whether a plan reads what was seen of its source, and nothing else: the files and indices that
its pieces name are those whose fingerprints are compared with the source before anything is done.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mmc.facts import Extent
from mmc.plan.canonical import digest
from mmc.plan.model import CopySplits, Plan
from mmc.plan.seen import fingerprint_of

MARKS = {"path": "fingerprint", "folder": "seen", "log": "seen", "index": "uuid"}
"""Keys of a locator that name a place, and where the mark of that place stands beside it."""


def strayed(plan: Plan) -> Iterator[tuple[str, str]]:
    """What is not of the source: (place, reason)."""
    for end, seen in (("source_seen", plan.source_seen), ("target_seen", plan.target_seen)):
        if seen.schema != digest(seen.details):
            yield end, "its digest is not that of its details"
    for copy in plan.copies:
        name = copy.read.collection
        if dict(copy.read.fingerprint) != dict(fingerprint_of(plan.source_seen, name)):
            yield copy.id, f"its fingerprint is not the one that was seen of {name!r}"
        yield from _pieces(copy)


def _pieces(copy: CopySplits) -> Iterator[tuple[str, str]]:
    marks = dict(copy.read.fingerprint)
    if not marks:
        return
    folders = {name[:at] for name in marks for at, sign in enumerate(name) if sign == "/"}
    for split in copy.splits:
        for piece in split.pieces:
            for said in _strange(piece, marks, folders):
                yield copy.id, f"split {split.id} reads {said}, which was not seen of its source"


def _strange(piece: Extent, marks: Mapping[str, str], folders: set[str]) -> Iterator[str]:
    """Places of a piece that the fingerprint does not name, or not with this mark."""
    locator = dict(piece.locator)
    for key, place in piece.locator:
        kind, colon, member = key.partition(":")
        if kind not in MARKS or not place:
            continue
        named = _named(str(place), marks, ends=kind == "folder")
        mark = locator.get(f"{MARKS[kind]}{colon}{member}")
        if named is None:
            if kind != "path" or str(place) not in folders:
                yield repr(place)
        elif mark is not None and mark != marks[named]:
            yield f"{place!r} as {mark!r}"


def _named(place: str, marks: Mapping[str, str], *, ends: bool) -> str | None:
    """The name in the fingerprint; that of a folder is the end of its path."""
    if place in marks:
        return place
    if ends:
        parts = place.split("/")
        tails = ("/".join(parts[at:]) for at in range(1, len(parts)))
        return next((tail for tail in tails if tail in marks), None)
    return None
