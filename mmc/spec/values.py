"""Whether a JSON value is one of a Milvus type, and what to call it when it is not."""

from __future__ import annotations

from mmc.types import FLOATS, INTEGERS, FieldType, JsonValue, TypeKind

LARGEST = 3.4028234663852886e38
"""Largest 32-bit float."""
MAX_FLOAT = 3.4028235677973366e38
"""Smallest number that a 32-bit float rounds to infinity."""


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
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            return f"it is {kind_of(value)}"
        return "it is too large" if kind is TypeKind.FLOAT and abs(value) >= MAX_FLOAT else ""
    if kind is TypeKind.BOOL:
        return "" if isinstance(value, bool) else f"it is {kind_of(value)}"
    if kind is TypeKind.VARCHAR:
        if not isinstance(value, str):
            return f"it is {kind_of(value)}"
        size = len(value.encode())
        return f"it has {size} bytes" if size > (type_.length or 0) else ""
    if kind is TypeKind.JSON or kind is TypeKind.SPARSE_FLOAT_VECTOR:
        return "" if kind is TypeKind.JSON or isinstance(value, dict) else f"it is {kind_of(value)}"
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
    least, most = -LARGEST, LARGEST
    if type_.kind is TypeKind.BINARY_VECTOR:
        length, least, most = length // 8, 0, 255
    elif type_.kind is TypeKind.INT8_VECTOR:
        least, most = -128, 127
    if len(value) != length:
        return f"it has {len(value)} elements, not {length}"
    for item in value:
        if not isinstance(item, (int, float)) or isinstance(item, bool):
            return f"an element is {kind_of(item)}"
        if not least <= item <= most:
            return f"{item} is outside {least:g}..{most:g}"
    return ""
