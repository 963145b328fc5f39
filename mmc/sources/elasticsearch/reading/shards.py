"""How documents lie over the sequence numbers of a shard: at plan time, to cut it into extents.

A live document has one `_seq_no` in its shard; overwriting it gives it a larger one. So ranges of
numbers part the live documents, and their counts stay true until one is changed. The number is its
own, but in an index that was shrunk: there documents of several shards keep theirs. Nested
documents carry the number too, but no search or aggregation counts them (measured on 8.19).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

from mmc.errors import SourceBusy
from mmc.sources.elasticsearch.client.answers import (
    Read,
    as_count,
    as_flag,
    as_object,
    as_whole,
)
from mmc.sources.elasticsearch.client.connect import Connection, path_of
from mmc.sources.elasticsearch.reading.indices import Index, ensure_same
from mmc.types import JsonValue

EXTENT_DOCS = 20_000
EXTENT_BYTES = 16 << 20
FINENESS = 4
"""Cells a wanted extent: extents then differ by a quarter where documents lie evenly."""

MOST_CELLS = 5_000
"""Most cells of one request; the server's `search.max_buckets` is 65,536, and was 10,000."""

Query = Mapping[str, JsonValue]
T = TypeVar("T")

WHOLE: dict[str, Any] = {"allow_partial_search_results": False}
"""Parameters of a search that answers in full or fails."""

_TOTAL = ("hits", "total", "value")


@dataclass(frozen=True, slots=True)
class Extent:
    """Sequence numbers `start` <= n < `stop`, and the live documents that match in it."""

    start: int
    stop: int
    docs: int


@dataclass(frozen=True, slots=True)
class Shard:
    """`extents` lie end to end to `max_seq_no` + 1; none where no document matches.

    Attributes:
        max_seq_no: of the live documents, whether they match or not; -1 in an empty shard.
            Documents above it are what changed since.
    """

    number: int
    max_seq_no: int
    extents: tuple[Extent, ...]

    @property
    def docs(self) -> int:
        return sum(extent.docs for extent in self.extents)


def extent_docs(bytes_per_doc: float) -> int:
    """Documents of this size that make one extent."""
    return max(1, min(EXTENT_DOCS, int(EXTENT_BYTES / max(bytes_per_doc, 1.0))))


def measure(
    connection: Connection,
    index: Index,
    shard: int,
    query: Query | None = None,
    docs: int = EXTENT_DOCS,
    first: int = 0,
) -> Shard:
    """Cuts a shard into extents of at most `docs` documents that match, as large as that lets them,
    or of one number.

    `query` is the user's; the index's own filter is joined to it. Counts are exact. Sequence
    numbers below `first` are left out.

    Raises:
        SourceChanged: it is another index by now (MMC460).
        SourceBusy: a shard did not answer (MMC459).
    """
    top = max_seq_no(connection, index, shard)
    matching = together(index.filter, query)
    wanted = together(matching, _from(first)) if first > 0 else matching
    cells = _even(max(first, 0), top + 1, _total(connection, index, shard, wanted), docs)
    done: list[Extent] = []
    while cells:
        # Each round cuts what is too heavy in two at least, so it ends: one number, which in an
        # index that was shrunk many documents may have, is not cut.
        counted = _count(connection, index, shard, matching, cells)
        heavy = [cell for cell in counted if cell.docs > docs and cell.stop - cell.start > 1]
        done += [cell for cell in counted if cell.docs <= docs or cell.stop - cell.start == 1]
        cells = [cut for cell in heavy for cut in _even(cell.start, cell.stop, cell.docs, docs)]
    ensure_same(connection, index.name, index.uuid)
    return Shard(shard, top, tuple(_joined(sorted(done, key=lambda cell: cell.start), docs)))


def max_seq_no(connection: Connection, index: Index, shard: int) -> int:
    """The largest number of a live document in the shard, or -1."""
    body = {"size": 0, "aggs": {"top": {"max": {"field": "_seq_no"}}}}

    def read(answer: Any) -> int:
        top = as_whole(answer, "aggregations", "top", "value")
        return -1 if top is None else top

    return _ask(connection, index, shard, body, read)


def _from(first: int) -> Query:
    return {"range": {"_seq_no": {"gte": first}}}


def is_numbered(connection: Connection, index: Index, shard: int, query: Query | None) -> bool:
    """Whether every document of the shard that matches has a sequence number. One search tells, so
    that it does not matter what is written meanwhile.
    """
    body: dict[str, Any] = {"size": 0, "track_total_hits": True}
    body["aggs"] = {"numbered": {"filter": _from(0)}}
    if matching := together(index.filter, query):
        body["query"] = matching

    def read(answer: Any) -> bool:
        numbered = as_count(answer, "aggregations", "numbered", "doc_count")
        return as_count(answer, *_TOTAL) == numbered

    return _ask(connection, index, shard, body, read)


