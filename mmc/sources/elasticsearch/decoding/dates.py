"""Dates as documents write them, in the formats that a mapping names, as epoch numbers.

A number is read as its digits, by the first format that takes them: with the default formats 2024
is a year. Digits finer than the unit are cut. Both as Elasticsearch does.
Source of names and letters: Elasticsearch reference, "format"; java.time.DateTimeFormatter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from itertools import takewhile
from typing import Any

import numpy as np
import pyarrow as pa

from mmc.sources.elasticsearch.mapping.column import DEFAULT_FORMATS

_EPOCHS = {"epoch_millis": 3, "epoch_second": 0}
_EPOCH_NUMBER = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")
_ZONE = r"(?P<zone>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)"
_ISO = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2})(?:[T ](?:(?P<hour>\d{1,2})"
    r"(?::(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?)?"
    rf"{_ZONE}?)?)?)?)?",
    re.ASCII,
)
_BEFORE_0 = re.compile(r"-\d{4}(-\d{1,2}.*)?", re.ASCII)
"""A year to an ISO format, not a number: `-1234` is no second of 1969 then."""
_ISO_NAMES = re.compile(
    r"(strict_)?(date_optional_time(_nanos)?|date|date_time|date_time_no_millis|year_month_day|"
    r"year_month|year|date_hour_minute_second(_millis|_fraction)?|date_hour_minute|date_hour|iso8601)"
)
_BASIC = {
    "basic_date": "yyyyMMdd",
    "basic_date_time": "yyyyMMdd'T'HHmmss.SSSX",
    "basic_date_time_no_millis": "yyyyMMdd'T'HHmmssX",
    "basic_ordinal_date": "yyyyDDD",
    "ordinal_date": "yyyy-DDD",
}
_LETTERS = {
    **dict.fromkeys(("yyyy", "uuuu"), r"(?P<year>\d{4})"),
    **dict.fromkeys(("yy", "uu"), r"(?P<short>\d{2})"),
    **dict.fromkeys(("MM", "LL"), r"(?P<month>\d{2})"),
    **dict.fromkeys(("M", "L"), r"(?P<month>\d{1,2})"),
    **dict.fromkeys(("MMM", "MMMM", "LLL", "LLLL"), r"(?P<named>[A-Za-z]{3,9})"),
    **dict.fromkeys(("E", "EE", "EEE", "EEEE"), r"[A-Za-z]{3,9}"),
    "dd": r"(?P<day>\d{2})",
    "d": r"(?P<day>\d{1,2})",
    "DDD": r"(?P<ordinal>\d{3})",
    "HH": r"(?P<hour>\d{2})",
    "H": r"(?P<hour>\d{1,2})",
    "hh": r"(?P<clock>\d{2})",
    "h": r"(?P<clock>\d{1,2})",
    "a": r"(?P<half>[AaPp][Mm])",
    "mm": r"(?P<minute>\d{2})",
    "m": r"(?P<minute>\d{1,2})",
    "ss": r"(?P<second>\d{2})",
    "s": r"(?P<second>\d{1,2})",
    "[": "(?:",
    "]": ")?",
}
_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TOKEN = re.compile(r"'([^']*)'|([A-Za-z])\2*|[^A-Za-z'{}#]")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def unreadable(formats: Sequence[str]) -> tuple[str, ...]:
    """Those that cannot be read here: a field that has one is kept as text."""
    return tuple(
        name
        for name in formats
        if name not in _EPOCHS and not _ISO_NAMES.fullmatch(name) and _pattern(name) is None
    )


def instants(values: Sequence[Any], formats: Sequence[str], digits: int) -> pa.Array | None:
    """A whole column at once, where all is ISO text, or all are epoch numbers.

    Args:
        digits: 3 gives timestamp[ms], 9 timestamp[ns].

    Returns:
        None where only `instant`, value by value, can tell.
    """
    plain = list(
        takewhile(lambda name: name in _EPOCHS or _is_iso(name), formats or DEFAULT_FORMATS)
    )
    kinds = set(map(type, values)) - {type(None)}
    unit = pa.timestamp("ms" if digits == 3 else "ns")
    if kinds == {str} and any(map(_is_iso, plain)):
        return _iso_column(values, unit)
    epochs = [name for name in plain if name in _EPOCHS]
    if kinds == {int} and epochs:
        factor = int(10 ** (digits - _EPOCHS[epochs[0]]))
        limit = (1 << 63) // factor
        # Four digits are a year to an ISO format.
        if all(value is None or 9999 < abs(value) < limit for value in values):
            scaled = [None if value is None else value * factor for value in values]
            return pa.array(scaled, pa.int64()).cast(unit)
    return None


def _is_iso(name: str) -> bool:
    return _ISO_NAMES.fullmatch(name) is not None


def _iso_column(values: Sequence[Any], unit: pa.DataType) -> pa.Array | None:
    try:
        texts = pa.array(values, pa.string())
    except UnicodeEncodeError:
        return None
    # Arrow takes texts all with a zone, or all without one, and no digit finer than the unit.
    for fine in dict.fromkeys((unit.unit, "ns")):
        for zone in ("UTC", None):
            try:
                made = texts.cast(pa.timestamp(fine, zone)).cast(pa.timestamp(fine))
            except pa.ArrowInvalid:
                continue
            if fine == unit.unit:
                return made
            cut = np.floor_divide(made.cast(pa.int64()).fill_null(0).to_numpy(), 1_000_000)
            mask = texts.is_null().to_numpy(zero_copy_only=False)
            return pa.array(cut, pa.int64(), mask=mask).cast(unit)
    return None


def instant(value: Any, formats: Sequence[str], digits: int) -> int:
    """Units of 10^-digits seconds since 1970. Digits beyond are cut, as Elasticsearch cuts them.

    Raises:
        ValueError: it is no date in any of the formats.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError("no date in a format of the mapping")
    text = value if isinstance(value, str) else _digits(value)
    for name in formats or DEFAULT_FORMATS:
        if _is_iso(name) and _BEFORE_0.fullmatch(text):
            raise ValueError("a date before the year 1")
        if name in _EPOCHS:
            made = _epoch(text, _EPOCHS[name], digits)
        else:
            pattern = _ISO if _is_iso(name) else _pattern(name)
            found = pattern.fullmatch(text) if pattern else None
            made = _made(found.groupdict(), digits) if found else None
        if made is not None:
            if not -(1 << 63) < made < 1 << 63:
                raise ValueError("a date outside 64 bits")
            return made
    raise ValueError("no date in a format of the mapping")


