"""The Milvus type for a source column, for specs that do not say."""

from __future__ import annotations

from mmc.casts.choose import json_problem
from mmc.casts.kinds import BINARY, DECIMALS, LISTS, MANTISSA, TEXT, TIMES, UNKNOWN
from mmc.casts.table import Refused
from mmc.types import (
    ELEMENTS,
    MAX_CAPACITY,
    MAX_VARCHAR,
    ArrowType,
    FieldType,
    TypeKind,
    TypeSyntaxError,
)

_VARCHAR_STEPS = (16, 64, 256, 1024, 4096, 16384, MAX_VARCHAR)
_CAPACITY_STEPS = (16, 64, 256, 1024, MAX_CAPACITY)


def infer(
    source: ArrowType,
    *,
    vector: str = "",
    json_text: bool = False,
    max_bytes: int | None = None,
    max_items: int | None = None,
) -> FieldType | Refused:
    """The Milvus type that holds a source column, for specs that do not say.

    Args:
        vector: the type text that the source itself gives to a vector column.
        json_text: the strings are JSON documents.
        max_bytes: longest text seen in a sample, in bytes; None when nothing was seen.
        max_items: longest list seen.
    """
    if vector:
        try:
            return FieldType.parse(vector)
        except TypeSyntaxError as error:
            return Refused(f"the source calls this {vector}: {error}", error.hint or UNKNOWN)
    head = source.kind
    if head == "dictionary" and source.element is not None:
        return infer(source.element, json_text=json_text, max_bytes=max_bytes, max_items=max_items)
    if head in TEXT:
        return FieldType(TypeKind.JSON) if json_text else _varchar(max_bytes)
    if head in LISTS:
        return _infer_list(source, max_bytes, max_items)
    if head in ("struct", "map"):
        problem = json_problem(source)
        return Refused(problem.reason, problem.hint) if problem else FieldType(TypeKind.JSON)
    return _infer_scalar(source)


def _varchar(max_bytes: int | None) -> FieldType | Refused:
    if max_bytes is None:
        return FieldType(TypeKind.VARCHAR, length=MAX_VARCHAR)
    if max_bytes > MAX_VARCHAR:
        return Refused(
            f"texts of {max_bytes:,} bytes were seen; a varchar holds {MAX_VARCHAR:,}",
            f"write type: varchar({MAX_VARCHAR}) with rows.on_error: quarantine, or use expr",
        )
    length = next((step for step in _VARCHAR_STEPS if step >= 2 * max_bytes), MAX_VARCHAR)
    return FieldType(TypeKind.VARCHAR, length=length)


def _infer_list(
    source: ArrowType, max_bytes: int | None, max_items: int | None
) -> FieldType | Refused:
    element, size = source.element, source.size
    assert element is not None
    if source.kind == "fixed_size_list" and element.kind in MANTISSA and size:
        return _sized(TypeKind.FLOAT_VECTOR, size)
    problem = json_problem(source)
    if problem:
        return Refused(problem.reason, problem.hint)
    inner = infer(element, max_bytes=max_bytes)
    seen = size if source.kind == "fixed_size_list" else max_items
    if isinstance(inner, Refused) or inner.kind not in ELEMENTS or (seen or 0) > MAX_CAPACITY:
        return FieldType(TypeKind.JSON)
    capacity = MAX_CAPACITY
    if source.kind == "fixed_size_list" and size:
        capacity = size
    elif max_items is not None:
        capacity = next((step for step in _CAPACITY_STEPS if step >= 2 * max_items), MAX_CAPACITY)
    return FieldType(TypeKind.ARRAY, element=inner, capacity=capacity)


def _sized(kind: TypeKind, dim: int) -> FieldType | Refused:
    try:
        return FieldType(kind, dim=dim)
    except TypeSyntaxError as error:
        return Refused(str(error), error.hint or UNKNOWN)


_SAME = {
    "bool": TypeKind.BOOL,
    "int8": TypeKind.INT8,
    "int16": TypeKind.INT16,
    "int32": TypeKind.INT32,
    "int64": TypeKind.INT64,
    "uint8": TypeKind.INT16,
    "uint16": TypeKind.INT32,
    "uint32": TypeKind.INT64,
    "halffloat": TypeKind.FLOAT,
    "float": TypeKind.FLOAT,
    "double": TypeKind.DOUBLE,
    "timestamp": TypeKind.INT64,
    "date32": TypeKind.INT64,
    "date64": TypeKind.INT64,
}


def _infer_scalar(source: ArrowType) -> FieldType | Refused:
    head = source.kind
    if head in _SAME:
        return FieldType(_SAME[head])
    if head == "uint64":
        hint = "write type: int64 (larger values are bad rows), varchar(20) or json"
        return Refused("uint64 holds values above int64", hint)
    if head in DECIMALS:
        precision, scale = (int(part) for part in source.detail.strip("()").split(","))
        if scale == 0 and precision <= 18:
            return FieldType(TypeKind.INT64)
        hint = "write type: varchar(48) for the exact text, or type: double with cast: round"
        return Refused(f"Milvus has no type for {source}", hint)
    if head == "fixed_size_binary":
        bits = 8 * (source.size or 0)
        hint = f"write type: binary_vector({bits}), or type: varchar(n) with cast: hex or base64"
        return Refused(f"{source} may be a vector or an identifier", hint)
    if head in BINARY:
        hint = "write type: varchar(n) with cast: utf8, hex or base64, or a vector type"
        return Refused(f"Milvus has no type for {source}", hint)
    if head in TIMES:
        return Refused(
            f"Milvus has no type for {source}", "write type: varchar(18), the ISO 8601 text"
        )
    if head == "null":
        return Refused(
            "every value seen is null, so the type is not known", "write the type, or drop: true"
        )
    return Refused(f"Milvus has no type for {source}", UNKNOWN)
