"""Every type with awkward values comes back from an embedded database exactly as it was written."""

from __future__ import annotations

from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmc.sinks.milvus.insert.target import InsertTarget
from mmc.types import Collection
from tests.servers.milvus_lite import create_step, open_lite
from tests.sinks.milvus.collections import (
    KEYS,
    batch_of,
    field,
    read,
    same,
    small,
    small_rows,
    write,
)

pytestmark = pytest.mark.milvus_lite

LOW, HIGH = -(2**63), 2**63 - 1
TINY_FLOAT, BIG_FLOAT = 2.0**-149, 3.4028234663852886e38
TINY, BIG = 5e-324, 1.7976931348623157e308

VALUES: dict[str, list[Any]] = {
    "bool": [True, False],
    "int8": [-128, 127, 0],
    "int16": [-(2**15), 2**15 - 1],
    "int32": [-(2**31), 2**31 - 1],
    "int64": [LOW, HIGH, 0, -1, 2**53 + 1],
    "float": [-0.0, TINY_FLOAT, BIG_FLOAT, -BIG_FLOAT, 0.10000000149011612],
    "double": [-0.0, TINY, BIG, 0.1, 1 / 3],
    "varchar(50)": ["", "\x00", "\"\\'\n", "😀é", "null", " "],
    "json": [
        *("5", '"5"', "null", "true", "-0.0", "1e2", "1.50", '"abc"', '""', "[]", "{}"),
        *('{"b":1,"a":[null,{"x":1.50}]}', "123456789012345678901234567890", ' {"a" : 1}'),
        *('"{\\"a\\":1}"', '"\\ud83d\\ude00"', '"null"', '{"😀":"\\u0000"}'),
    ],
    "array<bool>(9)": [[], [True, False]],
    "array<int8>(9)": [[], [-128, 127]],
    "array<int16>(9)": [[2**15 - 1], []],
    "array<int32>(9)": [[-(2**31)], []],
    "array<int64>(9)": [[LOW, HIGH], []],
    "array<float>(9)": [[-0.0, TINY_FLOAT], []],
    "array<double>(9)": [[TINY, -0.0], []],
    "array<varchar(20)>(9)": [["", "\x00", "😀", '"'], []],
}


def wide(nullable: bool) -> tuple[Collection, dict[str, list[Any]]]:
    """A collection with a field of every type, and rows; each value of VALUES occurs."""
    rows = 20
    columns: dict[str, list[Any]] = {"id": KEYS[:rows]}
    fields = [field("id", "varchar(200)", primary_key=True)]
    for number, (type_, values) in enumerate(VALUES.items()):
        name = f"f{number}"
        fields.append(field(name, type_, nullable=nullable))
        columns[name] = list(islice(cycle([None, *values] if nullable else values), rows))
    fields += [field("v", "float_vector(3)"), field("w", "float_vector(2)")]
    columns["v"] = list(islice(cycle([[-0.0, TINY_FLOAT, BIG_FLOAT], [1, 2, 3]]), rows))
    columns["w"] = list(islice(cycle([[0.1, 0.2], [0, 0]]), rows))
    fields.append(field("s", "sparse_float_vector"))
    sparse = [[(0, 1.0), (2**32 - 2, 0.5)], [(7, TINY_FLOAT)]]
    columns["s"] = list(islice(cycle(sparse), rows))
    return Collection("c", tuple(fields)), columns


@pytest.mark.parametrize("nullable", [False, True])
def test_every_type(tmp_path: Path, nullable: bool) -> None:
    collection, columns = wide(nullable)
    rows = batch_of(collection, columns)
    want = rows.sort_by("id")
    with open_lite(tmp_path) as target:
        target.ensure(create_step(collection))
        # A slice: columns with an offset into their buffers must not read from the start.
        write(target, collection, rows.slice(0, 3), rows.slice(3))
        same(read(target, collection), want)
        same(read(target, collection, rows["id"]), want)
        assert target.count(collection) == rows.num_rows
    # After a close the rows are in Parquet files, read by other code than the log before it.
    with open_lite(tmp_path) as target:
        same(read(target, collection), want)
        same(read(target, collection, rows["id"]), want)
        assert target.count(collection) == rows.num_rows


