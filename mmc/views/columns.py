"""Values as aligned text, or as lines of JSON: what `status`, `state` and `plugins` answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells, each column as wide as its widest cell."""
    if not rows:
        return ""
    # Names come from plans that anybody may have written: none may drive the terminal.
    rows = [["".join(c if c.isprintable() else "?" for c in cell) for cell in row] for row in rows]
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
