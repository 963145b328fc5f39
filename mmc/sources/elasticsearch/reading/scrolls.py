"""Pages of a slice of an index through a search that the server holds open: for where sequence
numbers cannot serve. A slice that was cut off is read again from its begin.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import closing, suppress
from functools import partial
from typing import Any, TypeVar

from mmc.errors import SourceError, SourceMissing
from mmc.sources.elasticsearch.client.answers import as_text
from mmc.sources.elasticsearch.client.connect import ASKING, SCROLL_PATH, Connection, path_of
from mmc.sources.elasticsearch.errors import garbled
from mmc.sources.elasticsearch.reading.heads import Head, ahead, weight, whole_head
from mmc.sources.elasticsearch.reading.indices import Index, ensure_same, gone
from mmc.sources.elasticsearch.reading.shards import Query, together, whole_params

KEEP_ALIVE = "5m"
"""Between two pages; the server closes after that."""

SCROLL_DOCS = 1000
FIRST_DOCS = 500
"""Before a page says how large documents are."""

GROWTH = 4
SORT = b'"sort":['
T = TypeVar("T")


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
) -> Generator[bytes]:
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
    where = {name: value for name, value in whole_params(index).items() if name == "preference"}
    path = path_of(index.name, "_pit")
    pit = _known(
        index.name,
        lambda: connection.post(
            path, lambda answer: as_text(answer, "id"), None, {"keep_alive": KEEP_ALIVE, **where}
        ),
    )
    body = _body(index, number, slices, query, source)
    body["sort"] = ["_shard_doc"]
    body["track_total_hits"] = False
    size = _Size(index.window, page_bytes or connection.options.read.page_bytes, doc_bytes)
    last = -1

    def ask() -> tuple[bytes, Head, int]:
        body["pit"] = {"id": pit, "keep_alive": KEEP_ALIVE}
        body["size"] = size.docs
        params = {"allow_partial_search_results": False}
        page = connection.raw("POST", "/_search", body, params)
        head = whole_head(page, index.name, None)
        return page, head, last if head.empty else _place_after(page, last, index.name)

    def fetch() -> bytes | None:
        # Each page lies behind the one before it, so there is an end.
        nonlocal pit, last
        page, head, last = _known(index.name, lambda: connection.again(ASKING, ask))
        if head.empty:
            return None
        pit = head.pit or pit
        body["search_after"] = [last]
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
) -> Generator[bytes]:
    """As `read_pit_slice`, by a scroll, which every version has.

    Its pages all have as many documents as the first.
    """
    ensure_same(connection, index.name, index.uuid)
    body = _body(index, number, slices, query, source)
    wanted = page_bytes or connection.options.read.page_bytes
    docs = int(wanted / doc_bytes) if doc_bytes else SCROLL_DOCS
    body["size"] = max(1, min(docs, index.window))
    body["sort"] = ["_doc"]
    with closing(scrolled(connection, index.name, body, whole_params(index))) as pages:
        yield from ahead(lambda: next(pages, None))
        ensure_same(connection, index.name, index.uuid)


def scrolled(
    connection: Connection, index: str, body: Mapping[str, Any], params: Mapping[str, Any]
) -> Generator[bytes]:
    """Yields the pages of a search of some documents a page, and closes it.

    Raises:
        SourceChanged, SourceBusy: as `read_pit_slice`. No page is asked for twice: the server gives
            the one behind it then.
    """
    scroll, left = "", 0
    begin = {**body, "track_total_hits": True}
    ask = partial(
        connection.raw,
        "POST",
        path_of(index, "_search"),
        begin,
        {"scroll": KEEP_ALIVE, **params},
    )
    try:
        while True:
            page = _known(index, ask)
            head = whole_head(page, index, None)
            if not scroll:
                # Each page but the last is full.
                left = -(-head.total // int(body["size"]))
            scroll = head.scroll or scroll
            if not scroll or head.empty != (left == 0):
                raise garbled(f"a search of index {index}", page)
            if head.empty:
                return
            left -= 1
            yield page
            more = {"scroll": KEEP_ALIVE, "scroll_id": scroll}
            ask = partial(connection.raw, "POST", SCROLL_PATH, more)
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


def _place_after(page: bytes, last: int, index: str) -> int:
    """Where the page ends, by `_shard_doc`, which rises from document to document.

    Raises:
        SourceBusy: not behind `last`: it is another page (MMC459).
    """
    # Behind the documents' own content, so the last one in the page is the search's.
    at = page.rfind(SORT) + len(SORT) - 1
    end = page.find(b"]", at)
    place = page[at + 1 : end].strip()
    if at < len(SORT) or end < 0 or not place.isdigit() or int(place) <= last:
        raise garbled(f"a search of index {index}", page)
    return int(place)


def _known(index: str, ask: Callable[[], T]) -> T:
    try:
        return ask()
    except SourceMissing:
        raise gone(index) from None


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
