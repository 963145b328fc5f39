"""The tokens of all documents, for `mmc tokens`. No request to Elasticsearch 8 lists them, so every
document is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from mmc.errors import SourceError, SpecInvalid
from mmc.events import Emit
from mmc.facts import TokensNumbered
from mmc.run import pace
from mmc.sources.elasticsearch.client.answers import Misshapen
from mmc.sources.elasticsearch.client.connect import Connection
from mmc.sources.elasticsearch.client.server import Server
from mmc.sources.elasticsearch.contents import Held, held_by, mappings_of
from mmc.sources.elasticsearch.decoding.tokens import TokenTable, is_text, write_tokens
from mmc.sources.elasticsearch.errors import garbled
from mmc.sources.elasticsearch.extents import SEQ_NO, Bounds, Place, pages
from mmc.sources.elasticsearch.mapping.column import Kind
from mmc.sources.elasticsearch.read import parsed
from mmc.sources.elasticsearch.reading.indices import Group

_DOC_BYTES = 1024.0
"""Bytes of a document without its other fields, before one was read."""


def number_tokens(
    connection: Connection,
    server: Server,
    groups: Sequence[Group],
    known: TokenTable,
    emit: Emit,
) -> TokensNumbered:
    """Reads the tokens of every document, and writes `known` with those that are new.

    Raises:
        SourceError: no field has tokens (MMC466), documents change while they are read (MMC464).
        SpecInvalid: `_source` does not have the values.
        TargetError: the table cannot be written.
    """
    wanted = [(group, _paths(connection, server, group)) for group in groups]
    if not any(paths for _, paths in wanted):
        names = ", ".join(group.name for group in groups)
        raise SourceError(
            f"no field of {names} is a sparse_vector or rank_features",
            hint="one inside of a nested object stays JSON, and needs no table",
            code="MMC466",
        )
    documents, tokens = 0, set[str]()
    for group, paths in wanted:
        for index in group.indices if paths else ():
            docs, found = _scanned(
                connection, held_by(connection, server, group, index, {}), paths, emit
            )
            documents += docs
            tokens |= found
    # A document with any other is a bad row.
    tokens = set(filter(is_text, tokens))
    table = known.extended(tokens)
    new = len(table.numbers) - len(known.numbers)
    written = new > 0 or not known.digest
    if written:
        write_tokens(table)
    fields = tuple((group.name, path) for group, paths in wanted for path in paths)
    return TokensNumbered(
        fields=fields,
        documents=documents,
        found=len(tokens),
        new=new,
        total=len(table.numbers),
        written=written,
    )


def _paths(connection: Connection, server: Server, group: Group) -> list[str]:
    """Paths of the fields that have tokens."""
    mapped = mappings_of(connection, server, group).merged
    if errors := [problem for problem in mapped.problems if problem.is_error]:
        raise SpecInvalid(errors)
    return [one.column.path for one in mapped.fields if one.column.kind is Kind.SPARSE]


def _scanned(
    connection: Connection, held: Held, paths: Sequence[str], emit: Emit
) -> tuple[int, set[str]]:
    """Documents and tokens of an index."""
    documents, tokens = 0, set[str]()
    doc_bytes = _DOC_BYTES
    for place, bounds in held.pieces():
        sized = Bounds(bounds.start, bounds.stop, bounds.docs, doc_bytes)
        read = partial(_piece, connection, place, sized, paths)
        docs, size, found = pace.call(f"reading {place.name}", read, emit=emit)
        if place.method == SEQ_NO and docs != bounds.docs:
            raise SourceError(
                f"{place.name}: {bounds.docs:,} documents when counted, {docs:,} when read",
                hint="it is being written to: try again, or set read.method: pit, which reads"
                " what one moment held",
                code="MMC464",
            )
        doc_bytes = size / docs if docs else doc_bytes
        documents += docs
        tokens |= found
    return documents, tokens


def _piece(
    connection: Connection, place: Place, bounds: Bounds, paths: Sequence[str]
) -> tuple[int, int, set[str]]:
    """Documents, bytes and tokens of one piece."""
    docs, size = 0, 0
    tokens: set[str] = set()
    for body in pages(connection, place, bounds, paths, only=paths):
        page = parsed(body, place.name)
        try:
            tokens |= page.tokens(paths)
        except Misshapen:
            raise garbled(f"a search of index {place.name}", body) from None
        docs += page.count
        size += len(body)
    return docs, size, tokens
