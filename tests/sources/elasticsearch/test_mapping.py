"""Mappings, as `GET _mapping` answers them, into columns."""

from __future__ import annotations

from typing import Any

from mmc.sources.elasticsearch.mapping.column import Column, Kind, columns_text, read_columns
from mmc.sources.elasticsearch.mapping.index import read_mapping
from mmc.sources.elasticsearch.mapping.mapped import Mapped
from mmc.sources.elasticsearch.mapping.merging import merge
from mmc.types import Index, Metric


def read(properties: dict[str, Any], flatten: tuple[str, ...] = (), **more: Any) -> Mapped:
    mode = more.pop("source_mode", "")
    mappings = {"properties": properties, **more}
    return read_mapping(mappings, flatten=flatten, engine="elasticsearch", source_mode=mode)


def kinds(mapped: Mapped) -> dict[str, Kind]:
    return {field.column.path: field.column.kind for field in mapped.fields}


def test_scalars_objects_and_what_is_not_known() -> None:
    made = read(
        {
            "title": {"type": "text", "fields": {"raw": {"type": "keyword"}}},
            "views": {"type": "long"},
            "big": {"type": "unsigned_long"},
            "at": {"type": "date"},
            "who": {"properties": {"name": {"type": "keyword"}}},
            "parts": {"type": "nested", "properties": {"n": {"type": "integer"}}},
            "span": {"type": "date_range"},
            "odd": {"type": "made_up"},
        }
    )
    assert kinds(made) == {
        "title": Kind.TEXT,
        "views": Kind.INT64,
        "big": Kind.TEXT,
        "at": Kind.DATE,
        "who": Kind.JSON,
        "parts": Kind.JSON,
        "span": Kind.JSON,
        "odd": Kind.JSON,
    }
    assert made.notes == (
        "multi-fields of title are other indexings of the same values: not copied",
    )
    assert made.fields[-1].note == "type made_up is not known: kept as JSON"


def test_an_object_opens_on_the_way_to_a_vector_or_when_it_is_named() -> None:
    properties = {
        "content": {
            "properties": {
                "text": {"type": "text"},
                "vec": {"type": "dense_vector", "dims": 4, "index": False},
                "more": {"properties": {"x": {"type": "long"}}},
            }
        },
        "who": {"properties": {"name": {"type": "keyword"}}},
    }
    assert kinds(read(properties)) == {
        "content.text": Kind.TEXT,
        "content.vec": Kind.VECTOR,
        "content.more": Kind.JSON,
        "who": Kind.JSON,
    }
    assert "who.name" in kinds(read(properties, ("who",)))


def test_a_vector_with_its_index_as_8_19_tells_it() -> None:
    said = {
        "type": "dense_vector",
        "dims": 8,
        "index": True,
        "similarity": "l2_norm",
        "index_options": {"type": "int8_hnsw", "m": 24, "ef_construction": 200},
    }
    (field,) = read({"v": said}).fields
    assert field.vector == "float_vector(8)"
    assert field.index == Index("HNSW", Metric.L2, (("M", 24), ("efConstruction", 200)))
    assert "8-bit codes" in field.note


def test_other_views_of_values_are_left_out_with_a_note() -> None:
    made = read(
        {
            "a": {"type": "text", "copy_to": "all"},
            "all": {"type": "text"},
            "b": {"type": "alias", "path": "a"},
            "count": {"type": "token_count", "analyzer": "standard"},
            "empty": {"type": "dense_vector"},
        },
        runtime={"r": {"type": "long"}},
    )
    kept = made.without_copies({"a"})
    assert list(kinds(kept)) == ["a"]
    assert list(kinds(made.without_copies({"a", "all"}))) == ["a", "all"]
    told = " | ".join(kept.notes)
    assert all(name in told for name in ("all", "b", "count", "empty", "r"))


def test_problems() -> None:
    def codes(mapped: Mapped) -> list[tuple[str, bool]]:
        return [(problem.code, problem.is_error) for problem in mapped.problems]

    assert codes(read({}, _source={"enabled": False})) == [("MMC455", True)]
    vec = {"vec": {"type": "dense_vector", "dims": 4}}
    assert [code for code, _ in codes(read(vec, _source={"excludes": ["vec"]}))] == ["MMC455"]
    assert codes(read({}, source_mode="synthetic")) == [("MMC456", False)]
    assert codes(read({}, dynamic="false")) == [("MMC457", False)]
    assert codes(read({}, dynamic="strict")) == []


def test_indices_are_merged_where_one_type_holds_both() -> None:
    one = read({"n": {"type": "integer"}, "a": {"type": "keyword"}})
    other = read({"n": {"type": "long"}, "b": {"type": "text"}})
    made = merge([("i1", one), ("i2", other)])
    assert kinds(made) == {"n": Kind.INT64, "a": Kind.TEXT, "b": Kind.TEXT}
    assert not made.problems
    clash = merge([("i1", one), ("i2", read({"n": {"type": "keyword"}}))])
    (problem,) = clash.problems
    assert problem.code == "MMC458"
    assert "i1" in problem.message and "i2" in problem.message


def test_columns_travel_as_text() -> None:
    columns = [
        Column("_id", Kind.TEXT),
        Column("tags", Kind.TEXT, many=True),
        Column("vec", Kind.VECTOR, dim=768),
        Column("at", Kind.DATE, formats=("epoch_millis", "yyyy")),
        Column("env", Kind.TEXT, constant="prod"),
    ]
    assert read_columns(columns_text(columns)) == columns
