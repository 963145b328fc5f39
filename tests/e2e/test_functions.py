"""Rows for a collection that exists, with fields that they come without: those that its functions
fill, and of types that mmc does not have.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmc import api
from mmc.errors import SpecInvalid

pytestmark = pytest.mark.milvus_lite

SPEC = """version: 1
source: {type: files, path: SOURCE}
target: {type: milvus, uri: TARGET}
collections:
  - to: docs
    fields: [FIELDS]
load: {mode: MODE}
"""


def made(folder: Path, *, nullable: bool = True, vector: bool = True) -> Path:
    """A collection with one row, whose sparse vectors are made from its texts."""
    from pymilvus import DataType, Function, FunctionType, MilvusClient

    path = folder / "docs.db"
    with closing(MilvusClient(str(path))) as client:
        schema = MilvusClient.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("t", DataType.VARCHAR, max_length=200, enable_analyzer=True)
        if vector:
            schema.add_field("v", DataType.FLOAT_VECTOR, dim=2)
        schema.add_field("sparse", DataType.SPARSE_FLOAT_VECTOR)
        schema.add_field("ts", DataType.TIMESTAMPTZ, nullable=nullable)
        schema.add_field("place", DataType.GEOMETRY, nullable=True)
        schema.add_function(Function("bm25", FunctionType.BM25, ["t"], ["sparse"]))
        client.create_collection("docs", schema=schema)
        indexes = MilvusClient.prepare_index_params()
        if vector:
            indexes.add_index("v", index_type="FLAT", metric_type="L2")
        indexes.add_index("sparse", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25")
        client.create_index("docs", indexes)
        row: dict[str, Any] = {"id": 0, "t": "an old row", "ts": "2024-05-01T00:00:00Z"}
        client.insert("docs", [row | ({"v": [0.0, 1.0]} if vector else {})])
    return path


def spec_of(folder: Path, mode: str, *, fields: str = "", more: tuple[str, ...] = ()) -> api.Spec:
    columns: dict[str, Any] = {"id": [0, 1] if mode == "upsert" else [1, 2]}
    columns["t"] = ["green river", "blue river"]
    for name in ("v", *more):
        columns[name] = pa.array([[1.0, 2.0], [3.0, 4.0]], pa.list_(pa.float32(), 2))
    pq.write_table(pa.table(columns), folder / "rows.parquet")
    text = SPEC.replace("SOURCE", str(folder / "rows.parquet")).replace("MODE", mode)
    (folder / "spec.yaml").write_text(
        text.replace("TARGET", str(folder / "docs.db")).replace("FIELDS", fields)
    )
    return api.load_spec(folder / "spec.yaml")


@pytest.mark.parametrize("mode", ["append", "upsert"])
def test_rows_come_without_them(tmp_path: Path, mode: str) -> None:
    made(tmp_path)
    spec = spec_of(tmp_path, mode)
    plan = api.make_plan(spec)
    told = {one.code: one for one in plan.diagnostics if one.code in ("MMC364", "MMC388")}
    assert "MMC388" in told and ("MMC364" in told) == (mode == "upsert")
    if mode == "upsert":
        assert told["MMC364"].message.endswith("lose their values of `ts`, `place`")
    (create,) = [step for step in plan.steps if step.kind == "create_collection"]
    assert create.left_out == ("place", "sparse", "ts")
    report = api.apply_plan(plan, state=f"sqlite:///{tmp_path}/state.db", directory=tmp_path)
    assert report.outcome == "applied", report

    from pymilvus import MilvusClient

    with closing(MilvusClient(str(tmp_path / "docs.db"))) as client:
        client.load_collection("docs")
        found = client.search("docs", ["river"], anns_field="sparse", limit=9)
        assert sorted(hit["id"] for hit in found[0]) == ([0, 1] if mode == "upsert" else [1, 2])
        (old,) = client.query("docs", ids=[0], output_fields=["t", "ts"])
        assert old["t"] == ("green river" if mode == "upsert" else "an old row")
        assert (old["ts"] is None) is (mode == "upsert")


def test_a_collection_whose_only_vector_is_made_there(tmp_path: Path) -> None:
    made(tmp_path, vector=False)
    plan = api.make_plan(spec_of(tmp_path, "append", fields="{from: v, drop: true}"))
    report = api.apply_plan(plan, state=f"sqlite:///{tmp_path}/state.db", directory=tmp_path)
    assert report.outcome == "applied", report


def test_a_field_that_rows_cannot_come_without_is_refused_by_name(tmp_path: Path) -> None:
    made(tmp_path, nullable=False)
    with pytest.raises(SpecInvalid) as caught:
        api.make_plan(spec_of(tmp_path, "append"))
    (found,) = [one for one in caught.value.diagnostics if one.is_error]
    assert found.code == "MMC388"
    assert "the field `ts` of type timestamptz" in found.message


def test_a_column_for_a_field_that_is_made_there(tmp_path: Path) -> None:
    made(tmp_path)
    fields = "{from: s, to: sparse, type: float_vector(2)}"
    with pytest.raises(SpecInvalid) as caught:
        api.make_plan(spec_of(tmp_path, "append", fields=fields, more=("s",)))
    (found,) = [one for one in caught.value.diagnostics if one.is_error]
    assert found.code == "MMC387" and "its function `bm25`" in found.message
    assert found.hint == "leave the column out: {from: s, drop: true}"
