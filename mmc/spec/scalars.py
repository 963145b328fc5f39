"""What a plain YAML scalar means, by the YAML 1.2 core rules; ruamel's own resolver knows older
ones.
"""

from __future__ import annotations

import re

from mmc.types import JsonValue

_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_HEX = re.compile(r"0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NON_FINITE = re.compile(r"[-+]?(?:\.inf|\.Inf|\.INF)|\.nan|\.NaN|\.NAN")
_WORDS: dict[str, JsonValue] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def resolve(text: str) -> JsonValue:
    """What a plain scalar means: null, bool, int, float or text, by YAML 1.2 core.

    One thing is narrower than the core schema: a number with a leading zero (`010`, `007.5`) stays
    text, since people who write it mean a code, or octal, and never ten.

    Raises:
        ValueError: a number that JSON cannot hold.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        number = int(text) if len(text) < 30 else 1 << 70
    elif _HEX.fullmatch(text):
        number = int(text[2:], 16 if text[1] == "x" else 8) if len(text) < 30 else 1 << 70
    elif _NON_FINITE.fullmatch(text):
        raise ValueError("is not finite")
    elif _FLOAT.fullmatch(text):
        value = float(text)
        if value in (float("inf"), float("-inf")):
            raise ValueError("is too large")
        return value
    else:
        return text
    if not -(1 << 63) <= number < 1 << 64:
        raise ValueError("does not fit into 64 bits")
    return number
