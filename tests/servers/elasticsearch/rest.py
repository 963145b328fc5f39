"""Requests to a node with nothing between: what a client library hides, a test wants to see."""

from __future__ import annotations

import base64
import http.client
import ssl
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

BULK_DOCUMENTS = 2000
META = {"_id": "_id", "_routing": "routing"}


class Refused(Exception):
    """The node answered with an error: its status, and what it said."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body


def request(
    url: str,
    method: str,
    path: str,
    body: Any = None,
    *,
    ndjson: bool = False,
    headers: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
    timeout: float = 60.0,
) -> Any:
    """One request on a connection of its own; gives the answer's JSON, or its text if it is none.

    `body` is encoded unless it is bytes; `ndjson` says that its bytes are lines.

    Raises:
        Refused: a status from 400 on.
        OSError: nobody answered.
    """
    parts = urlsplit(url)
    place = (parts.hostname or "", parts.port)
    connection = (
        http.client.HTTPSConnection(*place, timeout=timeout, context=tls)
        if parts.scheme == "https"
        else http.client.HTTPConnection(*place, timeout=timeout)
    )
    sent = body if body is None or isinstance(body, bytes) else orjson.dumps(body)
    kind = "application/x-ndjson" if ndjson else "application/json"
    known = {"Content-Type": kind} if sent is not None else {}
    try:
        connection.request(method, path, body=sent, headers={**known, **(headers or {})})
        response = connection.getresponse()
        said = response.read()
    finally:
        connection.close()
    is_json = "json" in (response.getheader("Content-Type") or "") and said
    answer = orjson.loads(said) if is_json else said.decode()
    if response.status >= 400:
        raise Refused(response.status, answer)
    return answer


def bulk(
    url: str,
    index: str,
    docs: Iterable[Mapping[str, Any]],
    *,
    headers: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
    refresh: bool = True,
) -> int:
    """Indexes documents, and gives their number. Their keys `_id` and `_routing` say where; without
    an `_id` the node makes one.

    Raises:
        Refused: the node took not all; the body is the first refusal.
    """
    count = 0
    for batch in _batches(docs):
        lines = b"".join(_lines(doc) for doc in batch)
        path = f"/{index}/_bulk"
        answer = request(
            url, "POST", path, lines, ndjson=True, headers=headers, tls=tls, timeout=300.0
        )
        if answer["errors"]:
            results = [result["index"] for result in answer["items"]]
            refused = next(result for result in results if "error" in result)
            raise Refused(refused["status"], refused)
        count += len(batch)
    if refresh:
        request(url, "POST", f"/{index}/_refresh", headers=headers, tls=tls)
    return count


def basic(password: str, user: str = "elastic") -> dict[str, str]:
    """The header that says who asks."""
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


def trusting(ca: Path, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """Trusts one authority; with a certificate, shows that to the node."""
    context = ssl.create_default_context(cafile=str(ca))
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


def _batches(docs: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    left = iter(docs)
    while batch := list(islice(left, BULK_DOCUMENTS)):
        yield batch


def _lines(doc: Mapping[str, Any]) -> bytes:
    meta = {key: doc[name] for name, key in META.items() if name in doc}
    source = {name: value for name, value in doc.items() if name not in META}
    return orjson.dumps({"index": meta}) + b"\n" + orjson.dumps(source) + b"\n"
