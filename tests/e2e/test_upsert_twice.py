"""An upsert of keys that a Milvus 2.3.5 counts twice: someone inserted them two times."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mmc import api
from mmc.plan.model import Mode
from mmc.sinks.milvus.insert.sink import MilvusInsertSink
from tests.servers.milvus_lite import create_step, options_at
from tests.servers.milvus_server import MilvusServer
from tests.sinks.milvus.collections import small, small_rows, write
from tests.sinks.milvus.test_server import FLAT, ready

SPEC = """version: 1
source: {{type: files, path: "{path}"}}
target: {{type: milvus, uri: "{uri}"}}
collections: [{{to: {name}}}]
load: {{mode: upsert}}
verify: {{digest: "off"}}
"""


def test_rows_that_were_there_twice(tmp_path: Path, milvus_server: MilvusServer) -> None:
    name = f"c{uuid.uuid4().hex}"
    collection = replace(small(), name=name)
    rows = small_rows(collection, list(range(20)))
    with MilvusInsertSink().open(options_at(milvus_server.uri)) as target:
        target.ensure(create_step(collection, Mode.FAIL))
        write(target, collection, rows, rows, small_rows(collection, [777]))
        ready(target, collection, FLAT)
        assert target.count(collection) == 41
        keys = pa.array([*range(5), 99])
        assert target.count_keys(collection, keys) == 10
        assert target.count_keys(collection, pa.array(range(5000))) == 41

        pq.write_table(pa.Table.from_batches([rows]), tmp_path / "rows.parquet")
        (tmp_path / "spec.yaml").write_text(
            SPEC.format(path=tmp_path / "rows.parquet", uri=milvus_server.uri, name=name)
        )
        plan = api.make_plan(api.load_spec(tmp_path / "spec.yaml"))
        state = f"sqlite:///{tmp_path}/state.db"
        report = api.apply_plan(plan, state=state, directory=tmp_path)
        assert report.outcome == "applied", report
        assert target.count(collection) == 21

        target._client.delete(name, filter="id in [777]")
        (found,) = api.verify_plan(plan, state=state).collections
        assert found.problems[0] == "MMC701: the target counts 20 rows, 21 were expected"
