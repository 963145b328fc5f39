"""What the indices behind a name hold: columns by their mappings, and where the documents lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from mmc.diagnostics import Diagnostic
from mmc.errors import SourceError
from mmc.sources.elasticsearch.after import Read
from mmc.sources.elasticsearch.client.connect import Connection, path_of
from mmc.sources.elasticsearch.client.server import Server, hidden_vectors
from mmc.sources.elasticsearch.extents import PIT, SCROLL, SEQ_NO, Bounds, Place
from mmc.sources.elasticsearch.mapping.mapped import Mapped
from mmc.sources.elasticsearch.mapping.merging import read_mappings
from mmc.sources.elasticsearch.mapping.settings import on_settings
from mmc.sources.elasticsearch.mapping.vectors import KnnSettings
from mmc.sources.elasticsearch.reading.indices import Group, Index
from mmc.sources.elasticsearch.reading.shards import (
    Shard,
    extent_docs,
    is_numbered,
    measure,
    together,
    total_of,
    written_since,
)


@dataclass(frozen=True, slots=True)
class Mappings:
    """Of a group.

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
        mappings = connection.get(path_of(index.name, "_mapping"))[index.name]["mappings"]
        settings = connection.get(path_of(index.name, "_settings"), {"flat_settings": True})
        settings = settings[index.name]["settings"]
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


def held_by(connection: Connection, server: Server, index: Index, read: Read) -> Held:
    """Counts the documents that match, and parts them by shard where sequence numbers can.

    Args:
        read: what earlier plans have read already.

    Raises:
        SourceError: documents without sequence numbers, where it may be read in no other way
            (MMC464).
    """
    options = connection.options
    hidden = hidden_vectors(connection, index.name)
    if options.read.method in ("auto", SEQ_NO):
        try:
            if shards := _parted(connection, index, read):
                query = options.query or None
                since = sum(written_since(connection, index, shard, query) for shard in shards)
                place = Place(index, SEQ_NO, hidden)
                return Held(place, shards, sum(shard.docs for shard in shards), since)
        except SourceError as error:
            if options.read.method == SEQ_NO or error.code not in ("MMC453", "MMC461"):
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
