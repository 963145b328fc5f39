"""Payload from a side file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from mmc.arrow.schema import arrow_text
from mmc.errors import SourceChanged, SourceError
from mmc.facts import SourceFacts
from mmc.plan.codec import canonical, from_json
from mmc.sources.faiss.source import FaissSource
from tests.sources.faiss.build import SAMPLE, config, factory, look, read, save, split_of, vectors

D = 8
N = 300


def index(tmp_path: Path, kind: str = "IDMap,Flat", ids: Any = None) -> str:
    ids = np.arange(N) * 10 if ids is None else ids
    return save(factory(kind, vectors(N, D), ids=ids), tmp_path / "a.index")


def side(tmp_path: Path, name: str = "side.parquet", **columns: Any) -> dict[str, Any]:
    table = pa.table(columns)
    path = tmp_path / name
    if name.endswith(".parquet"):
        parquet.write_table(table, path)
    elif name.endswith(".csv"):
        csv.write_csv(table, path)
    else:
        table.to_pandas().to_json(path, orient="records", lines=True)
    return {"join": {"path": str(path), "key": "key"}}


@pytest.mark.parametrize("name", ["side.parquet", "side.csv", "side.jsonl"])
@pytest.mark.parametrize("kind", ["IDMap,Flat", "IVF5,Flat"])
def test_formats(name: str, kind: str, tmp_path: Path) -> None:
    path = index(tmp_path, kind)
    order = np.random.default_rng(4).permutation(N)
    words = [f'wörd "{i}", \\n {i}' for i in order]
    join = side(tmp_path, name, key=order * 10, word=words, rank=order + 0.5)
    rows = read(path, columns=["word", "id", "rank", "vector"], **join).table.to_pylist()
    assert len(rows) == N
    for row in rows:
        i = row["id"] // 10
        assert row["word"] == f'wörd "{i}", \\n {i}'
        assert row["rank"] == i + 0.5


@pytest.mark.parametrize("dtype", [pa.int8(), pa.uint16(), pa.int64(), pa.uint64(), pa.string()])
def test_types_of_keys(dtype: pa.DataType, tmp_path: Path) -> None:
    path = index(tmp_path, ids=np.arange(N))
    keys = pa.array(range(100)).cast(dtype)
    join = side(tmp_path, key=keys, value=pa.array(range(100)))
    rows = read(path, columns=["id", "value"], **join).table
    assert rows.column("value").to_pylist() == [i if i < 100 else None for i in range(N)]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (pa.array([1.0, 2.0]), "of type double"),
        (pa.array(["1", "x7"]), "'x7'"),
        (pa.array(["1", "1.5"]), "'1.5'"),
        (pa.array(["1", "99999999999999999999"]), "not a 64-bit whole number"),
        (pa.array([2**63, 1], pa.uint64()), "not a 64-bit whole number"),
        (pa.array([1, None]), "1 rows have no 'key'"),
        (pa.array([True, False]), "of type bool"),
    ],
)
def test_keys_that_are_no_ids(keys: pa.Array, message: str, tmp_path: Path) -> None:
    join = side(tmp_path, key=keys, value=[1, 2])
    with pytest.raises(SourceError) as caught:
        look(index(tmp_path), **join)
    assert message in str(caught.value)
    assert caught.value.code == "MMC407"


def test_a_missing_key_column_names_those_there(tmp_path: Path) -> None:
    join = side(tmp_path, identity=[1], value=[1])
    with pytest.raises(SourceError, match="no column 'key'") as caught:
        look(index(tmp_path), **join)
    assert "identity, value" in caught.value.hint


def test_keys_that_occur_twice(tmp_path: Path) -> None:
    join = side(tmp_path, key=[5, 7, 5, 9, 7, 5], value=range(6))
    with pytest.raises(SourceError, match="3 rows repeat a key: 5, 7") as caught:
        look(index(tmp_path), **join)
    assert caught.value.code == "MMC408"


@pytest.mark.parametrize("name", ["id", "vector"])
def test_columns_that_clash(name: str, tmp_path: Path) -> None:
    join = side(tmp_path, key=[1, 2], **{name: [1, 2]})
    with pytest.raises(SourceError, match=f"the column '{name}' is named like one") as caught:
        look(index(tmp_path), **join)
    assert caught.value.code == "MMC409"


def test_the_key_may_be_named_id(tmp_path: Path) -> None:
    path = tmp_path / "side.parquet"
    parquet.write_table(pa.table({"id": range(N), "value": range(N)}), path)
    seen = look(index(tmp_path), join={"path": str(path), "key": "id"})
    assert [field.name for field in seen.fields] == ["id", "vector", "value"]


@pytest.mark.parametrize("kind", ["Flat", "IDMap,Flat", "IVF5,Flat"])
def test_ids_without_a_row_and_rows_without_an_id(kind: str, tmp_path: Path) -> None:
    ids = None if kind == "Flat" else np.arange(N)
    path = save(factory(kind, vectors(N, D), ids=ids), tmp_path / "a.index")
    join = side(tmp_path, key=[-5, *range(10, N), N, N + 1], value=range(N - 7))
    seen = look(path, **join)
    assert seen.fields[2].nullable
    assert seen.fields[2].evidence.nulls == 10
    assert any(note.startswith("10 ids have no row in") for note in seen.notes)
    assert any(note.startswith("3 rows of") for note in seen.notes)
    rows = read(path, columns=["id", "value"], **join).table
    assert rows.column("value").null_count == 10
    assert all(row["value"] is None for row in rows.to_pylist() if row["id"] < 10)


def test_complete_columns_are_not_nullable(tmp_path: Path) -> None:
    join = side(tmp_path, key=np.arange(N) * 10, value=range(N))
    seen = look(index(tmp_path), **join)
    assert not seen.fields[2].nullable
    assert seen.notes == ()


def test_evidence_is_exact(tmp_path: Path) -> None:
    words = ["x"] * N
    words[-1] = "é" * 100
    join = side(
        tmp_path,
        key=np.arange(N) * 10,
        word=words,
        count=np.arange(N) - 7,
        ratio=[float("nan"), *[0.0] * (N - 1)],
        tags=[["a"] * (i % 5) for i in range(N)],
        missing=pa.nulls(N, pa.int32()),
    )
    fields = {field.name: field for field in look(index(tmp_path), **join).fields}
    assert fields["word"].evidence.max_bytes == 200
    assert (fields["count"].evidence.min_value, fields["count"].evidence.max_value) == (-7, N - 8)
    assert fields["ratio"].evidence.non_finite == 1
    assert fields["tags"].evidence.max_items == 4
    assert fields["tags"].arrow == "list<string>"
    assert fields["missing"].evidence.nulls == N


def test_dictionaries_become_their_values(tmp_path: Path) -> None:
    kinds = pa.array(["a", "b", "a"] * 100).dictionary_encode()
    join = side(tmp_path, key=np.arange(N) * 10, kind=kinds)
    seen = look(index(tmp_path), **join)
    assert seen.fields[2].arrow == "string"
    table = read(index(tmp_path), columns=["kind"], **join).table
    assert table.column("kind").to_pylist() == ["a", "b", "a"] * 100


def test_an_empty_side_file(tmp_path: Path) -> None:
    join = side(tmp_path, key=pa.array([], pa.int64()), value=pa.array([], pa.string()))
    table = read(index(tmp_path), columns=["id", "value"], **join).table
    assert table.column("value").null_count == N


def test_its_change_is_noticed(tmp_path: Path) -> None:
    path = index(tmp_path)
    join = side(tmp_path, key=np.arange(N) * 10, value=range(N))
    seen = look(path, **join)
    assert [Path(name).name for name, _ in seen.fingerprint] == ["a.index", "side.parquet"]
    os.utime(join["join"]["path"], ns=(5, 5))
    with pytest.raises(SourceChanged, match=r"side\.parquet: changed since the plan"):
        list(FaissSource().read(config(path, **join), "a", split_of(seen), ["value"], 10))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("side.xlsx", b"?", "what kind of file this is"),
        ("side.parquet", b"PAR1", "cannot be read"),
        ("side.jsonl", b'{"key": 1}\n{"key"', "cannot be read"),
        ("side.csv", b"key,a\n1,2\n3\n", "cannot be read"),
    ],
)
def test_unreadable(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=message) as caught:
        look(index(tmp_path), join={"path": str(tmp_path / name), "key": "key"})
    assert caught.value.code == "MMC406"


def test_a_side_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        look(index(tmp_path), join={"path": str(tmp_path / "no.parquet"), "key": "key"})


@pytest.mark.parametrize(
    "values",
    [
        pa.nulls(N),
        pa.array(np.arange(N), pa.float16()),
        pa.array([None, 1.5] * (N // 2), pa.float32()),
        pa.array([{"a": i, "b": [str(i)]} for i in range(N)]),
        pa.array([[("k", i)] for i in range(N)], pa.map_(pa.string(), pa.int64())),
        pa.array([b"\0" * 4] * N, pa.binary(4)),
        pa.array([[[1], []]] * N),
        pa.array(range(N), pa.timestamp("us", tz="UTC")),
        pa.array([None] * N, pa.string()),
        pa.array(["x"] * N, pa.string_view()),
        pa.array([True, None] * (N // 2)),
        pa.array(range(N)).cast(pa.decimal128(21, 2)),
    ],
    ids=lambda values: str(values.type),
)
def test_any_type_is_carried(values: pa.Array, tmp_path: Path) -> None:
    path = index(tmp_path)
    join = side(tmp_path, key=np.arange(N) * 10, value=values)
    facts = FaissSource().inspect(config(path, **join), [], SAMPLE)
    assert from_json(SourceFacts, json.loads(canonical(facts))) == facts
    (seen,) = facts.collections
    expected = "large_string" if values.type == pa.string_view() else arrow_text(values.type)
    assert seen.fields[2].arrow == expected
    table = read(path, columns=["value"], **join).table
    assert table.column("value").to_pylist() == values.to_pylist()
