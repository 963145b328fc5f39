"""Index files made with Faiss itself, and reading them back through the source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow as pa

from mmc.facts import SourceCollection
from mmc.plan.model import Split
from mmc.sources.faiss.options import FaissOptions
from mmc.sources.faiss.source import FaissSource
from mmc.spi import Sample

SAMPLE = Sample(rows=500, seed=3)


def vectors(rows: int, d: int, seed: int = 1) -> np.ndarray[Any, Any]:
    """Values in 0..1, as scalar quantisers like them."""
    return np.random.default_rng(seed).random((rows, d), dtype=np.float32)


def bits(rows: int, d: int, seed: int = 1) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 256, (rows, d // 8), dtype=np.uint8)


def factory(
    text: str, x: np.ndarray[Any, Any], *, ids: Any = None, metric: int = faiss.METRIC_L2
) -> Any:
    """An index of the rows of x, trained on them."""
    index = faiss.index_factory(x.shape[1], text, metric)
    index.train(x)
    if ids is None:
        index.add(x)
    else:
        index.add_with_ids(x, np.asarray(ids, np.int64))
    return index


def save(index: Any, path: Path) -> str:
    write = faiss.write_index_binary if isinstance(index, faiss.IndexBinary) else faiss.write_index
    write(index, str(path))
    return str(path)


@dataclass(frozen=True)
class Rows:
    """What came out."""

    ids: np.ndarray[Any, Any]
    vectors: np.ndarray[Any, Any]
    table: pa.Table

    def by_id(self) -> dict[int, bytes]:
        return {int(i): v.tobytes() for i, v in zip(self.ids, self.vectors, strict=True)}


def config(path: str, **options: Any) -> FaissOptions:
    return FaissOptions.model_validate({"type": "faiss", "path": path, **options})


def look(path: str, sample: Sample = SAMPLE, **options: Any) -> SourceCollection:
    facts = FaissSource().inspect(config(path, **options), [], sample)
    (collection,) = facts.collections
    return collection


def split_of(collection: SourceCollection) -> Split:
    return Split(
        id="00000", pieces=collection.extents, rows=collection.rows, bytes=collection.bytes
    )


def read(
    path: str,
    *,
    split: Split | None = None,
    columns: Sequence[str] = ("id", "vector"),
    batch_rows: int = 64,
    **options: Any,
) -> Rows:
    """All rows (or those of a split); checks size and columns of every batch on the way."""
    split = split or split_of(look(path, **options))
    batches = []
    for batch in FaissSource().read(config(path, **options), "x", split, columns, batch_rows):
        assert 0 < batch.num_rows <= batch_rows
        assert batch.schema.names == list(columns)
        batch.validate(full=True)
        batches.append(batch.replace_schema_metadata(None))
    if not batches:
        return Rows(np.empty(0, np.int64), np.empty((0, 0)), pa.table({}))
    table = pa.Table.from_batches(batches)
    ids = table.column("id").to_numpy() if "id" in columns else np.empty(0, np.int64)
    values: np.ndarray[Any, Any] = np.empty((0, 0))
    if "vector" in columns:
        column = table.column("vector").combine_chunks()
        if pa.types.is_fixed_size_binary(column.type):
            raw = b"".join(column.to_pylist())
            values = np.frombuffer(raw, np.uint8).reshape(len(column), -1)
        else:
            values = column.flatten().to_numpy().reshape(len(column), -1)
    return Rows(ids, values, table)


def truth(ids: Sequence[int], x: np.ndarray[Any, Any]) -> Mapping[int, bytes]:
    return {int(i): row.tobytes() for i, row in zip(ids, x, strict=True)}
