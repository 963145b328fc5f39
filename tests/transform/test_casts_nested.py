"""Casts of vectors, arrays, sparse vectors and JSON, each against a plain-Python oracle."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmc.transform.kernels import convert
from mmc.types import FieldType
from tests.transform.oracle import Bad, Oracle, check, column, exactly, hold, nearest
from tests.transform.test_casts import ARROW, FAST, floats, integers, lists, ranged

FORMAT = {"float_vector": "float", "float16_vector": "half", "bfloat16_vector": "bf16"}
LIST_TYPES: dict[str, Callable[[pa.DataType], pa.DataType]] = {
    "list": pa.list_,
    "large_list": pa.large_list,
    "fixed": lambda element: pa.list_(element, 2),
}


def bf16_values(raw: Any) -> list[float]:
    """Numbers behind the bytes of a bfloat16 vector."""
    assert isinstance(raw, bytes)
    parts = [raw[at : at + 2] for at in range(0, len(raw), 2)]
    return [struct.unpack("<f", b"\0\0" + part)[0] for part in parts]


def elements(rule: Callable[[float], object], dim: int = 2) -> Oracle:
    """A list of `dim` elements, each by the rule."""

    def oracle(value: Any) -> object:
        assert isinstance(value, list)
        if len(value) != dim or None in value:
            raise Bad
        return [rule(item) for item in value]

    return oracle


def shapes(name: str, item: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Columns of lists: mostly of two elements, some with nulls, some of other lengths."""
    two = st.lists(item, min_size=2, max_size=2)
    holed = st.lists(st.none() | item, min_size=2, max_size=2)
    return lists(two | holed if name == "fixed" else two | holed | st.lists(item, max_size=3))


@pytest.mark.parametrize("kind", FORMAT)
@pytest.mark.parametrize("shape", LIST_TYPES)
@pytest.mark.parametrize("source", ["halffloat", "float", "double", "int8", "int64", "uint64"])
@settings(FAST, max_examples=8)
@given(data=st.data())
def test_numbers_to_vectors(source: str, shape: str, kind: str, data: st.DataObject) -> None:
    number = floats(source) if source in ARROW else integers(source)
    type_ = LIST_TYPES[shape](ARROW.get(source) or pa.type_for_alias(source))
    values = data.draw(shapes(shape, number))
    target, name = f"{kind}(2)", FORMAT[kind]
    read = bf16_values if kind == "bfloat16_vector" else lambda value: value
    exact: Oracle = elements(lambda item: exactly(item, name))
    check(values, type_, target, exact, wanted="vector", read=read)
    rounded: Oracle = elements(lambda item: nearest(item, name))
    check(values, type_, target, rounded, wanted="round", read=read)


def test_doubles_become_float_vectors_by_rounding_unless_told_otherwise() -> None:
    check(
        [[0.1, 2.0]],
        pa.list_(pa.float64()),
        "float_vector(2)",
        lambda _: [0.10000000149011612, 2.0],
    )


@pytest.mark.parametrize("source", ["half", "float", "double"])
def test_rounding_to_bfloat16_takes_one_step(source: str) -> None:
    """Just above the middle of two bfloat16: by way of a float it would become the middle, then
    fall.
    """
    above = 1.0 + 2.0**-8 + 2.0**-40
    type_ = {"half": pa.float16(), "float": pa.float32(), "double": pa.float64()}[source]
    (stored,) = column([above], type_).to_pylist()
    check(
        [[above]],
        pa.list_(type_),
        "bfloat16_vector(1)",
        lambda _: [nearest(stored, "bf16")],
        wanted="round",
        read=bf16_values,
    )


