"""One text for each JSON value, so that documents compare by value and not by how they were
written.

The form: keys sorted by code point, no spaces, ASCII with \\u escapes. Integers are exact at any
size and stay distinct from floats (1 is not 1.0); floats compare as doubles; of a repeated key the
last one counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

import orjson

_ENCODE = json.JSONEncoder(sort_keys=True, separators=(",", ":"), check_circular=False).encode
_LONG_NUMBER = re.compile(r"\d{19}")
"""orjson reads integers above 64 bits as floats, so texts that may hold one are left to `json`."""
_NOT_JSON = "\0"
"""First character of the form of a text that is not JSON: no canonical form starts with it."""


def canonical_json(text: str) -> str:
    """The canonical form of a JSON text. A text that is not JSON stands for itself, apart from all
    JSON."""
    try:
        return _ENCODE(_parse(text))
    except (ValueError, RecursionError):
        return _NOT_JSON + text


def canonical_documents(texts: Iterable[str | None]) -> list[str | None]:
    """`canonical_json` of each text; None (null, no document) stays None."""
    return [None if text is None else canonical_json(text) for text in texts]


def _parse(text: str) -> object:
    if _LONG_NUMBER.search(text) is None:
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            # Stricter than `json` about lone surrogates, NaN and 1e400, which some systems store.
            return json.loads(text)
    return json.loads(text)
