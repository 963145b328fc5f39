"""What `_source` does not keep, and what it keeps that the mapping does not name."""

from __future__ import annotations

from typing import Any

import pytest

from mmc.diagnostics import Severity
from mmc.sources.elasticsearch.mapping.column import Kind
from mmc.sources.elasticsearch.mapping.index import read_mapping
from mmc.sources.elasticsearch.mapping.mapped import Mapped
from mmc.sources.elasticsearch.mapping.stored import Stored, listed

TEXT = {"type": "text"}
VECTOR = {"type": "dense_vector", "dims": 4, "index": False}


def read(properties: dict[str, Any], mode: str = "", **more: Any) -> Mapped:
    mappings = {"properties": properties, **more}
    return read_mapping(mappings, flatten=(), engine="elasticsearch", source_mode=mode)


def paths(mapped: Mapped) -> list[str]:
    return [field.column.path for field in mapped.fields]


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ({}, ["a", "o.x", "o.y.z"]),
        ({"excludes": ["o"]}, ["a"]),
        ({"excludes": ["o.*"]}, ["a"]),
        ({"excludes": ["*.z"]}, ["a", "o.x"]),
        ({"includes": ["a", "o.y"]}, ["a", "o.y.z"]),
        ({"includes": ["o.*"], "excludes": ["o.x"]}, ["o.y.z"]),
        ({"excludes": "a"}, ["o.x", "o.y.z"]),
    ],
)
def test_patterns(source: dict[str, Any], kept: list[str]) -> None:
    stored = Stored({"_source": source})
    assert [path for path in ("a", "o.x", "o.y.z") if stored.holds(path)] == kept


def test_a_vector_left_out_of_source_is_an_error_and_a_text_a_warning() -> None:
    properties = {"title": TEXT, "body": TEXT, "vec": VECTOR}
    made = read(properties, _source={"excludes": ["body", "vec"]})
    assert paths(made) == ["title"]
    (found,) = made.problems
    assert found.code == "MMC455"
    assert found.is_error
    assert "vec, body" in found.message
    (found,) = read(properties, _source={"excludes": ["body"]}).problems
    assert found.severity is Severity.WARNING


def test_an_object_that_is_kept_in_part_stays() -> None:
    properties = {"o": {"properties": {"x": TEXT, "y": TEXT}}}
    made = read(properties, _source={"excludes": ["o.x"]})
    assert paths(made) == ["o"]
    assert "o.x" in made.problems[0].message


def test_what_is_not_missed_is_not_reported() -> None:
    properties = {
        "title": {**TEXT, "copy_to": "all"},
        "all": TEXT,
        "env": {"type": "constant_keyword", "value": "prod"},
    }
    made = read(properties, _source={"includes": ["title"]})
    assert paths(made) == ["title", "env"]
    assert made.problems == ()


@pytest.mark.parametrize(
    ("source", "mode", "code"),
    [
        ({"enabled": False}, "", "MMC455"),
        ({"mode": "disabled"}, "", "MMC455"),
        ({}, "disabled", "MMC455"),
        ({"mode": "synthetic"}, "", "MMC456"),
        ({}, "SYNTHETIC", "MMC456"),
    ],
)
def test_modes(source: dict[str, Any], mode: str, code: str) -> None:
    (found,) = read({"title": TEXT}, mode, _source=source).problems
    assert found.code == code
    assert found.is_error is (code == "MMC455")
    assert found.hint


def test_values_that_no_mapping_names() -> None:
    o = {"properties": {"vec": VECTOR}}
    found = read({"o": {**o, "dynamic": False}, "p": o}, dynamic="true").problems
    assert [(f.code, "`o`" in f.message) for f in found] == [("MMC457", True)]
    assert len(read({"o": o}, dynamic="runtime").problems) == 2
    assert "enabled: false" in read({}, enabled=False).problems[0].message
    closed = read({"o": {"properties": {"x": TEXT}, "dynamic": "false"}})
    assert closed.problems == ()


def test_an_object_that_is_not_parsed_stays_whole() -> None:
    made = read_mapping(
        {"properties": {"o": {"enabled": False, "properties": {"vec": VECTOR}}}},
        flatten=["o"],
        engine="elasticsearch",
    )
    assert [(f.column.path, f.column.kind) for f in made.fields] == [("o", Kind.JSON)]
    assert (made.opened, made.objects) == ((), ())


def test_a_dimension_from_elsewhere() -> None:
    trained = {"v": {"type": "knn_vector", "model_id": "m"}}
    made = read_mapping({"properties": trained}, flatten=(), engine="opensearch", dims={"v": 8})
    (field,) = made.fields
    assert field.vector == "float_vector(8)"
    assert field.index is not None and field.index.metric is None, "only the model knows it"


def test_long_lists_are_cut() -> None:
    assert listed(str(n) for n in range(10)) == "0, 1, 2, 3, 4, 5, 6, 7 and 2 more"
