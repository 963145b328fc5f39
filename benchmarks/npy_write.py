"""Canonical batches through the NumPy writer against `cp` of the same bytes, in one run.

    python benchmarks/npy_write.py [--rows 1000000] [--dim 128] [--repeat 5] [--folder DIR]

Prints seconds of each repetition and the ratio of the medians: 1.0 is as fast as `cp`. The writer
also makes a sha256 of every file and syncs it to disk, which `cp` does not; `cp + sync` is shown
beside it.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from mmc.arrow.schema import canonical_schema
from mmc.layouts.npypart import NumpyPart
from mmc.types import Collection, Field, FieldType

BATCH_BYTES = 8 << 20


def batches(rows: int, dim: int) -> tuple[Collection, list[pa.RecordBatch]]:
    collection = Collection(
        "bench",
        (
            Field("id", FieldType.parse("int64"), primary_key=True),
            Field("v", FieldType.parse(f"float_vector({dim})")),
        ),
    )
    schema = canonical_schema(collection)
    step = BATCH_BYTES // (4 * dim + 8)
    made = np.random.default_rng(7)
    found = []
    for start in range(0, rows, step):
        count = min(step, rows - start)
        flat = pa.array(made.random(count * dim, dtype=np.float32))
        columns = [
            pa.array(np.arange(start, start + count)),
            pa.FixedSizeListArray.from_arrays(flat, dim),
        ]
        found.append(pa.record_batch(columns, schema=schema))
    return collection, found


def write(folder: Path, collection: Collection, found: list[pa.RecordBatch], rows: int) -> float:
    start = time.perf_counter()
    part = NumpyPart(str(folder), {}, collection, rows)
    for batch in found:
        part.write(batch)
    part.commit()
    return time.perf_counter() - start


def copy(source: Path, target: Path, sync: bool) -> float:
    start = time.perf_counter()
    subprocess.run(["cp", "-r", source, target], check=True)
    if sync:
        subprocess.run(["sync", *target.iterdir()], check=True)
    return time.perf_counter() - start


def measure(arguments: argparse.Namespace, root: Path) -> Iterator[tuple[float, float, float]]:
    collection, found = batches(arguments.rows, arguments.dim)
    for _ in range(arguments.repeat):
        written = write(root / "written", collection, found, arguments.rows)
        copied = copy(root / "written", root / "copied", sync=False)
        shutil.rmtree(root / "copied")
        synced = copy(root / "written", root / "copied", sync=True)
        shutil.rmtree(root / "copied")
        shutil.rmtree(root / "written")
        yield written, copied, synced


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=None)
    arguments = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="npy-write-", dir=arguments.folder))
    try:
        runs = list(measure(arguments, root))
    finally:
        shutil.rmtree(root)
    size = arguments.rows * (4 * arguments.dim + 8) / 1e6
    for name, times in zip(("writer", "cp", "cp + sync"), zip(*runs, strict=True), strict=True):
        middle = statistics.median(times)
        listed = " ".join(f"{seconds:.2f}" for seconds in times)
        print(f"{name:10} {middle:6.2f} s  {size / middle:7.0f} MB/s   ({listed})")
    writer, plain, synced = (statistics.median(times) for times in zip(*runs, strict=True))
    print(f"ratio      {plain / writer:6.2f} of cp, {synced / writer:.2f} of cp + sync")


if __name__ == "__main__":
    main()