def _digits(value: int | float) -> str:
    """A number as text; a whole one without the exponent that Python gives large ones."""
    if isinstance(value, float) and value.is_integer():
        return f"{value:.1f}"
    return str(value)


def _epoch(text: str, given: int, digits: int) -> int | None:
    if not _EPOCH_NUMBER.fullmatch(text):
        return None
    whole, _, fraction = text.partition(".")
    scaled = int(whole + fraction)
    shift = digits - given - len(fraction)
    factor = int(10 ** abs(shift))
    return scaled * factor if shift >= 0 else scaled // factor


def _made(said: dict[str, Any], digits: int) -> int | None:
    """None where the parts are no date."""
    year, month, day, hour = (
        int(said.get(part) or least)
        for part, least in (("year", 0), ("month", 1), ("day", 1), ("hour", 0))
    )
    if short := said.get("short"):
        year = 2000 + int(short)
    if named := said.get("named"):
        if named[:3].lower() not in _NAMES:
            return None
        month = 1 + _NAMES.index(named[:3].lower())
    if clock := said.get("clock"):
        if not (1 <= int(clock) <= 12 and said.get("half")):
            return None
        hour = int(clock) % 12 + 12 * (said["half"].lower() == "pm")
    minute, second = int(said.get("minute") or 0), int(said.get("second") or 0)
    try:
        zone = _offset(said.get("zone") or "")
        at = datetime(year, month, day, hour, minute, second, tzinfo=zone)
    except ValueError:
        return None
    if ordinal := said.get("ordinal"):
        at += timedelta(days=int(ordinal) - 1)
        if at.year != year or ordinal == "000":
            return None
    seconds = (at - _EPOCH) // timedelta(seconds=1)
    fraction = said.get("fraction") or ""
    return seconds * int(10**digits) + int(fraction[:digits].ljust(digits, "0") or 0)


def _offset(zone: str) -> timezone:
    """Raises ValueError for one of a day or more."""
    if zone in ("", "Z", "UTC", "GMT"):
        return UTC
    plain = zone.replace(":", "").ljust(5, "0")
    span = timedelta(hours=int(plain[1:3]), minutes=int(plain[3:5]))
    return timezone(-span if zone[0] == "-" else span)


@lru_cache(maxsize=256)
def _pattern(name: str) -> re.Pattern[str] | None:
    """A Java pattern of the usual letters; None for another. It needs a year."""
    made = []
    text = _BASIC.get(name.removeprefix("strict_"), name).removeprefix("8")
    at = 0
    for token in _TOKEN.finditer(text):
        if token.start() != at:
            return None
        at = token.end()
        letters = token[0]
        if token[1] is not None:
            made.append(re.escape(token[1] or "'"))
        elif letters in _LETTERS:
            made.append(_LETTERS[letters])
        elif letters[0] == "S":
            made.append(rf"(?P<fraction>\d{{{len(letters)}}})")
        elif letters[0] in "XxZz":
            made.append(_ZONE)
        elif letters[0].isalpha():
            return None
        else:
            made.append(re.escape(letters))
    whole = "".join(made)
    if at != len(text) or not ("(?P<year>" in whole or "(?P<short>" in whole):
        return None
    try:
        return re.compile(whole, re.ASCII)
    except re.error:
        return None
