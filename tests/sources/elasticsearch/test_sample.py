"""What a sample sees of the ways in which documents write their fields."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from mmc.sources.elasticsearch.mapping.column import Column, Kind
from mmc.sources.elasticsearch.mapping.mapped import MappedField
from mmc.sources.elasticsearch.sample import Seen

PATHS = ("a", "a.b", "a.b.c", "x.y.z")


@pytest.mark.parametrize(
    ("source", "present", "lists"),
    [
        ({"a": 1}, {"a"}, set()),
        ({"a": {"b": 1}}, {"a.b"}, set()),
        ({"a": [{"b": 1}, 5], "a.b": {"c": 1}}, {"a", "a.b", "a.b.c"}, {"a"}),
        ({"a.b": {"c": 1}}, {"a.b.c"}, set()),
        ({"x.y.z": 1}, {"x.y.z"}, set()),
        ({"x": {"y.z": [1, 2]}}, {"x.y.z"}, {"x.y.z"}),
        ({"x.y": [{"z": 1}, {"z": 2}]}, {"x.y.z"}, {"x.y.z"}),
        ({"x": [{"y": {"z": 1}}], "x.y": {"z": 2}}, {"x.y.z"}, {"x.y.z"}),
        ({"x": {"y": {"z": None}}, "other": 1}, set(), set()),
        ({"x": [[{"y": {"z": 1}}], 5]}, {"x.y.z"}, set()),
        ({"a": [], "other": []}, {"a"}, {"a"}),
        ({"x": {"y": {"other": 1}}, "other": {"a": 1}}, set(), set()),
    ],
)
def test_fields_wherever_their_dots_are(
    source: dict[str, Any], present: set[str], lists: set[str]
) -> None:
    page = orjson.dumps({"hits": {"hits": [{"_source": source}, {"_source": None}, {}]}})
    seen = Seen()
    seen.add(
        page,
        [MappedField(column=Column(path, Kind.INT64), es_type="long") for path in PATHS],
        ("a", "x"),
    )
    assert (seen.docs, seen.present, seen.lists) == (3, present, lists)
    assert list(seen.unmapped) == [name for name in source if name == "other" and source[name]]
