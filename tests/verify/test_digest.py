"""The digest sees every change of a row, and no change of order, batching, slicing or spelling."""

from __future__ import annotations

import json
import math
import random
import struct
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmc.arrow.schema import canonical_schema
from mmc.types import Collection, Field, FieldType
from mmc.verify.digest import BLOCK_ROWS, Digest, combine, row_hashes
from mmc.verify.jsonform import canonical_json
from mmc.verify.lanes import BLOCK_WORDS, hash_values

TYPES = {
    "id": "int64",
    "flag": "bool",
    "small": "int8",
    "mid": "int16",
    "int": "int32",
    "ratio": "float",
    "price": "double",
    "title": "varchar(512)",
    "doc": "json",
    "tags": "array<varchar(64)>(10)",
    "counts": "array<int64>(10)",
    "vec": "float_vector(6)",
    "half": "float16_vector(5)",
    "bf": "bfloat16_vector(3)",
    "bytes8": "int8_vector(7)",
    "bits": "binary_vector(24)",
    "sparse": "sparse_float_vector",
}
COLLECTION = Collection(
    "all",
    tuple(
        Field(name, FieldType.parse(text), primary_key=name == "id", nullable=name != "id")
        for name, text in TYPES.items()
    ),
    dynamic=True,
)
SCHEMA = canonical_schema(COLLECTION)


def make_rows(count: int, seed: int) -> list[dict[str, Any]]:
    rng = random.Random(seed)

    def text() -> str:
        return "".join(rng.choice("ab'\\é漢😀 ") for _ in range(rng.randrange(12)))

    def maybe(value: Any) -> Any:
        return None if rng.random() < 0.15 else value

    def float32() -> float:
        return float(np.float32(rng.uniform(-4, 4)))

    return [
        {
            "id": number,
            "flag": maybe(rng.random() < 0.5),
            "small": maybe(rng.randrange(-128, 128)),
            "mid": maybe(rng.randrange(-(2**15), 2**15)),
            "int": maybe(rng.randrange(-(2**31), 2**31)),
            "ratio": maybe(float32()),
            "price": maybe(rng.choice([0.0, -0.0, 5e-324, rng.uniform(-1e9, 1e9)])),
            "title": maybe(text()),
            "doc": maybe(json.dumps({text(): rng.random(), "n": [1, None, {"x": text()}]})),
            "tags": maybe([text() for _ in range(rng.randrange(4))]),
            "counts": maybe([rng.randrange(-(2**63), 2**63) for _ in range(rng.randrange(4))]),
            "vec": maybe([float32() for _ in range(6)]),
            "half": maybe([np.float16(rng.uniform(-4, 4)) for _ in range(5)]),
            "bf": maybe(rng.randbytes(6)),
            "bytes8": maybe([rng.randrange(-128, 128) for _ in range(7)]),
            "bits": maybe(rng.randbytes(3)),
            "sparse": maybe(
                [(place, float32()) for place in sorted(rng.sample(range(99), rng.randrange(4)))]
            ),
            "$meta": json.dumps({"extra": text()}),
        }
        for number in range(count)
    ]


def to_batch(rows: list[dict[str, Any]], schema: pa.Schema = SCHEMA) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(rows, schema=schema)


def digest_of(*batches: pa.RecordBatch, schema: pa.Schema | None = SCHEMA) -> str:
    digest = Digest(schema)
    for batch in batches:
        digest.add(batch)
    return digest.hex()


def one_column(values: Any, type_: pa.DataType) -> str:
    batch = pa.record_batch([pa.array(values, type_)], names=["x"])
    return digest_of(batch, schema=None)


def vectors(matrix: np.ndarray[Any, Any]) -> pa.RecordBatch:
    flat = pa.array(np.ascontiguousarray(matrix, np.float32).ravel())
    return pa.record_batch(
        [pa.FixedSizeListArray.from_arrays(flat, matrix.shape[1])], names=["vec"]
    )


