"""A file that a split wrote."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One file that a split wrote. `path` is relative to the target's URL; `sha256` in hex."""

    path: str
    bytes: int
    sha256: str
    rows: int
