"""Types of JSON columns, told from sampled values, and columns built exactly from decoded values.

A value that a type cannot hold exactly is a `Misfit`, never a null and never another value.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from mmc.arrow.column import Column, shortest_vector
from mmc.types import MAX_DIM

_INT64 = 1 << 63
_EXACT_DOUBLE = 1 << 53
_EXACT_FLOAT = 1 << 24
_LARGEST_FLOAT = float.fromhex("0x1.ffffffp+127")
"""From here on doubles round to an infinite float."""
_SCALARS: dict[type, pa.DataType] = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
}
_NULL = type(None)


class Misfit(ValueError):
    """Value number `place` does not fit the type."""

    def __init__(self, place: int, value: object) -> None:
        super().__init__(place)
        self.place, self.value = place, value


@dataclass(slots=True)
class Seen:
    """The kinds of values that a column was seen to have."""

    types: set[type] = field(default_factory=set)
    items: set[type] = field(default_factory=set)
    lengths: set[int] = field(default_factory=set)
    wide: bool = False
    """An integer outside int64."""
    coarse: bool = False
    """An integer that a double cannot hold exactly."""
    bulky: bool = False
    """A number in a list that a float cannot hold: too large, or an integer it would round."""

    def add(self, value: Any) -> None:
        kind = type(value)
        self.types.add(kind)
        if kind is int:
            self._integer(value)
        elif kind is list:
            self.lengths.add(len(value))
            self.items.update(map(type, value))
            for item in value:
                if type(item) is int:
                    self._integer(item)
                if type(item) in (int, float):
                    self.bulky = self.bulky or not _fits_float(item)

    def _integer(self, value: int) -> None:
        self.wide = self.wide or not -_INT64 <= value < _INT64
        self.coarse = self.coarse or abs(value) > _EXACT_DOUBLE

    @property
    def vector_length(self) -> int | None:
        """Length of the vectors that the values may be; None when they are something else."""
        if self.types - {_NULL} != {list} or len(self.lengths) != 1 or self.bulky:
            return None
        length = next(iter(self.lengths))
        return length if self.items <= {int, float} and 2 <= length <= MAX_DIM else None

    def column(self, name: str, shortest_vector: int) -> Column:
        """The narrowest type that holds all of them exactly, else JSON text."""
        types = self.types - {_NULL}
        if not types:
            return _as_text(name, "no value in the sample: kept as JSON text")
        if types == {list}:
            return self._list(name, shortest_vector)
        scalar = self._scalar(types)
        if scalar is None:
            kinds = "nested objects" if types == {dict} else "values of several kinds"
            kinds = "integers beyond int64" if types <= {int, float} else kinds
            return _as_text(name, f"{kinds}: kept as JSON text")
        return Column(name, scalar)

    def _scalar(self, types: set[type]) -> pa.DataType | None:
        if types == {int, float}:
            return None if self.coarse else pa.float64()
        if len(types) != 1 or self.wide:
            return None
        return _SCALARS.get(next(iter(types)))

    def _list(self, name: str, shortest_vector: int) -> Column:
        if not self.items:
            return _as_text(name, "only empty lists in the sample: kept as JSON text")
        length = self.vector_length
        if length is not None and length >= shortest_vector:
            note = f"lists of {length} numbers in the whole sample: taken as a vector"
            made = pa.list_(pa.float32(), length)
            return Column(name, made, vector=f"float_vector({length})", note=note)
        item = self._scalar(self.items - {_NULL})
        if item is None:
            return _as_text(name, "lists of nested or mixed values: kept as JSON text")
        return Column(name, pa.list_(item))


def _as_text(name: str, note: str) -> Column:
    return Column(name, pa.string(), json_text=True, note=note)


def infer(rows: Iterable[dict[str, Any]]) -> list[Column]:
    """Columns of the sampled rows, in the order in which they were first seen."""
    seen: dict[str, Seen] = {}
    for row in rows:
        for name, value in row.items():
            if name not in seen:
                seen[name] = Seen()
            seen[name].add(value)
    shortest = shortest_vector(what.vector_length for what in seen.values())
    return [what.column(name, shortest) for name, what in seen.items()]


def build(values: Sequence[Any], type_: pa.DataType, json_text: bool) -> pa.Array:
    """A column of exactly these values. Raises Misfit."""
    if json_text:
        return pa.array([None if value is None else _text(value) for value in values], pa.string())
    if pa.types.is_fixed_size_list(type_):
        return _vectors(values, type_.list_size)
    if pa.types.is_list(type_):
        _check(values, {list})
        items = list(chain.from_iterable(value for value in values if value is not None))
        try:
            _check_scalars(items, type_.value_type)
        except Misfit:
            raise _first_misfit(values, type_) from None
        return pa.array(values, type_)
    _check_scalars(values, type_)
    return pa.array(values, type_)


def _text(value: Any) -> str:
    """Compact JSON of a value; orjson refuses integers beyond 64 bits."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _check(values: Sequence[Any], allowed: set[type]) -> None:
    if not set(map(type, values)) <= allowed | {_NULL}:
        raise next(
            Misfit(place, value)
            for place, value in enumerate(values)
            if value is not None and type(value) not in allowed
        )


