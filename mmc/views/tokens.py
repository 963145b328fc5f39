"""What `mmc tokens` did, as text or as a JSON line."""

from __future__ import annotations

import json

from mmc.facts import TokensNumbered
from mmc.text import many


def numbered_text(done: TokensNumbered, path: str, *, as_json: bool) -> str:
    """Fields, documents, tokens, and what of them is new in the file."""
    if as_json:
        value = {
            "path": path,
            "written": done.written,
            "fields": [f"{collection}/{field}" for collection, field in done.fields],
            "documents": done.documents,
            "found": done.found,
            "new": done.new,
            "total": done.total,
        }
        return json.dumps({"type": "tokens", **value}, ensure_ascii=False) + "\n"
    lines = [f"{collection}: {field}" for collection, field in done.fields]
    read = f"{many(done.documents, 'document')}, {many(done.found, 'token')}, {done.new:,} new"
    kept = f"Saved {path}" if done.written else f"{path} is as it was"
    return "\n".join([*lines, read, f"{kept}: {many(done.total, 'token')}."]) + "\n"
