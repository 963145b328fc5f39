"""Several indices as one collection."""

from __future__ import annotations

from typing import Any

import pytest

from mmc.sources.elasticsearch.mapping.column import Column, Kind
from mmc.sources.elasticsearch.mapping.mapped import Mapped
from mmc.sources.elasticsearch.mapping.merging import merge, own_columns, read_mappings
from mmc.types import Metric

KEYWORD = {"type": "keyword"}
DATE = {"type": "date"}


def read(*properties: dict[str, Any]) -> tuple[Mapped, tuple[Mapped, ...]]:
    named = [(f"i{n}", {"properties": one}) for n, one in enumerate(properties, 1)]
    return read_mappings(named, flatten=(), engine="elasticsearch")


def vector(**said: Any) -> dict[str, Any]:
    return {"type": "dense_vector", "dims": 4, "index": True, "similarity": "cosine", **said}


def test_union_in_order_of_the_indices() -> None:
    made, _ = read(
        {"n": {"type": "byte"}, "t": KEYWORD},
        {"late": KEYWORD, "n": {"type": "long"}, "t": {"type": "text"}},
    )
    assert [(f.column.path, f.column.kind, f.es_type) for f in made.fields] == [
        ("n", Kind.INT64, "byte, long"),
        ("t", Kind.TEXT, "keyword, text"),
        ("late", Kind.TEXT, "keyword"),
    ]
    assert made.problems == ()


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        ({"type": "long"}, KEYWORD, "`f` is long in i1, but keyword in i2"),
        ({"type": "long"}, {"type": "double"}, "`f` is long in i1, but double in i2"),
        (vector(), vector(dims=8), "4 dimensions in i1, but dense_vector of 8 dimensions in i2"),
        (vector(), vector(element_type="byte"), "`f` is dense_vector"),
        ({"properties": {"x": KEYWORD}}, KEYWORD, "`f` is object in i1, but keyword in i2"),
        (KEYWORD, {"properties": {"v": vector()}}, "keyword in i1, but an object (`f.v`) in i2"),
        (
            {"type": "nested", "properties": {"v": vector()}},
            {"properties": {"v": vector()}},
            "`f` is nested in i1, but an object (`f.v`) in i2",
        ),
        (
            {**DATE, "format": "epoch_second"},
            {**DATE, "format": "epoch_millis"},
            "date (epoch_second) in i1, but date (epoch_millis) in i2",
        ),
    ],
)
def test_types_that_nothing_holds(one: dict[str, Any], other: dict[str, Any], told: str) -> None:
    made, _ = read({"f": one}, {"f": other})
    (found,) = made.problems
    assert found.code == "MMC458"
    assert found.is_error
    assert told in found.message
    assert "collections of their own" in found.hint


def test_many_misfits_are_one_finding() -> None:
    made, _ = read({"f": DATE}, *({"f": KEYWORD} for _ in range(3)))
    (found,) = made.problems
    assert found.message == "`f` is date in i1, but keyword in i2, keyword in i3, keyword in i4"


def test_an_object_is_opened_in_all_or_in_none() -> None:
    plain = {"o": {"properties": {"x": KEYWORD}}}
    holding = {"o": {"properties": {"x": KEYWORD, "v": vector()}}}
    made, each = read(plain, holding)
    assert [field.column.path for field in made.fields] == ["o.x", "o.v"]
    assert made.problems == ()
    assert [mapped.opened for mapped in each] == [("o",), ("o",)]


def test_date_formats_of_which_one_list_begins_with_the_other() -> None:
    iso = {**DATE, "format": "strict_date_optional_time"}
    made, _ = read({"at": iso}, {"at": DATE})
    assert made.problems == ()
    assert made.fields[0].column.formats == ("strict_date_optional_time", "epoch_millis")


def test_constants_are_of_each_index() -> None:
    made, each = read(
        {"env": {"type": "constant_keyword", "value": "prod"}},
        {"env": {"type": "constant_keyword", "value": "test"}},
    )
    (field,) = made.fields
    assert field.column.constant is None
    assert "constant" in field.note
    columns = [Column("_id", Kind.TEXT), field.column]
    assert [own_columns(columns, own)[1].constant for own in each] == ["prod", "test"]
    assert own_columns(columns, each[0])[0] == columns[0]


def test_indexes_that_differ() -> None:
    made, _ = read({"v": vector()}, {"v": vector(index_options={"type": "hnsw", "m": 24})})
    (field,) = made.fields
    assert field.index is not None
    assert dict(field.index.params)["M"] == 16
    assert "those of the first" in field.note
    made, _ = read({"v": vector()}, {"v": vector(similarity="l2_norm")}, {"v": vector()})
    (field,) = made.fields
    assert field.index is not None
    assert field.index.metric is None
    assert "different metrics" in field.note
    made, _ = read({"v": vector(index=False)}, {"v": vector()})
    (field,) = made.fields
    assert field.index is not None
    assert field.index.metric is Metric.COSINE


def test_findings_and_notes_name_the_indices() -> None:
    closed = {"properties": {"a": {"type": "text", "fields": {"raw": KEYWORD}}}, "dynamic": "false"}
    opened: dict[str, Any] = {"properties": {"a": {"type": "text"}}}
    made, _ = read_mappings(
        [("i1", closed), ("i2", opened), ("i3", closed)], flatten=(), engine="elasticsearch"
    )
    (found,) = made.problems
    assert found.message.startswith("i1, i3: the mapping has `dynamic: false`")
    assert made.notes[0].startswith("in i1, i3: multi-fields of a")


def test_one_index_keeps_its_columns() -> None:
    _, (own,) = read({"a": KEYWORD, "v": vector()})
    assert merge([("i1", own)]) == own