def _check_scalars(values: Sequence[Any], type_: pa.DataType) -> None:
    if pa.types.is_float64(type_):
        _check(values, {int, float})
        limit: int | None = _EXACT_DOUBLE
    else:
        _check(values, {next(kind for kind, known in _SCALARS.items() if known == type_)})
        limit = _INT64 - 1 if pa.types.is_int64(type_) else None
    if limit is not None:
        for place, value in enumerate(values):
            if type(value) is int and abs(value) > limit and value != -_INT64:
                raise Misfit(place, value)


def _first_misfit(values: Sequence[Any], type_: pa.DataType) -> Misfit:
    for place, value in enumerate(values):
        try:
            _check_scalars(value or [], type_.value_type)
        except Misfit:
            return Misfit(place, value)
    raise AssertionError("some value does not fit")


def _fits_float(item: int | float) -> bool:
    """Whether float32 holds the number: any finite fraction, rounded, but integers exactly."""
    if type(item) is int and abs(item) > _EXACT_FLOAT:
        return abs(item) < _LARGEST_FLOAT and int(np.float32(item)) == item
    return abs(item) < _LARGEST_FLOAT


def _vectors(values: Sequence[Any], dim: int) -> pa.Array:
    """Lists of numbers as float32. Raises Misfit for what float32 cannot hold."""
    _check(values, {list})
    present = [value for value in values if value is not None]
    flat = list(chain.from_iterable(present))
    kinds = set(map(type, flat))
    if set(map(len, present)) - {dim} or not kinds <= {int, float}:
        raise next(
            Misfit(place, value)
            for place, value in enumerate(values)
            if value is not None
            and (len(value) != dim or not set(map(type, value)) <= {int, float})
        )
    try:
        wide = np.array(flat, np.float64)
    except OverflowError:
        wide = np.array([np.inf])
    largest = np.abs(wide).max(initial=0)
    if largest >= _LARGEST_FLOAT or (int in kinds and largest > _EXACT_FLOAT):
        for place, value in enumerate(values):
            if value is not None and not all(map(_fits_float, value)):
                raise Misfit(place, value)
    numbers = wide.astype(np.float32)
    absent = [value is None for value in values]
    if any(absent):
        full = np.zeros((len(values), dim), np.float32)
        full[~np.array(absent)] = numbers.reshape(-1, dim)
        numbers = full.reshape(-1)
        return pa.FixedSizeListArray.from_arrays(pa.array(numbers), dim, mask=pa.array(absent))
    return pa.FixedSizeListArray.from_arrays(pa.array(numbers), dim)
