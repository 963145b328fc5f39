"""Sizes as people write them: `256MiB`, `1.5 GiB`, `500 MB`."""

from __future__ import annotations

import re

_UNITS = {
    "B": 1,
    **{f"{letter}iB": 1 << 10 * power for power, letter in enumerate("KMGT", 1)},
    **{f"{letter}B": 1000**power for power, letter in enumerate("KMGT", 1)},
}
_BY_NAME = {name.lower(): size for name, size in _UNITS.items()}
_SIZE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?([KMGT]?i?B)", re.IGNORECASE)


def bytes_of(text: str) -> int | None:
    """The bytes of a size with its unit, None where the text is no such size."""
    match = _SIZE.fullmatch(text.strip())
    unit = _BY_NAME.get(match[2].lower()) if match else None
    return int(float(match[1]) * unit) if match and unit else None


def shown(size: int) -> str:
    """A size in its largest whole unit."""
    for name in ("TiB", "GiB", "MiB", "KiB"):
        if size % _UNITS[name] == 0 and size:
            return f"{size // _UNITS[name]:,} {name}"
    return f"{size:,} bytes"
