"""Which places are one target: its identity, by which leases and runs know it."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from mmc.plan import codec
from mmc.plan.model import Endpoint
from mmc.storage.names import as_text


def target_identity(target: Endpoint) -> str:
    """What two plans for the same place have in common: type and address, and the database where
    there is one.

    URLs are compared without credentials, default port spelling or a trailing slash; paths as
    absolute ones. `http://host:19530/shop` is the database `shop` of that server.
    """
    options = target.options
    address = str(options.get("uri") or options.get("url") or options.get("path") or "")
    database = str(options.get("database") or "")
    if "uri" in options and re.match(r"(?i)(https?|tcp)://", address):
        # A server of which the path names the database, where `database` does not.
        parts = urlsplit(address)
        database = database or parts.path.strip("/").partition("/")[0]
        database = "" if database == "default" else database
        address = f"{parts.scheme}://{parts.netloc}"
    return " ".join(filter(None, (target.type, as_text(normal_address(address)), database)))


def target_key(target: Endpoint) -> str:
    """The key of a target's lease and runs: a digest of its identity, of fixed length."""
    return codec.digest(target_identity(target))


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
