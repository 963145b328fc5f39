"""Columns to protobuf and back, for what an embedded database has not: server types, nulls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pymilvus.grpc_gen import schema_pb2

from mmc.arrow.schema import canonical_schema
from mmc.errors import TargetError
from mmc.milvus.decode import decode, unpacked
from mmc.milvus.dialect import LITE, SERVERS
from mmc.milvus.encode import encode, packed
from mmc.types import Collection
from tests.sinks.milvus.collections import batch_of, field, same

SERVER = SERVERS[-1][1]
ROWS = 3


def collection(type_: str, **options: Any) -> Collection:
    return Collection("c", (field("id", "int64", primary_key=True), field("x", type_, **options)))


def halves(*values: float) -> list[Any]:
    return [np.float16(value) for value in values]


VECTORS: dict[str, list[Any]] = {
    "float_vector(2)": [[-0.0, 1e-45], [3.4e38, 1], [0, 0]],
    "float16_vector(2)": [halves(-0.0, 6e-8), halves(65504, 1), halves(0, 0)],
    "bfloat16_vector(2)": [b"\x00\x80\x01\x00", b"\x7f\x7f\x80\x3f", b"\0\0\0\0"],
    "int8_vector(3)": [[-128, 127, 0], [1, 2, 3], [0, 0, 0]],
    "binary_vector(16)": [b"\x00\xff", b"\x01\x80", b"\0\0"],
    "sparse_float_vector": [[(0, 1.0), (2**32 - 2, -0.5)], [], [(7, 0.0)]],
}


@pytest.mark.parametrize("type_", VECTORS)
def test_vectors(type_: str) -> None:
    wanted = collection(type_)
    rows = batch_of(wanted, {"id": [1, 2, 3], "x": VECTORS[type_]})
    names = canonical_schema(wanted).names
    same(decode(wanted, names, encode(wanted, rows, SERVER)), rows)
    same(decode(wanted, names, encode(wanted, rows.slice(1), SERVER)), rows.slice(1))
    same(decode(wanted, names, encode(wanted, rows.slice(1, 1), SERVER)), rows.slice(1, 1))


@pytest.mark.parametrize("type_", [*VECTORS, "int64", "varchar(9)", "json", "array<int8>(4)"])
@pytest.mark.parametrize("which", [[0], [1], [2], [0, 1], [1, 2], [0, 1, 2]])
def test_nulls(type_: str, which: list[int]) -> None:
    scalars: dict[str, list[Any]] = {
        "int64": [1, 2, 3],
        "varchar(9)": ["a", "", "c"],
        "json": ["null", "1", "{}"],
        "array<int8>(4)": [[], [1], [2, 3]],
    }
    values = (scalars | VECTORS)[type_]
    wanted = collection(type_, nullable=True)
    gaps = [None if row in which else value for row, value in enumerate(values)]
    rows = batch_of(wanted, {"id": [1, 2, 3], "x": gaps})
    names = canonical_schema(wanted).names
    for part in (rows, rows.slice(1)):
        same(decode(wanted, names, encode(wanted, part, SERVER)), part)


def test_nulls_in_an_answer_of_full_length() -> None:
    """Servers answer with a value for every row, the null ones filled in."""
    wanted = collection("int64", nullable=True)
    data = encode(wanted, batch_of(wanted, {"id": [1, 2, 3], "x": [7, 8, 9]}), SERVER)
    del data[1].valid_data[:]
    data[1].valid_data.extend([True, False, True])
    assert decode(wanted, ["x"], data)["x"].to_pylist() == [7, None, 9]


def test_sparse_indices_are_sorted_when_read() -> None:
    wanted = collection("sparse_float_vector")
    rows = batch_of(wanted, {"id": [1, 2], "x": [[(9, 1.0), (3, 2.0)], [(1, 5.0), (0, 4.0)]]})
    found = decode(wanted, ["x"], encode(wanted, rows, SERVER))["x"].to_pylist()
    assert found == [[(3, 2.0), (9, 1.0)], [(0, 4.0), (1, 5.0)]]


def test_the_vectors_dimension() -> None:
    wanted = collection("sparse_float_vector")
    rows = batch_of(wanted, {"id": [1, 2], "x": [[(9, 1.0)], [(3, 2.0)]]})
    assert encode(wanted, rows, SERVER)[1].vectors.dim == 10
    assert encode(wanted, rows.slice(1), SERVER)[1].vectors.dim == 4
    dense = collection("float_vector(2)")
    rows = batch_of(dense, {"id": [1], "x": [[1, 2]]})
    assert encode(dense, rows, SERVER)[1].vectors.dim == 2


def test_json_goes_to_a_server_as_it_is_and_to_lite_as_a_string() -> None:
    wanted = collection("json")
    rows = batch_of(wanted, {"id": [1], "x": ['"5"']})
    assert list(encode(wanted, rows, SERVER)[1].scalars.json_data.data) == [b'"5"']
    assert list(encode(wanted, rows, LITE)[1].scalars.json_data.data) == [b'"\\"5\\""']


@pytest.mark.parametrize("count", [0, 1, 31, 32, 4_096, 600_000])
@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
def test_packed_numbers_are_what_protobuf_makes(count: int, dtype: str) -> None:
    message = schema_pb2.FloatArray if dtype == "<f4" else schema_pb2.DoubleArray
    values = np.random.default_rng(count).standard_normal(count).astype(dtype)
    wire = packed(values)
    assert wire == message(data=values.tolist()).SerializeToString()
    back = unpacked(message.FromString(wire), np.dtype(dtype))
    assert back.tobytes() == values.tobytes()


def test_numbers_of_another_byte_order() -> None:
    assert packed(np.array([1.5], ">f4")) == packed(np.array([1.5], "<f4"))


def test_a_column_that_is_not_in_the_answer() -> None:
    wanted = collection("int64")
    data = encode(wanted, batch_of(wanted, {"id": [1], "x": [2]}), SERVER)
    with pytest.raises(TargetError, match="lacks column x") as caught:
        decode(wanted, ["x"], data[:1])
    assert caught.value.code == "MMC521"


def test_auto_id_is_not_sent() -> None:
    fields = (field("id", "int64", primary_key=True, auto_id=True), field("x", "int8"))
    rows = pa.RecordBatch.from_pydict({"x": pa.array([1], pa.int8())})
    (only,) = encode(Collection("c", fields), rows, SERVER)
    assert only.field_name == "x"
