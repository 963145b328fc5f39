"""Plain-Python answers for casts, and the check that holds a kernel against them.

Slow and obvious on purpose: exact fractions, no numpy, no Arrow.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import pyarrow as pa

from mmc.arrow.schema import arrow_type, canonical_type
from mmc.casts import Refused, choose
from mmc.transform.kernels import convert
from mmc.types import FieldType


class Bad(Exception):
    """The value does not go; its row is a bad row."""


Oracle = Callable[[Any], Any]
FORMATS = {"half": (11, -24, 15), "bf16": (8, -133, 127), "float": (24, -149, 127)}
"""Bits of the significand, exponent of the smallest number, largest exponent."""


def nearest(value: int | float | Fraction, name: str) -> float:
    """The number of a binary format nearest to `value`, ties to even; Bad when none is finite."""
    bits, least, most = FORMATS[name]
    if isinstance(value, float) and not math.isfinite(value):
        raise Bad
    if value == 0:
        return math.copysign(0.0, value) if isinstance(value, float) else 0.0
    exact = Fraction(value)
    exponent = abs(exact.numerator).bit_length() - exact.denominator.bit_length()
    while abs(exact) >= Fraction(2) ** (exponent + 1):
        exponent += 1
    while abs(exact) < Fraction(2) ** exponent:
        exponent -= 1
    unit = Fraction(2) ** max(exponent - bits + 1, least)
    found = round(exact / unit) * unit
    if abs(found) >= Fraction(2) ** (most + 1):
        raise Bad
    return math.copysign(float(found), -1.0 if value < 0 else 1.0)


def exactly(value: int | float, name: str) -> float:
    """Like `nearest`, but Bad when anything changes."""
    found = nearest(value, name)
    if Fraction(found) != Fraction(value):
        raise Bad
    return found


def same(left: Any, right: Any) -> bool:
    """Equal, with the same type, and floats to the bit (but that all NaN are one)."""
    if isinstance(left, float) and isinstance(right, float):
        return struct.pack("<d", left) == struct.pack("<d", right)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return type(left) is type(right) and left == right


def column(values: Sequence[Any], type_: pa.DataType) -> pa.Array:
    """The values as a slice of a longer column, with other values and a null around them."""
    before = pa.array([*values[-2:], None], type_)
    whole = pa.concat_arrays([before, pa.array(values, type_), pa.array(values[:1], type_)])
    return whole.slice(len(before), len(values))


def check(
    values: Sequence[Any],
    type_: pa.DataType,
    target: str,
    oracle: Oracle,
    *,
    wanted: str = "",
    read: Callable[[Any], Any] = lambda value: value,
) -> None:
    """Casts a column and compares each row with the oracle; nulls must stay nulls.

    Args:
        oracle: the wanted value of a source value; raises Bad.
        read: makes of a canonical value what the oracle gives.
    """
    hold(column(values, type_), values, target, oracle, wanted=wanted, read=read)


def hold(
    array: pa.Array,
    values: Sequence[Any],
    target: str,
    oracle: Oracle,
    *,
    wanted: str = "",
    read: Callable[[Any], Any] = lambda value: value,
) -> None:
    """Like `check`, for an array that is made already."""
    wish = FieldType.parse(target)
    cast = choose(arrow_type(array.type), wish, wanted=wanted)
    assert not isinstance(cast, Refused), cast
    done = convert(cast.name, array, wish)
    assert done.values.type.equals(canonical_type(wish))
    assert len(done.values) == len(values)
    done.values.validate(full=True)
    bad = {row for fault in done.faults for row in fault.rows.tolist()}
    found = done.values.to_pylist()
    for row, value in enumerate(values):
        if value is None:
            assert row not in bad and found[row] is None
            continue
        try:
            expected = oracle(value)
        except Bad:
            assert row in bad, f"{value!r} became {found[row]!r}"
            continue
        assert row not in bad, f"{value!r} is a bad row"
        assert same(read(found[row]), expected), f"{value!r} became {found[row]!r}"
