"""Kinds of field types, and their widening."""

from __future__ import annotations

import json

import pytest

from mmc.casts import Cast, choose, infer
from mmc.sources.elasticsearch.decoding.page import Page
from mmc.sources.elasticsearch.mapping.column import Column, Kind
from mmc.sources.elasticsearch.mapping.kinds import AS_JSON, SCALARS, kind_of, note_of, widened
from mmc.transform.kernels import convert
from mmc.types import ArrowType, FieldType


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


def test_an_unsigned_long_into_int64_where_the_spec_says_so() -> None:
    """Text by itself; values above int64 are bad rows, the others exact."""
    given = [0, 2**63 - 1, 2**63, 2**64 - 1, str(2**53 + 1), -1.0]
    hits = [{"_id": str(n), "_source": {"n": value}} for n, value in enumerate(given)]
    page = Page.parse(json.dumps({"hits": {"hits": hits}}).encode())
    column = Column("n", kind_of("unsigned_long"))
    batch = page.decode([column], None).batch
    assert batch.column(0).to_pylist() == [*map(str, given)]
    inferred = infer(ArrowType.parse(column.arrow), max_bytes=20)
    assert str(inferred) == "varchar(64)"
    target = FieldType.parse("int64")
    chosen = choose(ArrowType.parse(column.arrow), target)
    assert isinstance(chosen, Cast)
    made = convert(chosen.name, batch.column(0), target)
    bad = sorted(int(row) for fault in made.faults for row in fault.rows)
    assert bad == [2, 3, 5]
    assert [made.values[row].as_py() for row in (0, 1, 4)] == [0, 2**63 - 1, 2**53 + 1]
