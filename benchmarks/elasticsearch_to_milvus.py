"""Elasticsearch -> loaded and counted in a real Milvus by `mmc apply`, against its two floors in
the same run: a bare scroll that throws the bytes away, and a bare script that has the server import
the files that were staged. With --peer, against the old tool too.

    python benchmarks/elasticsearch_to_milvus.py http://127.0.0.1:9200 http://127.0.0.1:19530
        [--rows 100000] [--dim 128] [--format parquet] [--route bulk] [--index FLAT]
        [--peer ./milvus-migration]

Milvus must read this machine's disk (storageType: local). The index `bench-<rows>-<dim>` is made
when it is missing: a keyword, a double, a long and a vector, seeded, one shard. `read` is what the
source gives as Arrow batches, all splits, nothing written. The peer (zilliztech/milvus-migration)
makes no index, loads and counts nothing: --index FLAT is the fair comparison with it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
from bulk_import import add_options, bare, drop, write_spec
from pymilvus import MilvusClient
from side_by_side import measured

import mmc
from mmc.plan.model import Split

PAGE = 2500


def ask(url: str, method: str, path: str, body: bytes = b"", kind: str = "json") -> bytes:
    headers = {"Content-Type": f"application/{kind}"}
    request = urllib.request.Request(url + path, body or None, headers, method=method)
    with urllib.request.urlopen(request, timeout=120) as answer:
        read: bytes = answer.read()
    return read


def fill(url: str, name: str, rows: int, dim: int) -> None:
    try:
        if json.loads(ask(url, "GET", f"/{name}/_count"))["count"] == rows:
            return
        ask(url, "DELETE", f"/{name}")
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
    fields = {
        "key": {"type": "keyword"},
        "price": {"type": "double"},
        "number": {"type": "long"},
        "vec": {"type": "dense_vector", "dims": dim, "index": False},
    }
    settings = {"number_of_shards": 1, "number_of_replicas": 0, "refresh_interval": "-1"}
    made = {"settings": settings, "mappings": {"properties": fields}}
    ask(url, "PUT", f"/{name}", json.dumps(made).encode())
    random = np.random.default_rng(6)
    for start in range(0, rows, 1000):
        lines = []
        for offset, vector in enumerate(random.standard_normal((1000, dim), dtype=np.float32)):
            row = start + offset
            lines.append(json.dumps({"index": {"_id": str(row)}}))
            document = {"key": f"key-{row % 100}", "price": row / 7, "number": row}
            lines.append(json.dumps({**document, "vec": vector.tolist()}))
        body = "\n".join([*lines, ""]).encode()
        if json.loads(ask(url, "POST", f"/{name}/_bulk", body, "x-ndjson"))["errors"]:
            raise SystemExit("the index refused rows")
    ask(url, "POST", f"/{name}/_forcemerge?max_num_segments=1")
    ask(url, "PUT", f"/{name}/_settings", b'{"refresh_interval": null}')
    ask(url, "POST", f"/{name}/_refresh")


def timed(function: Callable[[], int], rows: int) -> float:
    begin = time.perf_counter()
    found = function()
    seconds = time.perf_counter() - begin
    if found != rows:
        raise SystemExit(f"{found:,} of {rows:,} rows")
    return seconds


def scroll(url: str, name: str) -> int:
    """Every page of the whole `_source`, not parsed but for the scroll's id."""
    body = json.dumps({"size": PAGE, "sort": ["_doc"]}).encode()
    page = ask(url, "POST", f"/{name}/_search?scroll=2m", body)
    rows = 0
    while hits := page.count(b'"_id":'):
        rows += hits
        start = page.index(b'"_scroll_id":"') + len(b'"_scroll_id":"')
        id_ = page[start : page.index(b'"', start)].decode()
        body = json.dumps({"scroll": "2m", "scroll_id": id_}).encode()
        page = ask(url, "POST", "/_search/scroll", body)
    return rows


