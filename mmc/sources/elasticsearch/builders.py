"""Decoded values of a field into one Arrow column; what Elasticsearch coerces is coerced alike.

Whole columns of one plain kind take Arrow's own way; only the others are looked at one by one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from mmc.io.arrow import data_type
from mmc.sources.elasticsearch.column import Column, Kind
from mmc.sources.elasticsearch.dates import instant
from mmc.sources.elasticsearch.points import point
from mmc.types import ArrowType

_NULL = type(None)
_BITS = {Kind.INT8: 8, Kind.INT16: 16, Kind.INT32: 32, Kind.INT64: 64}
_PLAIN: dict[Kind, set[type]] = {
    Kind.TEXT: {str, _NULL},
    Kind.BOOL: {bool, _NULL},
    Kind.DOUBLE: {float, _NULL},
    Kind.FLOAT: {float, _NULL},
    **{kind: {int, _NULL} for kind in _BITS},
}
"""Types of values that Arrow takes as they are, ranges apart."""
_EXACT = 1 << 53
_MOST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Misfit:
    """A value that its column cannot hold: number of the document, why, and the value."""

    row: int
    reason: str
    value: Any


def build(
    column: Column, listed: Sequence[Any], tokens: Mapping[str, int] | None
) -> tuple[pa.Array, list[Misfit]]:
    """The column, null where a document has no value, and where its value does not fit.

    Args:
        listed: one decoded JSON value a document; bytes are JSON text.
        tokens: numbers of the tokens of sparse vectors; None: the tokens are numbers.
    """
    type_ = data_type(ArrowType.parse(column.arrow))
    if not column.many and set(map(type, listed)) <= _PLAIN.get(column.kind, set()):
        made = _fast(column.kind, listed, type_)
        if made is not None:
            return made, []
    one = _one(column, tokens)
    taken: list[Any] = []
    misfits: list[Misfit] = []
    for row, value in enumerate(listed):
        try:
            taken.append(_many(value, one) if column.many else _single(value, one, column.kind))
        except ValueError as error:
            taken.append(None)
            misfits.append(Misfit(row, str(error), value))
    return pa.array(taken, type_), misfits


def _fast(kind: Kind, listed: Sequence[Any], type_: pa.DataType) -> pa.Array | None:
    """None where a value is out of range, which only one by one tells."""
    try:
        made = pa.array(listed, pa.float64() if kind is Kind.FLOAT else type_)
    except (pa.ArrowInvalid, OverflowError):
        return None
    if kind is Kind.FLOAT:
        largest = np.abs(made.fill_null(0).to_numpy()).max(initial=0)
        return made.cast(pa.float32()) if largest <= _MOST else None
    return made


def _many(value: Any, one: Callable[[Any], Any]) -> Any:
    if value is None:
        return None
    listed = value if isinstance(value, list) else [value]
    flat: list[Any] = []
    for item in listed:
        if isinstance(item, list):
            flat += item
        else:
            flat.append(item)
    if any(item is None for item in flat):
        raise ValueError("a null inside a list")
    return [one(item) for item in flat]


def _single(value: Any, one: Callable[[Any], Any], kind: Kind) -> Any:
    if isinstance(value, list) and kind not in (Kind.JSON, Kind.POINT):
        if len(value) > 1:
            raise ValueError("a list where the sample has single values: see source.arrays")
        value = value[0] if value else None
    return None if value is None else one(value)


def _one(column: Column, tokens: Mapping[str, int] | None) -> Callable[[Any], Any]:
    """Makes one value. Raises ValueError with the reason."""
    match column.kind:
        case Kind.TEXT:
            return _text
        case Kind.BOOL:
            return _bool
        case Kind.FLOAT | Kind.DOUBLE:
            return lambda value: _float(value, column.kind)
        case Kind.DATE | Kind.DATE_NANOS:
            digits = 3 if column.kind is Kind.DATE else 9
            return lambda value: instant(value, column.formats, digits)
        case Kind.JSON:
            return _json
        case Kind.POINT:
            return point
        case Kind.SPARSE:
            return lambda value: _sparse(value, tokens)
        case kind:
            return lambda value: _integer(value, _BITS[kind])


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (dict, list)):
        raise ValueError("an object or a list in a text field")
    return json.dumps(value)


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false", ""):
        return bool(value == "true")
    raise ValueError("neither true nor false")


def _integer(value: Any, bits: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("no number in an integer field")
    if isinstance(value, str):
        try:
            value = int(value)
        except ValueError:
            try:
                value = float(value)
            except ValueError:
                raise ValueError("a text that is no number") from None
    if isinstance(value, float):
        if not math.isfinite(value) or value != int(value):
            raise ValueError("a fraction in an integer field")
        if abs(value) > _EXACT:
            raise ValueError("an integer written as a fraction, beyond what is exact")
        value = int(value)
    if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
        raise ValueError(f"an integer outside {bits} bits")
    return int(value)


def _float(value: Any, kind: Kind) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("no number in a number field")
    try:
        made = float(value)
    except (ValueError, OverflowError):
        raise ValueError("a text that is no number") from None
    if not math.isfinite(made) or (kind is Kind.FLOAT and abs(made) > _MOST):
        raise ValueError("a number outside the range of the field")
    if isinstance(value, int) and int(made) != value:
        raise ValueError("an integer that a double cannot hold exactly")
    return made


def _json(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode()
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _sparse(value: Any, tokens: Mapping[str, int] | None) -> list[tuple[int, float]]:
    if not isinstance(value, dict):
        raise ValueError("no object of token and weight")
    made: dict[int, float] = {}
    for token, weight in value.items():
        number = int(token) if tokens is None and token.isdecimal() else (tokens or {}).get(token)
        if number is None:
            raise ValueError("a token that source.tokens does not number")
        if number in made:
            raise ValueError("two tokens of one number")
        made[number] = _float(weight, Kind.FLOAT)
    return sorted(made.items())
