"""Casts of scalars, each against a plain-Python oracle."""

from __future__ import annotations

import base64
import datetime as dt
import json
import math
import re
import struct
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmc.casts import CASTS
from mmc.transform.kernels import KERNELS, convert
from mmc.transform.kernels.faults import Casted
from mmc.types import FieldType
from tests.transform.oracle import Bad, Oracle, check, exactly, hold, nearest

FAST = settings(max_examples=25, deadline=None)
INTEGERS = {f"int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)}
UNSIGNED = {f"uint{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)}
WIDTHS = {"halffloat": 16, "float": 32, "double": 64}
ARROW = {"halffloat": pa.float16(), "float": pa.float32(), "double": pa.float64()}


def test_every_cast_has_a_kernel_and_every_kernel_a_cast() -> None:
    assert set(KERNELS) == set(CASTS)


def integers(name: str) -> st.SearchStrategy[int]:
    least, most = {**INTEGERS, **UNSIGNED}[name]
    edges = [e + d for e in (-(2**31), -128, 0, 127, 2**24, 2**31, 2**53) for d in (-1, 0, 1)]
    near = [edge for edge in [*edges, least, most] if least <= edge <= most]
    return st.integers(least, most) | st.sampled_from(near)


def floats(name: str) -> st.SearchStrategy[float]:
    width = WIDTHS[name]
    fits = [0.0, -0.0, 1.0, 127.0, 128.0, -129.0, math.nan, math.inf, -math.inf]
    if width > 16:
        fits += [2.0**63, -(2.0**63), 2.0**31, 2.0**24 + 2]
    return st.floats(width=width) | st.sampled_from(fits)  # type: ignore[arg-type]


def lists(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.none() | values, max_size=12)


def ranged(target: str) -> Oracle:
    least, most = INTEGERS[target]

    def oracle(value: Any) -> object:
        assert isinstance(value, int | float | Decimal)
        if not math.isfinite(value) or value != math.floor(value) or not least <= value <= most:
            raise Bad
        return int(value)

    return oracle


@pytest.mark.parametrize("target", INTEGERS)
@pytest.mark.parametrize("source", [*INTEGERS, *UNSIGNED])
@settings(FAST, max_examples=8)
@given(data=st.data())
def test_integers(source: str, target: str, data: st.DataObject) -> None:
    check(data.draw(lists(integers(source))), pa.type_for_alias(source), target, ranged(target))


@pytest.mark.parametrize("target", INTEGERS)
@pytest.mark.parametrize("source", WIDTHS)
@settings(FAST, max_examples=15)
@given(data=st.data())
def test_floats_to_integers(source: str, target: str, data: st.DataObject) -> None:
    whole = st.integers(-(2**65), 2**65).map(float) if source == "double" else st.just(7.0)
    check(data.draw(lists(floats(source) | whole)), ARROW[source], target, ranged(target))


@FAST
@given(lists(st.decimals(-(10**20), 10**20, places=2) | st.integers(-300, 300).map(Decimal)))
def test_decimals_to_integers(values: list[Any]) -> None:
    check(values, pa.decimal128(38, 2), "int64", ranged("int64"))
    check(values, pa.decimal128(38, 2), "int8", ranged("int8"))


def finite(value: Any) -> float:
    if isinstance(value, float) and not math.isfinite(value):
        raise Bad
    return float(value)


@pytest.mark.parametrize(
    ("source", "target"),
    [("halffloat", "float"), ("float", "float"), ("float", "double"), ("double", "double")],
)
@FAST
@given(data=st.data())
def test_floats_that_fit(source: str, target: str, data: st.DataObject) -> None:
    check(data.draw(lists(floats(source))), ARROW[source], target, finite)


@FAST
@given(lists(floats("double") | floats("float")))
def test_double_to_float(values: list[Any]) -> None:
    check(values, pa.float64(), "float", lambda v: exactly(v, "float"))
    check(values, pa.float64(), "float", lambda v: nearest(v, "float"), wanted="round")


def as_double(value: Any) -> float:
    assert isinstance(value, int)
    if Fraction(float(value)) != value:
        raise Bad
    return float(value)


@pytest.mark.parametrize("source", [*INTEGERS, *UNSIGNED])
@settings(FAST, max_examples=15)
@given(data=st.data())
def test_integers_to_floats(source: str, data: st.DataObject) -> None:
    values, type_ = data.draw(lists(integers(source))), pa.type_for_alias(source)
    check(values, type_, "double", as_double)
    check(values, type_, "float", lambda v: exactly(v, "float"))
    if source in ("int32", "int64", "uint32", "uint64"):
        check(values, type_, "float", lambda v: nearest(v, "float"), wanted="round")


@FAST
@given(lists(st.decimals(-(10**20), 10**20, places=6)))
def test_decimals_are_rounded_by_name(values: list[Any]) -> None:
    type_ = pa.decimal128(38, 6)
    check(values, type_, "double", lambda v: float(v), wanted="round")
    check(values, type_, "float", lambda v: nearest(Fraction(v), "float"), wanted="round")


@FAST
@given(lists(st.booleans()))
def test_bools(values: list[Any]) -> None:
    check(values, pa.bool_(), "bool", lambda v: v)
    check(values, pa.bool_(), "int8", lambda v: int(v))
    check(values, pa.bool_(), "varchar(4)", lambda v: fitting("true" if v else "false", 4))


NUMERALS = st.from_regex(r"[+-]?[0-9]{1,21}(\.[0-9]{0,4})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
ODD = st.sampled_from(
    ["", " ", "1 ", " 1", "0x10", "1_000", "١", "nan", "-Infinity", "+", ".", "1e", "--1", "1e400"]
)
TEXTS = NUMERALS | ODD | st.integers(-(2**64), 2**64).map(str) | st.text(max_size=3)


def read_integer(text: Any, target: str) -> object:
    assert isinstance(text, str)
    if not re.fullmatch(r"[+-]?[0-9]+", text, re.ASCII):
        raise Bad
    return ranged(target)(int(text))


def read_float(text: Any, target: str) -> float:
    assert isinstance(text, str)
    if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text, re.ASCII):
        raise Bad
    if target == "double":
        return float(finite(float(text)))
    found = nearest(Fraction(text.rstrip(".") if "e" not in text.lower() else text), "float")
    return math.copysign(found, -1.0 if text.startswith("-") else 1.0)


@pytest.mark.parametrize("type_", [pa.string(), pa.large_string(), pa.string_view()])
@FAST
@given(lists(TEXTS))
def test_text_to_numbers(type_: pa.DataType, values: list[Any]) -> None:
    for target in ("int8", "int64"):
        check(values, type_, target, partial(read_integer, target=target))
    for target in ("float", "double"):
        check(values, type_, target, partial(read_float, target=target))


@FAST
@given(lists(st.sampled_from(["true", "False", "TRUE", "1", "0", "yes", "", "2", "truE", "é"])))
def test_text_to_bool(values: list[Any]) -> None:
    known = {"true": True, "1": True, "false": False, "0": False}

    def oracle(value: Any) -> object:
        if str(value).lower() not in known:
            raise Bad
        return known[str(value).lower()]

    check(values, pa.string(), "bool", oracle)


def fitting(text: str, length: int) -> str:
    if len(text.encode()) > length:
        raise Bad
    return text


@pytest.mark.parametrize("type_", [pa.string(), pa.large_string(), pa.string_view()])
@FAST
@given(lists(st.text(max_size=8) | st.text("aé漢𝄞\0", max_size=8)))
def test_text_is_measured_in_bytes(type_: pa.DataType, values: list[Any]) -> None:
    check(values, type_, "varchar(9)", lambda v: fitting(str(v), 9))
    encoded = pa.array(values, type_)
    if not pa.types.is_string_view(type_):
        hold(encoded.dictionary_encode(), values, "varchar(9)", lambda v: fitting(str(v), 9))


def test_text_that_is_not_utf8_is_a_bad_row() -> None:
    raw = pa.array([b"ok", b"\xff", None, b"\xed\xa0\x80", b"fine"])
    array = pa.Array.from_buffers(pa.string(), 5, raw.buffers())
    done = convert("fits", array, FieldType.parse("varchar(9)"))
    (fault,) = done.faults
    assert fault.rows.tolist() == [1, 3] and fault.code == "MMC611"
    done = convert("json", array, FieldType.parse("json"))
    assert done.faults[0].rows.tolist() == [1, 3]


def decoded(value: Any) -> str:
    assert isinstance(value, bytes)
    try:
        return fitting(value.decode(), 12)
    except UnicodeDecodeError:
        raise Bad from None


@pytest.mark.parametrize("type_", [pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(3)])
@FAST
@given(data=st.data())
def test_bytes_to_text(type_: pa.DataType, data: st.DataObject) -> None:
    size = 3 if type_ == pa.binary(3) else None
    raw = st.binary(min_size=size or 0, max_size=size or 10)
    text = st.text(max_size=3).map(str.encode)
    values = data.draw(lists(raw if size else raw | text))
    check(values, type_, "varchar(12)", decoded)
    as_hex: Oracle = lambda v: fitting(v.hex(), 12)  # noqa: E731
    check(values, type_, "varchar(12)", as_hex, wanted="hex")
    coded: Oracle = lambda v: fitting(base64.b64encode(v).decode(), 12)  # noqa: E731
    check(values, type_, "varchar(12)", coded, wanted="base64")
    quoted: Oracle = lambda v: base64.b64encode(v).decode()  # noqa: E731
    check(values, type_, "json", quoted, wanted="base64", read=json.loads)


@FAST
@given(lists(integers("int64")), lists(integers("uint64")), lists(st.decimals(-9, 9, places=3)))
def test_exact_numbers_to_text(signed: list[Any], unsigned: list[Any], decimals: list[Any]) -> None:
    check(signed, pa.int64(), "varchar(20)", str)
    check(signed, pa.int64(), "varchar(5)", lambda v: fitting(str(v), 5))
    check(unsigned, pa.uint64(), "varchar(20)", str)
    check(decimals, pa.decimal128(9, 3), "varchar(20)", Decimal, read=Decimal)


@pytest.mark.parametrize("source", WIDTHS)
@FAST
@given(data=st.data())
def test_floats_to_text_and_back(source: str, data: st.DataObject) -> None:
    """The text read again, at the same width, is the same number."""
    code = {"halffloat": "<e", "float": "<f", "double": "<d"}[source]
    values = data.draw(lists(floats(source).filter(lambda v: not math.isnan(v))))

    def read(text: Any) -> object:
        return struct.unpack(code, struct.pack(code, float(str(text))))[0]

    check(values, ARROW[source], "varchar(32)", lambda v: v, read=read)


UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def stamps(counts: list[Any], type_: pa.DataType) -> pa.Array:
    """A sliced column over the integers themselves, out of reach of Python's datetime."""
    whole = pa.array([None, *counts, None], pa.int64())
    if pa.types.is_date32(type_):
        whole = whole.cast(pa.int32())
    return whole.view(type_).slice(1, len(counts))


def scaled(per_second: Fraction, unit: str) -> Oracle:
    def oracle(count: Any) -> object:
        exact = Fraction(count) * UNITS[unit] / per_second
        if exact.denominator != 1 or not -(2**63) < exact < 2**63:
            raise Bad
        return int(exact)

    return oracle


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("source", [*UNITS, "date32", "date64"])
@FAST
@given(data=st.data())
def test_dates_to_epochs(source: str, unit: str, data: st.DataObject) -> None:
    if source == "date32":
        types, per_second, counts = [pa.date32()], Fraction(1, 86_400), integers("int32")
    elif source == "date64":
        days = st.integers(-(10**6), 10**6).map(lambda day: day * 86_400_000)
        types, per_second, counts = [pa.date64()], Fraction(1_000), days
    else:
        types = [pa.timestamp(source), pa.timestamp(source, "Europe/Berlin")]
        per_second = Fraction(UNITS[source])
        least = st.integers(-(10**9), 10**9)
        counts = integers("int64") | least.map(lambda second: second * UNITS[source])
    values = data.draw(lists(counts.filter(lambda count: count != -(2**63))))
    for type_ in types:
        array = stamps(values, type_)
        hold(array, values, "int64", scaled(per_second, unit), wanted=f"epoch_{unit}")


def test_epoch_of_a_zone_counts_from_utc() -> None:
    berlin = dt.datetime(2024, 7, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    array = pa.array([berlin], pa.timestamp("us", "Europe/Berlin"))
    done = convert("epoch_us", array, FieldType.parse("int64"))
    assert done.values.to_pylist() == [int(berlin.timestamp() * 1_000_000)]


MOMENTS = st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30))
ZONES = st.none() | st.integers(-1439, 1439)


def written(moment: dt.datetime, zone: int | None, digits: int, between: str) -> str:
    """ISO 8601 text with `digits` of the fraction, and the zone in minutes."""
    text = moment.replace(microsecond=0, tzinfo=None).isoformat(between)
    if digits:
        text += f".{moment.microsecond:06d}000"[: digits + 1]
    if zone is None:
        return text
    sign = "-" if zone < 0 else "+"
    return text + ("Z" if zone == 0 else f"{sign}{abs(zone) // 60:02d}:{abs(zone) % 60:02d}")


@pytest.mark.parametrize("unit", UNITS)
@FAST
@given(data=st.data())
def test_iso_text_to_epochs(unit: str, data: st.DataObject) -> None:
    wrong = st.sampled_from(["", "2023-02-30", "2023-1-1", "now", "2023-01-01T25:00", "12:00"])
    parts = st.tuples(MOMENTS, ZONES, st.integers(0, 9), st.sampled_from("T "))
    drawn = data.draw(st.lists(st.none() | parts | wrong, max_size=8))
    values = [written(*one) if isinstance(one, tuple) else one for one in drawn]
    known = {written(*one): one for one in drawn if isinstance(one, tuple)}

    def oracle(text: Any) -> object:
        if text not in known:
            raise Bad
        moment, zone, digits, _ = known[str(text)]
        kept = 10 ** max(0, 6 - digits)
        micros = moment.microsecond // kept * kept if digits else 0
        since = moment.replace(microsecond=0) - dt.datetime(1970, 1, 1)
        seconds = since.days * 86_400 + since.seconds - (zone or 0) * 60
        exact = Fraction(seconds * 10**6 + micros, 10**6) * UNITS[unit]
        if exact.denominator != 1 or abs(exact) > 2**63 - 2 * UNITS[unit]:
            raise Bad
        return int(exact)

    check(values, pa.string(), "int64", oracle, wanted=f"epoch_{unit}")


@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
@FAST
@given(data=st.data())
def test_times_to_iso_text(zone: str | None, data: st.DataObject) -> None:
    values = data.draw(lists(st.integers(-(10**17), 10**18) | integers("int64")))

    def oracle(count: Any) -> object:
        assert isinstance(count, int)
        try:
            moment = dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=count)
        except OverflowError:
            raise Bad from None
        return moment.isoformat("T", "microseconds") + ("Z" if zone else "")

    hold(stamps(values, pa.timestamp("us", zone)), values, "varchar(32)", oracle)


@FAST
@given(lists(st.dates()), lists(st.times()))
def test_dates_and_times_of_day_to_iso_text(days: list[Any], times: list[Any]) -> None:
    plain: Callable[[Any], str] = lambda v: v.isoformat()  # noqa: E731
    check(days, pa.date32(), "varchar(10)", plain)
    check(days, pa.date64(), "varchar(10)", plain)
    check(times, pa.time64("us"), "varchar(15)", lambda v: v.isoformat("microseconds"))


def test_a_column_of_nulls_goes_anywhere() -> None:
    for text in ("int64", "varchar(4)", "float_vector(3)", "array<bool>(2)", "json"):
        target = FieldType.parse(text)
        done = convert("nulls", pa.nulls(3), target)
        assert done == Casted(pa.nulls(3, done.values.type)) and done.values.null_count == 3
