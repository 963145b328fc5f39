"""What a person types for an index file -> options of the source, for `mmc init`."""

from __future__ import annotations

from mmc.types import JsonValue

ENDINGS = (".index", ".faiss", ".faissindex")


def locate(location: str) -> tuple[dict[str, JsonValue], bool]:
    """Options that say this file, and whether its name is one that Faiss indexes have."""
    return {"path": location}, location.lower().endswith(ENDINGS)
