from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmc.arrow.schema import canonical_schema
from mmc.errors import SourceError, TargetError
from mmc.layouts import jsonrows
from mmc.layouts.vectors import exact_float32
from mmc.types import Collection
from tests.layouts.batches import (
    FULL,
    assert_same,
    batches,
    column,
    columns_of,
    field,
    rows_of,
    some_fields,
)

SMALL = Collection(
    "small",
    (
        field("id", "int64", primary_key=True),
        field("text", "varchar(99)"),
        field("v", "float_vector(4)"),
    ),
    dynamic=True,
)


def write(path: Path, collection: Collection, *found: pa.RecordBatch) -> None:
    part = jsonrows.JsonPart(str(path), {}, collection)
    for batch in found:
        part.write(batch)
    part.commit()


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), collection=some_fields(FULL))
def test_every_type_comes_back_with_the_same_bits(
    data: st.DataObject, collection: Collection, tmp_path: Path
) -> None:
    batch = data.draw(batches(collection))
    path = tmp_path / "part-0.json"
    write(path, collection, batch)
    names = columns_of(collection)
    (found,) = jsonrows.read_rows(str(path), {}, collection, names, 0, len(batch), 100)
    assert_same(found, batch)


@settings(max_examples=20, deadline=None)
@given(data=st.data(), collection=some_fields(FULL))
def test_a_slice_is_written_as_its_own_rows(data: st.DataObject, collection: Collection) -> None:
    batch = data.draw(batches(collection))
    part = batch.slice(len(batch) // 2)
    rows = jsonrows.to_rows(part, collection)
    assert rows == jsonrows.to_rows(batch, collection)[len(batch) // 2 :]


def test_rows_are_what_the_importer_reads(tmp_path: Path) -> None:
    """The shapes of milvus.io's row JSON: numbers, lists, text for json, an object for sparse."""
    collection = Collection(
        "c",
        (
            field("id", "int64", primary_key=True),
            field("doc", "json"),
            field("half", "float16_vector(2)"),
            field("bin", "binary_vector(16)"),
            field("sparse", "sparse_float_vector"),
            field("f", "float"),
        ),
        dynamic=True,
    )
    values = {
        "id": [2**63 - 1],
        "doc": ['{"b":1,"a":2}'],
        "half": [[0.5, -2.0]],
        "bin": [b"\x01\xff"],
        "sparse": [{"30": 1.0, "17": 0.5}],
        "f": [0.1],
    }
    columns = [column(f.type, values[f.name]) for f in collection.fields]
    columns.append(pa.array(['{"x":1}']))
    path = tmp_path / "part-0.json"
    write(path, collection, pa.record_batch(columns, schema=canonical_schema(collection)))
    text = path.read_text()
    assert text == (
        '{"rows":[\n'
        '{"id":9223372036854775807,"doc":"{\\"b\\":1,\\"a\\":2}","half":[0.5,-2.0],'
        '"bin":[1,255],"sparse":{"17":0.5,"30":1.0},"f":0.1,"$meta":"{\\"x\\":1}"}\n'
        "]}\n"
    )
    assert json.loads(text)["rows"][0]["id"] == 2**63 - 1


def test_batches_join_and_any_range_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "part-0.json"
    first, second = rows_of(SMALL, 700), rows_of(SMALL, 500, start=700)
    write(path, SMALL, first, second)
    assert len(json.loads(path.read_text())["rows"]) == 1200
    assert jsonrows.count_rows(str(path), {}) == 1200
    found = list(jsonrows.read_rows(str(path), {}, SMALL, ["id"], 650, 1001, 100))
    assert [row for batch in found for row in batch["id"].to_pylist()] == list(range(650, 1001))
    assert max(map(len, found)) <= 100


def test_long_lines_cross_the_chunks_of_the_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonrows, "_CHUNK", 37)
    path = tmp_path / "part-0.json"
    batch = rows_of(SMALL, 50)
    write(path, SMALL, batch)
    assert jsonrows.count_rows(str(path), {}) == 50
    found = list(jsonrows.read_rows(str(path), {}, SMALL, columns_of(SMALL), 0, 50, 7))
    assert_same(pa.Table.from_batches(found).combine_chunks().to_batches()[0], batch)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_not_finite_numbers_are_refused(bad: float, tmp_path: Path) -> None:
    batch = rows_of(SMALL, 3)
    vectors = pa.array([[1.0, 2.0, 3.0, bad]] * 3, batch["v"].type)
    batch = batch.set_column(2, batch.schema.field(2), vectors)
    part = jsonrows.JsonPart(str(tmp_path / "part-0.json"), {}, SMALL)
    with pytest.raises(TargetError, match="field v: JSON cannot hold NaN"):
        part.write(batch)
    part.abort()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b'{"rows":[', b'{"rowz":[', "does not begin with"),
        (b"\n]}\n", b"", "does not end with"),
        (b'"id":3,', b'"id":"x",', "field id"),
        (b'"id":3,', b'"id":3', "rows up to"),
    ],
)
def test_damage_is_named(old: bytes, new: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "part-0.json"
    write(path, SMALL, rows_of(SMALL, 5))
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))
    with pytest.raises(SourceError, match=message):
        list(jsonrows.read_rows(str(path), {}, SMALL, ["id", "v"], 0, 5, 100))


def test_float32_survives_the_way_through_double() -> None:
    """7.038531e-26, parsed as double and rounded, gives its neighbour: a plain cast loses a bit."""
    seeded = np.random.default_rng(5).integers(0, 2**32, 300_000, dtype=np.uint32)
    known = np.array([0x15AE43FD, 0x95AE43FD, 1, 0x007FFFFF, 0x7F7FFFFF], dtype=np.uint32)
    wanted = np.concatenate([known, seeded]).view(np.float32)
    wanted = wanted[np.isfinite(wanted)]
    doubles = np.array(orjson.loads(orjson.dumps(wanted, option=orjson.OPT_SERIALIZE_NUMPY)))
    assert not np.array_equal(doubles.astype("f4").view("u4"), wanted.view("u4"))
    assert np.array_equal(exact_float32(doubles).view("u4"), wanted.view("u4"))
