"""Canonical batches of every Milvus type, awkward on purpose: what the layouts are tested with."""

from __future__ import annotations

import math
import struct
from dataclasses import replace
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from mmc.arrow.schema import canonical_schema, canonical_type
from mmc.layouts.vectors import sparse_from
from mmc.types import DYNAMIC_FIELD, Collection, Field, FieldType, TypeKind

TEXTS = ["", "a", "quote \" and ' and \\", "日本語", "😀🇩🇪", "x\ny\tz", " end ", "é" * 9]
FLOATS = [0.0, -0.0, 1e-45, -1e-45, 1.1754942e-38, 3.4028235e38, -3.4028235e38, 0.1, 1 / 3]
FLOATS += [struct.unpack("<f", struct.pack("<I", 0x15AE43FD))[0], 1e30, 16777217.0]
JSONS = ['{"b": 1, "a": [1, {"c": null}]}', "[1,2]", '"text"', "1e300", '{"k":"\\u0000"}', "null"]


def field(name: str, type_: str, **options: Any) -> Field:
    return Field(name, FieldType.parse(type_), **options)


DENSE = Collection(
    "dense",
    (
        field("id", "int64", primary_key=True),
        field("flag", "bool"),
        field("i8", "int8"),
        field("i16", "int16"),
        field("i32", "int32"),
        field("f", "float"),
        field("d", "double"),
        field("text", "varchar(200)"),
        field("doc", "json"),
        field("v", "float_vector(3)"),
        field("bin", "binary_vector(16)"),
        field("half", "float16_vector(2)"),
        field("brain", "bfloat16_vector(2)"),
        field("tiny", "int8_vector(4)"),
    ),
    dynamic=True,
)
"""What every format can hold."""

FULL = Collection(
    "full",
    (
        *DENSE.fields,
        field("sparse", "sparse_float_vector"),
        field("numbers", "array<int64>(100)"),
        field("floats", "array<float>(100)"),
        field("doubles", "array<double>(100)"),
        field("words", "array<varchar(64)>(10)"),
        field("flags", "array<bool>(10)"),
        field("bytes", "array<int8>(10)"),
        field("n_text", "varchar(200)", nullable=True),
        field("n_int", "int32", nullable=True),
        field("n_float", "float", nullable=True),
        field("n_double", "double", nullable=True),
        field("n_bool", "bool", nullable=True),
        field("n_doc", "json", nullable=True),
        field("n_list", "array<float>(5)", nullable=True),
        field("n_words", "array<varchar(5)>(5)", nullable=True),
        field("n_v", "float_vector(2)", nullable=True),
        field("n_bin", "binary_vector(8)", nullable=True),
        field("n_half", "float16_vector(2)", nullable=True),
        field("n_brain", "bfloat16_vector(1)", nullable=True),
        field("n_tiny", "int8_vector(2)", nullable=True),
        field("n_sparse", "sparse_float_vector", nullable=True),
    ),
    dynamic=True,
)
"""Every type, with nulls: Parquet and JSON."""

_INTS = {TypeKind.INT8: 8, TypeKind.INT16: 16, TypeKind.INT32: 32, TypeKind.INT64: 64}

_float32 = st.one_of(
    st.sampled_from(FLOATS), st.floats(width=32, allow_nan=False, allow_infinity=False)
).map(lambda value: struct.unpack("<f", struct.pack("<f", value))[0])
_float16 = st.floats(width=16, allow_nan=False, allow_infinity=False)
_double = st.floats(allow_nan=False, allow_infinity=False)
_text = st.one_of(
    st.sampled_from(TEXTS),
    st.text(
        st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=0, max_size=12
    ),
)


def _brain(value: float) -> bytes:
    return struct.pack("<f", value)[2:]


