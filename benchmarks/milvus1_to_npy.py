"""A Milvus 1.x folder -> .npy files by `mmc apply`, against `cp -r` of the same folder, in one run:
without deletes and with a fifth deleted; and the peak RSS of the apply.

    python benchmarks/milvus1_to_npy.py [--rows 1000000] [--repeat 3] [--folder DIR]

`copy` is the copying step alone, as the events of the run tell it: the rest is start-up, looking at
both ends, and the manifest. Verification is off, as `cp` has none.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
from side_by_side import measured, warm

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.generators.milvus1.writer import Server

DIM = 128
SEGMENTS = 8


def write_folder(root: Path, rows: int, share: float) -> None:
    server = Server(root)
    words = server.collection("words", DIM, 1, ("IVF_SQ8", {"nlist": 1024}))
    random = np.random.default_rng(1)
    each = rows // SEGMENTS
    for number in range(SEGMENTS):
        vectors = random.standard_normal((each, DIM), dtype=np.float32)
        deleted = random.choice(each, int(each * share), replace=False).tolist()
        words.segment(range(number * each, (number + 1) * each), vectors, deleted=deleted)
    server.write()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "mmc-1x")
    options = parser.parse_args()
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    mmc = [sys.executable, "-m", "mmc.cli.main"]
    size = options.rows * (DIM * 4 + 8)
    for name, share in (("none", 0.0), ("fifth", 0.2)):
        root = folder / f"{name}-{options.rows}"
        if not root.exists():
            write_folder(root, options.rows, share)
        source = {"type": "milvus1", "data": str(root / "db" / "tables")}
        spec = {
            "version": 1,
            "source": source,
            "target": {"type": "files", "url": "out", "format": "numpy"},
            "verify": {"count": "off", "digest": "off"},
        }
        (folder / "spec.yaml").write_text(json.dumps(spec))
        shutil.rmtree(folder / "out", ignore_errors=True)
        plan = [*mmc, "plan", "spec.yaml", "-o", "plan.json", "-q"]
        subprocess.run(plan, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        rows = []
        for _ in range(options.repeat):
            for made in ("out", ".mmc", "copy"):
                shutil.rmtree(folder / made, ignore_errors=True)
            warm(folder, size)
            copy, _ = measured(["cp", "-r", str(root / "db" / "tables"), "copy"], folder)
            shutil.rmtree(folder / "copy")
            warm(folder, size)
            events = folder / "events.ndjson"
            apply = [*mmc, "apply", "plan.json", "-q", "--json-into", str(events)]
            whole, rss = measured(apply, folder)
            told = [json.loads(line) for line in events.read_text().splitlines()]
            (step,) = [
                event["seconds"]
                for event in told
                if event["type"] == "step_done" and event["kind"] == "copy_splits"
            ]
            events.unlink()
            rows.append((copy, whole, step, rss))
            print(
                f"{name}: cp {copy:5.2f} s   apply {whole:5.2f} s   copy step {step:5.2f} s   "
                f"peak RSS {rss:,.0f} MiB"
            )
        print(
            f"{name}: cp / apply {median(r[0] / r[1] for r in rows):.2f},"
            f" cp / copy step {median(r[0] / r[2] for r in rows):.2f}"
        )


if __name__ == "__main__":
    main()
