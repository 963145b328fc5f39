"""What `inspect` tells of columns and rows: types, key, index, evidence, and notes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from mmc.arrow.evidence import of_column, sampled_evidence
from mmc.arrow.schema import arrow_text
from mmc.facts import Evidence, Extent, SourceField
from mmc.sources.faiss.batches import read_piece
from mmc.sources.faiss.extents import list_extents
from mmc.sources.faiss.files import Opened
from mmc.sources.faiss.indexes import milvus_index
from mmc.sources.faiss.join import SideTable
from mmc.sources.faiss.table import Table
from mmc.spi import Sample
from mmc.types import FieldType

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_CHEAP_IDS = 8_000_000
"""Ids that are read in full to count those without a row in the side file."""


def describe_fields(
    opened: Opened, vector_type: FieldType, found: Mapping[str, Evidence]
) -> tuple[tuple[SourceField, ...], tuple[str, ...]]:
    import pyarrow as pa

    table, side = opened.table, opened.side
    index, note = milvus_index(table.root)
    vectors = pa.binary(table.width) if table.binary else pa.list_(pa.float32(), table.d)
    ids = found.get("id", Evidence())
    if table.numbered and table.rows:
        ids = replace(ids, min_value=0, max_value=table.rows - 1)
    fields = [
        SourceField(
            "id",
            "int64",
            key=True,
            unique=table.numbered,
            nullable=False,
            evidence=ids,
            note="row number" if table.numbered else "ids of the index",
        ),
        SourceField(
            "vector",
            arrow_text(vectors),
            vector=str(vector_type),
            nullable=False,
            index=index,
            evidence=found.get("vector", Evidence()),
            note=note,
        ),
    ]
    if side is None:
        return tuple(fields), ()
    missing, unused = _unmatched(opened, side)
    notes = []
    if missing:
        notes.append(f"{missing:,} ids have no row in {side.url}: their columns are null")
    if unused:
        notes.append(f"{unused:,} rows of {side.url} belong to no id and are left out")
    for name in side.columns.column_names:
        evidence = of_column(side.columns.column(name).chunk(0))
        evidence = replace(evidence, nulls=evidence.nulls + (missing or 0))
        fields.append(
            SourceField(
                name,
                arrow_text(side.columns.column(name).type),
                nullable=missing is None or evidence.nulls > 0,
                evidence=evidence,
                note=f"joined from {side.url}",
            )
        )
    return tuple(fields), tuple(notes)


def _unmatched(opened: Opened, side: SideTable) -> tuple[int | None, int | None]:
    """Ids without a side row, and side rows without an id; None when counting would be dear."""
    import numpy as np

    table = opened.table
    if table.numbered:
        used = int(np.searchsorted(side.keys, table.rows) - np.searchsorted(side.keys, 0))
        return table.rows - used, len(side.keys) - used
    if table.rows > _CHEAP_IDS:
        return None, None
    missing = 0
    seen: NDArray[np.bool_] = np.zeros(len(side.keys), bool)
    for extent in list_extents(table, opened.locator):
        for batch in read_piece(opened, extent, ["id"], 1 << 20):
            ids = batch.column(0).to_numpy()
            if len(seen):
                at = np.minimum(np.searchsorted(side.keys, ids), len(seen) - 1)
                hit = side.keys[at] == ids
                seen[at[hit]] = True
                missing += int(len(ids) - hit.sum())
            else:
                missing += len(ids)
    return missing, int(len(seen) - seen.sum())


def describe_rows(table: Table) -> tuple[str, ...]:
    notes = []
    if table.lossy:
        notes.append(f"{table.lossy}: the vectors are approximations, decoded by Faiss")
    if table.lost:
        notes.append(
            f"{table.lost:,} of {table.root.header.ntotal:,} rows are in no list: Faiss drops "
            "vectors with NaN or infinity when they are added"
        )
    if table.data_url:
        notes.append(f"inverted lists from {table.data_url}")
    return tuple(notes)


def sampled(opened: Opened, extents: tuple[Extent, ...], sample: Sample) -> dict[str, Evidence]:
    def read(piece: Extent, rows: int) -> Iterator[pa.RecordBatch]:
        return read_piece(opened, piece, ["id", "vector"], rows)

    return sampled_evidence(extents, sample.rows, sample.seed, read)
