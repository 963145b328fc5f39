"""The transform as a whole: filter, expressions, defaults, bad rows, dynamic field."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmc.arrow.schema import Origin, arrow_text, canonical_schema, with_origin
from mmc.casts import Refused, choose
from mmc.errors import ExpressionFailed, SourceChanged
from mmc.plan.mapping import (
    Column,
    Constant,
    Expression,
    Generated,
    Mapping,
    RestColumn,
)
from mmc.plan.model import CopySplits, Write
from mmc.plan.reading import Batches, Reading
from mmc.transform.transform import Transform, Transformed
from mmc.types import ArrowType, Collection, Field, FieldType, JsonValue


def mapping(
    name: str,
    type_: str,
    arrow: str = "",
    *,
    source: str = "",
    expr: str = "",
    nullable: bool = False,
    default: JsonValue = None,
    normalize: bool = False,
    json_text: bool = False,
) -> Mapping:
    target = FieldType.parse(type_)
    cast = choose(ArrowType.parse(arrow), target, json_text=json_text)
    assert not isinstance(cast, Refused), cast
    field = Field(name, target, nullable=nullable)
    origin = source or ("" if expr else name)
    return Mapping(
        field=field,
        origin=Expression(expr, arrow, cast.name) if expr else Column(origin, arrow, cast.name),
        default=default,
        normalize=normalize,
    )


def step(
    *mappings: Mapping, where: str = "", rest: tuple[RestColumn, ...] | None = None
) -> CopySplits:
    collection = Collection("c", tuple(m.field for m in mappings), dynamic=rest is not None)
    names = tuple(m.column for m in mappings if m.column)
    return CopySplits(
        id="copy",
        read=Reading(collection="s", columns=names, where=where),
        collection=collection,
        mappings=mappings,
        splits=(),
        route="files.files",
        reason="",
        write=Write.FILE,
        batches=Batches(9, 9),
        rest=rest or (),
    )


def run(plan: CopySplits, batch: pa.RecordBatch) -> Transformed:
    (done,) = Transform(plan)(batch)
    assert done.batch.schema.equals(canonical_schema(plan.collection))
    done.batch.validate(full=True)
    assert done.rows_read == batch.num_rows
    assert done.rows_read == done.batch.num_rows + done.rows_filtered + len(done.bad)
    return done


def test_map_rename_constant_expression_and_filter() -> None:
    batch = pa.record_batch({"_id": ["a", "b", "c", "d"], "n": pa.array([1, 2, None, 4])})
    constant = Mapping(field=Field("k", FieldType.parse("varchar(5)")), origin=Constant("é"))
    plan = step(
        mapping("id", "varchar(4)", "string", source="_id"),
        mapping("twice", "int32", "int64", expr="n * 2"),
        constant,
        where="n > 1",
    )
    done = run(plan, batch)
    assert done.batch.to_pydict() == {"id": ["b", "d"], "twice": [4, 8], "k": ["é", "é"]}
    assert done.rows_filtered == 2 and not done.bad


def test_json_that_the_target_does_not_take_makes_a_bad_row() -> None:
    """Bytes of UTF-8 count, as they are sent; the limit itself is inside."""
    most = 40
    texts = [*(json.dumps("x" * n) for n in (most - 2, most - 1)), json.dumps("é" * 19), None]
    texts[2] = '"' + "é" * 19 + '"'  # 40 bytes
    rest = ["y" * n for n in (1, 1, most - 8, most - 7)]  # {"r":"y"}
    batch = pa.record_batch({"id": [1, 2, 3, 4], "j": texts, "r": rest})
    plan = step(
        mapping("id", "int64", "int64"),
        mapping("j", "json", "string", nullable=True, json_text=True),
        rest=(RestColumn("r", "string"),),
    )
    assert not run(plan, batch).bad
    done = run(replace(plan, batches=Batches(9, 9, most)), batch)
    assert done.batch["id"].to_pylist() == [1, 3]
    assert [(row.row, row.code, row.field) for row in done.bad] == [
        (1, "MMC604", "j"),
        (3, "MMC604", "$meta"),
    ]
    assert all("more than 40 bytes of JSON" in row.reason for row in done.bad)
    assert [row.values["id"] for row in done.bad] == [2, 4]


def test_a_slice_of_a_batch_is_transformed_like_a_batch() -> None:
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(12, dtype=np.float32)), 2)
    batch = pa.record_batch({"id": pa.array(range(6)), "v": vectors})
    plan = step(
        mapping("id", "int64", "int64"), mapping("v", "float_vector(2)", arrow_text(vectors.type))
    )
    whole = run(plan, batch).batch
    assert run(plan, batch.slice(2, 3)).batch.equals(whole.slice(2, 3))
    filtered = replace(plan, read=replace(plan.read, where="id % 2 = 0"))
    assert run(filtered, batch.slice(2, 3)).batch.column("id").to_pylist() == [2, 4]


def test_an_empty_batch_stays_empty() -> None:
    batch = pa.record_batch({"id": pa.array([], pa.int64()), "t": pa.array([], pa.string())})
    rest = (RestColumn("t", "string"),)
    plan = step(mapping("id", "int64", "int64"), where="id > 0", rest=rest)
    assert run(plan, batch).batch.num_rows == 0


def test_the_first_bad_field_names_the_row_and_rows_keep_their_order() -> None:
    batch = pa.record_batch(
        {
            "id": pa.array([1, None, 3, None, 5]),
            "n": pa.array([1, 2, 300, 400, 5]),
            "v": pa.array([[1.0], [2.0], [math.nan], [4.0], [math.inf]]),
        }
    )
    plan = step(
        mapping("id", "int64", "int64"),
        mapping("n", "int8", "int64"),
        mapping("v", "float_vector(1)", "list<double>"),
    )
    done = run(plan, with_origin(batch, Origin("x.parquet", 100, "row")))
    assert done.batch.column("id").to_pylist() == [1]
    assert [(bad.row, bad.field, bad.code) for bad in done.bad] == [
        (101, "id", "MMC600"),
        (102, "n", "MMC601"),
        (103, "id", "MMC600"),
        (104, "v", "MMC603"),
    ]
    assert {bad.path for bad in done.bad} == {"x.parquet"}
    assert done.bad[1].values == {"id": 3, "n": 300, "v": ["NaN"]}
    json.dumps([bad.values for bad in done.bad], allow_nan=False)


def test_places_count_in_the_source_also_behind_a_filter() -> None:
    batch = pa.record_batch({"id": pa.array([0, 1, 2, 3, 4]), "n": pa.array([1, 999, 999, 1, 999])})
    plan = step(mapping("id", "int64", "int64"), mapping("n", "int8", "int64"), where="id > 1")
    done = run(plan, batch)
    assert [bad.row for bad in done.bad] == [2, 4] and done.rows_filtered == 2


def test_an_expression_that_fails_for_a_row_costs_that_row_alone() -> None:
    batch = pa.record_batch({"id": pa.array(range(6)), "t": ["1", "x", "3", None, "y", "6"]})
    plan = step(
        mapping("id", "int64", "int64"),
        mapping("n", "int32", "int32", expr="CAST(t AS INTEGER)", nullable=True),
        where="id <> 4",
    )
    done = run(plan, batch)
    assert done.batch.to_pydict() == {"id": [0, 2, 3, 5], "n": [1, 3, None, 6]}
    (bad,) = done.bad
    assert (bad.row, bad.field, bad.code) == (1, "n", "MMC612") and "x" not in bad.reason.split()


def test_a_condition_that_fails_for_a_row_makes_it_a_bad_row() -> None:
    batch = pa.record_batch({"id": pa.array(range(4)), "t": ["1", "x", "0", "3"]})
    plan = step(mapping("id", "int64", "int64"), where="CAST(t AS INTEGER) > 0")
    done = run(plan, batch)
    assert done.batch.column("id").to_pylist() == [0, 3] and done.rows_filtered == 1
    assert [(bad.row, bad.field) for bad in done.bad] == [(1, "where")]


def test_a_failed_expression_does_not_hide_an_earlier_field() -> None:
    batch = pa.record_batch({"id": pa.array([None, 1]), "t": ["x", "x"]})
    plan = step(
        mapping("id", "int64", "int64"),
        mapping("n", "int32", "int32", expr="CAST(t AS INTEGER)", nullable=True),
    )
    assert [bad.field for bad in run(plan, batch).bad] == ["id", "n"]


@pytest.mark.parametrize(
    ("type_", "array", "default"),
    [
        ("int8", pa.array([1, None], pa.int8()), 7),
        ("varchar(4)", pa.array(["a", None]), "é"),
        ("bool", pa.array([True, None]), False),
        ("double", pa.array([0.5, None]), 0.1),
        ("float", pa.array([0.5, None], pa.float32()), 0.1),
        ("array<int64>(3)", pa.array([[1], None]), [1, 2]),
        ("array<varchar(2)>(3)", pa.array([["a"], None]), []),
        ("float_vector(2)", pa.array([[1.0, 2.0], None], pa.list_(pa.float32(), 2)), [0.5, 1]),
        ("bfloat16_vector(1)", pa.array([[1.0], None], pa.list_(pa.float32())), [0.5]),
        ("json", pa.array(['{"a": 1}', None]), {"b": [1.5, None]}),
        ("sparse_float_vector", pa.array(['{"1": 2}', None]), {"3": 0.5}),
    ],
)
def test_a_default_stands_in_for_null(type_: str, array: pa.Array, default: JsonValue) -> None:
    batch = pa.record_batch({"x": array})
    plan = step(mapping("x", type_, arrow_text(array.type), default=default))
    done = run(plan, batch)
    assert not done.bad and done.batch.num_rows == 2
    constant = Mapping(field=Field("x", FieldType.parse(type_)), origin=Constant(default))
    same = run(step(constant), batch).batch
    assert done.batch.slice(1).equals(same.slice(1))


def test_a_value_that_does_not_fit_gets_no_default() -> None:
    batch = pa.record_batch({"n": pa.array([1, 999, None])})
    done = run(step(mapping("n", "int8", "int64", default=0)), batch)
    assert done.batch.column("n").to_pylist() == [1, 0] and done.bad[0].code == "MMC601"


def test_a_constant_that_does_not_fit_is_refused_before_any_row() -> None:
    for type_, value in (("int8", 300), ("varchar(1)", "é"), ("int64", "x"), ("bool", 1)):
        field = Field("k", FieldType.parse(type_))
        with pytest.raises(ExpressionFailed, match="does not go into"):
            Transform(step(Mapping(field=field, origin=Constant(value))))


@pytest.mark.parametrize("type_", ["float_vector(3)", "float16_vector(3)", "bfloat16_vector(3)"])
def test_normalize(type_: str) -> None:
    rows = [[3.0, 0.0, 4.0], [0.0, -0.0, 0.0], [1.0, 0.0, 0.0], [5.0, 5.0, 5.0]]
    batch = pa.record_batch({"v": pa.array(rows)})
    done = run(step(mapping("v", type_, "list<double>", normalize=True)), batch)
    assert [(bad.row, bad.code) for bad in done.bad] == [(1, "MMC610")]
    width = {"float": 2**-23, "float16": 2**-10, "bfloat16": 2**-7}[type_.split("_")[0]]
    column = done.batch.column("v")
    if type_.startswith("bf"):
        raw = b"".join(b"\0\0" + v[i : i + 2] for v in column.to_pylist() for i in (0, 2, 4))
        found = np.frombuffer(raw, "<f4").reshape(-1, 3)
    else:
        found = np.array(column.to_pylist())
    wanted = [np.array(row) / math.sqrt(math.fsum(x * x for x in row)) for row in rows if any(row)]
    assert np.abs(found - np.array(wanted)).max() <= width


def test_tiny_and_huge_vectors_are_normalised_too() -> None:
    rows = pa.array([[1e-45, 0.0], [3e38, 3e38]], pa.list_(pa.float32()))
    plan = step(mapping("v", "float_vector(2)", "list<float>", normalize=True))
    done = run(plan, pa.record_batch({"v": rows}))
    half = float(np.float32(math.sqrt(0.5)))
    assert done.batch.column("v").to_pylist() == [[1.0, 0.0], [half, half]]


def test_only_some_fields() -> None:
    batch = pa.record_batch({"id": ["a", None, "c"], "n": pa.array([1, 2, 999])})
    rest = (RestColumn("n", "int64"),)
    plan = step(mapping("id", "varchar(2)", "string"), mapping("n", "int8", "int64"), rest=rest)
    (done,) = Transform(plan, only=["id"])(batch)
    assert done.batch.to_pydict() == {"id": ["a", "c"]} and [bad.row for bad in done.bad] == [1]


def test_auto_ids_are_not_in_the_batch() -> None:
    auto = Mapping(
        field=Field("id", FieldType.parse("int64"), primary_key=True, auto_id=True),
        origin=Generated(),
    )
    batch = pa.record_batch({"n": pa.array([1, 2], pa.int8())})
    assert run(step(auto, mapping("n", "int8", "int8")), batch).batch.schema.names == ["n"]


def test_a_source_that_is_not_what_the_plan_says_is_refused() -> None:
    plan = step(mapping("id", "int64", "int64"))
    with pytest.raises(SourceChanged, match="id is string; the plan says int64"):
        list(Transform(plan)(pa.record_batch({"id": ["a"]})))
    with pytest.raises(SourceChanged, match="id is missing"):
        list(Transform(plan)(pa.record_batch({"x": ["a"]})))


def test_long_vectors_are_cut_in_bad_rows() -> None:
    vector = pa.array([[float(i) for i in range(768)]], pa.list_(pa.float32()))
    batch = pa.record_batch({"id": pa.array([None], pa.int64()), "v": vector, "b": [b"\xff"]})
    (bad,) = run(step(mapping("id", "int64", "int64")), batch).bad
    assert bad.values["v"] == {"length": 768, "first": [float(i) for i in range(8)]}
    assert bad.values["b"] == "/w=="


def meta(rest: tuple[RestColumn, ...], batch: pa.RecordBatch) -> tuple[list[Any], Transformed]:
    done = run(step(mapping("id", "int64", "int64"), rest=rest), batch)
    return [json.loads(text) for text in done.batch.column("$meta").to_pylist()], done


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.none() | st.integers(-(2**63), 2**63 - 1),
            st.none() | st.text(max_size=5),
            st.none() | st.floats(),
            st.none() | st.lists(st.none() | st.integers(0, 2**64 - 1), max_size=2),
        ),
        max_size=8,
    )
)
def test_the_rest_goes_into_the_dynamic_field(rows: list[tuple[Any, ...]]) -> None:
    types = {"i": pa.int64(), 't"': pa.string(), "f": pa.float64(), "l": pa.list_(pa.uint64())}
    columns = {
        name: pa.array([row[at] for row in rows], type_)
        for at, (name, type_) in enumerate(types.items())
    }
    batch = pa.record_batch({"id": pa.array(range(len(rows)), pa.int64()), **columns})
    rest = tuple(RestColumn(name, arrow_text(type_)) for name, type_ in types.items())
    found, done = meta(rest, batch)
    wrong = {at for at, row in enumerate(rows) if row[2] is not None and not math.isfinite(row[2])}
    assert {bad.row for bad in done.bad} == wrong
    expected = [
        {name: value for name, value in zip(types, row, strict=True) if value is not None}
        for at, row in enumerate(rows)
        if at not in wrong
    ]
    assert found == expected


def test_json_text_is_embedded_as_json() -> None:
    batch = pa.record_batch({"id": pa.array(range(4)), "j": ['{"a": [1]}', None, "1}", "12"]})
    found, done = meta((RestColumn("j", "string", json_text=True),), batch)
    assert found == [{"j": {"a": [1]}}, {}, {"j": 12}]
    assert [(bad.row, bad.field, bad.code) for bad in done.bad] == [(2, "$meta", "MMC609")]


def test_a_dynamic_field_that_was_exported_is_taken_apart() -> None:
    texts = ['{"a": {"b": {}}}', "{ }", None, "[1]", '{"x": 1}', '{"}": "{"}']
    batch = pa.record_batch({"id": pa.array(range(6)), "$meta": texts, "x": pa.array(range(6))})
    own = RestColumn("$meta", "string", json_text=True)
    found, done = meta((own,), batch)
    assert found == [{"a": {"b": {}}}, {}, {}, {"x": 1}, {"}": "{"}]
    assert [bad.row for bad in done.bad] == [3]
    found, done = meta((own, RestColumn("x", "int64")), batch)
    assert found == [{"a": {"b": {}}, "x": 0}, {"x": 1}, {"x": 2}, {"}": "{", "x": 5}]
    assert [bad.row for bad in done.bad] == [3, 4]


def test_a_dynamic_field_has_no_key_of_a_field() -> None:
    texts = ['{"a": 1}', '{"id": 1}', '{"$meta": 1}', '{"b": {"id": 1}}']
    batch = pa.record_batch({"id": pa.array(range(4)), "$meta": texts})
    found, done = meta((RestColumn("$meta", "string", json_text=True),), batch)
    assert found == [{"a": 1}, {"b": {"id": 1}}]
    assert [(bad.row, bad.code) for bad in done.bad] == [(1, "MMC609"), (2, "MMC609")]


def test_a_dynamic_field_without_a_rest_is_empty() -> None:
    found, _ = meta((), pa.record_batch({"id": pa.array([1, 2])}))
    assert found == [{}, {}]
