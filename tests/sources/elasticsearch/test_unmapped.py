"""What documents of a real index have beyond the columns: no sample decides what is lost."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest

from mmc.arrow.unmapped import unmapped_of
from mmc.plan.model import Split
from mmc.sources.elasticsearch.decoding.page import Page
from mmc.sources.elasticsearch.mapping.column import Column, Kind
from mmc.sources.elasticsearch.source import ElasticsearchSource
from mmc.spi import Sample
from mmc.types import UNMAPPED
from tests.servers.elasticsearch.node import ElasticsearchNode
from tests.servers.elasticsearch.rest import bulk
from tests.sources.elasticsearch.indexed import fresh, options_of

VECTOR = {"type": "dense_vector", "dims": 2}
MAPPINGS: dict[str, Any] = {
    "runtime": {"voltage": {"type": "double"}},
    "dynamic": False,
    "properties": {
        "a": {"type": "keyword", "copy_to": "all"},
        "all": {"type": "text"},
        "emb": {"dynamic": False, "properties": {"vec": VECTOR, "of": {"type": "object"}}},
        "whole": {"type": "object", "enabled": False},
        "multi": {"type": "keyword", "fields": {"raw": {"type": "text"}}},
    },
}
PLAIN = {"a": "x", "emb": {"vec": [1, 2], "of": {"n": 1}}, "whole": {"any": [1]}, "multi": "m"}
BEYOND: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {
    401: ({"voltage": 1.5}, {"voltage": 1.5}),
    402: ({"all": "own"}, {"all": "own"}),
    403: ({"hidden": {"deep": [1, {"x": None}]}}, {"hidden": {"deep": [1, {"x": None}]}}),
    404: ({"emb": {"vec": [3, 4], "secret": 2**60 + 1}}, {"emb.secret": 2**60 + 1}),
    405: ({"emb.secret": "dotted"}, {"emb.secret": "dotted"}),
    406: ({"hidden": None, "voltage": [], "emb": None}, {}),
    407: ({"hidden": "", "more": False}, {"hidden": "", "more": False}),
}
"""What a document has beside the others, and what of it no column takes."""


def test_each_name_beyond_the_sample_is_told(elasticsearch: ElasticsearchNode) -> None:
    index = fresh()
    body = {"settings": {"number_of_shards": 1}, "mappings": MAPPINGS}
    elasticsearch.request("PUT", f"/{index}", body)
    docs = [{**PLAIN, **BEYOND.get(n, ({}, {}))[0], "_id": str(n)} for n in range(450)]
    bulk(elasticsearch.url, index, docs)
    elasticsearch.request("POST", f"/{index}/_refresh")
    source, options = ElasticsearchSource(), options_of(elasticsearch.url, index)
    (found,) = source.inspect(options, (), Sample(20, 7)).collections
    names = [field.name for field in found.fields if not field.on_request]
    assert {"voltage", "all", "hidden", "emb"}.isdisjoint(names)
    note = "voltage: runtime fields without a script: columns only where the sample has values"
    assert note in found.notes
    offered = next(field for field in found.fields if field.name == UNMAPPED)
    assert (offered.on_request, offered.json_text, offered.arrow) == (True, True, "string")
    split = Split(id="00000", pieces=found.extents, rows=found.rows, bytes=found.bytes)

    told: dict[str, list[str]] = {}
    for batch in source.read(options, index, split, ["_id", "a"], 7):
        for row, some in unmapped_of(batch).items():
            told[batch.column("_id")[row].as_py()] = sorted(some)
    expected = {n: outside for n, (_, outside) in BEYOND.items() if outside}
    assert told == {str(n): sorted(outside) for n, outside in expected.items()}

    batches = list(source.read(options, index, split, ["_id", UNMAPPED, "a"], 7))
    assert not any(map(unmapped_of, batches))
    table = pa.Table.from_batches(batches)
    assert table.schema.names == ["_id", UNMAPPED, "a"]
    given = dict(zip(table["_id"].to_pylist(), table[UNMAPPED].to_pylist(), strict=True))
    assert {n: json.loads(text) for n, text in given.items() if text is not None} == {
        str(n): outside for n, outside in expected.items()
    }


TEXT, VECTORS = Column("emb.vec", Kind.TEXT), Column("cpu", Kind.INT64)
COLUMNS = [TEXT, VECTORS, Column("cpu.total", Kind.INT64), Column("whole", Kind.JSON)]


@pytest.mark.parametrize(
    ("source", "outside"),
    [
        ({"emb": {"vec": "a"}, "cpu": 1, "cpu.total": 2, "whole": {"x": 1}}, {}),
        ({"emb": 5}, {"emb": 5}),
        ({"emb": [{"vec": "a"}, 5]}, {"emb": [{"vec": "a"}, 5]}),
        ({"emb": [{"vec": "a"}, {"x": 1}, {"x": [2]}]}, {"emb.x": [1, [2]]}),
        ({"emb": [[{"x": 1}]], "emb.y": 2}, {"emb.x": 1, "emb.y": 2}),
        ({"cpu": {"other": 3, "total": 4}}, {"cpu.other": 3}),
        ({"cpu.other": 3, "cpu": 1}, {"cpu.other": 3}),
        ({"whole.x": 1, "whole": {"y": 2}}, {}),
        ({"new.a": {"b": 1}, "new": {"c": 2}}, {"new.a": {"b": 1}, "new": {"c": 2}}),
        ({"": 1, "x": {"": 2}}, {"": 1, "x": {"": 2}}),
    ],
)
@pytest.mark.parametrize("wanted", [COLUMNS, [TEXT]])
def test_paths_wherever_their_dots_are(
    source: dict[str, Any], outside: dict[str, Any], wanted: list[Column]
) -> None:
    body = json.dumps({"hits": {"hits": [{"_source": {}}, {"_source": source}]}}).encode()
    decoded = Page.parse(body).decode(wanted, None, COLUMNS)
    assert decoded.outside == ({1: outside} if outside else {})
    assert Page.parse(body).decode(wanted, None).outside == {}
