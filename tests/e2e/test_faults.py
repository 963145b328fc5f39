"""Faults around a real Milvus 2.3.5: it goes away in the middle of pymilvus's own calls, or is away
when it is looked at; its storage answers badly while it imports.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmc.types import JsonValue
from tests.e2e.mmc_command import TIMEOUT, mmc, start
from tests.servers import milvus_server as servers
from tests.servers.cutting import Way, way_to
from tests.servers.milvus_s3 import BUCKET, ROOT, _use_s3
from tests.servers.milvus_server import own_server
from tests.servers.s3 import Bucket, bucket_at, make_bucket, start_s3
from tests.zygote.client import Command

pytestmark = pytest.mark.slow


def _rows(path: Path, rows: int) -> None:
    vectors = np.random.default_rng(1).standard_normal((rows, 8), dtype=np.float32)
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 8)
    pq.write_table(
        pa.table({"id": pa.array(range(rows)), "v": column}), path, row_group_size=rows // 40
    )


def _spec(folder: Path, uri: str, **load: Any) -> None:
    spec = {
        "version": 1,
        "source": {"type": "files", "path": "rows.parquet"},
        "target": {"type": "milvus", "uri": uri},
        "collections": [
            {
                "to": "c",
                "fields": [
                    {"from": "id", "primary_key": True},
                    {"from": "v", "index": {"type": "FLAT", "metric": "L2"}},
                ],
            }
        ],
        "load": load,
    }
    (folder / "spec.yaml").write_text(json.dumps(spec))


def _wait_for(process: Command, type_: str, **fields: str) -> None:
    """Reads its events until one is of this type, with these fields."""
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event["type"] == type_ and fields.items() <= event.items():
            return
    raise AssertionError(f"no {type_}: {process.communicate()[1]}")


def _events(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_a_server_that_goes_away_before_a_flush(tmp_path: Path) -> None:
    """The flush is a call of pymilvus's own; the same apply goes on when it is back. Then it is
    away when mmc looks at it.
    """
    _rows(tmp_path / "rows.parquet", 20_000)
    with own_server(tmp_path / "milvus") as server:
        _spec(tmp_path, server.uri, mode="replace")
        mmc(tmp_path, "plan", "spec.yaml", "-o", "plan.json")
        apply = start(tmp_path, "apply", "plan.json", "--json")
        _wait_for(apply, "step_started", kind="await_indexes")
        server.kill()
        time.sleep(3)
        server.start()
        out, err = apply.communicate(timeout=TIMEOUT)
        assert apply.returncode == 0, out[-3000:] + err
        events = _events(out)
        assert any(event["type"] == "retrying" for event in events)
        server.kill()
        plan = start(tmp_path, "plan", "spec.yaml", "--json", "-o", "again.json")
        _wait_for(plan, "retrying")
        server.start()
        out, err = plan.communicate(timeout=TIMEOUT)
        assert plan.returncode == 0, out[-3000:] + err


def _milvus_by_a_way(folder: Path, way: Way, bucket: Bucket) -> servers.MilvusServer:
    """Not started yet; its storage is at the end of the way."""
    servers.require_server()
    server = servers._configured(servers._made(folder), {})
    _use_s3(folder / "configs" / "milvus.yaml", way.port, bucket.storage)
    return server


def _staged_spec(folder: Path, uri: str, bucket: Bucket) -> dict[str, str]:
    """Gives the environment that its secrets need."""
    storage: dict[str, JsonValue] = {
        **bucket.storage,
        "key": {"secret": "env:MMC_TEST_KEY"},
        "secret": {"secret": "env:MMC_TEST_SECRET"},
    }
    staging = {"url": f"{bucket.url}/{ROOT}-staging", "storage": storage, "file_size": "1MiB"}
    _spec(folder, uri, route="bulk", staging=staging, split_bytes=65_536)
    return {
        "MMC_TEST_KEY": str(bucket.storage["key"]),
        "MMC_TEST_SECRET": str(bucket.storage["secret"]),
    }


def test_answers_of_the_storage_that_are_cut_short(tmp_path: Path) -> None:
    """2.3.5 says of some imports that they are completed, without a row, and of others "unexpected
    EOF". Each is asked for again, by the same apply.
    """
    _rows(tmp_path / "rows.parquet", 40_000)
    store = tmp_path / "s3"
    store.mkdir()
    with servers.held(store), servers.held(servers._made(tmp_path / "milvus")):
        port = start_s3(store)
        bucket = make_bucket(f"http://127.0.0.1:{port}", BUCKET)
        with way_to(port) as way:
            server = _milvus_by_a_way(tmp_path / "milvus", way, bucket)
            server.start()
            env = _staged_spec(tmp_path, server.uri, bucket_at(f"http://127.0.0.1:{port}", BUCKET))
            mmc(tmp_path, "plan", "spec.yaml", "-o", "plan.json", env=env)
            apply = start(tmp_path, "apply", "plan.json", "--json", env=env)
            _wait_for(apply, "import_asked")
            way.bad = 0.4
            time.sleep(14)
            way.bad = 0.0
            out, err = apply.communicate(timeout=TIMEOUT)
            print(f"{way.cuts} answers were cut")
            events = _events(out)
            for event in events:
                if event["type"] == "retrying":
                    print(event["what"], "|", event["error"])
            assert apply.returncode == 0, out[-3000:] + err
            (verified,) = [event for event in events if event["type"] == "verified"]
            assert (verified["ok"], verified["rows_found"]) == (True, 40_000)
