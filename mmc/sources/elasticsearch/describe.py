"""One collection of the facts: mapping, sample and extents of the indices behind a name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mmc.diagnostics import Diagnostic, Severity
from mmc.errors import SourceError
from mmc.facts import Evidence, Extent, SourceCollection, SourceField
from mmc.io.evidence import of_column
from mmc.sources.elasticsearch.column import ID, INDEX, ROUTING, Column, Kind
from mmc.sources.elasticsearch.connect import Connection, path_of
from mmc.sources.elasticsearch.dates import unreadable
from mmc.sources.elasticsearch.decode import Page
from mmc.sources.elasticsearch.indices import Group, Index
from mmc.sources.elasticsearch.mapped import Mapped, MappedField
from mmc.sources.elasticsearch.merging import own_columns, read_mappings
from mmc.sources.elasticsearch.pieces import (
    PIT,
    SCROLL,
    SEQ_NO,
    Bounds,
    Place,
    pages,
    shard_extents,
    whole_extent,
)
from mmc.sources.elasticsearch.sample import Seen, windows
from mmc.sources.elasticsearch.server import Server, hidden_vectors
from mmc.sources.elasticsearch.shards import Shard, extent_docs, measure, together
from mmc.sources.elasticsearch.vectors import KnnSettings
from mmc.spi import Sample

_SAMPLE_PAGE = 1 << 20


def describe(
    connection: Connection,
    server: Server,
    group: Group,
    sample: Sample,
    tokens: Mapping[str, int] | None,
) -> SourceCollection:
    """Looks at the indices behind one name as one collection. Raises SourceError."""
    options = connection.options
    mapped, each, known = _mapping(connection, server, group)
    found = [_found(connection, server, index) for index in group.indices]
    seen = Seen()
    for page in _sampled(connection, found, sample):
        seen.add(page, mapped.fields, known)
    if seen.docs:
        mapped = mapped.without_copies(seen.present)
    fields = _with_sample(mapped.fields, seen, frozenset(options.arrays), tokens is not None)
    per_doc = seen.size / seen.docs if seen.docs else 1024.0
    columns = [field.column for field in fields]
    extents: list[Extent] = []
    for (place, shards, docs), own in zip(found, each, strict=True):
        here = own_columns(columns, own)
        for shard in shards:
            extents += shard_extents(replace(place, shard=shard.number), shard, here, per_doc)
        if not shards and docs:
            extents.append(whole_extent(place, docs, here, per_doc))
    evidence = _evidence(seen, columns, tokens)
    rows = sum(docs for _, _, docs in found)
    return SourceCollection(
        group.name,
        tuple(
            _field(field, evidence.get(field.column.path, Evidence()), _single(connection, group))
            for field in fields
        ),
        tuple(extents),
        rows,
        sum(extent.bytes for extent in extents),
        fingerprint=tuple((index.name, index.uuid) for index in group.indices),
        notes=(*mapped.notes, *_notes(group, found)),
        problems=(*mapped.problems, *_warnings(connection)),
    )


def _mapping(
    connection: Connection, server: Server, group: Group
) -> tuple[Mapped, tuple[Mapped, ...], set[str]]:
    """The columns of all indices, those of each, and every top-level name of a mapping."""
    told = []
    modes: dict[str, str] = {}
    knn: dict[str, KnnSettings] = {}
    known: set[str] = set()
    for index in group.indices:
        mappings = connection.get(path_of(index.name, "_mapping"))[index.name]["mappings"]
        settings = connection.get(path_of(index.name, "_settings"), {"flat_settings": True})
        settings = settings[index.name]["settings"]
        modes[index.name] = str(settings.get("index.mapping.source.mode", "")).lower()
        if server.engine == "opensearch":
            knn[index.name] = KnnSettings.of(settings)
        told.append((index.name, mappings))
        known.update(name.partition(".")[0] for name in mappings.get("properties", {}))
    flatten = connection.options.flatten
    merged, each = read_mappings(
        told, flatten=flatten, engine=server.engine, source_modes=modes, knn=knn
    )
    return merged, each, known


def _found(
    connection: Connection, server: Server, index: Index
) -> tuple[Place, tuple[Shard, ...], int]:
    """Where the documents of an index are, by shard; no shards where they are one piece."""
    options = connection.options
    hidden = hidden_vectors(connection, index.name)
    body: dict[str, Any] = {"size": 0, "track_total_hits": True}
    query = together(index.filter, options.query or None)
    if query:
        body["query"] = query
    asked = {"allow_partial_search_results": False}
    told = connection.post(path_of(index.name, "_search"), body, asked)
    docs = int(told["hits"]["total"]["value"])
    if options.method in ("auto", SEQ_NO):
        try:
            shards = tuple(
                measure(connection, index, shard, options.query or None, extent_docs(1024.0))
                for shard in index.shards
            )
        except SourceError as error:
            if options.method == SEQ_NO or error.code not in ("MMC453", "MMC461"):
                raise
            shards = ()
        if sum(shard.docs for shard in shards) == docs and (shards or not docs):
            return Place(index, SEQ_NO, hidden), shards, docs
        if options.method == SEQ_NO:
            raise SourceError(
                f"index {index.name}: {docs:,} documents, but"
                f" {sum(shard.docs for shard in shards):,} by their sequence numbers",
                hint="it is being written to: try again, or set read.method: auto",
                code="MMC464",
            )
    pit = options.method == PIT or (options.method == "auto" and server.engine == "elasticsearch")
    return Place(index, PIT if pit else SCROLL, hidden), (), docs


def _sampled(
    connection: Connection, found: Sequence[tuple[Place, tuple[Shard, ...], int]], sample: Sample
) -> Iterator[bytes]:
    pieces: list[tuple[Place, int, int, int]] = []
    for place, shards, docs in found:
        for shard in shards:
            at = replace(place, shard=shard.number)
            pieces += [(at, part.start, part.stop, part.docs) for part in shard.extents]
        if not shards and docs:
            pieces.append((place, 0, docs, docs))
    if not sample.rows:
        return
    bounds = [(start, stop, docs) for _, start, stop, docs in pieces]
    left = sample.rows
    for number, start, stop, docs in windows(bounds, sample.rows, sample.seed):
        here = 0
        for page in pages(
            connection, pieces[number][0], Bounds(start, stop, docs), (), _SAMPLE_PAGE
        ):
            yield page
            here += Page.parse(page).count
            if here >= min(docs, left):
                break
        left -= here
        if left <= 0:
            return


def _with_sample(
    fields: Sequence[MappedField], seen: Seen, arrays: frozenset[str], table: bool
) -> list[MappedField]:
    """The fields as the documents show them: lists, what no mapping names, and metadata."""
    made = [MappedField(Column(ID, Kind.TEXT), "_id", "", None, "")]
    for field in fields:
        column = field.column
        if column.kind is Kind.SPARSE and not table and _numbered(column.path, seen):
            field = replace(field, note=f"{field.es_type}: the tokens are numbers of dimensions")
        elif column.kind is Kind.SPARSE and not table:
            note = f"{field.es_type}: kept as JSON; source.tokens makes it a sparse vector"
            column = Column(column.path, Kind.JSON)
            field = replace(field, column=column, vector="", index=None, note=note)
        elif unknown := unreadable(column.formats):
            note = f"date format {', '.join(unknown)} is not read: kept as text"
            column = Column(column.path, Kind.TEXT, many=column.path in seen.lists)
            field = replace(field, note=note)
        elif column.path in seen.lists or column.path in arrays:
            column = replace(column, many=True)
        made.append(replace(field, column=column))
    made += [
        MappedField(Column(name, Kind.JSON), "", "", None, "not in the mapping: kept as JSON")
        for name in seen.unmapped
    ]
    return made + [MappedField(Column(name, Kind.TEXT), name) for name in (INDEX, ROUTING)]


def _numbered(path: str, seen: Seen) -> bool:
    return path in seen.present and path not in seen.worded


def _evidence(
    seen: Seen, columns: Sequence[Column], tokens: Mapping[str, int] | None
) -> dict[str, Evidence]:
    batches = [Page.parse(page).decode(columns, tokens).batch for page in seen.pages]
    if not batches or not seen.docs:
        return {}
    table = pa.Table.from_batches(batches).combine_chunks()
    return {column.path: _of_one(column, _one(table.column(column.path))) for column in columns}


def _of_one(column: Column, values: pa.Array) -> Evidence:
    if pa.types.is_fixed_size_list(values.type):
        return Evidence(rows=len(values), nulls=values.null_count)
    found = of_column(values, None)
    if not column.json_text or column.many:
        return found
    other = pc.sum(pc.invert(pc.starts_with(values, "{"))).as_py()
    return replace(found, non_objects=int(other or 0))


def _one(column: pa.ChunkedArray) -> pa.Array:
    made = column.combine_chunks()
    return made.chunk(0) if isinstance(made, pa.ChunkedArray) else made


def _field(mapped: MappedField, evidence: Evidence, single: bool) -> SourceField:
    column = mapped.column
    key = column.path == ID
    return SourceField(
        column.path,
        column.arrow,
        vector=mapped.vector,
        key=key,
        unique=key and single,
        nullable=column.path not in (ID, INDEX),
        json_text=column.json_text,
        index=mapped.index,
        evidence=evidence,
        note=mapped.note,
        on_request=column.path in (INDEX, ROUTING),
        source_type=mapped.es_type,
    )


def _single(connection: Connection, group: Group) -> bool:
    """Whether `_id` names one document: it does in a shard, so in an index without routing."""
    if len(group.indices) != 1:
        return False
    index = group.indices[0]
    if len(index.shards) <= 1:
        return True
    body = {"size": 0, "track_total_hits": True, "query": {"exists": {"field": "_routing"}}}
    told = connection.post(path_of(index.name, "_search"), body)
    return int(told["hits"]["total"]["value"]) == 0


def _notes(group: Group, found: Sequence[tuple[Place, tuple[Shard, ...], int]]) -> Iterator[str]:
    if len(group.indices) > 1 or group.indices[0].name != group.name:
        names = [index.name for index in group.indices]
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        yield f"{group.name} is {shown}"
    for place, _, _ in found:
        if place.method != SEQ_NO:
            yield (
                f"{place.index.name} is read as one piece by {place.method}: stopped, it begins"
                " again"
            )


def _warnings(connection: Connection) -> Iterator[Diagnostic]:
    if not connection.options.tls.verify:
        yield Diagnostic(
            "MMC465",
            "source.tls.verify is false: anyone on the way can pose as the cluster",
            Severity.WARNING,
            hint="name the certificate in source.tls.fingerprint, or its authority in tls.ca",
        )
