"""Documents without a schema -> columns: each name with the narrowest type that holds every value
it was seen to have, exactly. Reads no document by itself: a source hands over what it sampled.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from mmc.arrow.column import Column, shortest_vector
from mmc.documents.exact import EXACT_DOUBLE, INT64, SCALARS, fits_float
from mmc.types import MAX_DIM

_NULL = type(None)


@dataclass(slots=True)
class Kinds:
    """The kinds of values that a name was seen to have; grows by `add`.

    Values are those of a JSON decoder: None, bool, int, float, str, list, dict.
    """

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
                    self.bulky = self.bulky or not fits_float(item)

    def _integer(self, value: int) -> None:
        self.wide = self.wide or not -INT64 <= value < INT64
        self.coarse = self.coarse or abs(value) > EXACT_DOUBLE

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
        return SCALARS.get(next(iter(types)))

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


def infer(documents: Iterable[dict[str, Any]]) -> list[Column]:
    """Columns of the sampled documents, in the order in which they were first seen."""
    kinds: dict[str, Kinds] = {}
    for document in documents:
        for name, value in document.items():
            if name not in kinds:
                kinds[name] = Kinds()
            kinds[name].add(value)
    shortest = shortest_vector(each.vector_length for each in kinds.values())
    return [each.column(name, shortest) for name, each in kinds.items()]
