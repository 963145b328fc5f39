"""Pages of one range of sequence numbers, undecoded: what `read` is made of.

Most often a number has one document of a shard. So a page is a range too, narrow enough for one
answer: no sort over the rest of the range, no open context, no place to lose. In an index that was
shrunk, the documents of several shards have one number (`_shrink` keeps them): then a page holds
more documents than numbers, and where one number has more than an answer holds, it is scrolled.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from mmc.errors import SourceMissing
from mmc.sources.elasticsearch.client.connect import ASKING, Connection, path_of
from mmc.sources.elasticsearch.reading.heads import Head, ahead, weight, whole_head
from mmc.sources.elasticsearch.reading.indices import Index, ensure_same, gone
from mmc.sources.elasticsearch.reading.scrolls import FIRST_DOCS, GROWTH, scrolled
from mmc.sources.elasticsearch.reading.shards import Query, search_params, together


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
) -> Generator[bytes]:
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

    crowd: Generator[bytes] | None = None

    def fetch() -> bytes | None:
        # Each page goes on behind the one before, or is half as wide, or all of one number.
        nonlocal crowd
        while True:
            if crowd is not None and (page := next(crowd, None)) is not None:
                return page
            if step.at >= stop:
                return None
            high, size = step.until(), step.size()
            around: Query = {"range": {"_seq_no": {"gte": step.at, "lt": high}}}
            asked = {**body, "query": together(around, matching)}
            page, head = _search(connection, index.name, shard, {**asked, "size": size})
            if step.is_crowded(head.total):
                some = {**asked, "sort": ["_doc"], "size": max(1, min(step.docs, index.window))}
                crowd = scrolled(connection, index.name, some, search_params(shard))
                step.skip()
            elif step.took(high, head.total, size, weight(page)):
                return page

    try:
        yield from ahead(fetch)
    finally:
        if crowd is not None:
            crowd.close()
    ensure_same(connection, index.name, index.uuid)


def _search(
    connection: Connection, index: str, shard: int, body: Mapping[str, Any]
) -> tuple[bytes, Head]:
    path = path_of(index, "_search")

    def attempt() -> tuple[bytes, Head]:
        page = connection.raw("POST", path, body, search_params(shard))
        return page, whole_head(page, index, shard)

    try:
        return connection.again(ASKING, attempt)
    except SourceMissing:
        raise gone(index) from None


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
        self._size = 0

    def until(self) -> int:
        """Where the next page ends. Those that are left are made alike: a short last one costs as
        much as any.
        """
        left = self._stop - self.at
        width = max(1, self._width or int(self.docs / self._density))
        return self.at + -(-left // -(-left // width))

    def size(self) -> int:
        """Most documents of the page: as many as it has numbers, until it is known better."""
        return min(max(self.until() - self.at, self._size), self._window)

    def is_crowded(self, total: int) -> bool:
        """Whether one number has more documents than an answer may."""
        return total > self._window and self.until() - self.at == 1

    def skip(self) -> None:
        """Goes on behind a number that is read by a scroll."""
        self.at, self._width, self._size = self.at + 1, 0, 0

    def took(self, high: int, total: int, size: int, length: int) -> bool:
        """Goes on behind the page; False where it is none: nothing lies there, or more than fits.
        Then it is asked for again, with as many documents as there are, or half as wide.
        """
        if total > size:
            self._size = total if total <= self._window else 0
            if total > min(self._window, self.docs * GROWTH):
                self._width = max(1, (high - self.at) // 2)
            else:
                self._width = high - self.at
            return False
        self.at, self._width, self._size = high, 0, 0
        if not total:
            # Numbers of what was deleted or does not match: reach further.
            self.docs = min(self.docs * GROWTH, self._window)
            return False
        fitting = int(self._page_bytes * total / length)
        self.docs = max(1, min(fitting, self.docs * GROWTH, self._window))
        return True
