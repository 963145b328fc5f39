"""`mmc` against a real Milvus 2.3.5: every mode, and kills of either end in the middle."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
import uuid
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmc.sinks.milvus.insert.sink import MilvusInsertSink
from tests.e2e.mmc_command import TIMEOUT, Result, kill_until_done, mmc, start
from tests.servers.milvus_lite import options_at
from tests.servers.milvus_server import MilvusServer, own_server

SPEC = """
version: 1
source: {{type: files, path: "{path}"}}
target: {{type: milvus, uri: "{uri}", database: {database}}}
collections:
  - to: {collection}
    fields:
      - {{from: doc, type: json}}
      - {{from: bits, type: binary_vector(1024), index: {{type: BIN_FLAT, metric: HAMMING}}}}
    rest: dynamic
load: {{mode: {mode}, split_bytes: {split_bytes}}}
"""

DATABASE = "library"


def _rows(path: Path, ids: range, text: str = "old") -> None:
    """Parquet with a key, a JSON document, a binary vector, and columns for the dynamic field."""
    random = np.random.default_rng(len(ids))
    table = pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "doc": [json.dumps({"n": n, "text": text}) for n in ids],
            "bits": pa.array([random.bytes(128) for _ in ids], pa.binary(128)),
            "text": [f"{text} {n} \u20ac" for n in ids],
            "more": [n % 3 == 0 for n in ids],
        }
    )
    pq.write_table(table, path, row_group_size=500)


def _plan(
    folder: Path,
    server: MilvusServer,
    collection: str,
    *,
    path: str = "rows.parquet",
    mode: str = "fail",
    split_bytes: int = 1_000_000,
    code: int = 0,
) -> Result:
    spec = SPEC.format(
        path=path,
        uri=server.uri,
        database=DATABASE,
        collection=collection,
        mode=mode,
        split_bytes=split_bytes,
    )
    (folder / "spec.yaml").write_text(spec, encoding="utf-8")
    return mmc(folder, "plan", "spec.yaml", "-o", "plan.json", code=code)


def _found(server: MilvusServer, collection: str) -> dict[int, str]:
    """Key -> text of all rows, and fails unless count(*) says as many."""
    options = options_at(server.uri, database=DATABASE)
    (seen,) = MilvusInsertSink().inspect(options, [collection]).collections
    found: dict[int, str] = {}
    with MilvusInsertSink().open(options) as target:
        for batch in target.read_back(seen.schema, ["id", "$meta"], None, 10_000):
            texts = [json.loads(one)["text"] for one in batch["$meta"].to_pylist()]
            found.update(zip(batch["id"].to_pylist(), texts, strict=True))
        assert target.count(seen.schema) == len(found)
    return found


def _texts(ids: range, text: str = "old") -> dict[int, str]:
    return {n: f"{text} {n} \u20ac" for n in ids}


def _name() -> str:
    return f"c{uuid.uuid4().hex}"


def test_fail_and_append(tmp_path: Path, milvus_server: MilvusServer) -> None:
    name = _name()
    _rows(tmp_path / "rows.parquet", range(100))
    _rows(tmp_path / "next.parquet", range(100, 150))
    _plan(tmp_path, milvus_server, name)
    assert "100 rows" in mmc(tmp_path, "apply", "plan.json").out
    assert "Nothing to do" in mmc(tmp_path, "apply", "plan.json").out
    assert "MMC515" in _plan(tmp_path, milvus_server, name, code=1).err

    _plan(tmp_path, milvus_server, name, path="next.parquet", mode="append")
    mmc(tmp_path, "apply", "plan.json")
    assert _found(milvus_server, name) == _texts(range(150))


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["append", "upsert"])
def test_rows_go_into_a_collection_that_is_not_loaded(
    tmp_path: Path, milvus_server: MilvusServer, mode: str
) -> None:
    name = _name()
    _rows(tmp_path / "rows.parquet", range(100))
    _rows(tmp_path / "next.parquet", range(100, 150))
    _plan(tmp_path, milvus_server, name)
    mmc(tmp_path, "apply", "plan.json")
    options = options_at(milvus_server.uri, database=DATABASE)
    with MilvusInsertSink().open(options) as target:
        target._client.release_collection(name)

    shown = _plan(tmp_path, milvus_server, name, path="next.parquet", mode=mode).out
    assert shown.index(f"load {name}") < shown.index(f"collection {name}")
    mmc(tmp_path, "apply", "plan.json")
    assert _found(milvus_server, name) == _texts(range(150))


@pytest.mark.slow
def test_upsert_and_replace(tmp_path: Path, milvus_server: MilvusServer) -> None:
    name = _name()
    _rows(tmp_path / "rows.parquet", range(100))
    _rows(tmp_path / "over.parquet", range(90, 110), "new")
    _plan(tmp_path, milvus_server, name)
    mmc(tmp_path, "apply", "plan.json")
    assert "equal" in mmc(tmp_path, "verify", "plan.json").out

    _plan(tmp_path, milvus_server, name, path="over.parquet", mode="append")
    assert "MMC651" in mmc(tmp_path, "apply", "plan.json", code=1).err
    assert _found(milvus_server, name) == _texts(range(100))

    # The append began nothing that must be finished first.
    _plan(tmp_path, milvus_server, name, path="over.parquet", mode="upsert")
    mmc(tmp_path, "apply", "plan.json")
    assert _found(milvus_server, name) == _texts(range(100)) | _texts(range(90, 110), "new")

    _plan(tmp_path, milvus_server, name, path="over.parquet", mode="replace")
    mmc(tmp_path, "apply", "plan.json", "--yes", "--allow-replace")
    assert _found(milvus_server, name) == _texts(range(90, 110), "new")


def test_indexes_are_refused_when_it_is_planned(
    tmp_path: Path, milvus_server: MilvusServer
) -> None:
    _rows(tmp_path / "rows.parquet", range(10))
    _plan(tmp_path, milvus_server, _name())
    good = (tmp_path / "spec.yaml").read_text()
    for said, code in (
        ("type: BIN_FLAT, metric: COSINE", "MMC239"),
        ("type: HNSW, metric: HAMMING", "MMC239"),
        ("type: MINHASH_LSH, metric: HAMMING", "MMC516"),
    ):
        bad = good.replace("type: BIN_FLAT, metric: HAMMING", said)
        (tmp_path / "bad.yaml").write_text(bad)
        assert code in mmc(tmp_path, "plan", "bad.yaml", code=1).err, said


def _survives_kills(
    folder: Path, server: MilvusServer, *, kills: int, seed: int, rows: int
) -> None:
    _rows(folder / "rows.parquet", range(rows))
    chance, hit, rounds, whole = random.Random(seed), 0, 0, 6.0
    while hit < kills:
        name = _name()
        _plan(folder, server, name, split_bytes=65_536)
        hit += kill_until_done(folder, "plan.json", chance=chance, longest=whole, code=0)
        assert _found(server, name) == _texts(range(rows))
        rounds += 1
    print(f"seed {seed}: {hit} applies were killed in {rounds} rounds")


def test_kills_of_mmc(tmp_path: Path, milvus_server: MilvusServer) -> None:
    _survives_kills(tmp_path, milvus_server, kills=1, seed=50, rows=5_000)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(60, 64))
def test_many_kills_of_mmc(tmp_path: Path, milvus_server: MilvusServer, seed: int) -> None:
    _survives_kills(tmp_path, milvus_server, kills=10, seed=seed, rows=10_000)


def _wait_for_a_split(apply: subprocess.Popen[str]) -> None:
    """Reads the events of an apply until some rows are in the target."""
    assert apply.stdout is not None
    for line in apply.stdout:
        if json.loads(line)["type"] == "split_done":
            return
    raise AssertionError(f"no split was copied\n{apply.communicate()[1]}")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_the_server_is_killed_and_comes_back(tmp_path: Path, seed: int) -> None:
    """mmc waits for it, tries again, and has every row once: what was acknowledged is kept."""
    rows = range(60_000)
    _rows(tmp_path / "rows.parquet", rows)
    chance = random.Random(seed)
    with own_server(tmp_path / "milvus") as server:
        name = _name()
        _plan(tmp_path, server, name, split_bytes=65_536)
        apply = start(tmp_path, "apply", "plan.json", "--json")
        _wait_for_a_split(apply)
        time.sleep(chance.uniform(0, 1))
        server.kill()
        began = time.monotonic()
        server.start()
        print(f"restarted in {time.monotonic() - began:.1f} s")
        out, err = apply.communicate(timeout=TIMEOUT)
        assert apply.returncode == 0, out[-2000:] + err
        assert _found(server, name) == _texts(rows)


@pytest.mark.slow
def test_the_server_stays_away(tmp_path: Path) -> None:
    """The apply ends with an error that says so; applying again, when it is back, continues."""
    rows = range(60_000)
    _rows(tmp_path / "rows.parquet", rows)
    with own_server(tmp_path / "milvus") as server:
        name = _name()
        _plan(tmp_path, server, name, split_bytes=65_536)
        apply = start(tmp_path, "apply", "plan.json", "--json")
        _wait_for_a_split(apply)
        server.kill()
        apply.send_signal(signal.SIGINT)
        apply.communicate(timeout=TIMEOUT)
        assert apply.returncode == 130
        refused = mmc(tmp_path, "plan", "spec.yaml", code=1)
        assert "MMC500" in refused.err
        server.start()
        mmc(tmp_path, "apply", "plan.json")
        assert _found(server, name) == _texts(rows)
