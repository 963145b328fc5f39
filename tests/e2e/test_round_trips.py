"""Every data type with awkward values through files of each layout and into Lite, by value."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.e2e.mmc_command import mmc

SMALLEST = float(np.float32(1.4e-45))
TEXTS = [
    "",
    "plain",
    "\U0001f600 \u00e9\u00df\u4e2d",
    'quote " and \\ back',
    "tab\tnew\nline",
    "'; --",
]
ROWS = len(TEXTS)
INTS = [0, -1, 2**63 - 1, -(2**63), 2**53 + 1, 7]
VECTOR = [-0.0, 0.0, SMALLEST, -1.5, 3.4028235e38, 1.1754944e-38, 0.1, -3.3]
SCALARS = {
    "flag": (pa.array([True, False] * 3), "bool"),
    "i8": (pa.array([-128, 127, 0, 1, 2, 3], pa.int8()), "int8"),
    "i16": (pa.array([-(2**15), 2**15 - 1, 0, 1, 2, 3], pa.int16()), "int16"),
    "i32": (pa.array([-(2**31), 2**31 - 1, 0, 1, 2, 3], pa.int32()), "int32"),
    "i64": (pa.array(INTS, pa.int64()), "int64"),
    "f32": (pa.array([-0.0, SMALLEST, 3.4028235e38, 0.1, 1.5, -2.0], pa.float32()), "float"),
    "f64": (pa.array([-0.0, 5e-324, 1.7976931348623157e308, 0.1, 1 / 3, -2.0]), "double"),
    "text": (pa.array(TEXTS), "varchar(64)"),
}
NULLABLE = {
    "maybe": (pa.array([None, "x", None, "", "y", None]), "varchar(8)"),
    "maybe_int": (pa.array([None, 1, None, 0, -1, 2**62], pa.int64()), "int64"),
}
ARRAYS = {
    "numbers": (
        pa.array([[], [1, 2**62], [-1], [0], [], [3]], pa.list_(pa.int64())),
        "array<int64>(8)",
    ),
    "words": (
        pa.array([[], ["a", ""], ["\U0001f600"], ['"\\'], [], ["z"]]),
        "array<varchar(8)>(8)",
    ),
}
DOCUMENT = {"a": {"b": [1, None, "\u00e9"], "big": 2**60}, "e": {}, "quote": '"\\'}
JSON = {"doc": (pa.array([json.dumps({**DOCUMENT, "n": n}) for n in range(ROWS)]), "json")}


def _table(columns: dict[str, tuple[pa.Array, str]]) -> pa.Table:
    vectors = np.array([np.roll(VECTOR, n) for n in range(ROWS)], np.float32)
    made = {"id": pa.array(TEXTS)}
    made |= {name: values for name, (values, _) in columns.items()}
    made["vector"] = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), len(VECTOR))
    return pa.table(made)


def _spec(
    folder: Path, name: str, source: str, target: str, columns: dict[str, tuple[pa.Array, str]]
) -> None:
    fields = ["{from: id, type: varchar(64), primary_key: true}"]
    for column, (values, type_) in columns.items():
        null = ", nullable: true" if values.null_count else ""
        fields.append(f"{{from: {column}, type: {type_!r}{null}}}")
    fields.append(
        f"{{from: vector, type: float_vector({len(VECTOR)}), index: {{type: FLAT, metric: L2}}}}"
    )
    lines = "\n".join(f"      - {field}" for field in fields)
    (folder / f"{name}.yaml").write_text(
        f"version: 1\nsource: {source}\ntarget: {target}\n"
        f"collections:\n  - to: rows\n    fields:\n{lines}\n"
    )
    mmc(folder, "apply", f"{name}.yaml", "--yes", "--report", f"{name}.json")
    assert json.loads((folder / f"{name}.json").read_text())["verdict"] == "verified"


def _exact(value: Any) -> Any:
    """A value in which -0.0 and 0.0, and 1 and 1.0, differ."""
    if isinstance(value, float):
        return (math.copysign(1, value), value.hex())
    if isinstance(value, list):
        return [_exact(item) for item in value]
    if isinstance(value, str) and value.startswith("{"):
        return _exact(json.loads(value))
    if isinstance(value, dict):
        return {key: _exact(item) for key, item in value.items()}
    return (type(value).__name__, value)


def _same(found: list[dict[str, Any]], table: pa.Table) -> None:
    wanted = {row["id"]: row for row in table.to_pylist()}
    assert len(found) == len(wanted)
    for row in found:
        for name, value in wanted[row["id"]].items():
            assert _exact(row[name]) == _exact(value), (row["id"], name)


def _from_lite(path: Path) -> list[dict[str, Any]]:
    from pymilvus import MilvusClient

    client = MilvusClient(str(path))
    client.load_collection("rows")
    rows = [dict(row) for row in client.query("rows", filter="", output_fields=["*"], limit=100)]
    client.close()
    for row in rows:
        row["vector"] = [float(x) for x in np.asarray(row["vector"], np.float32)]
        for name in ("numbers", "words"):
            if name in row:
                row[name] = list(row[name])
        if "f32" in row:
            row["f32"] = float(np.float32(row["f32"]))
    return rows


ALL = {**SCALARS, **NULLABLE, **ARRAYS, **JSON}


@pytest.mark.milvus_lite
@pytest.mark.parametrize("layout", ["parquet", "json"])
def test_all_types_through_files_into_lite(tmp_path: Path, layout: str) -> None:
    table = _table(ALL)
    pq.write_table(table, tmp_path / "rows.parquet")
    target = f"{{type: files, url: out, format: {layout}}}"
    _spec(tmp_path, "dump", "{type: files, path: rows.parquet}", target, ALL)
    lite = "{type: milvus, uri: ./rows.db}"
    _spec(tmp_path, "load", "{type: files, manifest: out/manifest.json}", lite, ALL)
    _same(_from_lite(tmp_path / "rows.db"), table)


@pytest.mark.milvus_lite
def test_numpy_layout_into_lite(tmp_path: Path) -> None:
    table = _table(SCALARS)
    pq.write_table(table, tmp_path / "rows.parquet")
    target = "{type: files, url: out, format: numpy}"
    _spec(tmp_path, "dump", "{type: files, path: rows.parquet}", target, SCALARS)
    lite = "{type: milvus, uri: ./rows.db}"
    _spec(tmp_path, "load", "{type: files, manifest: out/manifest.json}", lite, SCALARS)
    _same(_from_lite(tmp_path / "rows.db"), table)


VECTORS = {
    "float16_vector(8)": (np.arange(48).reshape(6, 8) / 4).astype(np.float16),
    "bfloat16_vector(8)": (np.arange(48).reshape(6, 8) - 20).astype(np.float32),
    "int8_vector(8)": np.arange(-24, 24).reshape(6, 8).astype(np.int8),
    "binary_vector(64)": np.arange(200, 248).reshape(6, 8).astype(np.uint8),
}


@pytest.mark.parametrize("layout", ["parquet", "json", "numpy"])
@pytest.mark.parametrize("type_", sorted(VECTORS))
def test_other_vectors_through_files(tmp_path: Path, type_: str, layout: str) -> None:
    values = VECTORS[type_]
    column = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), 8)
    pq.write_table(pa.table({"id": range(6), "v": column}), tmp_path / "rows.parquet")
    (tmp_path / "dump.yaml").write_text(
        "version: 1\nsource: {type: files, path: rows.parquet}\n"
        f"target: {{type: files, url: out, format: {layout}}}\n"
        f"collections: [{{fields: [{{from: v, type: {type_}}}]}}]\n"
    )
    mmc(tmp_path, "apply", "dump.yaml", "--yes", "--report", "r.json")
    assert json.loads((tmp_path / "r.json").read_text())["verdict"] == "verified"
    (tmp_path / "again.yaml").write_text(
        "version: 1\nsource: {type: files, manifest: out/manifest.json}\n"
        "target: {type: files, url: again, format: parquet}\n"
    )
    mmc(tmp_path, "apply", "again.yaml", "--yes", "--report", "s.json")
    first, second = (json.loads((tmp_path / f"{n}.json").read_text()) for n in "rs")
    digests = [r["collections"][0]["digest_found"] for r in (first, second)]
    assert digests[0] == digests[1] != ""


def test_sparse_vectors_through_files(tmp_path: Path) -> None:
    sparse = ['{"1": 0.5, "4000000000": 2.0}', '{"7": 1e-30}', '{"0": 3.0}']
    pq.write_table(pa.table({"id": range(3), "v": sparse}), tmp_path / "rows.parquet")
    (tmp_path / "dump.yaml").write_text(
        "version: 1\nsource: {type: files, path: rows.parquet}\n"
        "target: {type: files, url: out, format: parquet}\n"
        "collections: [{fields: [{from: v, type: sparse_float_vector}]}]\n"
    )
    mmc(tmp_path, "apply", "dump.yaml", "--yes")
    (written,) = (tmp_path / "out").rglob("*.parquet")
    found = [json.loads(text) for text in pq.read_table(written)["v"].to_pylist()]
    assert found == [json.loads(text) for text in sparse]


def test_bad_rows_are_refused_or_set_aside(tmp_path: Path) -> None:
    vectors = np.ones((5, 4), np.float32)
    vectors[1, 2], vectors[3, 0] = np.nan, np.inf
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 4)
    names = ["a", "b", "\u00e9\u00e9\u00e9", "d", "e"]
    pq.write_table(pa.table({"id": range(5), "n": names, "v": column}), tmp_path / "rows.parquet")
    head = (
        "version: 1\nsource: {type: files, path: rows.parquet}\ntarget: {type: files, url: out}\n"
    )
    body = "collections: [{fields: [{from: n, type: varchar(4)}]}]\n"
    (tmp_path / "strict.yaml").write_text(head + body)
    failed = mmc(tmp_path, "apply", "strict.yaml", "--yes", code=1)
    assert "rows.parquet" in failed.err and "`v`" in failed.err
    assert not list(tmp_path.glob("out/**/*.parquet"))
    mmc(tmp_path, "state", "list")
    aside = head.replace("url: out", "url: out2") + body + "rows: {on_error: quarantine}\n"
    (tmp_path / "aside.yaml").write_text(aside)
    mmc(tmp_path, "apply", "aside.yaml", "--yes", "--report", "r.json", code=3)
    report = json.loads((tmp_path / "r.json").read_text())["collections"][0]
    assert (report["read"], report["written"], report["quarantined"]) == (5, 2, 3)
    (path,) = report["quarantine"]
    lines = [json.loads(line) for line in (tmp_path / path).read_text().splitlines()]
    assert [line["row"] for line in lines] == [1, 2, 3]
    assert [line["field"] for line in lines] == ["v", "n", "v"]


def test_duplicate_keys_are_named_before_anything_is_written(tmp_path: Path) -> None:
    column = pa.FixedSizeListArray.from_arrays(pa.array(np.ones(24, np.float32)), 4)
    keys = ["a", "b", "a", "c", 'q"\\', 'q"\\']
    pq.write_table(pa.table({"id": keys, "v": column}), tmp_path / "rows.parquet")
    (tmp_path / "spec.yaml").write_text(
        "version: 1\nsource: {type: files, path: rows.parquet}\ntarget: {type: files, url: out}\n"
    )
    failed = mmc(tmp_path, "apply", "spec.yaml", "--yes", code=1)
    assert "2" in failed.err and "a" in failed.err and "q" in failed.err
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").rglob("part*"))
