"""Values as aligned text, or as lines of JSON: what `status`, `state` and `plugins` answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


def plain(text: str) -> str:
    """Text that anybody may have written, so that none of it drives the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells, each column as wide as its widest cell."""
    if not rows:
        return ""
    rows = [[plain(cell).replace("\n", "?") for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "\n".join(lines) + "\n"


def json_lines(kind: str, values: Sequence[dict[str, Any]]) -> str:
    """Lines beside those of events, told from them by `type`."""
    return "".join(
        json.dumps({"type": kind, **value}, ensure_ascii=False, default=str) + "\n"
        for value in values
    )
