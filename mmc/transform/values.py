"""Source values of one bad row in a form fit for JSON: what a person needs to repair it."""

from __future__ import annotations

import math
from base64 import b64encode
from decimal import Decimal

import pyarrow as pa

_SHOWN = 8
_LONGEST = 32
"""Lists up to this long are written whole; of longer ones (vectors) the first few items and the
length.
"""


def plain_values(batch: pa.RecordBatch, row: int) -> dict[str, object]:
    """The row by column name. NaN is "NaN", bytes are base64, dates and decimals text, long lists
    cut.
    """
    return {
        name: _plain(_cut(batch.column(number).slice(row, 1)))
        for number, name in enumerate(batch.schema.names)
    }


def _cut(one: pa.Array) -> object:
    """The value of a column of one row, without making Python objects of a whole vector."""
    kind = pa.types
    listed = (
        kind.is_list(one.type) or kind.is_large_list(one.type) or kind.is_fixed_size_list(one.type)
    )
    if not listed or one.null_count:
        return _value(one)
    items = one[0].values
    if len(items) <= _LONGEST:
        return _value(one)
    first = [_plain(_value(items.slice(at, 1))) for at in range(_SHOWN)]
    return {"length": len(items), "first": first}


def _value(one: pa.Array) -> object:
    kind = one.type
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind) or pa.types.is_time(kind):
        return None if one.null_count else str(one.cast(pa.string())[0])
    try:
        value: object = one[0].as_py()
    except (ValueError, OverflowError, UnicodeDecodeError):
        # Not a date of Python's, or text that is not UTF-8: the bytes as they are.
        value = one.cast(pa.large_binary())[0].as_py() if _is_text(kind) else str(one)
    return value


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _plain(value: object) -> object:
    match value:
        case bool() | int() | str() | None:
            return value
        case float():
            if math.isfinite(value):
                return value
            return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
        case bytes():
            return b64encode(value).decode()
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            if len(value) > _LONGEST:
                return {"length": len(value), "first": [_plain(item) for item in value[:_SHOWN]]}
            return [_plain(item) for item in value]
        case Decimal():
            return str(value)
        case _:
            isoformat = getattr(value, "isoformat", None)
            return isoformat() if isoformat is not None else str(value)
