"""Values that no column took: names of rows that are kept, and the column that has the values."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest

from mmc.arrow.unmapped import with_unmapped
from mmc.plan.mapping import Column, Mapping, RestColumn
from mmc.plan.model import CopySplits, Write
from mmc.plan.reading import Batches, Reading
from mmc.sql import batches as sqlbatches
from mmc.transform.transform import Transform
from mmc.types import UNMAPPED, Collection, Field, FieldType

INT64 = FieldType.parse("int64")


def step(*drop: str, where: str = "", rest: bool = False) -> CopySplits:
    fields = (Field("id", INT64, primary_key=True), Field("n", INT64))
    mappings = tuple(
        Mapping(field=it, origin=Column(it.name, "int64", "identity")) for it in fields
    )
    columns = (RestColumn(UNMAPPED, "string", json_text=True),) if rest else ()
    return CopySplits(
        id="copy.c",
        read=Reading(collection="c", columns=("id", "n"), where=where, unmapped_drop=drop),
        collection=Collection("c", fields, dynamic=rest),
        mappings=mappings,
        splits=(),
        route="milvus.insert",
        reason="",
        write=Write.INSERT,
        batches=Batches(100, 1 << 20),
        rest=columns,
    )


NOTED = {0: ["a"], 1: ["b", "a.x"], 3: ["a"], 4: ["ab"]}


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        # Row 2 has nothing noted, row 3 is bad: its `n` is null.
        (step(), [["a"], ["b", "a.x"], ["ab"]]),
        (step("a"), [["b"], ["ab"]]),
        (step("a", "b"), [["ab"]]),
        (step(where="id <> 0"), [["b", "a.x"], ["ab"]]),
        (step(where="id > 100"), []),
    ],
)
def test_names_are_those_of_the_rows_that_are_written(
    plan: CopySplits, expected: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = pa.record_batch({"id": pa.array(range(5)), "n": pa.array([1, 2, 3, None, 5])})
    batch = with_unmapped(made, NOTED)
    assert [it for done in Transform(plan)(batch) for it in done.unmapped] == expected
    monkeypatch.setattr(sqlbatches, "ROWS", 1)
    monkeypatch.setattr(sqlbatches, "HANDED", -1)
    parts = list(Transform(plan)(batch))
    assert len(parts) == (5 if plan.read.where else 1)
    assert [it for done in parts for it in done.unmapped] == expected
    assert [it for done in Transform(plan)(made) for it in done.unmapped] == []


@pytest.mark.parametrize(
    ("drop", "expected"),
    [
        ((), [{"a": 1, "b.x": [2**70]}, {}, {"b": 2}]),
        (("b",), [{"a": 1}, {}, {}]),
        (("a",), [{"b.x": [2**70]}, {}, {"b": 2}]),
    ],
)
def test_the_column_gives_its_members_to_the_dynamic_field(
    drop: tuple[str, ...], expected: list[dict[str, Any]]
) -> None:
    texts = [f'{{"a":1,"b.x":[{2**70}]}}', None, '{"b":2}', '{"n":5}']
    batch = pa.record_batch({"id": pa.array(range(4)), "n": pa.array(range(4)), UNMAPPED: texts})
    (done,) = Transform(step(*drop, rest=True))(batch)
    assert [json.loads(text) for text in done.batch.column("$meta").to_pylist()] == expected
    (bad,) = done.bad
    assert (bad.row, bad.code) == (3, "MMC609")
    assert bad.reason == "a key of $unmapped is also a column or a field"
