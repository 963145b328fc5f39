"""Whether a JSON value is one of a Milvus type, and what to call it when it is not."""

from __future__ import annotations

import re

from mmc.types import FLOATS, INTEGERS, FieldType, JsonValue, TypeKind

_TOO_LARGE = {
    TypeKind.FLOAT: 3.4028235677973366e38,
    TypeKind.FLOAT_VECTOR: 3.4028235677973366e38,
    TypeKind.FLOAT16_VECTOR: 65_520.0,
    TypeKind.BFLOAT16_VECTOR: 3.3961775292304957e38,
}
"""Smallest number that the type rounds to infinity."""
_MANTISSA = {TypeKind.FLOAT: 24, TypeKind.DOUBLE: 53}
_SPARSE_LIMIT = (1 << 32) - 1


def kind_of(value: JsonValue) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    names = {str: "a text", int: "a number", float: "a number", list: "a list", dict: "a mapping"}
    return names.get(type(value), "null")


def misfit(value: JsonValue, type_: FieldType) -> str:
    """Why a JSON value is not one of a type, or ""."""
    kind = type_.kind
    if kind in INTEGERS:
        if not isinstance(value, int) or isinstance(value, bool):
            return f"it is {kind_of(value)}"
        least, most = type_.int_range
        return "" if least <= value <= most else f"{value} is outside {least}..{most}"
    if kind in FLOATS:
        return _float_misfit(value, kind)
    if kind is TypeKind.BOOL:
        return "" if isinstance(value, bool) else f"it is {kind_of(value)}"
    if kind is TypeKind.VARCHAR:
        if not isinstance(value, str):
            return f"it is {kind_of(value)}"
        size = len(value.encode())
        return f"it has {size} bytes" if size > (type_.length or 0) else ""
    if kind is TypeKind.JSON:
        return ""
    if kind is TypeKind.SPARSE_FLOAT_VECTOR:
        return _sparse_misfit(value)
    if not isinstance(value, list):
        return f"it is {kind_of(value)}"
    if kind is TypeKind.ARRAY:
        if len(value) > (type_.capacity or 0):
            return f"it has {len(value)} elements"
        assert type_.element is not None
        wrong = (f"element {i}: {misfit(item, type_.element)}" for i, item in enumerate(value))
        return next((text for text in wrong if not text.endswith(": ")), "")
    return _vector_misfit(value, type_)


def _vector_misfit(value: list[JsonValue], type_: FieldType) -> str:
    length = type_.dim or 0
    bounds: tuple[int, int] | None = None
    if type_.kind is TypeKind.BINARY_VECTOR:
        length, bounds = length // 8, (0, 255)
    elif type_.kind is TypeKind.INT8_VECTOR:
        bounds = -128, 127
    if len(value) != length:
        return f"it has {len(value)} elements, not {length}"
    for number, item in enumerate(value):
        if not isinstance(item, (int, float)) or isinstance(item, bool):
            return f"an element is {kind_of(item)}"
        if bounds is None:
            if wrong := _float_misfit(item, type_.kind):
                return f"element {number}: {wrong}"
        elif not bounds[0] <= item <= bounds[1]:
            return f"{item} is outside {bounds[0]}..{bounds[1]}"
        elif isinstance(item, float):
            return f"element {number} is no whole number: {item}"
    return ""


def _float_misfit(value: JsonValue, kind: TypeKind) -> str:
    """Decimals are rounded, as a person expects of 0.1; whole numbers of a scalar never are."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return f"it is {kind_of(value)}"
    limit = _TOO_LARGE.get(kind)
    if limit is not None and abs(value) >= limit:
        return "it is too large"
    digits = _MANTISSA.get(kind)
    if digits is not None and isinstance(value, int) and value:
        odd = abs(value) // (value & -value)
        if odd.bit_length() > digits:
            return f"a {kind} cannot hold {value} exactly"
    return ""


def _sparse_misfit(value: JsonValue) -> str:
    """The form is that of Milvus: `{"7": 0.5}`."""
    if not isinstance(value, dict):
        return f"it is {kind_of(value)}"
    if not value:
        return "it holds no value"
    for index, weight in value.items():
        if not re.fullmatch(r"0|[1-9][0-9]{0,9}", index) or int(index) >= _SPARSE_LIMIT:
            return f"`{index[:20]}` is no index of 0..2^32-2"
        if wrong := _float_misfit(weight, TypeKind.FLOAT_VECTOR):
            return f"at {index}: {wrong}"
        assert isinstance(weight, (int, float))
        if weight < 0:
            return f"at {index}: it is negative"
    return ""
