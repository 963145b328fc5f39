"""Faiss Flat -> loaded and counted in a real Milvus by `mmc apply`, against a bare script that has
the server import the same files, which it finds ready. What mmc costs beside the server.

    python benchmarks/bulk_import.py http://127.0.0.1:19530 [--rows 1000000] [--format numpy]

The server must read this machine's disk (storageType: local). Each time: `apply` with a plan made
before, then the bare script on the files that were staged, into a collection of the same schema.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import numpy as np
from pymilvus import MilvusClient

from mmc.api import read_plan
from mmc.plan.model import BuildIndex, Plan
from mmc.sinks.milvus.schema import to_schema

DIM = 128


def write_index(path: Path, rows: int) -> None:
    import faiss

    index = faiss.IndexFlatL2(DIM)
    random = np.random.default_rng(5)
    for start in range(0, rows, 1 << 17):
        block = min(rows - start, 1 << 17)
        index.add(random.standard_normal((block, DIM), dtype=np.float32))
    faiss.write_index(index, str(path))


def bare(uri: str, folder: Path, name: str, plan: Plan) -> float:
    """Seconds from the first request to an exact count(*) of the loaded collection, made and
    indexed as the plan says.
    """
    groups: dict[str, list[str]] = {}
    for path in sorted((folder / "staging").rglob("*")):
        if path.is_file():
            group = path.parent if path.suffix == ".npy" else path
            groups.setdefault(str(group), []).append(str(path))
    client = MilvusClient(uri)
    client.create_collection(name, schema=to_schema(plan.copies[0].collection))
    handler, context = client._get_connection(), client._generate_call_context()
    begin = time.perf_counter()
    ids = [handler.do_bulk_insert(name, "", files, context=context) for files in groups.values()]
    while True:
        states = [handler.get_bulk_insert_state(id_, context=context) for id_ in ids]
        if any("ailed" in state.state_name for state in states):
            raise SystemExit(str(states))
        if all(state.state_name == "Completed" for state in states):
            break
        time.sleep(0.1)
    index = client.prepare_index_params()
    for step in plan.steps:
        if isinstance(step, BuildIndex):
            kind, metric = step.index.type, str(step.index.metric or "")
            params = dict(step.index.params)
            index.add_index(step.field, index_type=kind, metric_type=metric, params=params)
    client.create_index(name, index)
    client.load_collection(name)
    (row,) = client.query(name, filter="", output_fields=["count(*)"], consistency_level="Strong")
    seconds = time.perf_counter() - begin
    print(f"    bare: {row['count(*)']:,} rows")
    client.drop_collection(name)
    client.close()
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("uri")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--format", default="numpy", choices=["numpy", "parquet", "json"])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "mmc-bulk")
    options = parser.parse_args()
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    index = folder / f"flat-{options.rows}.index"
    if not index.exists():
        write_index(index, options.rows)
    mmc = [sys.executable, "-m", "mmc.cli.main"]
    ratios = []
    for _ in range(options.repeat):
        for name in ("staging", ".mmc"):
            shutil.rmtree(folder / name, ignore_errors=True)
        name = f"bench{uuid.uuid4().hex[:8]}"
        staging = {"url": str(folder / "staging"), "format": options.format, "keep": True}
        spec: dict[str, Any] = {
            "version": 1,
            "source": {"type": "faiss", "path": index.name},
            "target": {"type": "milvus", "uri": options.uri},
            "collections": [{"to": name}],
            "load": {"route": "bulk", "staging": staging},
            "verify": {"count": "exact", "digest": "off"},
        }
        (folder / "spec.yaml").write_text(json.dumps(spec))
        run = {"cwd": folder, "check": True, "stdout": subprocess.DEVNULL}
        subprocess.run([*mmc, "plan", "spec.yaml", "-o", "plan.json", "-q"], **run)
        begin = time.perf_counter()
        subprocess.run([*mmc, "apply", "plan.json", "-q"], **run)
        whole = time.perf_counter() - begin
        client = MilvusClient(options.uri)
        client.drop_collection(name)
        client.close()
        plan = read_plan(folder / "plan.json")
        alone = bare(options.uri, folder, f"{name}bare", plan)
        ratios.append(whole / alone)
        print(f"apply {whole:6.2f} s   bare import {alone:6.2f} s   ratio {whole / alone:.2f}")
    print(f"ratio: median {sorted(ratios)[len(ratios) // 2]:.2f} (goal 1.15)")


if __name__ == "__main__":
    main()