def test_integer_keys_to_their_limits(tmp_path: Path) -> None:
    collection = small()
    keys = [LOW, LOW + 1, -1, 0, 1, HIGH - 1, HIGH]
    rows = small_rows(collection, keys)
    with open_lite(tmp_path) as target:
        target.ensure(create_step(collection))
        write(target, collection, rows)
        same(read(target, collection), rows)
        same(read(target, collection, rows["id"]), rows)
        same(read(target, collection, pa.array([LOW])), rows.slice(0, 1))


def test_dynamic_field(tmp_path: Path) -> None:
    collection = small(dynamic=True)
    texts = [
        "{}",
        '{"x":1,"y":[1,null,{"z":"é😀"}],"f":1.0}',
        '{"":0,"a b":null,"\\"":"\\\\"}',
        '{"n":123456789012345678901234567890,"g":1e300,"u":"\\ud83d\\ude00"}',
    ]
    rows = small_rows(collection, [0, 1, 2, 3], meta=texts)
    with open_lite(tmp_path) as target:
        target.ensure(create_step(collection))
        write(target, collection, rows)
        same(read(target, collection), rows)
        same(read(target, collection, rows["id"]), rows)


def test_only_the_wanted_columns_in_their_order(tmp_path: Path) -> None:
    collection = small(dynamic=True)
    rows = small_rows(collection, [1, 2], meta=["{}", '{"a":1}'])
    with open_lite(tmp_path) as target:
        target.ensure(create_step(collection))
        write(target, collection, rows)
        for columns in (["v"], ["t", "id"], ["$meta", "t"], ["id"]):
            for keys in (None, rows["id"]):
                (got,) = target.read_back(collection, columns, keys, 10)
                same(got, rows.select(columns))


def test_a_null_takes_the_default(tmp_path: Path) -> None:
    fields = [field("id", "int64", primary_key=True), field("v", "float_vector(1)")]
    fields.append(field("n", "int8", nullable=True, default=5))
    collection = Collection("c", tuple(fields))
    rows = batch_of(collection, {"id": [1, 2], "v": [[0], [0]], "n": [None, 7]})
    with open_lite(tmp_path) as target:
        target.ensure(create_step(collection))
        write(target, collection, rows)
        assert read(target, collection)["n"].to_pylist() == [5, 7]


def test_no_rows(tmp_path: Path) -> None:
    collection = small()
    with open_lite(tmp_path) as target:
        target.ensure(create_step(collection))
        write(target, collection, small_rows(collection, []))
        assert target.count(collection) == 0
        assert list(target.read_back(collection, ["id"], None, 10)) == []
        assert list(target.read_back(collection, ["id"], pa.array([4]), 10)) == []


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One open target for the property tests: opening takes longer than an example."""
    collection = Collection(
        "p",
        (
            field("id", "varchar(200)", primary_key=True),
            field("d", "double", nullable=True),
            field("t", "varchar(500)", nullable=True),
            field("a", "array<float>(20)", nullable=True),
            field("v", "float_vector(3)"),
        ),
    )
    with open_lite(tmp_path_factory.mktemp("lite")) as target:
        target.ensure(create_step(collection))
        yield target, collection


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
floats = st.floats(width=32, allow_nan=False, allow_infinity=False)
row = st.tuples(
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.none() | texts,
    st.none() | st.lists(floats, max_size=20),
    st.lists(floats, min_size=3, max_size=3),
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.dictionaries(texts, row, min_size=1, max_size=20))
def test_any_rows(shared: tuple[InsertTarget, Collection], rows: dict[str, Any]) -> None:
    target, collection = shared
    columns = dict(zip("dtav", map(list, zip(*rows.values(), strict=True)), strict=True))
    batch = batch_of(collection, {"id": list(rows), **columns})
    write(target, collection, batch)
    same(read(target, collection, batch["id"]), batch.sort_by("id"))
