"""Pages of a slice of an index through a search that the server holds open: for where sequence
numbers cannot serve. A slice that was cut off is read again from its begin.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import orjson

from mmc.errors import SourceError
from mmc.sources.elasticsearch.client.connect import SCROLL_PATH, Connection, path_of
from mmc.sources.elasticsearch.errors import garbled
from mmc.sources.elasticsearch.reading.indices import Index, ensure_same, gone
from mmc.sources.elasticsearch.reading.pages import FIRST_DOCS, GROWTH, ahead, weight, whole_head
from mmc.sources.elasticsearch.reading.shards import Query, together

KEEP_ALIVE = "5m"
"""Between two pages; the server closes after that."""

SCROLL_DOCS = 1000
SORT = b'"sort":['


def read_pit_slice(
    connection: Connection,
    index: Index,
    number: int,
    slices: int,
    *,
    query: Query | None = None,
    source: Any = None,
    page_bytes: int = 0,
    doc_bytes: float = 0.0,
) -> Iterator[bytes]:
    """Yields the answers of slice `number` of `slices`, of a point in time opened for it.

    Elasticsearch only: OpenSearch 2 cannot sort by `_shard_doc`. Two slices of one run see the
    index at two moments: what is written between may be missed or come twice.

    Args:
        doc_bytes: about how large a document is, 0 where nothing is known: the first page has as
            many as are `page_bytes` then.

    Raises:
        SourceChanged: the index is gone or made anew (MMC460).
        SourceBusy: a shard failed, or the point in time is lost (MMC459).
    """
    ensure_same(connection, index.name, index.uuid)
    opened = _known(
        connection,
        index.name,
        "POST",
        path_of(index.name, "_pit"),
        None,
        {"keep_alive": KEEP_ALIVE},
    )
    pit = orjson.loads(opened)["id"]
    body = _body(index, number, slices, query, source)
    body["sort"] = ["_shard_doc"]
    body["track_total_hits"] = False
    size = _Size(index.window, page_bytes or connection.options.read.page_bytes, doc_bytes)

    def fetch() -> bytes | None:
        nonlocal pit
        body["pit"] = {"id": pit, "keep_alive": KEEP_ALIVE}
        body["size"] = size.docs
        params = {"allow_partial_search_results": False}
        page = _known(connection, index.name, "POST", "/_search", body, params)
        if whole_head(page, index.name, None).empty:
            return None
        pit = _pit_id(page) or pit
        body["search_after"] = _last_sort(page, index.name)
        size.took(weight(page))
        return page

    try:
        yield from ahead(fetch)
        ensure_same(connection, index.name, index.uuid)
    finally:
        with suppress(SourceError):
            connection.raw("DELETE", "/_pit", {"id": pit})


def read_scroll_slice(
    connection: Connection,
    index: Index,
    number: int,
    slices: int,
    *,
    query: Query | None = None,
    source: Any = None,
    page_bytes: int = 0,
    doc_bytes: float = 0.0,
) -> Iterator[bytes]:
    """As `read_pit_slice`, by a scroll, which every version has.

    Its pages all have as many documents as the first.
    """
    ensure_same(connection, index.name, index.uuid)
    body = _body(index, number, slices, query, source)
    wanted = page_bytes or connection.options.read.page_bytes
    docs = int(wanted / doc_bytes) if doc_bytes else SCROLL_DOCS
    body["size"] = max(1, min(docs, index.window))
    body["sort"] = ["_doc"]
    scroll = ""

    def fetch() -> bytes | None:
        nonlocal scroll
        if scroll:
            more = {"scroll": KEEP_ALIVE, "scroll_id": scroll}
            page = _known(connection, index.name, "POST", SCROLL_PATH, more)
        else:
            params = {"scroll": KEEP_ALIVE, "allow_partial_search_results": False}
            path = path_of(index.name, "_search")
            page = _known(connection, index.name, "POST", path, body, params)
        head = whole_head(page, index.name, None)
        scroll = head.scroll or scroll
        return None if head.empty else page

    try:
        yield from ahead(fetch)
        ensure_same(connection, index.name, index.uuid)
    finally:
        if scroll:
            with suppress(SourceError):
                connection.raw("DELETE", SCROLL_PATH, {"scroll_id": scroll})


def _body(
    index: Index, number: int, slices: int, query: Query | None, source: Any
) -> dict[str, Any]:
    body: dict[str, Any] = {"seq_no_primary_term": True}
    if slices > 1:
        body["slice"] = {"id": number, "max": slices}
    if matching := together(index.filter, query):
        body["query"] = matching
    if source is not None:
        body["_source"] = source
    return body


def _last_sort(page: bytes, index: str) -> Any:
    # Behind the documents' own content, so the last one in the page is the search's.
    at = page.rfind(SORT) + len(SORT) - 1
    end = page.find(b"]", at)
    if at < len(SORT) or end < 0:
        raise garbled(f"a search of index {index}", page)
    return orjson.loads(page[at : end + 1])


def _pit_id(page: bytes) -> str:
    """The server may name the point in time anew with every answer; it stands in front."""
    mark = b'"pit_id":"'
    at = page.find(mark, 0, 64)
    return "" if at < 0 else page[at + len(mark) : page.index(b'"', at + len(mark))].decode()


def _known(connection: Connection, index: str, method: str, *request: Any) -> bytes:
    try:
        return connection.raw(method, *request)
    except SourceError as error:
        if error.code == "MMC452":
            raise gone(index) from None
        raise


class _Size:
    """Documents of the next page, by how large those of the last were."""

    def __init__(self, window: int, page_bytes: int, doc_bytes: float) -> None:
        self._window = window
        self._page_bytes = page_bytes
        first = int(page_bytes / doc_bytes) if doc_bytes else FIRST_DOCS
        self.docs = max(1, min(first, window))

    def took(self, length: int) -> None:
        fitting = int(self.docs * self._page_bytes / length)
        self.docs = max(1, min(fitting, self.docs * GROWTH, self._window))
