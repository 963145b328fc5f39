"""A collection with all that one can have is replaced, and the run is cut off at every place."""

from __future__ import annotations

import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmc import api
from mmc.events import Event
from mmc.report.counts import RunReport
from mmc.run.interpreter import apply_plan
from mmc.state.store import RunStatus, Store
from tests.fakes import Crash
from tests.run.test_interpreter import Breaking
from tests.servers.milvus_server import MilvusServer

TTL = {"collection.ttl.seconds": "864000"}


def _client(uri: str) -> Any:
    from pymilvus import MilvusClient

    return closing(MilvusClient(uri, dedicated=True))


def _old(uri: str, name: str) -> None:
    """20 rows in two partitions, an index that is no default, a TTL and two aliases."""
    from pymilvus import DataType

    with _client(uri) as client:
        schema = client.create_schema(description="all words")
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("embedding", DataType.FLOAT_VECTOR, dim=8)
        client.create_collection(name, schema=schema, properties=TTL)
        client.create_partition(name, "a")
        vectors = np.random.default_rng(9).standard_normal((20, 8), dtype="f4")
        rows = [{"id": id_, "embedding": vector} for id_, vector in enumerate(vectors)]
        client.insert(name, rows[:10])
        client.insert(name, rows[10:], partition_name="a")
        params = client.prepare_index_params()
        params.add_index("embedding", index_type="FLAT", metric_type="L2")
        client.create_index(name, params)
        client.load_collection(name)
        for alias in ("live", "prod"):
            client.create_alias(name, f"{name}_{alias}")


def _shape(uri: str, name: str) -> dict[str, Any]:
    """What must be as it was, asked by the client alone."""
    with _client(uri) as client:
        described = client.describe_collection(f"{name}_prod")
        (index,) = [client.describe_index(name, one) for one in client.list_indexes(name)]
        return {
            "name": described["collection_name"],
            "aliases": sorted(client.list_aliases(name)["aliases"]),
            # 2.3 cannot take off the property by which a run claims what it makes.
            "properties": {k: v for k, v in described["properties"].items() if k != "mmc.run"},
            "description": described["description"],
            "partitions": sorted(client.list_partitions(name)),
            "index": (index["index_type"], index["metric_type"]),
        }


def _plan(folder: Path, uri: str, name: str, mode: str = "replace", more: str = "") -> Any:
    vectors = np.random.default_rng(5).standard_normal((10, 8), dtype="f4")
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 8)
    pq.write_table(pa.table({"id": range(10), "embedding": column}), folder / "rows.parquet")
    spec = folder / "spec.yaml"
    spec.write_text(
        f"version: 1\nsource: {{type: files, path: {folder}/rows.parquet}}\n"
        f"target: {{type: milvus, uri: '{uri}'}}\ncollections: [{{to: {name}}}]\n"
        f"load: {{mode: {mode}{more}}}\n"
    )
    return api.make_plan(api.load_spec(spec))


def _apply(folder: Path, plan: Any, store: Any, events: list[Event]) -> RunReport:
    return apply_plan(plan, store=store, emit=events.append, directory=folder / "mmc")


def _cut_off_everywhere(folder: Path, uri: str, name: str) -> None:
    """Each attempt goes a step further than the one before, and ends before or after a record of
    the state store.
    """
    _old(uri, name)
    before = _shape(uri, name)
    plan, met, events = _plan(folder, uri, name), [], list[Event]()
    with Store.open(f"sqlite:///{folder}/state.db") as store:
        while not met or not _ended(store, f"alias.{name}_prod"):
            assert len(met) < 50, met
            when = ("before", "after")[len(met) // 2 % 2]
            # While nothing is dropped the check of keys is made again each time: two records more.
            number = 2 + len(met) % 2 + (0 if _has_dropped(store) else 2)
            breaking: Any = Breaking(store, number, when)
            with pytest.raises(Crash):
                _apply(folder, plan, breaking, events)
            met.append(breaking.met)
        report = _apply(folder, plan, store, events)
    assert report.outcome is RunStatus.APPLIED
    assert report.verified[0].ok and report.verified[0].rows_found == 10
    assert met.count("step_begun") >= 6 and met.count("step_done") >= 6
    assert _shape(uri, name) == before


def _has_dropped(store: Store) -> bool:
    return any(
        step.startswith("unalias.") for run in store.list_runs() for step in store.steps(run.id)
    )


def _ended(store: Store, step: str) -> bool:
    (run,) = store.list_runs()
    record = store.steps(run.id).get(step)
    return record is not None and record.done


@pytest.mark.slow
@pytest.mark.milvus_lite
def test_cut_off_everywhere_on_lite(tmp_path: Path) -> None:
    _cut_off_everywhere(tmp_path, str(tmp_path / "words.db"), "words")


def test_cut_off_everywhere_on_a_server(tmp_path: Path, milvus_server: MilvusServer) -> None:
    _cut_off_everywhere(tmp_path, milvus_server.uri, f"c{uuid.uuid4().hex}")
