"""Milvus with a bucket of its own: a file put there by `urls` is imported by its key."""

from __future__ import annotations

import time
from contextlib import closing

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmc.storage import urls
from tests.servers.milvus_s3 import ROOT, MilvusOnS3, milvus_on_s3

__all__ = ["milvus_on_s3"]


@pytest.mark.slow
def test_a_file_in_the_bucket_is_imported_by_key(milvus_on_s3: MilvusOnS3) -> None:
    from pymilvus import DataType, MilvusClient

    bucket = milvus_on_s3.bucket
    vectors = np.random.default_rng(7).normal(size=(3_000, 8)).astype("f4")
    with closing(MilvusClient(milvus_on_s3.uri)) as client:
        schema = client.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("v", DataType.FLOAT_VECTOR, dim=8)
        client.create_collection("by_key", schema=schema, timeout=60)
        rows = [{"id": number, "v": vectors[number].tolist()} for number in range(1_000)]
        client.insert("by_key", rows, timeout=60)
        client.flush("by_key", timeout=60)
        own = [name for name, _ in urls.list_files(bucket.url, bucket.storage)]
        assert own
        assert all(name.startswith(f"{ROOT}/") for name in own)

        column = pa.array(list(vectors[1_000:]), pa.list_(pa.float32()))
        buffer = pa.BufferOutputStream()
        pq.write_table(pa.table({"id": np.arange(1_000, 3_000), "v": column}), buffer)
        with urls.open_atomic(f"{bucket.url}/staged/a/0.parquet", bucket.storage) as file:
            file.write(memoryview(buffer.getvalue()))
            file.commit()

        assert imported(client, "staged/a/0.parquet") == ("Completed", 2_000)
        state, _ = imported(client, f"{bucket.url}/staged/a/0.parquet")
        assert state.startswith("Failed"), "a URL is no key"

        index = client.prepare_index_params()
        index.add_index("v", index_type="FLAT", metric_type="L2")
        client.create_index("by_key", index, timeout=60)
        client.load_collection("by_key", timeout=120)
        counted = client.query(
            "by_key", filter="", output_fields=["count(*)"], consistency_level="Strong", timeout=60
        )
        assert counted[0]["count(*)"] == 3_000
        (row,) = client.get("by_key", ids=[2_500], timeout=60)
        assert np.array_equal(np.array(row["v"], "f4"), vectors[2_500])


def imported(client: object, key: str) -> tuple[str, int]:
    """Imports one file; the state in which the server left the task, and its rows."""
    from pymilvus import MilvusClient

    assert isinstance(client, MilvusClient)
    handler, context = client._get_connection(), client._generate_call_context()
    task = handler.do_bulk_insert("by_key", "", [key], context=context, timeout=60)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        state = handler.get_bulk_insert_state(task, context=context, timeout=60)
        if state.state_name in ("Completed", "Failed", "Failed and cleaned"):
            return state.state_name, state.row_count
        time.sleep(0.1)
    raise AssertionError(f"task {task} has not ended: {state}")