# -- what must not matter ------------------------------------------------------------------------


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32), st.integers(0, 40), st.lists(st.integers(0, 40), max_size=4))
def test_order_batches_and_splits_do_not_matter(seed: int, count: int, cuts: list[int]) -> None:
    rows = make_rows(count, seed)
    whole = digest_of(to_batch(rows))
    shuffled = list(rows)
    random.Random(seed).shuffle(shuffled)
    bounds = sorted({0, count, *(min(cut, count) for cut in cuts)})
    parts = [shuffled[a:b] for a, b in pairwise(bounds)]
    assert digest_of(*(to_batch(part) for part in parts)) == whole
    digests = [digest_of(to_batch(part)) for part in parts]
    assert combine(digests) == whole
    assert combine([combine(digests[:1]), combine(digests[1:])]) == whole
    assert combine(reversed(digests)) == whole


def test_slices_hash_as_copies_do() -> None:
    rows = make_rows(90, 3)
    big = to_batch(rows)
    for start, count in [(0, 90), (1, 1), (7, 13), (64, 26), (89, 1), (5, 0)]:
        part = big.slice(start, count)
        assert np.array_equal(row_hashes(part, SCHEMA), row_hashes(big, SCHEMA)[start:][:count])
        assert digest_of(part) == digest_of(to_batch(rows[start : start + count]))


def test_children_that_are_slices_hash_as_copies_do() -> None:
    items = pa.array(range(100), pa.int64()).slice(10, 60)
    lists = pa.ListArray.from_arrays(pa.array([0, 5, 5, 60], pa.int32()), items)
    vectors = pa.FixedSizeListArray.from_arrays(items, 6)
    for array in (lists, lists.slice(1), vectors, vectors.slice(3, 4)):
        copy = pa.array(array.to_pylist(), array.type)
        assert np.array_equal(hash_values(array), hash_values(copy))


def test_column_order_does_not_matter() -> None:
    batch = to_batch(make_rows(20, 4))
    reversed_ = batch.select(list(reversed(batch.schema.names)))
    assert digest_of(reversed_) == digest_of(batch)
    assert digest_of(reversed_, schema=None) == digest_of(batch, schema=None)


def test_columns_outside_the_schema_do_not_count() -> None:
    batch = to_batch(make_rows(20, 5))
    only = Digest.of(COLLECTION, ["id", "vec"])
    only.add(batch)
    assert only.hex() == digest_of(batch.select(["id", "vec"]), schema=None)


def test_long_offsets_do_not_matter() -> None:
    for values, short, long in [
        (["a", None, "bc"], pa.string(), pa.large_string()),
        ([[1], None, [2, 3]], pa.list_(pa.int64()), pa.large_list(pa.int64())),
    ]:
        assert one_column(values, short) == one_column(values, long)


def test_bytes_under_a_null_do_not_matter() -> None:
    valid = pa.py_buffer(bytes([0b01]))
    for values in ([1.5, 2.5], [1.5, 9.0]):
        data = pa.py_buffer(struct.pack("<2d", *values))
        array = pa.Array.from_buffers(pa.float64(), 2, [valid, data])
        assert np.array_equal(hash_values(array), hash_values(pa.array([1.5, None])))


def test_json_compares_by_value() -> None:
    schema = canonical_schema(
        Collection("c", (Field("doc", FieldType.parse("json")),), dynamic=True)
    )
    left = pa.record_batch([['{"b":1,"a":[1,2]}'], ["{}"]], schema=schema)
    right = pa.record_batch([['{ "a": [1, 2],\n "b": 1 }'], [" {} "]], schema=schema)
    assert digest_of(left, schema=schema) == digest_of(right, schema=schema)
    # The same texts as varchar are different texts.
    plain = pa.schema([("doc", pa.string())])
    assert digest_of(left, schema=plain) != digest_of(right, schema=plain)
    assert digest_of(left.select(["doc"]), schema=plain) != digest_of(
        left.select(["doc"]), schema=schema.remove(1)
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a":1,"a":2}', '{"a":2}'),
        ('"\\u00e9"', '"é"'),
        ('"\\ud83d\\ude00"', '"😀"'),
        ("1.50", "1.5e0"),
        ("1E400", "1e500"),
        ("-0", "0"),
        ("1234567890123456789012345678901", " 1234567890123456789012345678901"),
        ('{"a":"0000000000000000000000","b":-0}', '{"b":0,"a":"0000000000000000000000"}'),
    ],
)
def test_json_spellings_of_one_value(one: str, other: str) -> None:
    assert canonical_json(one) == canonical_json(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "1.0"),
        ("0.0", "-0.0"),
        ("18446744073709551616", "18446744073709551617"),
        ("9007199254740993", "9007199254740992"),
        ('"1"', "1"),
        ("null", '"null"'),
        ("null", "{}"),
        ("true", "1"),
        ("[1,2]", "[2,1]"),
        ('"\\ud800"', '"\\udc00"'),
        ("{bad", "{bad "),
        ("{bad", '"{bad"'),
        ("[" * 5000, "[" * 5001),
    ],
)
def test_json_values_that_differ(one: str, other: str) -> None:
    assert canonical_json(one) != canonical_json(other)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=12,
)


