"""Kernels of dates and times: a count since 1970-01-01 UTC, or ISO 8601 text. Times without a zone
are taken as UTC.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mmc.transform.kernels.faults import (
    INEXACT,
    NOT_READABLE,
    RANGE,
    Casted,
    Fault,
    Kernel,
    absent,
    failing,
    fault,
    present,
    without,
)
from mmc.transform.kernels.text import bounded
from mmc.types import FieldType

_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_FIRST, _LAST = -62_135_596_800, 253_402_300_799
"""Seconds of 0001-01-01T00:00:00Z and of 9999-12-31T23:59:59Z: what ISO 8601 text holds."""
_ISO = (
    r"^(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ](?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9])"
    r"(?::(?P<second>[0-5][0-9])(?:\.(?P<fraction>[0-9]{1,9}))?)?"
    r"(?:[Zz]|(?P<sign>[+-])(?P<zh>[01][0-9]|2[0-3]):?(?P<zm>[0-5][0-9])?)?)?$"
)

Integers = npt.NDArray[np.int64]


def epoch(unit: str) -> Kernel:
    """The kernel that counts in `unit`: s, ms, us or ns."""

    def kernel(array: pa.Array, target: FieldType) -> Casted:
        if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
            return _from_text(array, unit)
        if pa.types.is_string_view(array.type):
            return _from_text(array.cast(pa.string()), unit)
        counts, per_second = _counts(array)
        return _scaled(array, counts, per_second, unit)

    return kernel


def _counts(array: pa.Array) -> tuple[Integers, int]:
    """Integers behind a date or timestamp column, and how many make a second (-86400: days)."""
    if pa.types.is_date32(array.type):
        return _integers(array.view(pa.int32())), -86_400
    per_second = 1_000 if pa.types.is_date64(array.type) else _PER_SECOND[array.type.unit]
    return _integers(array.view(pa.int64())), per_second


def _integers(array: pa.Array) -> Integers:
    if array.null_count:
        array = array.fill_null(0)
    found: Integers = array.to_numpy().astype(np.int64)
    return found


def _scaled(array: pa.Array, counts: Integers, per_second: int, unit: str) -> Casted:
    wanted = _PER_SECOND[unit]
    there = present(array)
    if per_second < 0 or wanted > per_second:
        factor = wanted * -per_second if per_second < 0 else wanted // per_second
        most = np.iinfo(np.int64).max // factor
        far = (counts > most) | (counts < -most)
        values = np.where(far, 0, counts) * factor
        faults = fault(far & there, RANGE, f"outside the range of int64 in {_NAMES[unit]}")
    else:
        factor = per_second // wanted
        values, faults = counts // factor, ()
        if factor > 1:
            uneven = (counts % factor != 0) & there
            faults = fault(uneven, INEXACT, f"not a whole number of {_NAMES[unit]}")
    return Casted(_array(values, array), faults)


def _array(values: npt.NDArray[Any], like: pa.Array) -> pa.Array:
    nulls = absent(like)
    return pa.array(values, mask=None if nulls is None else nulls.to_numpy(zero_copy_only=False))


def _from_text(array: pa.Array, unit: str) -> Casted:
    """ISO 8601 dates and times; a date alone is midnight UTC."""
    parts = pc.extract_regex(array, _ISO)
    unread = parts.is_null().to_numpy(zero_copy_only=False) & present(array)
    member = dict(zip((field.name for field in parts.type), parts.flatten(), strict=True))
    days, no_days = _days(member["day"])
    seconds = days * 86_400 + _digits(member["hour"]) * 3_600
    seconds += _digits(member["minute"]) * 60 + _digits(member["second"])
    offset = _digits(member["zh"]) * 3_600 + _digits(member["zm"]) * 60
    west = pc.equal(member["sign"], "-").fill_null(False).to_numpy(zero_copy_only=False)
    seconds -= np.where(west, -offset, offset)
    nanos = _digits(pc.ascii_rpad(member["fraction"], 9, "0"))
    unread[no_days] = True
    faults = fault(unread, NOT_READABLE, "not an ISO 8601 date or time")
    per = _PER_SECOND[unit]
    step = 1_000_000_000 // per
    uneven = (nanos % step != 0) & ~unread
    faults += fault(uneven, INEXACT, f"not a whole number of {_NAMES[unit]}")
    most = np.iinfo(np.int64).max // per - 1
    far = (np.abs(seconds) > most) & ~unread
    faults += fault(far, RANGE, f"outside the range of int64 in {_NAMES[unit]}")
    values = np.where(far, 0, seconds) * per + nanos // step
    return Casted(_array(values, array), faults)


def _days(text: pa.Array) -> tuple[Integers, Integers]:
    """Days since 1970-01-01, and the positions of texts such as 2023-02-30 that are no day."""
    text = pc.if_else(pc.equal(text, ""), pa.scalar(None, text.type), text)
    rows = np.empty(0, dtype=np.int64)
    try:
        days = text.cast(pa.date32())
    except pa.ArrowInvalid:
        rows = failing(text, lambda part: part.cast(pa.date32()))
        days = without(text, rows).cast(pa.date32())
    return _integers(days.view(pa.int32())), rows


def _digits(text: pa.Array) -> Integers:
    """Text of digits as integers; nothing counts as zero."""
    filled = pc.if_else(pc.equal(text, ""), "0", text).fill_null("0")
    found: Integers = filled.cast(pa.int64()).to_numpy()
    return found


def iso(array: pa.Array, target: FieldType) -> Casted:
    """ISO 8601 text: `2020-01-31`, `10:30:00`, `2020-01-31T10:30:00.000001`, with `Z` when the type
    has a zone.
    """
    values, faults = iso_text(array)
    return bounded(values, target, faults)


def iso_text(array: pa.Array) -> tuple[pa.Array, tuple[Fault, ...]]:
    """ISO 8601 text of a date, time or timestamp column, and the rows that are outside the years
    1..9999.
    """
    if pa.types.is_time(array.type):
        return array.cast(pa.string()), ()
    counts, per_second = _counts(array)
    seconds = counts * 86_400 if per_second < 0 else counts // per_second
    if per_second < 0:
        far = (counts < _FIRST // 86_400) | (counts > _LAST // 86_400)
    else:
        far = (seconds < _FIRST) | (seconds > _LAST)
    faults = fault(far & present(array), RANGE, "outside the years 1..9999")
    if faults:
        array = without(array, faults[0].rows)
    if pa.types.is_date(array.type):
        return array.cast(pa.date32()).cast(pa.string()), faults
    plain = array.view(pa.int64()).view(pa.timestamp(array.type.unit)).cast(pa.string())
    joined = pc.replace_substring(plain, " ", "T")
    if array.type.tz is not None:
        joined = pc.binary_join_element_wise(joined, "Z", "")
    return joined, faults
