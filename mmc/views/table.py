"""A small Arrow table as text: for preview."""

from __future__ import annotations

import base64
import json
from typing import Any

import pyarrow as pa

from mmc.text import cut, many

WIDEST = 40
"""Characters of a cell; a preview is for the eye."""


def table_text(name: str, table: pa.Table, *, as_json: bool = False) -> str:
    """The table with a header line, or one JSON object a row."""
    rows = [{key: _plain(value) for key, value in row.items()} for row in table.to_pylist()]
    if as_json:
        return "".join(
            json.dumps({"type": "row", "collection": name, "row": row}, ensure_ascii=False) + "\n"
            for row in rows
        )
    columns = table.schema.names
    cells = [[_cell(row[column]) for column in columns] for row in rows]
    widths = [max(len(text) for text in column) for column in zip(columns, *cells, strict=True)]
    lines = [f"{name}: {many(len(rows), 'row')}"]
    for line in [columns, ["-" * width for width in widths], *cells]:
        padded = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        lines.append("  " + "  ".join(padded).rstrip())
    return "\n".join(lines) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _cell(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, list) and len(value) > 4 and isinstance(value[0], float):
        shown = ", ".join(f"{number:.4g}" for number in value[:3])
        return f"[{shown}, ... {len(value)}]"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text.replace("\n", "\\n").replace("\t", "\\t")
    return cut(text, WIDEST)
