"""Pages of one range of sequence numbers, undecoded: what `read` is made of.

A range of width W holds at most W live documents of a shard. So a page is a range too, narrow
enough for one answer: no sort over the rest of the range, no open context, no place to lose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import orjson

from mmc.errors import SourceError
from mmc.sources.elasticsearch.client.connect import Connection, path_of
from mmc.sources.elasticsearch.errors import garbled
from mmc.sources.elasticsearch.reading.indices import Index, ensure_same, gone
from mmc.sources.elasticsearch.reading.shards import (
    Query,
    incomplete,
    is_whole,
    search_params,
    together,
)

FIRST_DOCS = 500
"""Before a page says how large documents are."""

GROWTH = 4
HITS = b'"hits":['


@dataclass(frozen=True, slots=True)
class Head:
    """What stands in an answer before its documents.

    `total` counts what the request matches, also beyond `size`. `scroll` is "" but in a scroll.
    """

    total: int
    whole: bool
    empty: bool
    scroll: str

    @classmethod
    def of(cls, page: bytes) -> Head:
        """Reads no further than the documents. Inside a JSON text `"` is escaped, so what opens
        them cannot stand in one.
        """
        end = page.find(HITS)
        head = orjson.loads(page if end < 0 else page[: end + len(HITS)] + b"]}}")
        total = head["hits"].get("total", 0)
        return cls(
            int(total["value"] if isinstance(total, dict) else total),
            is_whole(head),
            page[end + len(HITS) : end + len(HITS) + 1] == b"]",
            str(head.get("_scroll_id") or ""),
        )


def whole_head(page: bytes, index: str, shard: int | None) -> Head:
    """Raises SourceBusy (MMC459) where the answer is none of a search, or not of all shards."""
    try:
        head = Head.of(page)
    except (ValueError, TypeError, KeyError):
        raise garbled(f"a search of index {index}", page) from None
    if not head.whole:
        raise incomplete(index, shard)
    return head


def weight(page: bytes) -> int:
    """Bytes of the documents, without the head: that tells how long the search took, in more digits
    or less, and two plans of one index would differ by a byte.
    """
    return len(page) - max(0, page.find(HITS))


def read_range(
    connection: Connection,
    index: Index,
    shard: int,
    start: int,
    stop: int,
    *,
    docs: int,
    query: Query | None = None,
    source: Any = None,
    page_bytes: int = 0,
    doc_bytes: float = 0.0,
) -> Iterator[bytes]:
    """Yields answers that together hold every live document of the range that matches, once, by
    rising `_seq_no`, which each document tells. The next is asked for while one is decoded.

    Args:
        start, stop: sequence numbers, `stop` not included.
        docs: about how many there are: how dense they lie.
        query: the user's; the index's own filter is joined to it.
        source: `_source` of the request, where it needs one.
        page_bytes: wanted size of an answer; 0 is that of the options.
        doc_bytes: about how large a document is; 0 begins with a small page to see that.

    Raises:
        SourceChanged: the index is gone or made anew (MMC460).
        SourceBusy: a shard failed in mid-run, a page timed out (MMC459, MMC450).
    """
    ensure_same(connection, index.name, index.uuid)
    body: dict[str, Any] = {
        "sort": ["_seq_no"],
        "seq_no_primary_term": True,
        "track_total_hits": True,
    }
    if source is not None:
        body["_source"] = source
    wanted = page_bytes or connection.options.read.page_bytes
    step = _Step(start, stop, docs, wanted, index.window)
    if doc_bytes:
        step.docs = max(1, min(int(wanted / doc_bytes), index.window))
    matching = together(index.filter, query)

    def fetch() -> bytes | None:
        while (low := step.at) < stop:
            high = step.until()
            around: Query = {"range": {"_seq_no": {"gte": low, "lt": high}}}
            size = min(high - low, index.window)
            asked = {**body, "size": size, "query": together(around, matching)}
            page = _search(connection, index.name, shard, asked)
            head = whole_head(page, index.name, shard)
            if step.took(high, head.total, size, weight(page)):
                return page
        return None

    yield from ahead(fetch)
    ensure_same(connection, index.name, index.uuid)


def ahead(fetch: Callable[[], bytes | None]) -> Iterator[bytes]:
    """Calls `fetch` until None, one page ahead of whoever takes them, in a thread of its own."""
    with ThreadPoolExecutor(1, thread_name_prefix="page") as pool:
        coming = pool.submit(fetch)
        while (page := coming.result()) is not None:
            coming = pool.submit(fetch)
            yield page


def _search(connection: Connection, index: str, shard: int, body: Mapping[str, Any]) -> bytes:
    try:
        return connection.raw("POST", path_of(index, "_search"), body, search_params(shard))
    except SourceError as error:
        if error.code == "MMC452":
            raise gone(index) from None
        raise


class _Step:
    """How wide the next page is: by how dense documents lie, and how large they were so far."""

    def __init__(self, start: int, stop: int, docs: int, page_bytes: int, window: int) -> None:
        self.at = start
        self.docs = min(FIRST_DOCS, window)
        self._stop = stop
        self._density = max(docs, 1) / (stop - start)
        self._page_bytes = page_bytes
        self._window = window
        self._width = 0

    def until(self) -> int:
        """Where the next page ends. Those that are left are made alike: a short last one costs as
        much as any.
        """
        left = self._stop - self.at
        width = max(1, self._width or int(self.docs / self._density))
        return self.at + -(-left // -(-left // width))

    def took(self, high: int, total: int, size: int, length: int) -> bool:
        """Goes on behind the page; False where it is none: nothing lies there, or more than fits,
        which half the width then gets.
        """
        if total > size:
            self._width = max(1, (high - self.at) // 2)
            return False
        self.at, self._width = high, 0
        if not total:
            # Numbers of what was deleted or does not match: reach further.
            self.docs = min(self.docs * GROWTH, self._window)
            return False
        fitting = int(self._page_bytes * total / length)
        self.docs = max(1, min(fitting, self.docs * GROWTH, self._window))
        return True
