"""Places in the details of a Seen: what of them is about which collection. Pure."""

from __future__ import annotations

from mmc.plan.model import Seen

FILE = "file "


def fingerprint_of(seen: Seen, collection: str) -> tuple[tuple[str, str], ...]:
    """What a collection of a source was read from, as `SourceCollection.fingerprint`."""
    head = f"{quoted(collection)}/{FILE}"
    return tuple(
        (place.removeprefix(head), mark) for place, mark in seen.details if place.startswith(head)
    )


def quoted(collection: str) -> str:
    """A collection's name as the head of a place; places of the whole endpoint have no slash."""
    return collection.replace("/", "%2F")
