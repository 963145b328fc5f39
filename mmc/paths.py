"""Names of places: where the State is, and those in what anybody may have written. Imports nothing
of mmc.
"""

from __future__ import annotations

DEFAULT_STATE = "sqlite:///.mmc/state.db"
"""Where the State is kept when nothing else is said: an SQLAlchemy URL."""


def stays_below(path: str) -> bool:
    """Whether this is a relative path of plain names, which leads nowhere but down."""
    if "\\" in path or "://" in path or "\0" in path:
        return False
    return not any(part in ("", ".", "..") for part in path.split("/"))
