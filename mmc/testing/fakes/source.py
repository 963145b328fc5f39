"""A source of any Arrow rows: one file is one collection, named like the file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from mmc.errors import SourceChanged, SourceError, SourceMissing
from mmc.facts import Extent, SourceCollection, SourceFacts, SourceField
from mmc.plan.model import Split
from mmc.spi import Origin, Sample, arrow_text, sampled_evidence, with_origin
from mmc.testing.fakes.options import KitSourceOptions

EXTENT_ROWS = 8
KEY, VECTOR, JSON = b"key", b"vector", b"json"
"""Metadata of a column: it is the key; the Milvus type of a vector; texts are JSON documents."""


def write_rows(path: Path, table: pa.Table) -> None:
    """Writes the file of a source. `with_role` says what a column is besides its type."""
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def with_role(name: str, array: pa.Array, **roles: str) -> tuple[pa.Field, pa.Array]:
    """A column with roles: `key="1"`, `vector="float_vector(4)"`, `json="1"`."""
    metadata = {role.encode(): value.encode() for role, value in roles.items()}
    nullable = "key" not in roles
    return pa.field(name, array.type, nullable=nullable, metadata=metadata or None), array


class KitSource:
    """Reads the file anew at each call."""

    type = "kit"

    def inspect(
        self, options: KitSourceOptions, collections: Sequence[str], sample: Sample
    ) -> SourceFacts:
        """See `mmc.spi.Source.inspect`."""
        table, mark = self._file(options.path)
        name = Path(options.path).stem
        for wanted in collections:
            if wanted != name:
                raise SourceMissing(f"{options.path}: no collection {wanted}", hint=f"it is {name}")
        width = max(1, table.nbytes // max(1, len(table)))
        extents = tuple(
            Extent(
                locator=(("fingerprint", mark), ("path", options.path)),
                start=start,
                stop=min(start + EXTENT_ROWS, len(table)),
                unit="row",
                rows=min(EXTENT_ROWS, len(table) - start),
                bytes=width * min(EXTENT_ROWS, len(table) - start),
                cuttable=True,
            )
            for start in range(0, len(table), EXTENT_ROWS)
        )

        def read(piece: Extent, rows: int) -> Iterator[pa.RecordBatch]:
            split = Split(id="00000", pieces=(piece,), rows=piece.rows, bytes=piece.bytes)
            return self.read(options, name, split, table.schema.names, rows)

        seen = sampled_evidence(extents, sample.rows, sample.seed, read)
        fields = tuple(self._field(field, seen) for field in table.schema)
        found = SourceCollection(
            name,
            fields,
            extents=extents,
            rows=len(table),
            bytes=sum(extent.bytes for extent in extents),
            fingerprint=((options.path, mark),),
        )
        return SourceFacts(
            type=self.type,
            version="1",
            collections=(found,),
            sample_rows=sample.rows,
            sample_seed=sample.seed,
        )

    def read(
        self,
        options: KitSourceOptions,
        collection: str,
        split: Split,
        columns: Sequence[str],
        batch_rows: int,
    ) -> Iterator[pa.RecordBatch]:
        """See `mmc.spi.Source.read`."""
        for piece in split.pieces:
            table, mark = self._file(options.path)
            if mark != piece.place["fingerprint"]:
                raise SourceChanged(f"{options.path} changed since the plan", hint="plan again")
            rows = table.select(list(columns)).slice(piece.start, piece.stop - piece.start)
            start = piece.start
            for batch in rows.combine_chunks().to_batches(max_chunksize=batch_rows):
                yield with_origin(batch, Origin(options.path, start))
                start += batch.num_rows
            if self._file(options.path)[1] != mark:
                raise SourceChanged(f"{options.path} changed while it was read", hint="plan again")

    def _file(self, path: str) -> tuple[pa.Table, str]:
        try:
            content = Path(path).read_bytes()
        except FileNotFoundError:
            raise SourceMissing(f"{path}: no such file") from None
        except OSError as error:
            raise SourceError(f"{path}: {error.strerror}") from error
        try:
            table = pa.ipc.open_file(pa.BufferReader(content)).read_all()
        except pa.ArrowInvalid as error:
            raise SourceError(f"{path}: {error}", hint="is it an Arrow file?") from error
        return table, hashlib.sha256(content).hexdigest()

    def _field(self, field: pa.Field, seen: Any) -> SourceField:
        roles = field.metadata or {}
        made = SourceField(
            field.name,
            arrow_text(field.type),
            vector=roles.get(VECTOR, b"").decode(),
            key=KEY in roles,
            nullable=field.nullable,
            json_text=JSON in roles,
        )
        return replace(made, evidence=seen[field.name]) if field.name in seen else made
