"""Parquet -> Milvus Lite by `mmc apply`, against a bare `MilvusClient.upsert` loop over the same
batches.

    python benchmarks/parquet_to_lite.py [--rows 50000] [--dim 128] [--runs 3]

Both are processes of their own that read one Parquet file into fresh databases, in turns; their
whole wall time counts: start and imports, for `apply` the check of the keys, and closing the
database. Without index (Milvus Lite goes on building it while it closes) and without verify.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SPEC = """
version: 1
source: {type: files, path: rows.parquet}
target: {type: milvus, uri: applied.db}
collections: [{fields: [{from: vector, index: none}]}]
verify: {count: "off", digest: "off"}
"""


def write_parquet(path: Path, rows: int, dim: int) -> None:
    random = np.random.default_rng(7)
    vectors = pa.FixedSizeListArray.from_arrays(
        pa.array(random.standard_normal(rows * dim, dtype=np.float32)), dim
    )
    texts = pa.array([f"row number {number}" for number in range(rows)])
    pq.write_table(pa.table({"id": np.arange(rows), "text": texts, "vector": vectors}), path)


def loop(parquet: str, uri: str, batch: int) -> None:
    """The bare loop; runs in a process of its own."""
    from milvus_lite.server_manager import server_manager_instance
    from pymilvus import DataType, MilvusClient

    file = pq.ParquetFile(parquet)
    dim = file.schema_arrow.field("vector").type.list_size
    client = MilvusClient(uri, dedicated=True)
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("text", DataType.VARCHAR, max_length=64)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
    client.create_collection("rows", schema=schema)
    for one in file.iter_batches(batch):
        client.upsert("rows", one.to_pylist())
    client.close()
    server_manager_instance.release_server(uri)


def seconds_of(command: list[str], folder: Path) -> float:
    begin = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def batch_rows(plan: Path) -> int:
    """The batches that the plan makes: the loop upserts the same."""
    found: list[int] = []

    def walk(node: object) -> None:
        if isinstance(node, dict):
            found.extend([node["batch_rows"]] if "batch_rows" in node else [])
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(json.loads(plan.read_text(encoding="utf-8")))
    return found[0]


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    options.add_argument("--rows", type=int, default=50_000)
    options.add_argument("--dim", type=int, default=128)
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--loop", nargs=3, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.loop:
        loop(given.loop[0], given.loop[1], int(given.loop[2]))
        return
    mmc = [sys.executable, "-m", "mmc.cli.main"]
    best: dict[str, float] = {}
    folder = Path(tempfile.mkdtemp(prefix="mmc-parquet-to-lite-"))
    try:
        write_parquet(folder / "rows.parquet", given.rows, given.dim)
        (folder / "spec.yaml").write_text(SPEC, encoding="utf-8")
        seconds_of([*mmc, "plan", "spec.yaml", "-o", "plan.json", "-q"], folder)
        batch = batch_rows(folder / "plan.json")
        print(f"{given.rows:,} rows of {given.dim} floats, batches of {batch:,}")
        mine = [*mmc, "apply", "plan.json", "-q"]
        theirs = [sys.executable, str(Path(__file__).resolve())]
        theirs += ["--loop", "rows.parquet", "looped.db", str(batch)]
        for run in range(1, given.runs + 1):
            for made in (*folder.glob("*.db"), *folder.glob(".*.db*"), folder / ".mmc"):
                shutil.rmtree(made, ignore_errors=True)
            bare = seconds_of(theirs, folder)
            copied = seconds_of(mine, folder)
            best["bare"] = min(bare, best.get("bare", bare))
            best["apply"] = min(copied, best.get("apply", copied))
            print(
                f"run {run}  bare loop {bare:6.2f} s {given.rows / bare:8,.0f} rows/s   apply "
                f"{copied:6.2f} s {given.rows / copied:8,.0f} rows/s"
            )
    finally:
        shutil.rmtree(folder)
    ratio = best["bare"] / best["apply"]
    print(f"best of {given.runs}: apply is {ratio:.2f} times as fast as the bare loop (goal 0.8)")


if __name__ == "__main__":
    main()
