"""Dates as documents write them, in the formats that a mapping names, as epoch numbers.

Source of names and letters: Elasticsearch reference, "format"; java.time.DateTimeFormatter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

_EPOCHS = {"epoch_millis": 3, "epoch_second": 0}
_ISO = re.compile(
    r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2})(?:[T ](\d{1,2})(?::(\d{2})(?::(\d{2})"
    r"(?:[.,](\d{1,9}))?)?)?(Z|[+-]\d{2}(?::?\d{2})?)?)?)?)?"
)
_ISO_NAMES = re.compile(
    r"(strict_)?(date_optional_time(_nanos)?|date|date_time|date_time_no_millis|year_month_day|"
    r"year_month|year|date_hour_minute_second(_millis|_fraction)?|date_hour_minute|date_hour|iso8601)"
)
_BASIC = {
    "basic_date": "yyyyMMdd",
    "basic_date_time": "yyyyMMdd'T'HHmmss.SSSX",
    "basic_date_time_no_millis": "yyyyMMdd'T'HHmmssX",
}
_LETTERS = {
    "yyyy": r"(?P<year>\d{4})",
    "uuuu": r"(?P<year>\d{4})",
    "MM": r"(?P<month>\d{2})",
    "M": r"(?P<month>\d{1,2})",
    "dd": r"(?P<day>\d{2})",
    "d": r"(?P<day>\d{1,2})",
    "HH": r"(?P<hour>\d{2})",
    "H": r"(?P<hour>\d{1,2})",
    "mm": r"(?P<minute>\d{2})",
    "m": r"(?P<minute>\d{1,2})",
    "ss": r"(?P<second>\d{2})",
    "s": r"(?P<second>\d{1,2})",
}
_ZONE = r"(?P<zone>Z|[+-]\d{2}(?::?\d{2})?)"
_TOKEN = re.compile(r"'([^']*)'|([A-Za-z])\2*|[^A-Za-z']")
DEFAULT = ("strict_date_optional_time", "epoch_millis")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def unreadable(formats: Sequence[str]) -> tuple[str, ...]:
    """Those that cannot be read here: a field that has one is kept as text."""
    return tuple(
        name
        for name in formats
        if name not in _EPOCHS and not _ISO_NAMES.fullmatch(name) and _pattern(name) is None
    )


def instant(value: Any, formats: Sequence[str], digits: int) -> int:
    """Units of 10^-digits seconds since 1970. Digits beyond are cut, as Elasticsearch cuts them.

    Raises:
        ValueError: it is no date in any of the formats.
    """
    for name in formats or DEFAULT:
        if name in _EPOCHS:
            made = _epoch(value, _EPOCHS[name], digits)
        elif not isinstance(value, (str, int)) or isinstance(value, bool):
            made = None
        elif _ISO_NAMES.fullmatch(name):
            made = _iso(str(value), digits) if isinstance(value, str) else None
        else:
            made = _by_pattern(str(value), name, digits)
        if made is not None:
            if not -(1 << 63) <= made < 1 << 63:
                raise ValueError("a date outside 64 bits")
            return made
    raise ValueError("no date in a format of the mapping")


def _epoch(value: Any, given: int, digits: int) -> int | None:
    text = str(value)
    if isinstance(value, bool) or not re.fullmatch(r"-?\d+(\.\d+)?", text):
        return None
    whole, _, fraction = text.partition(".")
    scaled = int(whole + fraction)
    shift = digits - given - len(fraction)
    factor = int(10 ** abs(shift))
    return scaled * factor if shift >= 0 else scaled // factor


def _iso(text: str, digits: int) -> int | None:
    found = _ISO.fullmatch(text)
    if not found:
        return None
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    parts = [int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0)]
    return _made(parts, int(second or 0), fraction or "", zone or "", digits)


def _made(parts: list[int], second: int, fraction: str, zone: str, digits: int) -> int | None:
    try:
        at = datetime(*parts, second, tzinfo=_offset(zone))  # type: ignore[misc, arg-type]
    except ValueError:
        return None
    seconds = (at - _EPOCH) // timedelta(seconds=1)
    return seconds * int(10**digits) + int(fraction[:digits].ljust(digits, "0") or 0)


def _offset(zone: str) -> timezone:
    if zone in ("", "Z"):
        return UTC
    plain = zone.replace(":", "").ljust(5, "0")
    span = timedelta(hours=int(plain[1:3]), minutes=int(plain[3:5]))
    return timezone(-span if zone[0] == "-" else span)


def _by_pattern(text: str, name: str, digits: int) -> int | None:
    pattern = _pattern(name)
    found = pattern.fullmatch(text) if pattern else None
    if not found:
        return None
    said = found.groupdict()
    parts = [int(said["year"])] + [
        int(said.get(part) or least)
        for part, least in (("month", 1), ("day", 1), ("hour", 0), ("minute", 0))
    ]
    fraction, zone = said.get("fraction") or "", said.get("zone") or ""
    return _made(parts, int(said.get("second") or 0), fraction, zone, digits)


@lru_cache(maxsize=256)
def _pattern(name: str) -> re.Pattern[str] | None:
    """A Java pattern of the usual letters; None for another. It needs a year."""
    made = []
    text = _BASIC.get(name.removeprefix("strict_"), name)
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
        elif letters[0] in "XZ":
            made.append(_ZONE)
        elif letters[0].isalpha():
            return None
        else:
            made.append(re.escape(letters))
    if at != len(text) or "(?P<year>" not in "".join(made):
        return None
    try:
        return re.compile("".join(made))
    except re.error:
        return None
