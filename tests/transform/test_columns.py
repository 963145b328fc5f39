"""Constants and defaults: what `misfit` lets pass becomes a column, so that none fails late."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmc.spec.values import misfit
from mmc.transform.columns import one_value
from mmc.types import FieldType, JsonValue

TYPES = [
    "bool",
    "int8",
    "int64",
    "float",
    "double",
    "varchar(4)",
    "json",
    "array<bool>(2)",
    "array<int64>(2)",
    "array<float>(2)",
    "array<double>(2)",
    "array<varchar(2)>(2)",
    "float_vector(2)",
    "float16_vector(2)",
    "bfloat16_vector(2)",
    "int8_vector(2)",
    "binary_vector(16)",
    "sparse_float_vector",
]
NUMBERS = st.one_of(
    st.integers(-300, 300),
    st.integers(-(1 << 63), (1 << 64) - 1),
    st.sampled_from([1 << 24, (1 << 24) + 1, (1 << 53) + 1, 1 << 63, 65_519, 65_520, 70_000]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.1, -0.0, 5e-324, 65_519.9, 65_520.0, 3.3961775292304957e38, 3.4e38]),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=4))
INDICES = st.sampled_from(
    ["0", "7", "01", "-1", "x", "", "4294967294", "4294967295", "99999999999"]
)
VALUES = st.one_of(
    SCALARS.filter(lambda value: value is not None),
    st.lists(NUMBERS, max_size=3),
    st.lists(SCALARS, max_size=3),
    st.dictionaries(INDICES, st.one_of(NUMBERS, SCALARS), max_size=3),
)


@pytest.mark.parametrize("type_", TYPES)
@given(value=VALUES)
@settings(deadline=None, max_examples=150)
def test_what_passes_the_spec_becomes_a_column(type_: str, value: JsonValue) -> None:
    target = FieldType.parse(type_)
    if misfit(value, target) == "":
        assert one_value(value, target).null_count == 0


@pytest.mark.parametrize(
    ("type_", "value", "made"),
    [
        ("float_vector(2)", [0.1, -0.0], struct.pack("<2f", 0.1, -0.0)),
        ("float_vector(2)", [16_777_217, 1], struct.pack("<2f", 16_777_216, 1)),
        ("float16_vector(2)", [0.1, 1], struct.pack("<2e", 0.1, 1)),
        ("binary_vector(16)", [1, 255], b"\x01\xff"),
        ("int8_vector(2)", [-128, 127], b"\x80\x7f"),
    ],
)
def test_bytes_of_vectors(type_: str, value: JsonValue, made: bytes) -> None:
    column = one_value(value, FieldType.parse(type_))
    stored = column.buffers()[-1] if column.type.num_fields == 0 else column.values.buffers()[-1]
    assert stored.to_pybytes()[: len(made)] == made


@pytest.mark.parametrize(("type_", "value"), [("float", 1 << 63), ("double", 1 << 63)])
def test_large_integers_that_a_float_holds(type_: str, value: int) -> None:
    assert one_value(value, FieldType.parse(type_)).to_pylist() == [float(value)]