def read(path: Path) -> int:
    """All splits of the plan as Arrow batches, with the threads that a run has."""
    from concurrent.futures import ThreadPoolExecutor

    from mmc.run.split import read_split

    plan = mmc.read_plan(path)
    (copy,) = plan.copies

    def rows_of(split: Split) -> int:
        return sum(
            batch.num_rows for batch in read_split(plan.source, copy, split, copy.read.columns)
        )

    with ThreadPoolExecutor(plan.workers) as threads:
        return sum(threads.map(rows_of, copy.splits))


def peer(options: argparse.Namespace, index: str) -> float:
    """Seconds that the old tool needs, until its import is done."""
    name = f"{index}-peer".replace("-", "_")
    key = {"type": "keyword", "maxLen": 64}
    fields = [
        {"name": "_id", "pk": True, **key},
        {"name": "key", **key},
        {"name": "price", "type": "double"},
        {"name": "number", "type": "long"},
        {"name": "vec", "type": "dense_vector", "dims": options.dim},
    ]
    milvus = {"collection": name, "closeDynamicField": True, "shardNum": 1}
    server = {"endpoint": options.milvus.partition("://")[2], "username": "", "password": ""}
    output = {"outputDir": str(options.folder / "peer")}
    worker = {"workMode": "elasticsearch", "reader": {"bufferSize": PAGE}}
    config = {
        "dumper": {"worker": worker},
        "meta": {"mode": "config", "index": index, "fields": fields, "milvus": milvus},
        "source": {"es": {"urls": [options.elasticsearch]}},
        "target": {"mode": "local", "local": output, "milvus2x": server},
    }
    path = options.folder / "peer.yaml"
    path.write_text(json.dumps(config))
    seconds, _ = measured([options.peer, "start", f"--config={path}"], options.folder)
    client = MilvusClient(options.milvus)
    rows = client.get_collection_stats(name)["row_count"]  # its exit code is 0 whatever happened
    client.close()
    drop(options.milvus, name)
    if rows != options.rows:
        raise SystemExit(f"the peer brought {rows:,} of {options.rows:,} rows")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("elasticsearch")
    parser.add_argument("milvus")
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--peer", help="program of the old tool", type=os.path.abspath)
    add_options(parser, rows=100_000, format_="parquet", folder="mmc-es")
    options = parser.parse_args()
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    rows, url, index = options.rows, options.elasticsearch, f"bench-{options.rows}-{options.dim}"
    fill(url, index, rows, options.dim)
    command = [sys.executable, "-m", "mmc.cli.main"]
    for _ in range(options.repeat):
        source = {"type": "elasticsearch", "url": url, "index": index}
        name = write_spec(options, options.milvus, source)
        planned, _ = measured([*command, "plan", "spec.yaml", "-o", "plan.json", "-q"], folder)
        used = os.times()
        applied, peak = measured([*command, "apply", "plan.json", "-q"], folder)
        now = os.times()
        cpu = now.children_user + now.children_system - used.children_user - used.children_system
        drop(options.milvus, name)
        compared = []
        if options.route == "bulk":
            alone = bare(options.milvus, folder, name, mmc.read_plan(folder / "plan.json"))
            compared.append(f"bare import {alone:5.2f} s")
        if options.peer:
            old = peer(options, index)
            compared.append(f"peer {old:5.2f} s: {old / applied:.2f} of ours")
        scrolled = timed(lambda: scroll(url, index), rows)
        reading = timed(lambda: read(folder / "plan.json"), rows)
        print(
            f"plan {planned:5.2f} s   apply {applied:5.2f} s, CPU {cpu:.2f} s, RSS {peak:.0f} MiB"
            f"   bare scroll {scrolled:5.2f} s"
            f"   read {reading:5.2f} s: {scrolled / reading:.2f} of the scroll's speed   "
            + "   ".join(compared)
        )


if __name__ == "__main__":
    main()