def written_since(
    connection: Connection, index: Index, shard: int, first: int, query: Query | None
) -> int:
    """Documents of a shard that match, from this sequence number on: what has come or changed since
    it was measured.
    """
    matching = together(index.filter, query)
    return _total(
        connection, index, shard, together(matching, _from(first)) if first > 0 else matching
    )


def together(*queries: Query | None) -> Query | None:
    """All of them as one filter, which is not scored; None where there is none."""
    given: list[JsonValue] = [dict(query) for query in queries if query]
    return {"bool": {"filter": given}} if given else None


def _total(connection: Connection, index: Index, shard: int, query: Query | None) -> int:
    body: dict[str, Any] = {"size": 0, "track_total_hits": True}
    if query:
        body["query"] = query
    return _ask(connection, index, shard, body, lambda answer: as_count(answer, *_TOTAL))


def _count(
    connection: Connection,
    index: Index,
    shard: int,
    query: Query | None,
    cells: Sequence[tuple[int, int]],
) -> list[Extent]:
    counted: list[Extent] = []
    for first in range(0, len(cells), MOST_CELLS):
        some = cells[first : first + MOST_CELLS]
        ranges = [{"key": str(n), "from": low, "to": high} for n, (low, high) in enumerate(some)]
        around: Query = {"range": {"_seq_no": {"gte": some[0][0], "lt": some[-1][1]}}}
        body = {
            "size": 0,
            "query": together(around, query),
            "aggs": {"cells": {"range": {"field": "_seq_no", "keyed": True, "ranges": ranges}}},
        }

        def read(answer: Any, some: Sequence[tuple[int, int]] = some) -> list[Extent]:
            buckets = as_object(answer, "aggregations", "cells", "buckets")
            return [
                Extent(low, high, as_count(buckets, str(n), "doc_count"))
                for n, (low, high) in enumerate(some)
            ]

        counted += _ask(connection, index, shard, body, read)
    return counted


def _ask(
    connection: Connection, index: Index, shard: int, body: Mapping[str, Any], read: Read[T]
) -> T:
    def checked(answer: dict[str, Any]) -> T:
        if shards_of(answer) is None:
            raise incomplete(index.name, shard)
        return read(answer)

    return connection.post(path_of(index.name, "_search"), checked, body, search_params(shard))


def total_of(connection: Connection, index: Index, query: Query | None) -> int:
    """Documents of all its shards that match; the index's own filter is not joined to it.

    Raises:
        SourceBusy: a shard did not answer (MMC459).
    """
    return count_all(connection, index.name, query, len(index.shards), whole_params(index))


def count_all(
    connection: Connection,
    name: str,
    query: Query | None,
    shards: int,
    params: Mapping[str, Any],
) -> int:
    """Documents behind a name, counted by one search of all its shards, of which there are as many
    as that.

    Raises:
        SourceBusy: a shard did not answer, or was not asked (MMC459).
    """
    body: dict[str, Any] = {"size": 0, "track_total_hits": True}
    if query:
        body["query"] = query

    def read(answer: dict[str, Any]) -> int:
        if shards_of(answer) != shards:
            raise incomplete(name, None)
        return as_count(answer, *_TOTAL)

    return connection.post(path_of(name, "_search"), read, body, params)


def shards_of(answer: Mapping[str, Any]) -> int | None:
    """How many shards a search asked; None where one did not take part to its end.

    Raises:
        Misshapen: it is no answer of a search.
    """
    total, successful, failed = (
        as_count(answer, "_shards", name) for name in ("total", "successful", "failed")
    )
    if as_flag(answer, "timed_out") or failed or successful != total or not total:
        return None
    return total


def whole_params(index: Index) -> dict[str, Any]:
    """Parameters of a search in all shards of an index that are meant."""
    if not index.routed:
        return WHOLE
    return {**WHOLE, "preference": "_shards:" + ",".join(map(str, index.shards))}


def search_params(shard: int) -> dict[str, Any]:
    """Parameters of a search in one shard that answers in full or fails."""
    return {**WHOLE, "preference": f"_shards:{shard}"}


def incomplete(index: str, shard: int | None) -> SourceBusy:
    place = f"index {index}" if shard is None else f"index {index}, shard {shard}"
    return SourceBusy(
        f"{place}: the answer is not complete: a shard failed or timed out",
        hint="look at _cluster/health; the split is read again",
        code="MMC459",
    )


def _even(start: int, stop: int, held: int, docs: int) -> list[tuple[int, int]]:
    """Cells of about equal width, so many that one seldom holds more than is wanted."""
    count = min(stop - start, -(-held * FINENESS // docs)) if held else 0
    width = stop - start
    cuts = [start + width * n // count for n in range(count + 1)] if count else []
    return list(pairwise(cuts))


def _joined(cells: Sequence[Extent], docs: int) -> Iterator[Extent]:
    """Neighbours as one, as far as the wanted size lets them."""
    if not cells:
        return
    held = cells[0]
    for cell in cells[1:]:
        if held.docs + cell.docs <= docs:
            held = Extent(held.start, cell.stop, held.docs + cell.docs)
        else:
            yield held
            held = cell
    yield held
