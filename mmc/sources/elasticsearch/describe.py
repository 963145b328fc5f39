"""One collection of the facts: mapping, sample and extents of the indices behind a name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial

import pyarrow.compute as pc

from mmc.arrow.evidence import Observed
from mmc.diagnostics import Diagnostic, Severity
from mmc.documents.unmapped import UNMAPPED_FIELD
from mmc.facts import Evidence, Extent, SourceCollection, SourceField
from mmc.sources.elasticsearch.after import Read
from mmc.sources.elasticsearch.client.connect import Connection
from mmc.sources.elasticsearch.client.server import Server
from mmc.sources.elasticsearch.contents import Held, Mappings, held_by
from mmc.sources.elasticsearch.decoding.dates import unreadable
from mmc.sources.elasticsearch.decoding.page import Page
from mmc.sources.elasticsearch.decoding.tokens import MAKES_A_TABLE, TokenTable
from mmc.sources.elasticsearch.extents import (
    SEQ_NO,
    Bounds,
    Place,
    pages,
    shard_extents,
    whole_extent,
)
from mmc.sources.elasticsearch.mapping.column import ID, INDEX, ROUTING, Column, Kind
from mmc.sources.elasticsearch.mapping.kinds import SPARSE
from mmc.sources.elasticsearch.mapping.mapped import MappedField
from mmc.sources.elasticsearch.mapping.merging import own_columns
from mmc.sources.elasticsearch.mapping.stored import listed
from mmc.sources.elasticsearch.read import ensured, parsed
from mmc.sources.elasticsearch.reading.heads import weight
from mmc.sources.elasticsearch.reading.indices import Group
from mmc.sources.elasticsearch.reading.shards import total_of
from mmc.sources.elasticsearch.sample import Seen, windows
from mmc.spi import Sample
from mmc.text import many
from mmc.types import UNMAPPED

_SAMPLE_PAGE = 1 << 20
_SAMPLE_BYTES = 32 << 20
"""Most bytes of all answers of the sample, which are kept: documents with vectors of 3072
dimensions, or with books in them, are fewer then.
"""
_FIRST_GUESS = 64 << 10
"""Bytes of a document before one was seen: what begins with a page of 16 grows fast enough, and is
no gigabyte where each has 2 MB.
"""


def describe(
    connection: Connection,
    server: Server,
    group: Group,
    mappings: Mappings,
    sample: Sample,
    tokens: TokenTable | None,
    read: Read,
) -> SourceCollection:
    """Looks at the indices behind one name as one collection. Raises SourceError."""
    options = connection.options
    mapped = mappings.merged
    found = [held_by(connection, server, group, index, read) for index in group.indices]
    seen = Seen()
    for page in _sampled(connection, found, sample):
        seen.add(page, mapped.fields, mappings.known)
    if seen.docs:
        mapped = mapped.without_copies(seen.present)
    fields = _with_sample(mapped.fields, seen, frozenset(options.arrays), tokens)
    single = _single(connection, group)
    per_doc = seen.size / seen.docs if seen.docs else 1024.0
    columns = [field.column for field in fields]
    extents: list[Extent] = []
    for held, own in zip(found, mappings.each, strict=True):
        here = own_columns(columns, own)
        for shard in held.shards:
            extents += shard_extents(replace(held.place, shard=shard.number), shard, here, per_doc)
        if not held.shards and held.docs:
            extents.append(whole_extent(held.place, held.docs, here, per_doc))
    evidence = _evidence(seen, columns, tokens)
    rows = sum(held.docs for held in found)
    marks = {index.name: index.uuid for index in group.indices}
    if tokens is not None and any(column.tokens for column in columns):
        marks[tokens.path] = tokens.digest
    return SourceCollection(
        group.name,
        (
            *(_field(one, evidence.get(one.column.path, Evidence()), single) for one in fields),
            *([] if UNMAPPED in evidence else [UNMAPPED_FIELD]),
        ),
        extents=tuple(extents),
        rows=rows,
        bytes=sum(extent.bytes for extent in extents),
        fingerprint=tuple(sorted(marks.items())),
        moving=all(held.place.method == SEQ_NO for held in found),
        notes=(*mapped.notes, *_notes(group, found, read), *_without_table(fields)),
        problems=(*mapped.problems, *group.left_out, *_since(found), *_warnings(connection)),
    )


def _sampled(connection: Connection, found: Sequence[Held], sample: Sample) -> Iterator[bytes]:
    if not sample.rows:
        return
    pieces = [piece for held in found for piece in held.pieces()]
    parts = [(part.start, part.stop, part.docs) for _, part in pieces]
    left, size, seen = sample.rows, 0, 0
    looked = windows(parts, sample.rows, sample.seed)
    for number, start, stop, docs in looked:
        place, here, most = pieces[number][0], 0, size + _SAMPLE_BYTES // len(looked)
        doc_bytes = size / seen if seen else _FIRST_GUESS
        bounds = Bounds(start, stop, docs, doc_bytes)
        look = partial(_window, connection, place, bounds, min(docs, left), most - size)
        for page in connection.again(f"sample {place.name}", look):
            here += parsed(page, place.name).count
            size += weight(page)
            yield page
        left -= here
        seen += here
        if left <= 0:
            return


def _window(
    connection: Connection, place: Place, bounds: Bounds, docs: int, most: int
) -> list[bytes]:
    """Pages of a part that is looked at, until there are enough documents, or bytes."""
    found: list[bytes] = []
    here = size = 0
    reading = pages(connection, place, bounds, (), _SAMPLE_PAGE)
    with closing(reading):
        for page in reading:
            here += ensured(page, place.name)
            size += weight(page)
            found.append(page)
            if here >= docs or size >= most:
                break
    return found


def _with_sample(
    fields: Sequence[MappedField], seen: Seen, arrays: frozenset[str], tokens: TokenTable | None
) -> list[MappedField]:
    """The fields as the documents show them: lists, what no mapping names, and metadata."""
    made = [
        MappedField(column=Column(ID, Kind.TEXT), es_type="_id", vector="", index=None, note="")
    ]
    for field in fields:
        column = field.column
        if column.kind is Kind.SPARSE and tokens is None and _numbered(column.path, seen):
            field = replace(field, note=f"{field.es_type}: the tokens are numbers of dimensions")
        elif column.kind is Kind.SPARSE and tokens is None:
            note = f"{field.es_type}: kept as JSON; {MAKES_A_TABLE}"
            column = Column(column.path, Kind.JSON)
            field = replace(field, column=column, vector="", index=None, note=note)
        elif column.kind is Kind.SPARSE and tokens is not None:
            column = replace(column, tokens=tokens.digest)
            note = f"{field.es_type}: a token becomes the dimension that {tokens.path} gives it"
            field = replace(field, note=note)
        elif unknown := unreadable(column.formats):
            note = f"date format {', '.join(unknown)} is not read: kept as text"
            column = Column(column.path, Kind.TEXT, many=column.path in seen.lists)
            field = replace(field, note=note)
        elif column.path in seen.lists or column.path in arrays:
            column = replace(column, many=True)
        made.append(replace(field, column=column))
    made += [
        MappedField(
            column=Column(name, Kind.JSON),
            es_type="",
            vector="",
            index=None,
            note="not in the mapping: kept as JSON",
        )
        for name in seen.unmapped
    ]
    return made + [
        MappedField(column=Column(name, Kind.TEXT), es_type=name) for name in (INDEX, ROUTING)
    ]


def _numbered(path: str, seen: Seen) -> bool:
    return path in seen.present and path not in seen.worded


def _evidence(
    seen: Seen, columns: Sequence[Column], tokens: TokenTable | None
) -> dict[str, Evidence]:
    if not seen.docs:
        return {}
    observed = {column.path: Observed() for column in columns}
    others = dict.fromkeys(observed, 0)
    for page in seen.pages:
        batch = Page.parse(page).decode(columns, tokens).batch
        for column in columns:
            values = batch.column(column.path)
            observed[column.path].add(values)
            if column.json_text and not column.many:
                others[column.path] += pc.invert(pc.starts_with(values, "{")).true_count
    return {path: replace(one.evidence, non_objects=others[path]) for path, one in observed.items()}


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
    """Whether `_id` names one document: it does in an index without routing. With it, it need not
    in one shard either, which may have been several before it was shrunk.
    """
    if len(group.indices) != 1:
        return False
    index = group.indices[0]
    return total_of(connection, index, {"exists": {"field": "_routing"}}) == 0


def _notes(group: Group, found: Sequence[Held], read: Read) -> Iterator[str]:
    known = {uuid for uuid, _ in read}
    for held in found:
        if read:
            index = held.place.index
            yield (
                f"source.after: of {index.name} only what was written since those plans is read"
                if index.uuid in known
                else f"source.after: {index.name} is read whole: none of those plans has it"
            )
    if len(group.indices) > 1 or group.indices[0].name != group.name:
        names = [index.name for index in group.indices]
        shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        yield f"{group.name} is {shown}"
    for held in found:
        if held.place.method != SEQ_NO:
            yield (
                f"{held.place.index.name} is read as one piece by {held.place.method}: stopped,"
                " it begins again"
            )


def _without_table(fields: Sequence[MappedField]) -> Iterator[str]:
    """Only where the collection has no other vector: then there is no plan that shows the field."""
    words = [
        field.column.path
        for field in fields
        if field.column.kind is Kind.JSON and field.es_type.partition(", ")[0] in SPARSE
    ]
    if words and not any(field.vector for field in fields):
        yield f"{listed(words)}: tokens that are words; {MAKES_A_TABLE}"


def _since(found: Sequence[Held]) -> Iterator[Diagnostic]:
    for held in found:
        if held.since:
            yield Diagnostic(
                "MMC464",
                f"{held.place.index.name}: written while it was looked at, and not in the plan:"
                f" {many(held.since, 'document')}",
                severity=Severity.WARNING,
                hint="plan again, or bring them by a plan with source.after",
            )


def _warnings(connection: Connection) -> Iterator[Diagnostic]:
    if not connection.options.tls.verify:
        yield Diagnostic(
            "MMC465",
            "source.tls.verify is false: anyone on the way can pose as the cluster",
            severity=Severity.WARNING,
            hint="name the certificate in source.tls.fingerprint, or its authority in tls.ca",
        )
