"""What an endpoint is, as one line of text: two endpoints of the same text are the same place, read
or written in the same way. Pure.
"""

from __future__ import annotations

import json

from mmc.plan.model import Endpoint
from mmc.types import JsonValue


def place_of(endpoint: Endpoint) -> str:
    """Type and options, without secrets and what is not set: `faiss {"path": "words.index"}`."""
    return f"{endpoint.type} {json.dumps(_said(endpoint.options), sort_keys=True)}"


def _said(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        kept = {key: _said(item) for key, item in value.items() if key != "secret"}
        return {key: item for key, item in kept.items() if item not in (None, "", [], {})}
    if isinstance(value, list):
        return [_said(item) for item in value]
    return value