@pytest.mark.parametrize("shape", LIST_TYPES)
@pytest.mark.parametrize("source", ["int8", "uint8", "int64", "float", "double"])
@FAST
@given(data=st.data())
def test_numbers_to_int8_vectors(source: str, shape: str, data: st.DataObject) -> None:
    small = st.integers(-128, 127) if source[0] != "u" else st.integers(0, 127)
    number = small.map(float) | floats(source) if source in ARROW else small | integers(source)
    type_ = LIST_TYPES[shape](ARROW.get(source) or pa.type_for_alias(source))
    check(data.draw(shapes(shape, number)), type_, "int8_vector(2)", elements(ranged("int8")))


def of_width(width: int) -> Oracle:
    def oracle(value: Any) -> object:
        raw = value if isinstance(value, bytes) else None
        if raw is None:
            if None in value:
                raise Bad
            raw = bytes(value)
        if len(raw) != width:
            raise Bad
        return raw

    return oracle


@pytest.mark.parametrize("type_", [pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(3)])
@FAST
@given(data=st.data())
def test_bytes_to_binary_vectors(type_: pa.DataType, data: st.DataObject) -> None:
    most = 3 if type_ == pa.binary(3) else 4
    check(
        data.draw(lists(st.binary(min_size=3, max_size=most))),
        type_,
        "binary_vector(24)",
        of_width(3),
    )


@pytest.mark.parametrize("shape", LIST_TYPES)
@FAST
@given(data=st.data())
def test_lists_of_bytes_to_binary_vectors(shape: str, data: st.DataObject) -> None:
    values = data.draw(shapes(shape, integers("uint8")))
    check(values, LIST_TYPES[shape](pa.uint8()), "binary_vector(16)", of_width(2))


@pytest.mark.parametrize(
    ("target", "code"), [("float_vector", "f"), ("float16_vector", "e"), ("int8_vector", "b")]
)
@FAST
@given(data=st.data())
def test_raw_bytes_to_vectors(target: str, code: str, data: st.DataObject) -> None:
    width = 2 * struct.calcsize(code)
    values = data.draw(lists(st.binary(min_size=width, max_size=width + 1)))

    def oracle(value: Any) -> object:
        found = list(struct.unpack(f"<2{code}", of_width(width)(value)))
        if not all(map(math.isfinite, found)):
            raise Bad
        return found

    check(values, pa.binary(), f"{target}(2)", oracle)
    whole = [value for value in values if value is None or len(value) == width]
    check(whole, pa.binary(width), f"{target}(2)", oracle)


@FAST
@given(lists(st.binary(min_size=4, max_size=4)))
def test_raw_bfloat16(values: list[Any]) -> None:
    def oracle(value: Any) -> object:
        if not all(map(math.isfinite, bf16_values(value))):
            raise Bad
        return value

    check(values, pa.binary(4), "bfloat16_vector(2)", oracle)


@FAST
@given(lists(st.lists(floats("double"), max_size=3) | st.lists(integers("int64"), max_size=2)))
def test_json_text_to_vectors(values: list[Any]) -> None:
    texts = [None if value is None else json.dumps(value) for value in values]

    def oracle(name: str) -> Oracle:
        rule = elements(lambda item: nearest(float(item), name))
        return lambda text: rule(json.loads(str(text)))

    for kind, name in FORMAT.items():
        read = bf16_values if kind == "bfloat16_vector" else lambda value: value
        check(texts, pa.string(), f"{kind}(2)", oracle(name), read=read)
    whole = elements(ranged("int8"))
    check(texts, pa.string(), "int8_vector(2)", lambda text: whole(json.loads(str(text))))


@pytest.mark.parametrize("text", ["", "[1, 2", "[true, 1]", '["1", 2]', "1", "{}", "[1, null]"])
def test_text_that_is_no_vector_is_a_bad_row(text: str) -> None:
    def refuse(_: Any) -> object:
        raise Bad

    check([text], pa.string(), "float_vector(2)", refuse)


