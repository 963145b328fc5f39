"""Memory of reading is bounded by a few batches: measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

RNG = np.random.default_rng(7)

# Not ru_maxrss: a child begins with the peak of the process that forked it.
GROWTH = r"""
import re, sys
from pathlib import Path
from tests.sources.files.reading import config, look
from mmc.plan.model import Split
from mmc.sources.files.source import FilesSource
for path in sys.argv[1:]:
    options = config(path)
    collection = look(options)
    names = [field.name for field in collection.fields]
    rows = 0
    for batch in FilesSource().read(
        options,
        collection.name,
        Split(id="0", pieces=collection.extents, rows=None, bytes=0),
        names,
        8192,
    ):
        rows += batch.num_rows
    assert rows == collection.rows
    peak = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    print(int(peak[1]) // 1024)
"""


def grown(small: Path, large: Path) -> int:
    """MiB that peak memory grows by when the large file is read after the small one."""
    done = subprocess.run(
        [sys.executable, "-c", GROWTH, str(small), str(large)],
        capture_output=True,
        text=True,
        check=True,
    )
    first, second = map(int, done.stdout.split())
    return second - first


@pytest.mark.parametrize("kind", ["npy", "fvecs", "parquet", "jsonl"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, kind: str) -> None:
    """A file of 32 MiB, then one of 128 MiB (JSON: 6 and 45); Parquet as one row group."""
    paths = []
    for rows in (65_536, 262_144) if kind != "jsonl" else (2_000, 16_000):
        path = tmp_path / f"x{rows}.{kind}"
        vectors = RNG.standard_normal((rows, 128), dtype=np.float32)
        if kind == "npy":
            np.save(path, vectors)
        elif kind == "fvecs":
            widths = np.full((rows, 1), 128, np.int32).view(np.float32)
            np.hstack([widths, vectors]).tofile(path)
        elif kind == "jsonl":
            with path.open("w") as file:
                for number, vector in enumerate(vectors):
                    file.write(json.dumps({"id": number, "v": vector.tolist()}) + "\n")
        else:
            lists = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), 128)
            pq.write_table(pa.table({"v": lists}), path, row_group_size=rows)
        paths.append(path)
    assert grown(*paths) < 64
