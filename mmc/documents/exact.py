"""Columns of exactly the values that documents have: no value becomes another, and none a null.

For columns whose types were inferred from values. Where a schema is declared, its system says what
it takes for a value, and its source brings a `Maker` of its own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from mmc.arrow.column import Column
from mmc.arrow.schema import arrow_text
from mmc.documents.arrays import Misfit, array_of, lists_of, vectors_of

INT64 = 1 << 63
EXACT_DOUBLE = 1 << 53
_EXACT_FLOAT = 1 << 24
_LARGEST_FLOAT = float.fromhex("0x1.ffffffp+127")
"""From here on doubles round to an infinite float."""
SCALARS: dict[type, pa.DataType] = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
}
DEEPEST = 500
"""Levels of a JSON value: Python's own encoder and decoder give up at some 900, sooner or later by
who calls them.
"""
_NULL = type(None)


@dataclass(frozen=True, slots=True)
class _Exact:
    """Values of one scalar type; integers for a double too, where it holds them.

    Attributes:
        reason: why others do not fit.
    """

    type: pa.DataType
    reason: str

    @property
    def _kinds(self) -> set[type]:
        if pa.types.is_float64(self.type):
            return {int, float}
        return {kind for kind, known in SCALARS.items() if known == self.type}

    def _fits(self, value: Any) -> bool:
        if type(value) is not int or value == -INT64:
            return True
        return abs(value) <= (EXACT_DOUBLE if pa.types.is_float64(self.type) else INT64 - 1)

    def at_once(self, values: Sequence[Any]) -> pa.Array | None:
        kinds = set(map(type, values))
        if not kinds <= self._kinds | {_NULL}:
            return None
        if int in kinds and not all(map(self._fits, values)):
            return None
        return pa.array(values, self.type)

    def one(self, value: Any) -> Any:
        if type(value) not in self._kinds or not self._fits(value):
            raise ValueError(self.reason)
        return value

    def items(self, value: Any) -> list[Any]:
        if type(value) is not list:
            raise ValueError(self.reason)
        return value


def build(values: Sequence[Any], column: Column) -> tuple[pa.Array, list[Misfit]]:
    """The column, null where a value is None, or does not fit its type."""
    if column.json_text:
        return array_of(values, _JSON)
    type_ = column.type
    reason = f"does not fit {arrow_text(type_)}, the type of the sampled values"
    if pa.types.is_fixed_size_list(type_):
        return array_of(values, _Vector(type_, reason))
    if pa.types.is_list(type_):
        maker = _Exact(type_.value_type, reason)
        return lists_of(values, maker.items, maker)
    return array_of(values, _Exact(type_, reason))


@dataclass(frozen=True, slots=True)
class _Json:
    """Any value, as JSON text."""

    type: pa.DataType

    def at_once(self, values: Sequence[Any]) -> pa.Array | None:
        try:
            texts = [None if value is None else json_text(value) for value in values]
        except ValueError:
            return None
        return pa.array(texts, self.type)

    def one(self, value: Any) -> Any:
        return json_text(value)


_JSON = _Json(pa.string())


def json_text(value: Any) -> str:
    """Compact JSON of a value. Raises ValueError where it is nested deeper than `DEEPEST`."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        # Of orjson: integers beyond 64 bits, and more than 254 levels.
        if _depth(value) > DEEPEST:
            raise ValueError(f"is nested more than {DEEPEST} deep") from None
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _depth(value: Any) -> int:
    """How deep lists and objects are inside of one another; stops a little beyond `DEEPEST`."""
    depth, level = 0, [value]
    while level and depth <= DEEPEST:
        inner = [one for one in level if type(one) in (dict, list)]
        level = [item for one in inner for item in (one.values() if type(one) is dict else one)]
        depth += bool(inner)
    return depth


def fits_float(item: int | float) -> bool:
    """Whether float32 holds the number: any finite fraction, rounded, but integers exactly."""
    if type(item) is int and abs(item) > _EXACT_FLOAT:
        return abs(item) < _LARGEST_FLOAT and int(np.float32(item)) == item
    return abs(item) < _LARGEST_FLOAT


@dataclass(frozen=True, slots=True)
class _Vector:
    """Lists of so many numbers that float32 holds."""

    type: pa.DataType
    reason: str

    def at_once(self, values: Sequence[Any]) -> pa.Array | None:
        present = [value for value in values if value is not None]
        dim = self.type.list_size
        if not set(map(type, present)) <= {list} or set(map(len, present)) - {dim}:
            return None
        flat = list(chain.from_iterable(present))
        kinds = set(map(type, flat))
        if not kinds <= {int, float}:
            return None
        try:
            wide = np.array(flat, np.float64)
        except OverflowError:
            return None
        largest = np.abs(wide).max(initial=0)
        doubtful = largest >= _LARGEST_FLOAT or (int in kinds and largest > _EXACT_FLOAT)
        if doubtful and not all(map(fits_float, flat)):
            return None
        absent = np.array([value is None for value in values], np.bool_)
        numbers = np.zeros((len(values), dim), np.float32)
        numbers[~absent] = wide.reshape(-1, dim)
        return vectors_of(numbers, absent)

    def one(self, value: Any) -> list[float]:
        listed = type(value) is list and len(value) == self.type.list_size
        if listed and set(map(type, value)) <= {int, float} and all(map(fits_float, value)):
            return list(map(float, value))
        raise ValueError(self.reason)