def test_a_vector_that_fits_is_not_copied() -> None:
    numbers = np.arange(12, dtype=np.float32)
    array = pa.FixedSizeListArray.from_arrays(pa.array(numbers), 3).slice(1, 2)
    done = convert("vector", array, FieldType.parse("float_vector(3)"))
    assert done.values.to_pylist() == [[3.0, 4.0, 5.0], [6.0, 7.0, 8.0]]
    assert done.values.values.buffers()[1].address == numbers.ctypes.data + 12


def test_garbage_behind_a_null_is_no_fault() -> None:
    numbers = pa.array(np.array([1, math.nan, 3], dtype=np.float32))
    array = pa.FixedSizeListArray.from_arrays(numbers, 1, mask=pa.array([False, True, False]))
    done = convert("vector", array, FieldType.parse("float_vector(1)"))
    assert not done.faults and done.values.to_pylist() == [[1.0], None, [3.0]]
    ragged = pa.ListArray.from_arrays(
        pa.array([0, 1, 3, 4], pa.int32()),
        pa.array([1, math.nan, 2, 3], pa.float32()),
        mask=pa.array([False, True, False]),
    )
    done = convert("vector", ragged, FieldType.parse("float_vector(1)"))
    assert not done.faults and done.values.to_pylist() == [[1.0], None, [3.0]]
    done = convert("array", ragged, FieldType.parse("array<float>(1)"))
    assert not done.faults and done.values.to_pylist() == [[1.0], None, [3.0]]


def listed(rule: Oracle, capacity: int) -> Oracle:
    def oracle(value: Any) -> object:
        assert isinstance(value, list)
        if len(value) > capacity or None in value:
            raise Bad
        return [rule(item) for item in value]

    return oracle


def short(value: Any) -> object:
    if len(str(value).encode()) > 4:
        raise Bad
    return value


@pytest.mark.parametrize("shape", LIST_TYPES)
@FAST
@given(data=st.data())
def test_arrays(shape: str, data: st.DataObject) -> None:
    make = LIST_TYPES[shape]
    whole = data.draw(shapes(shape, integers("int16")))
    check(whole, make(pa.int16()), "array<int8>(2)", listed(ranged("int8"), 2))
    doubles = data.draw(shapes(shape, floats("double")))
    exact: Oracle = lambda item: exactly(item, "float")  # noqa: E731
    check(doubles, make(pa.float64()), "array<float>(2)", listed(exact, 2))
    near: Oracle = lambda item: nearest(item, "float")  # noqa: E731
    check(doubles, make(pa.float64()), "array<float>(2)", listed(near, 2), wanted="round")
    texts = data.draw(shapes(shape, st.text("aé𝄞", max_size=3)))
    check(texts, make(pa.string()), "array<varchar(4)>(2)", listed(short, 2))
    check(texts, make(pa.large_string()), "array<varchar(4)>(2)", listed(short, 2))
    flags = data.draw(shapes(shape, st.booleans()))
    check(flags, make(pa.bool_()), "array<bool>(2)", listed(lambda item: item, 2))


@FAST
@given(lists(st.lists(st.none() | integers("int64") | st.text("aé", max_size=3), max_size=3)))
def test_json_text_to_arrays(values: list[Any]) -> None:
    texts = [None if value is None else json.dumps(value) for value in values]

    def oracle(kind: type, rule: Oracle) -> Oracle:
        def typed(item: Any) -> object:
            if type(item) is not kind:
                raise Bad
            return rule(item)

        return lambda text: listed(typed, 2)(json.loads(str(text)))

    check(texts, pa.string(), "array<int8>(2)", oracle(int, ranged("int8")))
    check(texts, pa.string(), "array<varchar(4)>(2)", oracle(str, short))


PAIRS = st.dictionaries(
    st.integers(0, 2**32 - 1) | st.sampled_from([0, 2**32 - 2]), floats("float"), max_size=4
)


