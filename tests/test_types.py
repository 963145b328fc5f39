from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmc.types import (
    DENSE_VECTORS,
    ELEMENTS,
    ArrowType,
    FieldType,
    TypeKind,
    TypeSyntaxError,
)

scalars = st.sampled_from(sorted(ELEMENTS - {TypeKind.VARCHAR})).map(FieldType)
varchars = st.integers(1, 65_535).map(lambda n: FieldType(TypeKind.VARCHAR, length=n))
elements = scalars | varchars
arrays = st.builds(
    lambda element, capacity: FieldType(TypeKind.ARRAY, element=element, capacity=capacity),
    elements,
    st.integers(1, 4096),
)
vectors = st.builds(
    lambda kind, dim: FieldType(kind, dim=dim * 8),
    st.sampled_from(sorted(DENSE_VECTORS)),
    st.integers(1, 4096),
)
others = st.sampled_from([TypeKind.JSON, TypeKind.SPARSE_FLOAT_VECTOR]).map(FieldType)
field_types = elements | arrays | vectors | others


@given(field_types)
def test_type_text_round_trips(type_: FieldType) -> None:
    assert FieldType.parse(str(type_)) == type_
    assert FieldType.parse(f"  {str(type_).upper()} ") == type_


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("varchr(10)", "did you mean varchar?"),
        ("varchar", "varchar(512)"),
        ("varchar(0)", "varchar(512)"),
        ("varchar(65536)", "varchar(512)"),
        ("float_vector", "float_vector(768)"),
        ("float_vector(40000)", "float_vector(768)"),
        ("int64(8)", "write int64"),
        ("array(10)", "array<int64>(100)"),
        ("array<json>(10)", "use json"),
        ("array<int64>(5000)", "array<int64>(100)"),
        ("array<array<int64>(2)>(2)", "use json"),
        ("", "examples"),
        ("text!", "examples"),
    ],
)
def test_wrong_type_says_what_is_right(text: str, said: str) -> None:
    with pytest.raises(TypeSyntaxError) as caught:
        FieldType.parse(text)
    assert said in f"{caught.value} {caught.value.hint}"


def test_binary_vector_counts_whole_bytes() -> None:
    with pytest.raises(TypeSyntaxError, match="multiple of 8"):
        FieldType.parse("binary_vector(12)")


@pytest.mark.parametrize(
    ("text", "width"),
    [
        ("float_vector(10)", 40),
        ("float16_vector(10)", 20),
        ("bfloat16_vector(10)", 20),
        ("int8_vector(10)", 10),
        ("binary_vector(16)", 2),
    ],
)
def test_bytes_per_vector(text: str, width: int) -> None:
    assert FieldType.parse(text).bytes_per_vector == width


def test_int_ranges() -> None:
    assert FieldType.parse("int8").int_range == (-128, 127)
    assert FieldType.parse("int64").int_range == (-(2**63), 2**63 - 1)


@pytest.mark.parametrize(
    "text",
    [
        "int64",
        "string",
        "timestamp[us]",
        "timestamp[us, tz=UTC]",
        "list<float>",
        "large_list<list<int64>>",
        "fixed_size_list<float>[128]",
        "list<fixed_size_list<double>[3]>",
        "fixed_size_binary[16]",
        "struct<a: int64, b: list<string>>",
        "map<string, int64>",
        "decimal128(10, 2)",
        "dictionary<string>",
    ],
)
def test_arrow_text_round_trips(text: str) -> None:
    assert str(ArrowType.parse(text)) == text