@settings(deadline=None, max_examples=150)
@given(JSON)
def test_json_form_is_the_same_for_every_writer(value: Any) -> None:
    spellings = {
        canonical_json(json.dumps(value, indent=indent, ensure_ascii=ascii_, sort_keys=sort))
        for indent in (None, 2)
        for ascii_ in (True, False)
        for sort in (True, False)
    }
    assert spellings == {json.dumps(value, sort_keys=True, separators=(",", ":"))}


# -- what must matter ----------------------------------------------------------------------------


def test_how_often_a_row_occurs_matters() -> None:
    row = to_batch(make_rows(1, 6))
    seen = {digest_of(*[row] * times).split(":")[1] for times in range(6)}
    assert len(seen) == 6
    assert digest_of() == "0:" + "0" * 32 == combine([])


def test_values_between_rows_and_columns_matter() -> None:
    type_ = pa.schema([("a", pa.int64()), ("b", pa.int64())])
    texts = [
        [{"a": 1, "b": 2}, {"a": 3, "b": 4}],
        [{"a": 1, "b": 4}, {"a": 3, "b": 2}],
        [{"a": 2, "b": 1}, {"a": 4, "b": 3}],
        [{"a": 1, "b": 2}, {"a": 4, "b": 3}],
        [{"a": 1, "b": 2}],
    ]
    assert len({digest_of(to_batch(rows, type_), schema=type_) for rows in texts}) == len(texts)