def sparse(value: Any) -> object:
    """Pairs in ascending order of the index."""
    pairs = sorted(value)
    indices = [index for index, _ in pairs]
    if not pairs or len(set(indices)) < len(indices) or any(None in pair for pair in pairs):
        raise Bad
    if not all(0 <= index < 2**32 - 1 for index in indices):
        raise Bad
    found = [(index, nearest(number, "float")) for index, number in pairs]
    if any(number < 0 for _, number in found):
        raise Bad
    return found


def forms(pairs: list[tuple[int, float]]) -> tuple[Any, Any]:
    """The same vector as a list of {index, value} and as {indices, values}."""
    listed_ = [{"index": index, "value": number} for index, number in pairs]
    columns = {"indices": [i for i, _ in pairs], "values": [number for _, number in pairs]}
    return listed_, columns


@pytest.mark.parametrize("element", [pa.float32(), pa.float64()])
@FAST
@given(data=st.data())
def test_sparse_vectors(element: pa.DataType, data: st.DataObject) -> None:
    sign = st.sampled_from([1.0, 1.0, 1.0, -1.0])
    positive = st.tuples(floats("float"), sign).map(lambda two: abs(two[0]) * two[1])
    pair = st.tuples(
        st.integers(0, 5) | st.sampled_from([-1, 2**32 - 2, 2**32 - 1, 2**32]), positive
    )
    values = data.draw(st.lists(st.none() | st.lists(pair, max_size=4), max_size=6))
    struct_ = pa.struct([("index", pa.int64()), ("value", element)])
    both = [None if value is None else forms(value) for value in values]
    items = column([one and one[0] for one in both], pa.list_(struct_))
    hold(items, values, "sparse_float_vector", sparse)
    columns = pa.struct([("indices", pa.list_(pa.int64())), ("values", pa.list_(element))])
    hold(column([one and one[1] for one in both], columns), values, "sparse_float_vector", sparse)
    inside = [
        value if value is None else [p for p in value if 0 <= p[0] < 2**32] for value in values
    ]
    check(inside, pa.map_(pa.uint32(), element), "sparse_float_vector", sparse)


@FAST
@given(st.lists(st.none() | PAIRS, max_size=6))
def test_json_text_to_sparse_vectors(values: list[dict[int, float] | None]) -> None:
    maps = [None if value is None else json.dumps(value) for value in values]
    pairs = [None if value is None else list(value.items()) for value in values]
    hold(column(maps, pa.string()), pairs, "sparse_float_vector", sparse)
    columns = [None if pair is None else json.dumps(forms(pair)[1]) for pair in pairs]
    hold(column(columns, pa.string()), pairs, "sparse_float_vector", sparse)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"a": 1}', '{"1": 1, "1": 2}', '{"1": "x"}', '{"1": true}', '{"-1": 1}']
)
def test_text_that_is_no_sparse_vector_is_a_bad_row(text: str) -> None:
    def refuse(_: Any) -> object:
        raise Bad

    check([text], pa.string(), "sparse_float_vector", refuse)


NESTED = pa.struct(
    [
        ("a", pa.int64()),
        ('b c"', pa.list_(pa.float64())),
        ("t", pa.map_(pa.string(), pa.list_(pa.string()))),
        ("u", pa.uint64()),
        ("f", pa.float32()),
        ("n", pa.struct([("x", pa.bool_())])),
        ("l", pa.list_(pa.struct([("y", pa.int8())]), 1)),
    ]
)
TEXT = st.text(max_size=4) | st.text('"\\/\n\x00\x1f\x7f𝄞\u2028', max_size=4)
ROWS = st.fixed_dictionaries(
    {
        "a": st.none() | integers("int64"),
        'b c"': st.none() | st.lists(st.none() | st.floats(allow_nan=False), max_size=3),
        "t": st.none()
        | st.dictionaries(TEXT, st.none() | st.lists(st.none() | TEXT, max_size=2), max_size=3),
        "u": st.none() | integers("uint64"),
        "f": st.none() | floats("float"),
        "n": st.none() | st.fixed_dictionaries({"x": st.none() | st.booleans()}),
        "l": st.none()
        | st.lists(st.fixed_dictionaries({"y": st.integers(-128, 127)}), min_size=1, max_size=1),
    }
)


