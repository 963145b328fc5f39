"""Columns in protobuf's wire form, against what protobuf itself makes of the same values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymilvus.grpc_gen import schema_pb2

from mmc.milvus.wire import FIELD_1, Pieces, fixed, tag, varints

EDGES = sorted(
    {sign * (1 << bits) + step for bits in range(63) for sign in (1, -1) for step in (-1, 0)}
)


def pieces(values: list[bytes]) -> Pieces:
    lengths = np.array([len(value) for value in values], np.int64)
    return Pieces(np.frombuffer(b"".join(values), np.uint8), lengths)


@pytest.mark.parametrize("values", [[], [0], [2**63 - 1], [-(2**63)], EDGES])
def test_varints(values: list[int]) -> None:
    made = varints(np.array(values, np.int64))
    assert list(schema_pb2.LongArray.FromString(whole(made)).data) == values
    assert whole(made) == schema_pb2.LongArray(data=values).SerializeToString()


def whole(made: Pieces) -> bytes:
    """All pieces as one packed field."""
    if not len(made.data):
        return b""
    return pieces([made.data.tobytes()]).framed(FIELD_1).data.tobytes()


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32])
def test_narrow_integers_keep_their_sign(dtype: type[np.signedinteger]) -> None:
    values = np.array([np.iinfo(dtype).min, -1, 0, 1, np.iinfo(dtype).max], dtype)
    found = schema_pb2.IntArray.FromString(whole(varints(values))).data
    assert list(found) == values.tolist()


SIZES = [0, 1, 2, 127, 128, 300, 16_383, 16_384, 70_000]


@given(
    st.lists(st.sampled_from(SIZES).map(lambda size: (bytes(range(7)) * size)[:size]), max_size=9)
)
def test_framed(values: list[bytes]) -> None:
    made = pieces(values).framed(FIELD_1)
    message = schema_pb2.JSONArray(data=values)
    assert made.data.tobytes() == message.SerializeToString()
    assert made.lengths.sum() == len(made.data)


@given(
    st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=4), max_size=6)
)
def test_grouped(rows: list[list[str]]) -> None:
    """Strings to lists of strings: each list is one piece, also the empty ones."""
    texts = [text.encode() for row in rows for text in row]
    offsets = np.cumsum([0, *(len(row) for row in rows)]).astype(np.int64)
    grouped = pieces(texts).framed(FIELD_1).grouped(offsets)
    assert len(grouped.lengths) == len(rows)
    wire = grouped.framed(tag(6)).framed(FIELD_1).data.tobytes()
    message = schema_pb2.ArrayArray.FromString(wire)
    assert [list(row.string_data.data) for row in message.data] == rows


def test_fixed_is_little_endian() -> None:
    made = fixed(np.array([1.5, -2.0], ">f8"))
    assert made.data.tobytes() == np.array([1.5, -2.0], "<f8").tobytes()
    assert made.lengths.tolist() == [8, 8]
