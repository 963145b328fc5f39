"""What exported metadata hold, as aligned text or as JSON lines: for export-meta."""

from __future__ import annotations

import json
from collections.abc import Sequence

from mmc.text import many
from mmc.views.columns import columns

_HEAD = ("COLLECTION", "PARTITIONS", "SEGMENTS", "ROWS")


def held_text(held: Sequence[tuple[str, int, int, int]], *, as_json: bool) -> str:
    """One line a collection: (name, partitions, segments, rows); for people, the sum below."""
    if as_json:
        return "".join(_json_line(*one) for one in held)
    lines = [(name, *(f"{number:,}" for number in numbers)) for name, *numbers in held]
    table = columns([_HEAD, *lines]) if lines else ""
    segments = sum(number for _, _, number, _ in held)
    rows = sum(number for *_, number in held)
    total = f"{many(len(held), 'collection')}, {many(segments, 'segment')}"
    return f"{table}{total}, {many(rows, 'row')} by the metadata\n"


def _json_line(collection: str, partitions: int, segments: int, rows: int) -> str:
    value = {"collection": collection, "partitions": partitions, "segments": segments, "rows": rows}
    return json.dumps({"type": "collection", **value}, ensure_ascii=False) + "\n"
