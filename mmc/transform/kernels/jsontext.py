"""JSON text of whole columns, and the kernels `json` and `json_text`.

Text is put together by Arrow, level by level, never value by value: numbers keep every digit,
integers of any size stay integers, floats are written as doubles with a point or an exponent (so
that -0.0 and 1.0 stay floats), decimals as strings, times in ISO 8601. Only the check that given
text is JSON reads documents one by one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from mmc.transform.kernels.faults import (
    NOT_FINITE,
    NOT_JSON,
    NOT_UTF8,
    TOO_LONG,
    Casted,
    Fault,
    Flags,
    failing,
    fault,
    without,
)
from mmc.transform.kernels.rows import Lists, lists_of
from mmc.transform.kernels.times import iso_text
from mmc.types import FieldType

_CONTROLS = r"[\x00-\x1f]"
_SHORT = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


def to_json(array: pa.Array, target: FieldType) -> Casted:
    """Any value as JSON text."""
    values, faults = fragments(array)
    return Casted(values, faults)


def json_text(array: pa.Array, target: FieldType) -> Casted:
    """Text that is JSON already, kept byte for byte."""
    values = array.cast(pa.string())
    return Casted(values, not_json(values))


def not_json(values: pa.Array) -> tuple[Fault, ...]:
    """Texts that are not JSON, read one by one."""
    flags = np.zeros(len(values), dtype=np.bool_)
    for row, text in enumerate(values.cast(pa.binary()).to_pylist()):
        if text is None:
            continue
        try:
            orjson.loads(text)
        except orjson.JSONDecodeError:
            flags[row] = True
    return fault(flags, NOT_JSON, "not JSON")


def fragments(array: pa.Array) -> tuple[pa.Array, tuple[Fault, ...]]:
    """The JSON text of each value, null where the value is null."""
    type_ = array.type
    if pa.types.is_dictionary(type_):
        return fragments(array.dictionary_decode())
    if pa.types.is_null(type_):
        return pa.nulls(len(array), pa.string()), ()
    if pa.types.is_boolean(type_) or pa.types.is_integer(type_):
        return array.cast(pa.string()), ()
    if pa.types.is_floating(type_):
        return _floats(array)
    if pa.types.is_decimal(type_):
        return _quoted(array.cast(pa.string())), ()
    if pa.types.is_temporal(type_):
        text, faults = iso_text(array)
        return _quoted(text), faults
    if pa.types.is_struct(type_):
        return _struct(array)
    if pa.types.is_map(type_):
        return _map(array)
    if pa.types.is_nested(type_):
        lists = lists_of(array)
        inner, faults = fragments(lists.child)
        return _joined(lists, inner.fill_null("null"), "[", "]"), lists.lift(faults)
    return _strings(array)


def _members(columns: Sequence[tuple[str, pa.Array]]) -> tuple[pa.Array, tuple[Fault, ...]]:
    """The text inside the braces of an object with these members; at least one column."""
    pieces: list[pa.Array] = []
    faults: tuple[Fault, ...] = ()
    for name, column in columns:
        text, found = fragments(column)
        faults += found
        pieces.append(pc.binary_join_element_wise(key_text(name), text.fill_null("null"), ""))
    return pc.binary_join_element_wise(*pieces, ","), faults


def key_text(name: str) -> str:
    """`"name":`"""
    return json.dumps(name, ensure_ascii=False) + ":"


def braces(inside: pa.Array) -> pa.Array:
    """Objects around the texts of their members."""
    return pc.binary_join_element_wise("{", inside, "}", "")


def _floats(array: pa.Array) -> tuple[pa.Array, tuple[Fault, ...]]:
    wide = (array.cast(pa.float32()) if pa.types.is_float16(array.type) else array).cast(
        pa.float64()
    )
    numbers = wide.fill_null(0.0).to_numpy()
    faults = fault(~np.isfinite(numbers), NOT_FINITE, "NaN or infinity")
    text = wide.cast(pa.string())
    whole = pc.match_substring_regex(text, r"^-?[0-9]+$")
    return pc.if_else(whole, pc.binary_join_element_wise(text, ".0", ""), text), faults


def _strings(array: pa.Array) -> tuple[pa.Array, tuple[Fault, ...]]:
    faults: tuple[Fault, ...] = ()
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        rows = failing(array, lambda part: part.validate(full=True))
        faults = (Fault(rows, NOT_UTF8, "not UTF-8"),)
        array = without(array, rows)
    return _quoted(_escaped(array.cast(pa.string()))), faults


def _escaped(text: pa.Array) -> pa.Array:
    text = pc.replace_substring(text, "\\", "\\\\")
    text = pc.replace_substring(text, '"', '\\"')
    if pc.any(pc.match_substring_regex(text, _CONTROLS)).as_py():
        for code in range(0x20):
            letter = chr(code)
            text = pc.replace_substring(text, letter, _SHORT.get(letter, f"\\u{code:04x}"))
    return text


def _quoted(text: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise('"', text, '"', "")


def _struct(array: pa.Array) -> tuple[pa.Array, tuple[Fault, ...]]:
    there = array.is_valid()
    columns = list(zip((field.name for field in array.type), array.flatten(), strict=True))
    if not columns:
        return pc.if_else(there, "{}", pa.scalar(None, pa.string())), ()
    inside, faults = _members(columns)
    return pc.if_else(there, braces(inside), pa.scalar(None, pa.string())), faults


def _map(array: pa.Array) -> tuple[pa.Array, tuple[Fault, ...]]:
    lists = lists_of(array)
    keys, values = lists.child.flatten()
    key_text, key_faults = fragments(keys)
    if pa.types.is_integer(keys.type):
        key_text = _quoted(key_text)
    text, faults = fragments(values)
    entries = pc.binary_join_element_wise(key_text, text.fill_null("null"), ":")
    faults = lists.lift(key_faults) + lists.lift(faults) + _twice(lists, key_text)
    return _joined(lists, entries, "{", "}"), faults


def _twice(lists: Lists, keys: pa.Array) -> tuple[Fault, ...]:
    """Rows with the same key twice: which value a reader of the JSON would see is not said."""
    rows = np.repeat(np.arange(len(lists.present)), lists.lengths)
    pairs = (
        pa.table({"row": rows, "key": keys}).group_by(["row", "key"]).aggregate([([], "count_all")])
    )
    if pairs.num_rows == len(rows):
        return ()
    again = pairs.filter(pc.greater(pairs["count_all"], 1))["row"].to_numpy()
    flags: Flags = np.zeros(len(lists.present), dtype=np.bool_)
    flags[again] = True
    return fault(flags & lists.present, NOT_JSON, "the same key twice in a map")


def _joined(lists: Lists, entries: pa.Array, opening: str, closing: str) -> pa.Array:
    listed = pa.ListArray.from_arrays(pa.array(lists.offsets, pa.int32()), entries)
    text = pc.binary_join_element_wise(opening, pc.binary_join(listed, ","), closing, "")
    return pc.if_else(pa.array(lists.present), text, pa.scalar(None, pa.string()))


def too_long(documents: pa.Array, most: int) -> tuple[Fault, ...]:
    """Documents of more than `most` bytes; 0 means no limit.

    A server refuses them in a call for all its rows, and names none; an import lets them in, and
    no later upsert can write such a row again.
    """
    if not most:
        return ()
    longer = pc.fill_null(pc.greater(pc.binary_length(documents), most), False)
    return fault(
        longer.to_numpy(zero_copy_only=False),
        TOO_LONG,
        f"more than {most:,} bytes of JSON, the most that the target takes",
    )
