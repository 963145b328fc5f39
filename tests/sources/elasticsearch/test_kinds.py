"""Kinds of field types, their widening, and the room that they take."""

from __future__ import annotations

import pytest

from mmc.sources.elasticsearch.column import Kind
from mmc.sources.elasticsearch.kinds import AS_JSON, SCALARS, kind_of, note_of, widened, width


def test_every_type_kept_as_json_says_so() -> None:
    assert not AS_JSON & set(SCALARS)
    for name in AS_JSON:
        assert kind_of(name) is Kind.JSON
        assert "kept as JSON" in note_of(name)
    assert "is not known" in note_of("made_up")
    assert note_of("keyword") == ""


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (Kind.INT8, Kind.INT64, Kind.INT64),
        (Kind.INT32, Kind.INT16, Kind.INT32),
        (Kind.FLOAT, Kind.DOUBLE, Kind.DOUBLE),
        (Kind.INT32, Kind.FLOAT, Kind.DOUBLE),
        (Kind.INT64, Kind.DOUBLE, None),
        (Kind.INT64, Kind.TEXT, None),
        (Kind.DATE, Kind.DATE_NANOS, None),
        (Kind.JSON, Kind.TEXT, None),
        (Kind.JSON, Kind.JSON, Kind.JSON),
    ],
)
def test_widened_only_where_exact(one: Kind, other: Kind, both: Kind | None) -> None:
    assert widened(one, other) is both
    assert widened(other, one) is both


def test_width() -> None:
    assert width(Kind.VECTOR, 768) == 3072
    assert width(Kind.BYTE_VECTOR, 8) == 8
    assert width(Kind.BIT_VECTOR, 64) == 8
    assert width(Kind.DATE) == 8
    assert width(Kind.TEXT) == 0
