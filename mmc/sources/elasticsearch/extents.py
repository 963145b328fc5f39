"""Extents of an index, and how `read` finds them again: index, shard and range in the locator."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from mmc.facts import Extent
from mmc.sources.elasticsearch.client.connect import Connection
from mmc.sources.elasticsearch.mapping.column import METADATA, Column, columns_text, read_columns
from mmc.sources.elasticsearch.reading.indices import Index
from mmc.sources.elasticsearch.reading.pages import read_range
from mmc.sources.elasticsearch.reading.scrolls import read_pit_slice, read_scroll_slice
from mmc.sources.elasticsearch.reading.shards import Shard
from mmc.types import JsonValue

SEQ_NO, PIT, SCROLL = "seq_no", "pit", "scroll"
HIDDEN: JsonValue = {"exclude_vectors": False}
"""`_source` of a request to an index that leaves vectors out."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of a piece: [start, stop) sequence numbers, document count, bytes per document (0: not
    known).
    """

    start: int
    stop: int
    docs: int
    doc_bytes: float = 0.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where documents are asked for.

    Attributes:
        hidden: vectors must be asked for by name of the option.
        shard: -1 where the whole index is one piece.
    """

    index: Index
    method: str
    hidden: bool
    shard: int = -1

    @property
    def name(self) -> str:
        return self.index.name if self.shard < 0 else f"{self.index.name}, shard {self.shard}"

    def locator(self, columns: Sequence[Column]) -> tuple[tuple[str, JsonValue], ...]:
        pairs: dict[str, JsonValue] = {
            "columns": columns_text(columns),
            "index": self.index.name,
            "method": self.method,
            "uuid": self.index.uuid,
            "window": self.index.window,
        }
        if self.shard >= 0:
            pairs["shard"] = self.shard
        elif self.index.routed:
            pairs["shards"] = ",".join(map(str, self.index.shards))
        if self.hidden:
            pairs["hidden"] = True
        if self.index.filter:
            pairs["filter"] = orjson.dumps(self.index.filter).decode()
        return tuple(sorted(pairs.items()))

    @classmethod
    def of(cls, locator: Mapping[str, Any]) -> Place:
        shard = int(locator.get("shard", -1))
        said = locator.get("filter")
        some = str(locator.get("shards", ""))
        index = Index(
            str(locator["index"]),
            uuid=str(locator["uuid"]),
            shards=(shard,) if shard >= 0 else tuple(map(int, some.split(","))) if some else (),
            filter=orjson.loads(said) if said else None,
            window=int(locator["window"]),
            routed=bool(some),
        )
        return cls(index, str(locator["method"]), bool(locator.get("hidden")), shard)


def shard_extents(
    place: Place, shard: Shard, columns: Sequence[Column], bytes_per_doc: float
) -> Iterator[Extent]:
    """The pieces of one shard, by rising sequence number."""
    locator = place.locator(columns)
    for part in shard.extents:
        size = int(part.docs * bytes_per_doc)
        yield Extent(
            locator=locator,
            start=part.start,
            stop=part.stop,
            unit="seq_no",
            rows=part.docs,
            bytes=size,
        )


def whole_extent(
    place: Place, docs: int, columns: Sequence[Column], bytes_per_doc: float
) -> Extent:
    """An index that cannot be parted by sequence numbers: one piece, counted as a whole."""
    size = int(docs * bytes_per_doc)
    return Extent(
        locator=place.locator(columns), start=0, stop=docs, unit="document", rows=docs, bytes=size
    )


def columns_of(locator: Mapping[str, Any]) -> list[Column]:
    return read_columns(str(locator["columns"]))


def pages(
    connection: Connection,
    place: Place,
    bounds: Bounds,
    names: Sequence[str],
    page_bytes: int = 0,
    *,
    only: Sequence[str] = (),
) -> Generator[bytes]:
    """Answers with the documents of a piece; of `_source`, where `only` names paths, just those."""
    query = connection.options.query or None
    source: Any = HIDDEN if place.hidden else None
    if only:
        source = {**(source or {}), "includes": list(only)}
    if names and all(name in METADATA for name in names):
        source = False
    if place.method == SEQ_NO:
        return read_range(
            connection,
            place.index,
            place.shard,
            bounds.start,
            bounds.stop,
            docs=bounds.docs,
            query=query,
            source=source,
            page_bytes=page_bytes,
            doc_bytes=bounds.doc_bytes,
        )
    read = read_pit_slice if place.method == PIT else read_scroll_slice
    return read(
        connection,
        place.index,
        0,
        1,
        query=query,
        source=source,
        page_bytes=page_bytes,
        doc_bytes=bounds.doc_bytes,
    )