def unequal(text: Any) -> object:
    """Reads strictly: NaN is no JSON, and floats keep their sign and digits."""

    def refuse(name: str) -> object:
        raise AssertionError(f"{name} is not JSON")

    return json.loads(str(text), parse_constant=refuse)


def has_no_json(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(has_no_json, value.values()))
    if isinstance(value, list):
        return any(map(has_no_json, value))
    return isinstance(value, float) and not math.isfinite(value)


def as_json(value: Any) -> object:
    if has_no_json(value):
        raise Bad
    return value


@settings(FAST, max_examples=50)
@given(lists(ROWS))
def test_nested_values_to_json(values: list[Any]) -> None:
    maps = [
        value if value is None or value["t"] is None else {**value, "t": list(value["t"].items())}
        for value in values
    ]
    hold(column(maps, NESTED), values, "json", as_json, read=unequal)
    listed_ = [None if value is None else [value, None] for value in maps]
    plain = [None if value is None else [value, None] for value in values]
    hold(column(listed_, pa.list_(NESTED)), plain, "json", as_json, read=unequal)


@FAST
@given(lists(TEXT), lists(integers("uint64")), lists(floats("double")))
def test_scalars_to_json(texts: list[Any], unsigned: list[Any], doubles: list[Any]) -> None:
    check(texts, pa.string(), "json", lambda v: v, wanted="json", read=unequal)
    check(texts, pa.large_string(), "json", lambda v: v, wanted="json", read=unequal)
    check(unsigned, pa.uint64(), "json", lambda v: v, read=unequal)
    check(doubles, pa.float64(), "json", as_json, read=unequal)
    hold(
        pa.array(texts, pa.string()).dictionary_encode(),
        texts,
        "json",
        lambda v: v,
        wanted="json",
        read=unequal,
    )


def test_json_of_decimals_and_times_is_text() -> None:
    type_ = pa.struct([("d", pa.decimal128(20, 2)), ("t", pa.timestamp("ms", "UTC"))])
    array = pa.array([{"d": Decimal("12345678901234567.89"), "t": 1_500}], type_)
    done = convert("json", array, FieldType.parse("json"))
    assert done.values.to_pylist() == [
        '{"d":"12345678901234567.89","t":"1970-01-01T00:00:01.500Z"}'
    ]


def test_a_map_with_the_same_key_twice_has_no_json() -> None:
    array = pa.array([[("a", 1), ("a", 2)], [("a", 1)], None], pa.map_(pa.string(), pa.int8()))
    (fault,) = convert("json", array, FieldType.parse("json")).faults
    assert fault.rows.tolist() == [0] and fault.code == "MMC609"


WRONG = st.sampled_from(["", " ", "{", "nan", "NaN", "[1,]", "{'a':1}", '{"a":NaN}', "01", "[1] 2"])


@FAST
@given(lists(ROWS.filter(lambda row: not has_no_json(row)).map(json.dumps) | WRONG | TEXT))
def test_json_text_is_kept_as_it_is(values: list[Any]) -> None:
    def oracle(text: Any) -> object:
        def refuse(name: str) -> object:
            raise ValueError(name)

        try:
            json.loads(str(text), parse_constant=refuse)
        except ValueError:
            raise Bad from None
        return text

    for type_ in (pa.string(), pa.large_string()):
        check(values, type_, "json", oracle)


def test_nested_values_fit_a_varchar_as_json() -> None:
    values = [[1], [1, 2, 3]]

    def oracle(value: Any) -> object:
        text = json.dumps(value, separators=(",", ":"))
        if len(text) > 5:
            raise Bad
        return text

    check(values, pa.list_(pa.int8()), "varchar(5)", oracle)
