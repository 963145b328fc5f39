"""Decoded values of a field into one Arrow column; what Elasticsearch coerces is coerced alike.

Whole columns of one plain kind take Arrow's own way; only the others are looked at one by one.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import simdjson

from mmc.arrow.schema import data_type
from mmc.documents.arrays import Misfit, array_of, lists_of
from mmc.sources.elasticsearch.decoding.dates import instant, instants
from mmc.sources.elasticsearch.decoding.documents import LISTS, DigitsLost, Several, Written, plain
from mmc.sources.elasticsearch.decoding.points import point, points
from mmc.sources.elasticsearch.mapping.column import Column, Kind
from mmc.types import ArrowType

_NULL = type(None)
_BITS = {Kind.INT8: 8, Kind.INT16: 16, Kind.INT32: 32, Kind.INT64: 64}
_DIGITS = {Kind.DATE: 3, Kind.DATE_NANOS: 9}
_PLAIN: dict[Kind, set[type]] = {
    Kind.TEXT: {str, _NULL},
    Kind.BOOL: {bool, _NULL},
    Kind.DOUBLE: {float, _NULL},
    Kind.FLOAT: {float, _NULL},
    **{kind: {int, _NULL} for kind in _BITS},
}
"""Types of values that Arrow takes as they are, ranges apart."""
_NUMERIC = frozenset({*_BITS, Kind.FLOAT, Kind.DOUBLE})
_EXACT = 1 << 53
_BEYOND = 2.0**128 - 2.0**103
"""The least number that no float32 is next to: `3.4028235e38`, the largest as it is written, is
larger than the largest, and below this.
"""
_INTEGER = re.compile(r"[+-]?[0-9]+")
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DOUBLE_INSIDE = re.compile(rb"[0-9][.e]")
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True, slots=True)
class _Coerced:
    """Values of a kind, made of all that Elasticsearch takes for one."""

    kind: Kind
    formats: tuple[str, ...]
    type: pa.DataType
    one: Callable[[Any], Any]

    @classmethod
    def of(cls, column: Column, type_: pa.DataType) -> _Coerced:
        one = _one(column.kind, column.formats)
        return cls(column.kind, column.formats, type_, one)

    def at_once(self, values: Sequence[Any]) -> pa.Array | None:
        if set(map(type, values)) <= _PLAIN.get(self.kind, set()):
            return _fast(self.kind, values, self.type)
        return instants(values, self.formats, _DIGITS[self.kind]) if self.kind in _DIGITS else None

    def items(self, value: Any) -> list[Any] | None:
        """Elements of what a document has for a column of lists."""
        if value == "" and self.kind in _NUMERIC:
            return None
        items = _items(self.kind, value)
        if items == [None]:
            return None
        if None in items or (self.kind in _NUMERIC and "" in items):
            raise ValueError("a null inside a list")
        return items


def build(column: Column, cells: Sequence[Any]) -> tuple[pa.Array, list[Misfit]]:
    """The column, null where a document has no value, and where its value does not fit.

    A list of one is its value, an empty one is null, and lists in lists are one list, as they are
    to Elasticsearch.

    Args:
        cells: one value a document, as `documents` finds them.
    """
    type_ = data_type(ArrowType.parse(column.arrow))
    if column.many:
        maker = _Coerced.of(column, type_.value_type)
        return lists_of(cells, maker.items, maker)
    maker = _Coerced.of(column, type_)
    if column.kind in (Kind.JSON, Kind.POINT) or not _has_lists(cells):
        return array_of(cells, maker)
    several: list[Misfit] = []
    taken: list[Any] = []
    for row, value in enumerate(cells):
        try:
            taken.append(one_of(plain(value)))
        except ValueError as error:
            taken.append(None)
            several.append(Misfit(row, str(error), value))
    made, misfits = array_of(taken, maker)
    several += [Misfit(one.row, one.reason, cells[one.row]) for one in misfits]
    return made, sorted(several, key=lambda misfit: misfit.row)


def _has_lists(cells: Sequence[Any]) -> bool:
    return not set(map(type, cells)).isdisjoint((*LISTS, Several))


def one_of(value: Any) -> Any:
    """The one value of a list, or what is no list. Raises ValueError where it has several."""
    while isinstance(value, list):
        if len(value) > 1:
            raise ValueError("a list where the sample has single values: see source.arrays")
        value = value[0] if value else None
    return value


def _items(kind: Kind, value: Any) -> list[Any]:
    value = plain(value)
    if kind is Kind.POINT:
        return points(value)
    if not isinstance(value, list):
        return [value]
    if kind is Kind.JSON or not any(isinstance(item, list) for item in value):
        return value
    return [inner for item in value for inner in _items(kind, item)]


def _fast(kind: Kind, values: Sequence[Any], type_: pa.DataType) -> pa.Array | None:
    """None where a value is out of range, which only one by one tells."""
    try:
        made = pa.array(values, pa.float64() if kind is Kind.FLOAT else type_)
    except (pa.ArrowInvalid, OverflowError, UnicodeEncodeError):
        return None
    if kind in (Kind.FLOAT, Kind.DOUBLE):
        largest = np.abs(made.fill_null(0).to_numpy(zero_copy_only=False)).max(initial=0)
        if not largest < (_BEYOND if kind is Kind.FLOAT else np.inf):
            return None
    return made.cast(type_)


def _one(kind: Kind, formats: tuple[str, ...]) -> Callable[[Any], Any]:
    """Makes one value, not null. Raises ValueError with the reason."""
    match kind:
        case Kind.TEXT:
            return _text
        case Kind.BOOL:
            return _bool
        case Kind.FLOAT | Kind.DOUBLE:
            return lambda value: _float(value, kind)
        case Kind.DATE | Kind.DATE_NANOS:
            return lambda value: instant(plain(value), formats, _DIGITS[kind])
        case Kind.JSON:
            return _json
        case Kind.POINT:
            return lambda value: point(plain(value))
        case _:
            return lambda value: _integer(value, _BITS[kind])


def _text(value: Any) -> str:
    if isinstance(value, str):
        return _whole_characters(value)
    if isinstance(value, Written):
        return value.text
    if isinstance(value, float):
        raise DigitsLost
    if not isinstance(value, (bool, int)):
        raise ValueError("an object or a list in a text field")
    return _json(value)


def _whole_characters(text: str) -> str:
    # Only a page that Python's decoder reads has them: simdjson refuses `\ud800` by itself.
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("half a character (a lone surrogate)") from None
    return text


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in ("true", "false", ""):
        return value == "true"
    raise ValueError("neither true nor false")


def _integer(value: Any, bits: int) -> int | None:
    """None for an empty text, which the server takes for no value."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("no number in an integer field")
    if isinstance(value, str):
        if not value:
            return None
        # `long` takes no blanks (measured on 8.19), so none of its documents has any.
        text = value.strip()
        if len(text) < 40 and _INTEGER.fullmatch(text):
            value = int(text)
        elif NUMBER.fullmatch(text):
            value = float(text)
        else:
            raise ValueError("a text that is no number")
    if isinstance(value, float):
        if not math.isfinite(value) or value != int(value):
            raise ValueError("a fraction in an integer field")
        if abs(value) > _EXACT:
            raise ValueError("an integer written as a fraction, beyond what is exact")
        value = int(value)
    if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
        raise ValueError(f"an integer outside {bits} bits")
    return int(value)


def _float(value: Any, kind: Kind) -> float | None:
    """None for an empty text, which the server takes for no value."""
    if value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("no number in a number field")
    if isinstance(value, str) and not NUMBER.fullmatch(value.strip()):
        raise ValueError("a text that is no number")
    try:
        made = float(value)
    except OverflowError:
        made = math.inf
    if not math.isfinite(made) or (kind is Kind.FLOAT and abs(made) >= _BEYOND):
        raise ValueError("a number outside the range of the field")
    if isinstance(value, int) and int(made) != value:
        raise ValueError("an integer that a double cannot hold exactly")
    return made


def _json(value: Any) -> str:
    """Compact JSON. Integers have every digit, other numbers are doubles in Python's notation."""
    if isinstance(value, (simdjson.Object, simdjson.Array)):
        text = bytes(value.mini)
        # Its doubles are written otherwise than Python's decoder and encoder would.
        if not _DOUBLE_INSIDE.search(text):
            return text.decode()
    try:
        return _whole_characters(_ENCODER.encode(plain(value)))
    except ValueError as error:
        if "JSON compliant" not in str(error):
            raise
        raise ValueError("a number outside the range of a double") from None
