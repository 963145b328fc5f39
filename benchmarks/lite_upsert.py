"""Rows a second into Milvus Lite: mmc's writer against a bare `MilvusClient.upsert` loop.

Both read the same Parquet file (a key, a text, a vector) and upsert the same batches into fresh
databases, in turns, in one process; the loop gets row dicts, as `to_pylist` makes them. Prints each
run and the ratio of the best ones: above 1, mmc is faster.

    python benchmarks/lite_upsert.py [--rows 50000] [--dim 128] [--batch 2000] [--runs 3]
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mmc.arrow.schema import canonical_schema
from mmc.milvus.schema import to_schema
from mmc.plan.model import CopySplits, CreateCollection, Mode, Split, Write
from mmc.plan.reading import Batches, Reading
from mmc.sinks.milvus.insert.sink import MilvusInsertSink
from mmc.spi import Config
from mmc.types import Collection, Field, FieldType

SEED = 7


def collection_of(dim: int) -> Collection:
    return Collection(
        "c",
        (
            Field("id", FieldType.parse("int64"), primary_key=True),
            Field("text", FieldType.parse("varchar(64)")),
            Field("vector", FieldType.parse(f"float_vector({dim})")),
        ),
    )


def write_parquet(path: Path, collection: Collection, rows: int, batch: int) -> None:
    random = np.random.default_rng(SEED)
    schema = canonical_schema(collection)
    dim = collection.field("vector").type.dim or 0
    with pq.ParquetWriter(path, schema) as file:
        for start in range(0, rows, batch):
            ids = np.arange(start, min(start + batch, rows))
            floats = pa.array(random.standard_normal(len(ids) * dim, dtype=np.float32))
            vectors = pa.FixedSizeListArray.from_arrays(floats, type=schema.field("vector").type)
            texts = pa.array([f"row number {number}" for number in ids])
            columns = [pa.array(ids), texts, vectors]
            file.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))


def batches_of(path: Path, batch: int) -> Iterator[pa.RecordBatch]:
    yield from pq.ParquetFile(path).iter_batches(batch)


def with_mmc(uri: Path, collection: Collection, parquet: Path, batch: int) -> float:
    """Seconds from the first batch read until all rows are acknowledged."""
    step = CopySplits(
        id="copy",
        read=Reading(collection="", columns=()),
        collection=collection,
        mappings=(),
        splits=(),
        route="milvus.insert",
        reason="",
        write=Write.UPSERT,
        batches=Batches(batch, 8 * 2**20),
    )
    config: Config = {"type": "milvus", "uri": str(uri), "timeout": 60.0}
    with MilvusInsertSink().open(config) as target:
        target.ensure(
            CreateCollection(id="create", collection=collection, mode=Mode.FAIL, exists=False)
        )
        start = time.perf_counter()
        writer = target.writer(step, Split(id="00000", pieces=(), rows=None, bytes=0), replay=False)
        for one in batches_of(parquet, batch):
            writer.write(one)
        writer.commit()
        return time.perf_counter() - start


def with_client(uri: Path, collection: Collection, parquet: Path, batch: int) -> float:
    """The same by `MilvusClient.upsert`, with row dicts."""
    from milvus_lite.server_manager import server_manager_instance
    from pymilvus import MilvusClient

    client = MilvusClient(str(uri), dedicated=True)
    client.create_collection(collection.name, schema=to_schema(collection))
    start = time.perf_counter()
    for one in batches_of(parquet, batch):
        client.upsert(collection.name, one.to_pylist())
    seconds = time.perf_counter() - start
    client.close()
    server_manager_instance.release_server(str(uri))
    return seconds


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--rows", type=int, default=50_000)
    options.add_argument("--dim", type=int, default=128)
    options.add_argument("--batch", type=int, default=2_000)
    options.add_argument("--runs", type=int, default=3)
    given = options.parse_args()
    collection = collection_of(given.dim)
    ways: dict[str, Callable[[Path, Collection, Path, int], float]] = {
        "mmc": with_mmc,
        "MilvusClient.upsert": with_client,
    }
    best: dict[str, float] = {}
    folder = Path(tempfile.mkdtemp(prefix="mmc-lite-upsert-"))
    try:
        parquet = folder / "rows.parquet"
        write_parquet(parquet, collection, given.rows, given.batch)
        print(f"{given.rows} rows of {given.dim} floats, batches of {given.batch}")
        for run in range(1, given.runs + 1):
            for name, way in ways.items():
                seconds = way(folder / f"{name}-{run}.db", collection, parquet, given.batch)
                best[name] = min(seconds, best.get(name, seconds))
                print(f"run {run}  {name:20} {seconds:7.2f} s {given.rows / seconds:9.0f} rows/s")
    finally:
        shutil.rmtree(folder)
    ratio = best["MilvusClient.upsert"] / best["mmc"]
    print(f"best of {given.runs}: mmc is {ratio:.2f} times as fast as the bare loop")


if __name__ == "__main__":
    main()
