"""A column of a source before it becomes a fact, and which lists of numbers are vectors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import KW_ONLY, dataclass

import pyarrow as pa

from mmc.types import MAX_DIM, Index


@dataclass(frozen=True, slots=True)
class Column:
    """One column that a source finds; the words are those of `mmc.facts.SourceField`."""

    name: str
    type: pa.DataType
    _: KW_ONLY
    nullable: bool = True
    vector: str = ""
    json_text: bool = False
    note: str = ""
    index: Index | None = None


CLEARLY_VECTOR = 8
"""From this length on a list of numbers is hardly a pair of coordinates or a box."""


def shortest_vector(lengths: Iterable[int | None]) -> int:
    """The least length that makes a list a vector, given the list lengths of all columns.

    Beside a clear vector, short lists (coordinates, boxes) stay lists.
    """
    return CLEARLY_VECTOR if any((n or 0) >= CLEARLY_VECTOR for n in lengths) else 2


def vector_hint(type_: pa.DataType, length: int | None = None) -> str:
    """The Milvus vector that a list type likely means, or "".

    `length` is the constant length seen in a list of variable length.
    """
    if pa.types.is_fixed_size_list(type_):
        length = type_.list_size
    elif not (pa.types.is_list(type_) or pa.types.is_large_list(type_)):
        return ""
    if length is None or not 2 <= length <= MAX_DIM:
        return ""
    item = type_.value_type
    if pa.types.is_float32(item) or pa.types.is_float64(item):
        return f"float_vector({length})"
    if pa.types.is_float16(item):
        return f"float16_vector({length})"
    if pa.types.is_int8(item) and pa.types.is_fixed_size_list(type_):
        return f"int8_vector({length})"
    return ""
