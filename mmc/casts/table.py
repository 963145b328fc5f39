"""The casts themselves: names, exactness, and the line that people read in a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Exactness(StrEnum):
    """EXACT: every value passes unchanged. CHECKED: a value may be refused, and its row is then a
    bad row.
    """

    EXACT = "exact"
    CHECKED = "checked"


@dataclass(frozen=True, slots=True)
class Cast:
    """A way to convert values. `note` says, for people, which values are bad rows or what is
    declared to change.
    """

    name: str
    exactness: Exactness
    note: str


@dataclass(frozen=True, slots=True)
class Refused:
    """There is no such cast: why, and what to write instead."""

    reason: str
    hint: str


def _table(*rows: tuple[str, Exactness, str]) -> dict[str, Cast]:
    return {name: Cast(name, exactness, note) for name, exactness, note in rows}


_EXACT, _CHECKED = Exactness.EXACT, Exactness.CHECKED

CASTS: Mapping[str, Cast] = _table(
    ("identity", _EXACT, "values are taken as they are"),
    ("widen", _EXACT, "every value fits the wider type"),
    ("nulls", _EXACT, "the column holds nulls only"),
    ("narrow", _CHECKED, "integers outside the range of the type are bad rows"),
    ("whole", _CHECKED, "numbers with a fraction or outside the range of the type are bad rows"),
    ("finite", _CHECKED, "NaN and infinity are bad rows"),
    ("exact", _CHECKED, "numbers that the type cannot hold exactly are bad rows"),
    ("round", _CHECKED, "rounded to nearest; NaN, infinity and overflow are bad rows"),
    ("parse", _CHECKED, "text is read as a value; text that is none is a bad row"),
    ("text", _CHECKED, "written as text; text longer than the field is a bad row"),
    ("fits", _CHECKED, "text longer than the field, in bytes of UTF-8, is a bad row"),
    ("utf8", _CHECKED, "bytes are read as UTF-8; bytes that are not UTF-8 are bad rows"),
    ("base64", _CHECKED, "bytes are written as base64 text"),
    ("hex", _CHECKED, "bytes are written as lower-case hexadecimal text"),
    ("epoch_s", _CHECKED, "seconds since 1970-01-01 UTC; a remainder is a bad row"),
    ("epoch_ms", _CHECKED, "milliseconds since 1970-01-01 UTC; a remainder is a bad row"),
    ("epoch_us", _CHECKED, "microseconds since 1970-01-01 UTC; a remainder is a bad row"),
    ("epoch_ns", _CHECKED, "nanoseconds since 1970-01-01 UTC; overflow of int64 is a bad row"),
    ("iso", _CHECKED, "written as ISO 8601 text; years outside 1..9999 are bad rows"),
    ("json", _CHECKED, "written as JSON text; NaN and infinity are bad rows"),
    ("json_text", _CHECKED, "JSON text is kept as it is; text that is not JSON is a bad row"),
    ("wkt", _CHECKED, "shapes in JSON are written as WKT; what is no shape is a bad row"),
    (
        "array",
        _CHECKED,
        "null elements, too many elements and elements that do not fit are bad rows",
    ),
    ("vector", _CHECKED, "another length, null, NaN, infinity or an inexact element is a bad row"),
    ("bytes", _CHECKED, "raw little-endian bytes; another length is a bad row"),
    ("sparse", _CHECKED, "indices must be unique and below 2^32-1, values finite and not negative"),
)
"""Name -> cast, in the order of the documentation."""
