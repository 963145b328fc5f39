"""Ways into dense and sparse vectors."""

from __future__ import annotations

from mmc.casts.kinds import BINARY, INT_BITS, LISTS, MANTISSA, TEXT, UINT_BITS, Ways
from mmc.types import ArrowType, FieldType, TypeKind


def to_vector(source: ArrowType, target: FieldType) -> Ways:
    dim, width = target.dim or 0, target.bytes_per_vector
    head, element = source.kind, source.element
    if head in TEXT:
        return Ways() if target.kind is TypeKind.BINARY_VECTOR else Ways("parse")
    if head == "fixed_size_binary":
        return (
            Ways("bytes")
            if source.size == width
            else _wrong_size(source, target, f"{source.size} bytes")
        )
    if head in BINARY:
        return Ways("bytes")
    if head not in LISTS or element is None:
        return Ways(
            reason=f"{source} is no vector",
            hint="a vector comes from a list of numbers, bytes, or JSON text",
        )
    names = _vector_names(element.kind, target.kind)
    if head == "fixed_size_list":
        names = tuple(name for name in names if source.size == (width if name == "bytes" else dim))
        if not names and _vector_names(element.kind, target.kind):
            return _wrong_size(source, target, f"{source.size} elements")
    if not names:
        return Ways(
            reason=f"elements of type {element} do not make a {target.kind}",
            hint=_vector_hint(target),
        )
    return Ways(names[0], names[1:])


def _vector_names(element: str, kind: TypeKind) -> tuple[str, ...]:
    """Casts from a list of `element` to a dense vector, the default first."""
    number = element in MANTISSA or element in INT_BITS or element in UINT_BITS
    if kind is TypeKind.BINARY_VECTOR:
        return ("bytes",) if element in ("uint8", "int8") else ()
    if not number:
        return ()
    if element == "uint8":
        return (
            ("vector", "bytes")
            if kind in (TypeKind.FLOAT_VECTOR, TypeKind.INT8_VECTOR)
            else ("bytes", "vector")
        )
    if kind is TypeKind.INT8_VECTOR:
        return ("vector",)
    if kind is TypeKind.FLOAT_VECTOR and element == "double":
        return ("round", "vector")
    return ("vector", "round")


def _wrong_size(source: ArrowType, target: FieldType, has: str) -> Ways:
    return Ways(
        reason=f"a value of {source} has {has}, {target} needs another size",
        hint=_vector_hint(target),
    )


def _vector_hint(target: FieldType) -> str:
    if target.kind is TypeKind.BINARY_VECTOR:
        return "a binary_vector(d) comes from d/8 bytes; the dimension counts bits"
    return f"write the dimension that the source has, such as {target.kind}(768)"


def to_sparse(source: ArrowType) -> Ways:
    if source.kind in TEXT:
        return Ways("parse")
    pair = sparse_members(source)
    if pair is None:
        return Ways(
            reason=f"{source} is no sparse vector",
            hint="use map<uint32, float>, a list of {index, value}, {indices, values}, or JSON",
        )
    return Ways("round") if pair[1].kind == "double" else Ways("sparse")


def sparse_members(source: ArrowType) -> tuple[ArrowType, ArrowType] | None:
    """Types of the indices and the values in a column of sparse vectors; None when it is none."""
    pair: tuple[ArrowType, ArrowType] | None = None
    if source.kind == "map":
        (_, key), (_, value) = source.members
        pair = key, value
    elif source.kind in LISTS and source.element is not None and source.element.kind == "struct":
        members = dict(source.element.members)
        if set(members) == {"index", "value"}:
            pair = members["index"], members["value"]
    elif source.kind == "struct":
        members = dict(source.members)
        if set(members) == {"indices", "values"} and all(m.kind in LISTS for m in members.values()):
            indices, values = members["indices"].element, members["values"].element
            assert indices is not None and values is not None
            pair = indices, values
    if pair is None:
        return None
    index_ok = pair[0].kind in INT_BITS or pair[0].kind in UINT_BITS
    return pair if index_ok and pair[1].kind in MANTISSA else None