def values(type_: FieldType) -> st.SearchStrategy[Any]:
    """Python values of a type, for `column`."""
    kind, dim = type_.kind, type_.dim or 0
    match kind:
        case TypeKind.BOOL:
            return st.booleans()
        case _ if kind in _INTS:
            most = (1 << (_INTS[kind] - 1)) - 1
            return st.one_of(st.sampled_from([most, -most - 1, 0]), st.integers(-most - 1, most))
        case TypeKind.FLOAT:
            return _float32
        case TypeKind.DOUBLE:
            return st.one_of(st.sampled_from([5e-324, -0.0, 1.7976931348623157e308]), _double)
        case TypeKind.VARCHAR:
            return _text
        case TypeKind.JSON:
            return st.sampled_from(JSONS)
        case TypeKind.ARRAY:
            assert type_.element is not None
            return st.lists(values(type_.element), max_size=4)
        case TypeKind.FLOAT_VECTOR:
            return st.lists(_float32, min_size=dim, max_size=dim)
        case TypeKind.FLOAT16_VECTOR:
            return st.lists(_float16, min_size=dim, max_size=dim)
        case TypeKind.BFLOAT16_VECTOR:
            return st.lists(_float32.map(_brain), min_size=dim, max_size=dim).map(b"".join)
        case TypeKind.INT8_VECTOR:
            return st.lists(st.integers(-128, 127), min_size=dim, max_size=dim)
        case TypeKind.BINARY_VECTOR:
            return st.binary(min_size=dim // 8, max_size=dim // 8)
        case _:
            return st.dictionaries(
                st.one_of(st.sampled_from([0, 2**32 - 2]), st.integers(0, 2**32 - 2)).map(str),
                _float32,
                max_size=4,
            )


def column(type_: FieldType, found: list[Any]) -> pa.Array:
    """A canonical column of Python values."""
    if type_.kind is TypeKind.SPARSE_FLOAT_VECTOR:
        return sparse_from(found)
    if type_.kind is TypeKind.FLOAT16_VECTOR:
        import numpy as np

        halves = [row and [np.float16(number) for number in row] for row in found]
        return pa.array(halves, canonical_type(type_))
    return pa.array(found, canonical_type(type_))


@st.composite
def batches(draw: st.DrawFn, collection: Collection, most_rows: int = 6) -> pa.RecordBatch:
    """Canonical batches of a collection; nullable fields hold nulls."""
    rows = draw(st.integers(1, most_rows))
    columns = []
    for found in collection.fields:
        one = values(found.type)
        if found.nullable:
            one = st.one_of(st.none(), one)
        columns.append(column(found.type, draw(st.lists(one, min_size=rows, max_size=rows))))
    if collection.dynamic:
        some = st.sampled_from(["{}", '{"x": 1, "id": "clash"}', '{"$meta": {"é": "😀"}}'])
        columns.append(pa.array(draw(st.lists(some, min_size=rows, max_size=rows))))
    return pa.record_batch(columns, schema=canonical_schema(collection))


def some_fields(collection: Collection, count: int = 5) -> st.SearchStrategy[Collection]:
    """The collection with `count` neighbouring fields beside its key: examples stay small."""
    key, *others = collection.fields
    return st.sampled_from(
        [
            replace(collection, fields=(key, *others[start : start + count]))
            for start in range(0, len(others), count)
        ]
    )


def bits(array: pa.Array) -> Any:
    """Values that compare by bits (-0.0 is not 0.0), for asserts that show where they differ."""
    return [_bits(value) for value in array.to_pylist()]


def _bits(value: Any) -> Any:
    if isinstance(value, float):
        assert not math.isnan(value)
        return value.hex()
    if isinstance(value, (list, tuple)):
        return [_bits(item) for item in value]
    return value


def assert_same(found: pa.RecordBatch, expected: pa.RecordBatch) -> None:
    """The same schema and the same bits."""
    assert found.schema.equals(expected.schema, check_metadata=True)
    for name in expected.schema.names:
        assert bits(found.column(name)) == bits(expected.column(name)), name
    found.validate(full=True)


def columns_of(collection: Collection) -> list[str]:
    return [f.name for f in collection.fields] + [DYNAMIC_FIELD] * collection.dynamic


def rows_of(collection: Collection, rows: int, start: int = 0) -> pa.RecordBatch:
    """A deterministic batch of a few field types, ids start..start+rows-1."""
    import numpy as np

    made = np.random.default_rng(start + 1)
    ids = range(start, start + rows)
    columns = []
    for found in collection.fields:
        match found.type.kind:
            case TypeKind.INT64:
                columns.append(pa.array(ids, pa.int64()))
            case TypeKind.VARCHAR:
                columns.append(pa.array([f"row {n} 😀" for n in ids]))
            case TypeKind.FLOAT_VECTOR:
                flat = made.standard_normal(rows * (found.type.dim or 0)).astype("f4")
                columns.append(pa.FixedSizeListArray.from_arrays(pa.array(flat), found.type.dim))
            case kind:
                raise NotImplementedError(kind)
    if collection.dynamic:
        columns.append(pa.array([f'{{"n":{n}}}' for n in ids]))
    return pa.record_batch(columns, schema=canonical_schema(collection))
