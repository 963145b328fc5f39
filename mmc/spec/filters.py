"""The filters of templates. Strict (a text that is no number is an error, never 0) and bounded in
what they can make.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from math import isfinite
from typing import Any

MAX_TEXT = 1 << 16


def _texts(*values: Any) -> None:
    for value in values:
        if not isinstance(value, str):
            raise TypeError(f"a text is needed, not {_kind(value)}")


def _kind(value: Any) -> str:
    names = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "a mapping",
    }
    return names.get(type(value), "null" if value is None else "an undefined value")


def _bounded(length: int) -> None:
    if length > MAX_TEXT:
        raise ValueError(f"the result is longer than {MAX_TEXT} characters")


def lower(value: Any) -> str:
    _texts(value)
    return str(value).lower()


def upper(value: Any) -> str:
    _texts(value)
    return str(value).upper()


def trim(value: Any) -> str:
    _texts(value)
    return str(value).strip()


def replace(value: Any, old: Any, new: Any) -> str:
    """Every `old` becomes `new`."""
    _texts(value, old, new)
    if not old:
        raise ValueError("replace needs a text to look for")
    _bounded(len(value) + value.count(old) * len(new))
    return str(value).replace(old, new)


def join(value: Any, separator: Any = "") -> str:
    _texts(separator)
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"join needs a list, not {_kind(value)}")
    parts = [string(item) for item in value]
    _bounded(sum(map(len, parts)) + len(separator) * len(parts))
    return str(separator).join(parts)


def string(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise TypeError(f"{_kind(value)} is not text")


def integer(value: Any) -> int:
    """A whole number: of text by its digits, of a float only when nothing is lost."""
    if isinstance(value, str) and re.fullmatch(r"\s*[-+]?[0-9]{1,19}\s*", value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise ValueError("not a whole number")


def number(value: Any) -> float:
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        with suppress(ValueError, OverflowError):  # their messages quote the value
            result = float(value)
            if isfinite(result):
                return result
    raise ValueError("not a finite number")


def length(value: Any) -> int:
    if isinstance(value, (str, list, tuple, dict)):
        return len(value)
    raise TypeError(f"{_kind(value)} has no length")


def default(value: Any, otherwise: Any) -> Any:
    """`otherwise` where the value is not defined or null."""
    undefined = type(value).__name__ == "StrictUndefined"
    return otherwise if undefined or value is None else value


FILTERS: dict[str, Callable[..., Any]] = {
    "default": default,
    "lower": lower,
    "upper": upper,
    "trim": trim,
    "replace": replace,
    "join": join,
    "string": string,
    "int": integer,
    "float": number,
    "length": length,
}
