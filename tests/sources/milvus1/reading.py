"""Reads a written server through the source, as a run does, into rows to compare with the truth."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa

from mmc.arrow.schema import origin_of
from mmc.compile.splits import split_extents
from mmc.facts import SourceCollection, SourceFacts
from mmc.sources.milvus1.options import Milvus1Options
from mmc.sources.milvus1.source import Milvus1Source
from mmc.spi import Sample
from tests.generators.milvus1.truth import Entity
from tests.generators.milvus1.writer import Server


def config_of(server: Server, **options: Any) -> Milvus1Options:
    data = [str(folder) for folder in server.tables]
    return Milvus1Options(type="milvus1", data=data, meta=f"sqlite:///{server.meta}", **options)


def inspect(server: Server, **options: Any) -> SourceFacts:
    return Milvus1Source().inspect(config_of(server, **options), (), Sample(rows=50))


def rows_of(
    server: Server,
    found: SourceCollection,
    *,
    split_bytes: int = 1 << 20,
    batch_rows: int = 1000,
    **options: Any,
) -> list[Entity]:
    """All rows, with their Milvus partition, or with the tag where that is a column."""
    config = config_of(server, **options)
    names = [field.name for field in found.fields]
    rows: list[Entity] = []
    for split in split_extents(found.extents, split_bytes, None):
        count = 0
        for batch in Milvus1Source().read(config, found.name, split, names, batch_rows):
            assert 0 < batch.num_rows <= batch_rows
            batch.validate(full=True)
            rows += entities(batch, split.partition)
            assert origin_of(batch).path
            count += batch.num_rows
        assert count == split.rows
    return rows


def entities(batch: pa.RecordBatch, partition: str) -> list[Entity]:
    column = batch.column("vector")
    if pa.types.is_fixed_size_list(column.type):
        values = np.asarray(column.flatten()).reshape(len(batch), -1)
        vectors = [row.tobytes() for row in values]
    else:
        vectors = column.to_pylist()
    tags = batch.column(2).to_pylist() if batch.num_columns > 2 else [partition] * len(batch)
    return list(map(Entity, tags, batch.column("id").to_pylist(), vectors))


def newest(rows: list[Entity]) -> Counter[Entity]:
    """The last row of each id."""
    return Counter({row.id: row for row in rows}.values())
