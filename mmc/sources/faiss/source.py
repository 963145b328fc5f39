"""The `faiss` source: an index file, with a side file for payload, as one collection."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mmc.errors import SourceError
from mmc.facts import SourceCollection, SourceFacts
from mmc.plan.model import Split
from mmc.sources.faiss.batches import read_piece
from mmc.sources.faiss.describe import describe_fields, describe_rows, sampled
from mmc.sources.faiss.extents import list_extents
from mmc.sources.faiss.files import open_files
from mmc.sources.faiss.location import locate
from mmc.sources.faiss.options import FaissOptions
from mmc.sources.faiss.table import Table
from mmc.spi import Sample
from mmc.types import FieldType, JsonValue, TypeKind, TypeSyntaxError, nearest

if TYPE_CHECKING:
    import pyarrow as pa


class FaissSource:
    """Reads Faiss index files. Exact kinds without Faiss; lossy ones by decoding, when allowed."""

    type = "faiss"

    def locate(self, location: str) -> tuple[dict[str, JsonValue], bool]:
        """See `mmc.spi.Locates.locate`."""
        return locate(location)

    def inspect(
        self, options: FaissOptions, collections: Sequence[str], sample: Sample
    ) -> SourceFacts:
        """See `mmc.spi.Source.inspect`."""
        name = _collection_name(options.path)
        for wanted in collections:
            if wanted != name:
                hint = f"did you mean {name}?" if nearest(wanted, [name]) else f"it is named {name}"
                raise SourceError(
                    f"{options.path}: there is no collection {wanted!r}", hint=hint, code="MMC410"
                )
        opened = open_files(options)
        table = opened.table
        if table.lossy and not options.allow_lossy:
            raise SourceError(
                f"{options.path}: {table.lossy} does not hold the vectors, only approximations",
                hint="allow_lossy: true migrates what Faiss decodes from it",
                code="MMC403",
            )
        vector_type = _vector_type(table)
        extents = list_extents(table, opened.locator)
        if table.lossy and extents:
            # Decodes one row now: what Faiss refuses, or its absence, is known before the plan.
            next(read_piece(opened, extents[0], ["vector"], 1))
        found = sampled(opened, extents, sample)
        fields, notes = describe_fields(opened, vector_type, found)
        collection = SourceCollection(
            name,
            fields,
            extents=extents,
            rows=table.rows,
            bytes=sum(extent.bytes for extent in extents),
            fingerprint=opened.fingerprint,
            notes=(*describe_rows(table), *notes),
            lossy=table.lossy,
            lost=table.lost,
        )
        return SourceFacts(
            type="faiss",
            version="",
            collections=(collection,),
            sample_rows=sample.rows,
            sample_seed=sample.seed,
        )

    def read(
        self,
        options: FaissOptions,
        collection: str,
        split: Split,
        columns: Sequence[str],
        batch_rows: int,
    ) -> Iterator[pa.RecordBatch]:
        """See `mmc.spi.Source.read`."""
        for piece in split.pieces:
            opened = open_files(options, piece.place)
            try:
                yield from read_piece(opened, piece, columns, batch_rows)
            except SourceError:
                # A file that is replaced while it is read may look like a damaged one.
                open_files(options, piece.place)
                raise
            # Again at the end: what was read while the file was replaced is a mixture.
            open_files(options, piece.place)


def _vector_type(table: Table) -> FieldType:
    kind = TypeKind.BINARY_VECTOR if table.binary else TypeKind.FLOAT_VECTOR
    try:
        return FieldType(kind, dim=table.d)
    except TypeSyntaxError as error:
        raise SourceError(
            f"{table.url}: {table.d:,} dimensions: {error}",
            hint="Milvus cannot store these vectors",
            code="MMC411",
        ) from None


def _collection_name(path: str) -> str:
    stem = path.rstrip("/").rpartition("/")[2]
    stem = stem.rpartition(".")[0] or stem
    return re.sub(r"[^A-Za-z0-9_]", "_", stem)
