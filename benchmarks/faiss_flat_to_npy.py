"""Faiss Flat -> .npy files by `mmc apply`, against `cp` of the same bytes, in one run; and the peak
RSS of the apply.

    python benchmarks/faiss_flat_to_npy.py [--gib 2] [--repeat 3] [--folder DIR]

Each time: a fresh folder, then `cp` and `apply` in turn, with the same memory warmed up before each
(a virtual machine gives freed pages back to its host, and the first to use them again pays). RSS is
the largest of the process and its children together, sampled.
"""

from __future__ import annotations

import argparse
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from side_by_side import measured, warm

DIM = 128
SPEC = """
version: 1
source: {{type: faiss, path: {index}}}
target: {{type: files, url: {out}, format: numpy}}
verify: {{count: {count}, digest: {digest}}}
"""


def write_index(path: Path, rows: int) -> None:
    """An IndexFlatL2 file by its layout, in blocks, so that no more than a block is in memory."""
    random = np.random.default_rng(5)
    with path.open("wb") as file:
        file.write(b"IxF2" + struct.pack("<iqqqBi", DIM, rows, 1 << 20, 1 << 20, 1, 1))
        file.write(struct.pack("<Q", rows * DIM))
        left = rows
        while left:
            block = min(left, 1 << 17)
            file.write(random.standard_normal((block, DIM), dtype=np.float32))
            left -= block


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gib", type=float, default=2.0)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "mmc-bench")
    parser.add_argument("--verify", action="store_true", help="with counts and digest read back")
    options = parser.parse_args()
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    rows = int(options.gib * 2**30 / DIM / 4)
    index = folder / f"flat-{rows}.index"
    if not index.exists():
        write_index(index, rows)
    mmc = [sys.executable, "-m", "mmc.cli.main"]
    verify = ("exact", "full") if options.verify else ("off", "off")
    ratios = []
    for _ in range(options.repeat):
        shutil.rmtree(folder / "out", ignore_errors=True)
        shutil.rmtree(folder / ".mmc", ignore_errors=True)
        (folder / "copy").unlink(missing_ok=True)
        warm(folder, index.stat().st_size)
        copy, _ = measured(["cp", str(index), "copy"], folder)
        (folder / "copy").unlink()
        spec = SPEC.format(index=index.name, out="out", count=verify[0], digest=verify[1])
        (folder / "spec.yaml").write_text(spec)
        subprocess.run(
            [*mmc, "plan", "spec.yaml", "-o", "plan.json", "-q"],
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        warm(folder, index.stat().st_size)
        apply, rss = measured([*mmc, "apply", "plan.json", "-q"], folder)
        ratios.append(copy / apply)
        print(
            f"cp {copy:6.2f} s   apply {apply:6.2f} s   ratio {copy / apply:.2f}   "
            f"{index.stat().st_size / apply / 1e6:,.0f} MB/s   peak RSS {rss:,.0f} MiB"
        )
    print(f"ratio: median {sorted(ratios)[len(ratios) // 2]:.2f} of cp (goal 0.6)")


if __name__ == "__main__":
    main()
