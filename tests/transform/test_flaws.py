"""Values that a source says its column cannot hold make bad rows, wherever the column is used."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from mmc.arrow.schema import Flaw, Origin, flaws_of, with_flaws, with_origin
from mmc.plan.mapping import (
    Column,
    Mapping,
    RestColumn,
)
from mmc.plan.model import CopySplits, Write
from mmc.plan.reading import Batches, Reading
from mmc.sql import batches as sqlbatches
from mmc.transform.transform import Transform
from mmc.types import DYNAMIC_FIELD, Collection, Field, FieldType

INT64 = FieldType.parse("int64")


def batch(*flaws: Flaw) -> pa.RecordBatch:
    made = pa.record_batch({"id": pa.array([1, 2, 3, 4]), "n": pa.array([5, None, 7, 8])})
    places = np.array([10, 20, 30, 40])
    return with_flaws(with_origin(made, Origin("idx, shard 0", 10, "seq_no", places)), flaws)


def step(*names: str, where: str = "", rest: tuple[RestColumn, ...] = ()) -> CopySplits:
    fields = tuple(Field(name, INT64, primary_key=name == "id", nullable=True) for name in names)
    mappings = tuple(
        Mapping(field=field, origin=Column(field.name, "int64", "identity")) for field in fields
    )
    collection = Collection("c", fields, dynamic=bool(rest))
    return CopySplits(
        id="copy.c",
        read=Reading(collection="c", columns=("id", "n"), where=where),
        collection=collection,
        mappings=mappings,
        splits=(),
        route="milvus.insert",
        reason="",
        write=Write.INSERT,
        batches=Batches(100, 1 << 20),
        rest=rest,
    )


FLAW = Flaw(1, "n", "a fraction in an integer field", "1.5")


def test_a_flaw_travels_with_its_batch() -> None:
    assert flaws_of(batch(FLAW)) == [FLAW]
    assert flaws_of(batch()) == []


def test_the_row_is_bad_with_place_field_and_value() -> None:
    (done,) = Transform(step("id", "n"))(batch(FLAW))
    (bad,) = done.bad
    assert done.batch.column("id").to_pylist() == [1, 3, 4]
    assert (bad.code, bad.field, bad.row, bad.unit) == ("MMC614", "n", 20, "seq_no")
    assert bad.values == {"id": 2, "n": "1.5"}


def test_a_flaw_in_a_column_that_is_not_used_is_none() -> None:
    (done,) = Transform(step("id"))(batch(FLAW))
    assert not done.bad
    assert done.batch.num_rows == 4


def test_a_flaw_in_what_goes_into_the_dynamic_field_counts() -> None:
    (done,) = Transform(step("id", rest=(RestColumn("n", "int64"),)))(batch(FLAW))
    assert [bad.field for bad in done.bad] == ["n"]
    assert done.batch.schema.names[-1] == DYNAMIC_FIELD


def test_rows_that_a_condition_leaves_out_are_filtered_and_not_bad() -> None:
    (done,) = Transform(step("id", "n", where="id <> 2"))(batch(FLAW))
    assert not done.bad
    assert done.rows_filtered == 1
    (kept,) = Transform(step("id", "n", where="id <> 1"))(batch(FLAW))
    assert [bad.row for bad in kept.bad] == [20]
    assert kept.batch.column("id").to_pylist() == [3, 4]


def test_flaws_and_bad_rows_have_their_places_in_every_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sqlbatches, "ROWS", 1)
    monkeypatch.setattr(sqlbatches, "HANDED", -1)
    for where in ("true", "id <> 1"):
        parts = list(Transform(step("id", "n", where=where))(batch(FLAW)))
        assert [part.rows_read for part in parts] == [1, 1, 1, 1]
        assert [bad.row for part in parts for bad in part.bad] == [20]
        kept = [row for part in parts for row in part.batch.column("id").to_pylist()]
        assert kept == ([1, 3, 4] if where == "true" else [3, 4])
