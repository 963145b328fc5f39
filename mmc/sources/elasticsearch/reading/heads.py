"""What stands in an answer of a search before its documents, which are not decoded here; and pages
that are asked for ahead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import orjson

from mmc.sources.elasticsearch.client.answers import as_count, as_list, as_object, as_text
from mmc.sources.elasticsearch.errors import garbled
from mmc.sources.elasticsearch.reading.shards import incomplete, shards_of

HITS = b'"hits":['


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What stands in an answer before its documents.

    `total` counts what the request matches, also beyond `size`. `scroll` and `pit`, which name an
    open search anew with every answer, are "" where there is none.
    """

    total: int
    whole: bool
    empty: bool
    scroll: str
    pit: str

    @classmethod
    def of(cls, page: bytes) -> Head:
        """Reads no further than the documents. Inside a JSON text `"` is escaped, so what opens
        them cannot stand in one. Raises ValueError.
        """
        end = page.find(HITS)
        head = as_object(orjson.loads(page if end < 0 else page[: end + len(HITS)] + b"]}}"))
        hits = as_object(head, "hits")
        # Whoever stands between may have written it anew, with blanks.
        first = page[end + len(HITS) : end + len(HITS) + 1] if end >= 0 else b""
        empty = first == b"]" if first else not as_list(hits, "hits")
        return cls(
            total=as_count(hits, "total", "value") if "total" in hits else 0,
            whole=shards_of(head) is not None,
            empty=empty,
            scroll=as_text(head, "_scroll_id") if "_scroll_id" in head else "",
            pit=as_text(head, "pit_id") if "pit_id" in head else "",
        )


def whole_head(page: bytes, index: str, shard: int | None) -> Head:
    """Raises SourceBusy (MMC459) where the answer is none of a search, or not of all shards."""
    try:
        head = Head.of(page)
    except ValueError:
        raise garbled(f"a search of index {index}", page) from None
    if not head.whole:
        raise incomplete(index, shard)
    return head


def weight(page: bytes) -> int:
    """Bytes of the documents, without the head: that tells how long the search took, in more digits
    or less, and two plans of one index would differ by a byte.
    """
    return len(page) - max(0, page.find(HITS))


def ahead(fetch: Callable[[], bytes | None]) -> Iterator[bytes]:
    """Calls `fetch` until None, one page ahead of whoever takes them, in a thread of its own."""
    with ThreadPoolExecutor(1, thread_name_prefix="page") as pool:
        coming = pool.submit(fetch)
        while (page := coming.result()) is not None:
            coming = pool.submit(fetch)
            yield page
