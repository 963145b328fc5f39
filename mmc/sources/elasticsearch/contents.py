"""What the indices behind a name hold: columns by their mappings, and where the documents lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from mmc.diagnostics import Diagnostic
from mmc.errors import SourceBusy, SourceError
from mmc.sources.elasticsearch.after import Read
from mmc.sources.elasticsearch.client.answers import as_object, as_text
from mmc.sources.elasticsearch.client.connect import Connection, path_of
from mmc.sources.elasticsearch.client.server import Server, hidden_vectors
from mmc.sources.elasticsearch.errors import RequestRefused
from mmc.sources.elasticsearch.extents import PIT, SCROLL, SEQ_NO, Bounds, Place
from mmc.sources.elasticsearch.mapping.mapped import Mapped
from mmc.sources.elasticsearch.mapping.merging import read_mappings
from mmc.sources.elasticsearch.mapping.settings import on_settings
from mmc.sources.elasticsearch.mapping.shape import ensure_mapping
from mmc.sources.elasticsearch.mapping.vectors import KnnSettings
from mmc.sources.elasticsearch.reading.indices import Group, Index
from mmc.sources.elasticsearch.reading.shards import (
    WHOLE,
    Query,
    Shard,
    count_all,
    extent_docs,
    is_numbered,
    measure,
    together,
    total_of,
    written_since,
)

COUNTS = 3
"""Times that an index is counted whose documents change meanwhile."""


@dataclass(frozen=True, slots=True)
class Mappings:
    """The columns of a group.

    Attributes:
        merged: the columns of all indices.
        each: those of each index, in order of the group.
        known: names of all properties.
    """

    merged: Mapped
    each: tuple[Mapped, ...]
    known: frozenset[str]


@dataclass(frozen=True, slots=True)
class Held:
    """The documents of an index. `shards` is empty where they are one piece. `since` were written
    while they were counted, and are in no extent.
    """

    place: Place
    shards: tuple[Shard, ...]
    docs: int
    since: int = 0

    def pieces(self) -> Iterator[tuple[Place, Bounds]]:
        """Parts that `pieces.pages` reads; together they hold every document once."""
        for shard in self.shards:
            at = replace(self.place, shard=shard.number)
            for part in shard.extents:
                yield at, Bounds(part.start, part.stop, part.docs)
        if not self.shards and self.docs:
            yield self.place, Bounds(0, self.docs, self.docs)


def mappings_of(connection: Connection, server: Server, group: Group) -> Mappings:
    """Raises SourceError."""
    told = []
    modes: dict[str, str] = {}
    knn: dict[str, KnnSettings] = {}
    known: set[str] = set()
    found: list[Diagnostic] = []
    for index in group.indices:
        mappings = connection.get(
            path_of(index.name, "_mapping"), partial(_mapping_in, index=index.name)
        )
        settings = connection.get(
            path_of(index.name, "_settings"),
            partial(_settings_in, index=index.name),
            {"flat_settings": True},
        )
        modes[index.name] = str(settings.get("index.mapping.source.mode", "")).lower()
        found += on_settings(index.name, settings)
        if server.engine == "opensearch":
            knn[index.name] = KnnSettings.of(settings)
        told.append((index.name, mappings))
        known.update(mappings.get("properties", {}))
    flatten = connection.options.flatten
    merged, each = read_mappings(
        told, flatten=flatten, engine=server.engine, source_modes=modes, knn=knn
    )
    merged = replace(merged, problems=(*merged.problems, *found))
    return Mappings(merged, each, frozenset(known))


def _mapping_in(answer: dict[str, Any], index: str) -> dict[str, Any]:
    mappings = as_object(answer, index, "mappings")
    ensure_mapping(mappings)
    return mappings


def _settings_in(answer: dict[str, Any], index: str) -> dict[str, Any]:
    settings = as_object(answer, index, "settings")
    as_text(settings, "index.uuid")
    return settings


def held_by(connection: Connection, server: Server, group: Group, index: Index, read: Read) -> Held:
    """Counts the documents that match, and parts them by shard where sequence numbers can.

    Args:
        group: what the index is looked at for.
        read: what earlier plans have read already.

    Raises:
        SourceError: documents without sequence numbers, where it may be read in no other way
            (MMC464).
        SourceBusy: the shards do not have what the index has (MMC459).
    """
    options = connection.options
    hidden = hidden_vectors(connection, index.name)
    if options.read.method in ("auto", SEQ_NO):
        try:
            counted = connection.again(
                f"count {index.name}", lambda: _counted(connection, group, index, read)
            )
            if counted.shards:
                place = Place(index, SEQ_NO, hidden)
                return Held(place, counted.shards, counted.docs, counted.since)
        except RequestRefused:
            if options.read.method == SEQ_NO:
                raise
    if options.read.method == SEQ_NO or options.earlier_plans:
        raise SourceError(
            f"index {index.name}: not all documents have sequence numbers",
            hint="leave out source.after and read.method: it is then read as one piece",
            code="MMC464",
        )
    docs = total_of(connection, index, together(index.filter, options.query or None))
    pit = options.read.method == PIT or (
        options.read.method == "auto" and server.engine == "elasticsearch"
    )
    return Held(Place(index, PIT if pit else SCROLL, hidden), (), docs)


@dataclass(frozen=True, slots=True)
class _Counted:
    """`whole` is the number of documents of the index, by one search of all of it."""

    shards: tuple[Shard, ...] = ()
    since: int = 0
    whole: int = 0

    @property
    def docs(self) -> int:
        return sum(shard.docs for shard in self.shards)


def _counted(connection: Connection, group: Group, index: Index, read: Read) -> _Counted:
    """Shard by shard, until the sum is that of the whole: at the first time, but for an index that
    is written to.

    Raises:
        SourceBusy: it is not, and nothing is written (MMC459).
    """
    query = connection.options.query or None
    before = None
    for _ in range(COUNTS):
        shards = _parted(connection, index, read)
        if not shards:
            return _Counted()
        since = sum(
            written_since(connection, index, shard.number, shard.max_seq_no + 1, query)
            for shard in shards
        )
        now = _Counted(shards, since, _whole(connection, group, index, query))
        if now.docs + since == now.whole or any(uuid == index.uuid for uuid, _ in read):
            return now
        if before == now:
            raise SourceBusy(
                f"index {index.name}: its shards have {now.docs + since:,} documents, one search of"
                f" all has {now.whole:,}",
                hint="look at _cluster/health; after a bulk load, POST _refresh",
                code="MMC459",
            )
        before = now
    return replace(now, since=max(now.since, now.whole - now.docs))


def _whole(connection: Connection, group: Group, index: Index, query: Query | None) -> int:
    """Documents of the index by one search that names no shard: none is left out of it."""
    if not index.routed:
        return total_of(connection, index, together(index.filter, query))
    own: Query = {"term": {"_index": index.name}}
    shards = sum(len(one.shards) for one in group.indices)
    return count_all(connection, group.name, together(own, query), shards, WHOLE)


def _parted(connection: Connection, index: Index, read: Read) -> tuple[Shard, ...]:
    """The shards of an index, cut; () where a document has no sequence number."""
    query = connection.options.query or None
    if not all(is_numbered(connection, index, shard, query) for shard in index.shards):
        return ()
    docs = extent_docs(1024.0)
    return tuple(
        measure(connection, index, shard, query, docs, read.get((index.uuid, shard), 0))
        for shard in index.shards
    )
