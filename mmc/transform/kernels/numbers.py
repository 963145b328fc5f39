"""Kernels whose target is a bool, an integer or a float."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mmc.arrow.schema import canonical_type
from mmc.transform.kernels.faults import (
    INEXACT,
    NOT_FINITE,
    NOT_READABLE,
    RANGE,
    Casted,
    Fault,
    Flags,
    absent,
    failing,
    fault,
    present,
    without,
)
from mmc.types import FieldType, TypeKind

_INTEGER = r"^[+-]?[0-9]+$"
_DECIMAL = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_NOT_FINITE = r"(?i)^[+-]?(nan|inf|infinity)$"


def identity(array: pa.Array, target: FieldType) -> Casted:
    return Casted(array)


def nulls(array: pa.Array, target: FieldType) -> Casted:
    return Casted(pa.nulls(len(array), canonical_type(target)))


def widen(array: pa.Array, target: FieldType) -> Casted:
    return Casted(array.cast(canonical_type(target)))


def narrow(array: pa.Array, target: FieldType) -> Casted:
    """Integers into a smaller range."""
    wanted = canonical_type(target)
    try:
        return Casted(array.cast(wanted))
    except pa.ArrowInvalid:
        least, most = target.int_range
        numbers = _numpy(array)
        if numbers.dtype.kind == "u":
            outside = numbers > np.uint64(most)
        else:
            outside = (numbers < least) | (numbers > most)
        found = fault(outside & present(array), RANGE, _range(target))
        return Casted(without(array, found[0].rows).cast(wanted), found)


def whole(array: pa.Array, target: FieldType) -> Casted:
    """Floats and decimals without a fraction, as integers."""
    if pa.types.is_decimal(array.type):
        return _whole_decimal(array, target)
    least, most = target.int_range
    numbers = _numpy(array).astype(np.float64)
    there, finite = present(array), np.isfinite(numbers)
    inside = (numbers >= float(least)) & (numbers < float(most + 1))
    even = np.trunc(numbers) == numbers
    faults = fault(there & ~finite, NOT_FINITE, "NaN or infinity")
    faults += fault(there & finite & ~inside, RANGE, _range(target))
    faults += fault(there & inside & ~even, INEXACT, "a fraction")
    wanted = canonical_type(target)
    values = np.where(inside, numbers, 0.0).astype(wanted.to_pandas_dtype())
    return Casted(pa.array(values, mask=_mask(array)), faults)


def _whole_decimal(array: pa.Array, target: FieldType) -> Casted:
    wanted = canonical_type(target)
    try:
        return Casted(array.cast(wanted))
    except pa.ArrowInvalid:
        rows = failing(array, lambda part: part.cast(wanted))
        fraction = np.array([value % 1 != 0 for value in array.take(pa.array(rows)).to_pylist()])
        faults = tuple(
            Fault(found, code, reason)
            for found, code, reason in (
                (rows[fraction], INEXACT, "a fraction"),
                (rows[~fraction], RANGE, _range(target)),
            )
            if len(found)
        )
        return Casted(without(array, rows).cast(wanted), faults)


def finite(array: pa.Array, target: FieldType) -> Casted:
    """Floats into as wide a float, or a wider one."""
    values = array.cast(canonical_type(target))
    return Casted(values, _not_finite(_numpy(values), values))


def exact(array: pa.Array, target: FieldType) -> Casted:
    """Numbers into a float that may not have room for all their digits."""
    numbers = _numpy(array)
    with np.errstate(all="ignore"):
        values = numbers.astype(canonical_type(target).to_pandas_dtype())
    faults: tuple[Fault, ...] = ()
    there = present(array)
    if numbers.dtype.kind == "f":
        sound = np.isfinite(numbers)
        faults += fault(there & ~sound, NOT_FINITE, "NaN or infinity")
        fits = np.isfinite(values)
        faults += fault(there & sound & ~fits, RANGE, _range(target))
        same = values.astype(np.float64) == numbers
        faults += fault(there & fits & ~same, INEXACT, f"{target} cannot hold it exactly")
    else:
        same = same_integers(numbers, values)
        faults += fault(there & ~same, INEXACT, f"{target} cannot hold it exactly")
    return Casted(pa.array(values, mask=_mask(array)), faults)


def same_integers(numbers: npt.NDArray[Any], values: npt.NDArray[Any]) -> Flags:
    """Compares as integers: as doubles, 2**53 + 1 would equal 2**53."""
    wide = values.astype(np.float64)
    unsigned = numbers.dtype.kind == "u"
    top = 2.0 ** (64 if unsigned else 63)
    inside = (wide < top) & (wide >= -top)
    back = np.where(inside, wide, 0.0).astype(np.uint64 if unsigned else np.int64)
    same: Flags = inside & (back == numbers)
    return same


def rounded(array: pa.Array, target: FieldType) -> Casted:
    """Numbers to the nearest float, ties to even."""
    wanted = canonical_type(target)
    if pa.types.is_decimal(array.type):
        # Arrow's own cast multiplies by a power of ten and is off by a bit; parsing the digits is
        # not.
        values = array.cast(pa.string()).cast(wanted)
        return Casted(values, _overflow(values, target))
    numbers = _numpy(array)
    with np.errstate(all="ignore"):
        values = pa.array(numbers.astype(wanted.to_pandas_dtype()), mask=_mask(array))
    sound = np.isfinite(numbers)
    faults = fault(present(array) & ~sound, NOT_FINITE, "NaN or infinity")
    return Casted(values, faults + _overflow(values, target))


def _overflow(values: pa.Array, target: FieldType) -> tuple[Fault, ...]:
    infinite = ~np.isfinite(_numpy(values)) & present(values)
    return fault(infinite, RANGE, _range(target))


def parse(array: pa.Array, target: FieldType) -> Casted:
    """Text into a bool, an integer or a float."""
    if target.kind is TypeKind.BOOL:
        return _parse_bool(array)
    wanted, there = canonical_type(target), present(array)
    text = array.cast(pa.string())
    if target.kind in (TypeKind.FLOAT, TypeKind.DOUBLE):
        named = _matches(text, _NOT_FINITE)
        written = _matches(text, _DECIMAL)
        faults = fault(there & named, NOT_FINITE, "NaN or infinity")
        faults += fault(there & ~written & ~named, NOT_READABLE, "not a number")
        values = without(text, np.flatnonzero(~written)) if faults else text
        values = pc.utf8_ltrim(values, "+").cast(wanted)
        return Casted(values, faults + _overflow(values, target))
    written = _matches(text, _INTEGER)
    faults = fault(there & ~written, NOT_READABLE, "not an integer")
    if faults:
        text = without(text, np.flatnonzero(~written))
    text = pc.utf8_ltrim(text, "+")
    try:
        return Casted(text.cast(wanted), faults)
    except pa.ArrowInvalid:
        rows = failing(text, lambda part: part.cast(wanted))
        faults += (Fault(rows, RANGE, _range(target)),)
        return Casted(without(text, rows).cast(wanted), faults)


def _parse_bool(array: pa.Array) -> Casted:
    text = pc.ascii_lower(array.cast(pa.string()))
    true = pc.is_in(text, pa.array(["true", "1"]))
    known = pc.is_in(text, pa.array(["true", "1", "false", "0"]))
    values = pc.if_else(text.is_valid(), true, pa.scalar(None, pa.bool_()))
    unknown = ~known.to_numpy(zero_copy_only=False) & present(array)
    return Casted(values, fault(unknown, NOT_READABLE, "neither true nor false"))


def _matches(text: pa.Array, pattern: str) -> Flags:
    found: Flags = (
        pc.match_substring_regex(text, pattern).fill_null(True).to_numpy(zero_copy_only=False)
    )
    return found


def _not_finite(numbers: npt.NDArray[Any], array: pa.Array) -> tuple[Fault, ...]:
    sound = np.isfinite(numbers)
    if sound.all():
        return ()
    return fault(~sound & present(array), NOT_FINITE, "NaN or infinity")


def _range(target: FieldType) -> str:
    return f"outside the range of {target}"


def _numpy(array: pa.Array) -> npt.NDArray[Any]:
    """The numbers, with zeros in the place of nulls; no copy where there are none."""
    if array.null_count:
        array = array.fill_null(0)
    found: npt.NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return found


def _mask(array: pa.Array) -> npt.NDArray[np.bool_] | None:
    nulls_ = absent(array)
    return None if nulls_ is None else nulls_.to_numpy(zero_copy_only=False)
