from __future__ import annotations

import pytest

from mmc.spec.values import misfit
from mmc.types import FieldType, JsonValue


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("int8", -128),
        ("int8", 127),
        ("int64", -(1 << 63)),
        ("int64", (1 << 63) - 1),
        ("float", 3.4e38),
        ("float", 1),
        ("double", 1e308),
        ("bool", False),
        ("varchar(4)", "äö"),
        ("json", {"a": [None]}),
        ("json", "x"),
        ("array<varchar(2)>(2)", ["a", "ä"]),
        ("array<bool>(1)", []),
        ("float_vector(2)", [1, 0.5]),
        ("int8_vector(2)", [-128, 127]),
        ("binary_vector(16)", [0, 255]),
        ("sparse_float_vector", {"3": 0.5}),
    ],
)
def test_fits(type_: str, value: JsonValue) -> None:
    assert misfit(value, FieldType.parse(type_)) == ""


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("int8", 128),
        ("int8", -129),
        ("int64", 1 << 63),
        ("int32", 1.0),
        ("int32", True),
        ("int32", "1"),
        ("float", 3.5e38),
        ("float", "1"),
        ("double", True),
        ("bool", 0),
        ("bool", "true"),
        ("varchar(3)", "äö"),
        ("varchar(3)", 5),
        ("array<varchar(1)>(2)", ["a", "ä"]),
        ("array<bool>(1)", [True, True]),
        ("array<int8>(3)", {"a": 1}),
        ("float_vector(2)", [1]),
        ("float_vector(2)", [1, "x"]),
        ("float_vector(1)", [1e39]),
        ("float_vector(1)", 1),
        ("int8_vector(1)", [128]),
        ("binary_vector(16)", [0, 256]),
        ("binary_vector(16)", [0]),
        ("sparse_float_vector", [1]),
    ],
)
def test_does_not_fit(type_: str, value: JsonValue) -> None:
    assert misfit(value, FieldType.parse(type_))
