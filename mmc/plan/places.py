"""What an endpoint is, as one line of text: two endpoints of the same text are the same place, read
or written in the same way.
"""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

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


def normal_address(address: str) -> str:
    """One spelling for each place: paths absolute and without links, URLs without credentials."""
    if not re.match(r"^[A-Za-z][A-Za-z0-9+.-]*://", address):
        return str(Path(address).expanduser().resolve())
    parts = urlsplit(address)
    if parts.scheme.lower() == "file":
        return str(Path(parts.path).resolve())
    try:
        port = parts.port
    except ValueError:
        port = None
    host = (parts.hostname or "").lower()
    default = {"http": 80, "https": 443}.get(parts.scheme.lower())
    netloc = f"{host}:{port}" if port is not None and port != default else host
    path = posixpath.normpath(parts.path).rstrip("/") if parts.path else ""
    return urlunsplit((parts.scheme.lower(), netloc, "" if path == "." else path, parts.query, ""))
