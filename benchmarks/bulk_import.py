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
from mmc.milvus.schema import to_schema
from mmc.plan.model import BuildIndex, Plan

DIM = 128


def write_index(path: Path, rows: int) -> None:
    import faiss

    index = faiss.IndexFlatL2(DIM)
    random = np.random.default_rng(5)
    for start in range(0, rows, 1 << 17):
        block = min(rows - start, 1 << 17)
        index.add(random.standard_normal((block, DIM), dtype=np.float32))
    faiss.write_index(index, str(path))


def _behind(index: dict[str, Any]) -> bool:
    """Whether the server is still building it."""
    return index["indexed_rows"] < index["total_rows"] or index["pending_index_rows"] > 0


def bare(uri: str, folder: Path, name: str, plan: Plan) -> float:
    """Seconds from the first request to an exact count(*) of the collection, made and
    indexed as the plan says, when every row is in its index and loaded.
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
    for field in client.list_indexes(name):
        while _behind(client.describe_index(name, field)):
            time.sleep(0.1)
    client.load_collection(name)
    (row,) = client.query(name, filter="", output_fields=["count(*)"], consistency_level="Strong")
    seconds = time.perf_counter() - begin
    print(f"    bare: {row['count(*)']:,} rows")
    client.drop_collection(name)
    client.close()
    return seconds


def add_options(parser: argparse.ArgumentParser, *, rows: int, format_: str, folder: str) -> None:
    """What the benchmarks of imports have in common, with the defaults of one."""
    parser.add_argument("--rows", type=int, default=rows)
    parser.add_argument("--format", default=format_, choices=["numpy", "parquet", "json"])
    parser.add_argument("--route", default="bulk", choices=["bulk", "insert"])
    parser.add_argument("--index", default="AUTOINDEX", help="FLAT is built in no time")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / folder)


def write_spec(options: argparse.Namespace, uri: str, source: dict[str, Any]) -> str:
    """Writes spec.yaml for a copy of one vector field into a new collection, and clears what the
    last time left; gives the collection's name.
    """
    folder: Path = options.folder
    for left in ("staging", ".mmc"):
        shutil.rmtree(folder / left, ignore_errors=True)
    name = f"bench{uuid.uuid4().hex[:8]}"
    vector = "vec" if source["type"] == "elasticsearch" else "vector"
    field = {"from": vector, "to": vector, "index": {"type": options.index, "metric": "L2"}}
    staging = {"url": str(folder / "staging"), "format": options.format, "keep": True}
    spec = {
        "version": 1,
        "source": source,
        "target": {"type": "milvus", "uri": uri},
        "collections": [{"to": name, "fields": [field]}],
        "load": {"route": "bulk", "staging": staging}
        if options.route == "bulk"
        else {"route": "insert"},
        "verify": {"count": "exact", "digest": "off"},
    }
    (folder / "spec.yaml").write_text(json.dumps(spec))
    return name


def drop(uri: str, name: str) -> None:
    client = MilvusClient(uri)
    client.drop_collection(name)
    client.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("uri")
    add_options(parser, rows=1_000_000, format_="numpy", folder="mmc-bulk")
    options = parser.parse_args()
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    index = folder / f"flat-{options.rows}.index"
    if not index.exists():
        write_index(index, options.rows)
    mmc = [sys.executable, "-m", "mmc.cli.main"]
    ratios = []
    for _ in range(options.repeat):
        name = write_spec(options, options.uri, {"type": "faiss", "path": index.name})
        run = {"cwd": folder, "check": True, "stdout": subprocess.DEVNULL}
        subprocess.run([*mmc, "plan", "spec.yaml", "-o", "plan.json", "-q"], **run)
        begin = time.perf_counter()
        subprocess.run([*mmc, "apply", "plan.json", "-q"], **run)
        whole = time.perf_counter() - begin
        drop(options.uri, name)
        plan = read_plan(folder / "plan.json")
        alone = bare(options.uri, folder, f"{name}bare", plan)
        ratios.append(whole / alone)
        print(f"apply {whole:6.2f} s   bare import {alone:6.2f} s   ratio {whole / alone:.2f}")
    print(f"ratio: median {sorted(ratios)[len(ratios) // 2]:.2f} (goal 1.15)")


if __name__ == "__main__":
    main()
