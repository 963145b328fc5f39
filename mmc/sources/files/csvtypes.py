"""Types of CSV columns, told from sampled texts, and texts converted to them by kernels.

A text that the type does not write in this way (`007` for an integer) is a `Misfit`, never
another value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from math import isinf
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from mmc.arrow.column import Column, shortest_vector
from mmc.documents.arrays import Misfit
from mmc.documents.exact import EXACT_DOUBLE, INT64, build
from mmc.documents.kinds import Kinds

_INT = r"^-?(0|[1-9][0-9]{0,18})$"
_DOUBLE = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_ZERO_LED = re.compile(r"[+-]?0[0-9]")
_MANY_DIGITS = re.compile(r"[0-9]{19}")
"""Integers of so many digits may lie beyond 64 bits: orjson would make floats of them."""
_REASON = "another text than those of the sample"
_BOOL = r"^(true|false|True|False|TRUE|FALSE)$"


def infer(texts: Mapping[str, Sequence[str]]) -> list[Column]:
    """The types of columns whose sampled texts (without nulls) are these."""
    numbers = {name: _lists_of_numbers(some) for name, some in texts.items()}
    lengths = (kinds.vector_length for kinds in numbers.values() if kinds is not None)
    shortest = shortest_vector(lengths)
    columns = []
    for name, some in texts.items():
        kinds = numbers[name]
        columns.append(_scalar(name, some) if kinds is None else kinds.column(name, shortest))
    return columns


def _lists_of_numbers(texts: Sequence[str]) -> Kinds | None:
    """What is seen of texts that all are JSON lists of numbers; None where some are not."""
    kinds = Kinds()
    for text in texts:
        if not text.lstrip().startswith("["):
            return None
        try:
            value = _decoded(text)
        except orjson.JSONDecodeError:
            return None
        if type(value) is not list or not set(map(type, value)) <= {int, float}:
            return None
        kinds.add(value)
    return kinds if texts else None


def _scalar(name: str, texts: Sequence[str]) -> Column:
    if not texts:
        return Column(name, pa.string(), note="no value in the sample: kept as text")
    if all(re.fullmatch(_INT[1:-1], text) for text in texts):
        fits = all(-INT64 <= int(text) < INT64 and text != "-0" for text in texts)
        note = "" if fits else "integers beyond int64: kept as text"
        return Column(name, pa.int64() if fits else pa.string(), note=note)
    if all(re.fullmatch(_DOUBLE[1:-1], text) for text in texts):
        if any(_ZERO_LED.match(text) or _inexact(text) or isinf(float(text)) for text in texts):
            return Column(name, pa.string(), note="digits that a number would lose: kept as text")
        return Column(name, pa.float64())
    if all(re.fullmatch(_BOOL[1:-1], text) for text in texts):
        return Column(name, pa.bool_())
    if all(text[:1] in "[{" and _is_json(text) for text in texts):
        return Column(name, pa.string(), json_text=True, note="texts of JSON")
    return Column(name, pa.string())


def _inexact(text: str) -> bool:
    return text.lstrip("+-").isdigit() and abs(int(text)) > EXACT_DOUBLE


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _decoded(text: str) -> Any:
    """A JSON value; integers of a flat list are exact. Raises orjson.JSONDecodeError."""
    value = orjson.loads(text)
    if type(value) is list and _MANY_DIGITS.search(text) and not any(map(_is_nested, value)):
        return json.loads(text)
    return value


def _is_nested(value: Any) -> bool:
    return type(value) in (list, dict)


def convert(texts: pa.Array, type_: pa.DataType) -> pa.Array:
    """A column of texts as the type. Raises Misfit."""
    if pa.types.is_string(type_):
        return texts
    if pa.types.is_fixed_size_list(type_) or pa.types.is_list(type_):
        return _lists(texts, type_)
    if pa.types.is_int64(type_):
        _all_match(texts, _INT)
        _refuse(texts, pc.equal(texts, "-0"))
        try:
            return pc.cast(texts, type_)
        except pa.ArrowInvalid:
            values = [None if text is None else int(text) for text in texts.to_pylist()]
            place = next(
                place
                for place, value in enumerate(values)
                if value is not None and not -INT64 <= value < INT64
            )
            raise Misfit(place, _REASON, texts[place].as_py()) from None
    if pa.types.is_boolean(type_):
        _all_match(texts, _BOOL)
        return pc.cast(pc.utf8_lower(texts), type_)
    _all_match(texts, _DOUBLE)
    _refuse(texts, pc.match_substring_regex(texts, r"^[+-]?0[0-9]"))
    long = pc.match_substring_regex(texts, r"^[+-]?[0-9]{16,}$")
    if pc.any(long).as_py():
        for place, text in enumerate(texts.to_pylist()):
            if text is not None and _inexact(text):
                raise Misfit(place, _REASON, text)
    numbers = pc.cast(pc.utf8_ltrim(texts, "+"), type_)
    infinite = pc.is_inf(numbers)
    if pc.any(infinite).as_py():
        place = pc.index(infinite, True).as_py()
        raise Misfit(place, _REASON, texts[place].as_py())
    return numbers


def _all_match(texts: pa.Array, pattern: str) -> None:
    _refuse(texts, pc.invert(pc.match_substring_regex(texts, pattern)))


def _refuse(texts: pa.Array, wrong: pa.Array) -> None:
    if pc.any(wrong).as_py():
        place = pc.index(wrong, True).as_py()
        raise Misfit(place, _REASON, texts[place].as_py())


def _lists(texts: pa.Array, type_: pa.DataType) -> pa.Array:
    values: list[Any] = []
    for place, text in enumerate(texts.to_pylist()):
        try:
            values.append(None if text is None else _decoded(text))
        except orjson.JSONDecodeError:
            raise Misfit(place, _REASON, text) from None
    made, misfits = build(values, Column("", type_))
    if misfits:
        raise Misfit(misfits[0].row, _REASON, texts[misfits[0].row].as_py())
    return made