def test_names_and_types_matter() -> None:
    digests = [
        digest_of(
            pa.record_batch([pa.array([False], pa.bool_()).cast(type_)], names=[name]), schema=None
        )
        for name in ("a", "b")
        for type_ in (pa.int8(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.bool_())
    ]
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        ([None, "", "\0", "\0\0", "a", "a\0", "a\0\0", "a\0\0\0", "\0a", "ab", "ba"], pa.string()),
        ([None, 0, 1, -1, 2**63 - 1, -(2**63), 2**32, -(2**32)], pa.int64()),
        ([None, 0.0, -0.0, 5e-324, -5e-324, 1.0, math.inf, -math.inf], pa.float64()),
        ([None, True, False], pa.bool_()),
        ([None, [], [None], [0], [0, 0], [1, 0], [0, 1], [None, 0]], pa.list_(pa.int64())),
        (
            [None, [], [""], ["", ""], ["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""], ["", "abc"]],
            pa.list_(pa.string()),
        ),
        (
            [
                *(None, [], [(0, 0.0)], [(0, -0.0)], [(1, 0.0)], [(2, 2.0)], [(1, 1.0)]),
                *([(1, 2.0), (2, 1.0)], [(1, 1.0), (2, 2.0)]),
            ],
            pa.map_(pa.uint32(), pa.float32()),
        ),
        ([None, [0.0, 0.0], [-0.0, 0.0], [0.0, -0.0], [-0.0, -0.0]], pa.list_(pa.float32(), 2)),
        ([None, b"\0\0\0", b"\0\0\1", b"\1\0\0"], pa.binary(3)),
    ],
    ids=str,
)
def test_neighbours_differ(values: list[Any], type_: pa.DataType) -> None:
    hashes = hash_values(pa.array(values, type_))
    for lane in range(2):
        assert len(set(hashes[:, lane].tolist())) == len(values)
    assert len({one_column([value], type_) for value in values}) == len(values)


def test_bounds_between_rows_matter() -> None:
    texts = [["ab", "c"], ["a", "bc"], ["abc", ""], ["", "abc"]]
    digests = {one_column(pair, pa.string()) for pair in texts}
    assert len(digests) == 3  # the last two are one multiset


def distinct_flips(batch: pa.RecordBatch, flips: list[Callable[[bytearray], None]]) -> None:
    """Every flip of the bytes of the first row of `vec` gives another hash, in each lane."""
    raw = batch.column("vec").flatten().to_numpy().tobytes()
    rows = [raw]
    for flip in flips:
        changed = bytearray(raw)
        flip(changed)
        rows.append(bytes(changed))
    matrix = np.frombuffer(b"".join(rows), np.float32).reshape(len(rows), -1)
    hashes = row_hashes(vectors(matrix))
    for lane in range(2):
        values, times = np.unique(hashes[:, lane], return_counts=True)
        assert len(values) == len(rows), f"lane {lane}: {len(rows) - len(values)}, {times.max()}"


def flip_bits(*bits: int) -> Callable[[bytearray], None]:
    def flip(raw: bytearray) -> None:
        for bit in bits:
            raw[bit // 8] ^= 1 << (bit % 8)

    return flip


def test_any_one_or_two_bits_of_a_vector_matter() -> None:
    batch = vectors(np.random.default_rng(1).standard_normal((1, 8)))
    bits = range(8 * 32)
    singles = [flip_bits(bit) for bit in bits]
    pairs = [flip_bits(a, b) for a in bits for b in bits if a < b]
    distinct_flips(batch, singles + pairs)


def test_any_pair_of_signs_matters_in_wide_vectors() -> None:
    dim = 768
    batch = vectors(np.random.default_rng(2).standard_normal((1, dim)))
    rng = random.Random(2)
    pairs = {tuple(sorted(rng.sample(range(dim), 2))) for _ in range(8000)}
    distinct_flips(batch, [flip_bits(32 * a + 31, 32 * b + 31) for a, b in sorted(pairs)])


def test_swapped_components_matter() -> None:
    dim = 128
    row = np.random.default_rng(3).standard_normal(dim).astype(np.float32)
    rows = [row]
    for a in range(dim):
        for b in range(a + 1, dim):
            swapped = row.copy()
            swapped[[a, b]] = swapped[[b, a]]
            rows.append(swapped)
    hashes = row_hashes(vectors(np.array(rows)))
    assert len(np.unique(hashes[:, 0])) == len(np.unique(hashes[:, 1])) == len(rows)


def test_thue_morse_strings_matter() -> None:
    """They break every polynomial hash modulo a power of two."""
    texts, complements = ["a"], ["b"]
    for _ in range(14):
        texts.append(texts[-1] + complements[-1])
        complements.append(complements[-1] + texts[-2])
    hashes = hash_values(pa.array(texts + complements))
    assert len(np.unique(hashes)) == 2 * len(texts + complements)


def test_small_integers_never_collide() -> None:
    hashes = hash_values(pa.array(np.arange(-50_000, 50_000)))
    assert len(np.unique(hashes)) == 200_000


def test_lanes_are_independent() -> None:
    hashes = hash_values(pa.array([f"row {number}" for number in range(20_000)]))
    for shift in (0, 1, 32):
        both = np.bitwise_count(hashes[:, 0] ^ (hashes[:, 1] >> np.uint64(shift)))
        assert abs(both.mean() - 32) < 0.2


# -- sizes, errors, golden -----------------------------------------------------------------------


def test_blocks_do_not_matter() -> None:
    count = BLOCK_ROWS + 37
    rng = np.random.default_rng(9)
    ids = pa.array(np.arange(count))
    texts = pa.array(["x" * int(size) for size in rng.integers(0, 30, count)])
    batch = pa.record_batch([ids, texts], names=["id", "text"])
    hashes = row_hashes(batch)
    for start in (0, 5, BLOCK_ROWS - 1, BLOCK_ROWS, count - 1):
        assert np.array_equal(row_hashes(batch.slice(start, 3)), hashes[start : start + 3])


def test_values_larger_than_a_block() -> None:
    long = "0123456789abcdef" * (BLOCK_WORDS // 2)
    values = ["", "a", long, "", long[:-1], "b", long[1:]]
    hashes = hash_values(pa.array(values))
    for value, pair in zip(values, hashes, strict=True):
        assert np.array_equal(hash_values(pa.array([value]))[0], pair)
    assert len(np.unique(hashes[:, 0])) == 6
    lists = pa.array([[1] * BLOCK_WORDS, [], [1] * (BLOCK_WORDS - 1), [2]])
    assert len(np.unique(hash_values(lists)[:, 1])) == 4


@pytest.mark.parametrize("type_", [field.type for field in SCHEMA], ids=str)
def test_no_rows_and_only_nulls(type_: pa.DataType) -> None:
    assert hash_values(pa.array([], type_)).shape == (0, 2)
    hashes = hash_values(pa.array([None, None], type_))
    assert np.array_equal(hashes[0], hashes[1])


def test_a_missing_column_is_an_error() -> None:
    with pytest.raises(KeyError, match="`doc`"):
        Digest(SCHEMA).add(to_batch(make_rows(1, 1)).drop_columns(["doc"]))


@pytest.mark.parametrize("type_", [pa.decimal128(10, 2), pa.struct([("a", pa.int64())]), pa.null()])
def test_foreign_types_are_refused(type_: pa.DataType) -> None:
    with pytest.raises(TypeError, match="no canonical batch"):
        hash_values(pa.array([None], type_))


def test_a_null_inside_a_vector_is_refused() -> None:
    with pytest.raises(ValueError, match="null component"):
        hash_values(pa.array([[1.0, None], None], pa.list_(pa.float32(), 2)))


@pytest.mark.parametrize("text", ["", "12", "1:abc", "1:" + "g" * 32, "x:" + "0" * 32])
def test_combine_refuses_what_is_no_digest(text: str) -> None:
    with pytest.raises(ValueError):
        combine([text])


GOLDEN = {
    "id": "c8:4901f6b3aab90865d3246383371187a1",
    "flag": "c8:27fa90667b80898c348be2af4c803100",
    "small": "c8:c55b920879d9c1a340febd1efaa62025",
    "mid": "c8:dc5e5f50f57e2a1eaa6394fcf9038df9",
    "int": "c8:9351ed641e05098dcbb2f4530573feca",
    "ratio": "c8:91826cd5bd4860fa3ad89147ab50b1c1",
    "price": "c8:0e2510cd535e5431cd143d9cd58026e0",
    "title": "c8:8c10b49d3e3ed0a1bd16c6d23341aec2",
    "doc": "c8:c58cb6c35b196bd797206f2877e10c3e",
    "tags": "c8:07f4542c8847cc5f454249d300a1ed91",
    "counts": "c8:d308a6a6df3a8d5584dfaf0db492bcd4",
    "vec": "c8:d920baed76d82f231ae4718984fadf56",
    "half": "c8:00375007f54b3b0fa64b9a32a97620d8",
    "bf": "c8:c4470416a1c5e621bcb860bbedafe7b8",
    "bytes8": "c8:5b92bc1ad6be30640ea25a92b607beec",
    "bits": "c8:9e6f36f4f302ae3a14b12f6e1ee7b924",
    "sparse": "c8:48f83ceff93d5b425fcb7e348ec0ece4",
    "$meta": "c8:33e5785b08decd306f461113320e60e6",
    "*": "c8:32f6f643994f84c95aa5dda004cda777",
}
"""Recorded digests of earlier runs are compared with new ones: these never change."""


@pytest.mark.parametrize("name", [*SCHEMA.names, "*"])
def test_golden(name: str) -> None:
    batch = to_batch(make_rows(200, 11))
    schema = SCHEMA if name == "*" else pa.schema([SCHEMA.field(name)])
    assert digest_of(batch, schema=schema) == GOLDEN[name]
