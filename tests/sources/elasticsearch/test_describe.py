"""What a sample of a real index makes of its mapping."""

from __future__ import annotations

from typing import Any

from mmc.facts import SourceField
from mmc.sources.elasticsearch.source import ElasticsearchSource
from mmc.spi import Sample
from tests.servers.elasticsearch.node import ElasticsearchNode
from tests.servers.elasticsearch.rest import bulk
from tests.sources.elasticsearch.indexed import fresh


def described(
    node: ElasticsearchNode, properties: dict[str, Any], docs: list[dict[str, Any]]
) -> dict[str, SourceField]:
    name = fresh()
    node.request("PUT", f"/{name}", {"mappings": {"properties": properties}})
    bulk(node.url, name, [{"_id": str(n), **doc} for n, doc in enumerate(docs)])
    config = {"url": node.url, "index": name}
    facts = ElasticsearchSource().inspect(config, (), Sample(100, 7))
    (collection,) = facts.collections
    return {field.name: field for field in collection.fields}


def test_tokens_that_are_numbers_are_dimensions(elasticsearch: ElasticsearchNode) -> None:
    names = ("numbers", "words", "mixed", "padded", "empty")
    sparse = {name: {"type": "sparse_vector"} for name in names}
    docs = [
        {"numbers": {"7": 1, "4294967294": 2}, "words": {"river": 1}, "mixed": {"7": 1}},
        {"mixed": {"river": 1}, "padded": {"07": 1}},
    ]
    found = described(elasticsearch, sparse, docs)
    assert found["numbers"].vector == "sparse_float_vector"
    assert found["numbers"].index is not None
    assert "numbers of dimensions" in found["numbers"].note
    for name in ("words", "mixed", "padded", "empty"):
        assert (found[name].vector, found[name].json_text) == ("", True), name


def test_json_that_is_no_object_is_counted(elasticsearch: ElasticsearchNode) -> None:
    mapping = {"parts": {"type": "nested"}, "one": {"type": "nested"}, "at": {"type": "geo_point"}}
    docs = [
        {"parts": [{"a": 1}], "one": {"a": 1}, "at": [13.4, 52.5]},
        {"parts": {"a": 1}, "one": {"a": 2}, "at": [[13.4, 52.5], [1, 2]]},
        {},
    ]
    found = described(elasticsearch, mapping, docs)
    counted = {name: found[name].evidence.non_objects for name in mapping}
    assert counted == {"parts": 1, "one": 0, "at": 1}


def test_half_a_character_does_not_stop_the_sample(elasticsearch: ElasticsearchNode) -> None:
    index = fresh()
    half = b'{"title": "\\ud83d", "other": ["a", "b"]}'
    elasticsearch.request("PUT", f"/{index}/_doc/half?refresh=true", half)
    config = {"url": elasticsearch.url, "index": index}
    (seen,) = ElasticsearchSource().inspect(config, (), Sample(100, 7)).collections
    assert {field.name: field.arrow for field in seen.fields if not field.on_request} == {
        "_id": "string",
        "other": "list<string>",
        "title": "string",
    }


def test_metadata_is_offered_on_request_only(elasticsearch: ElasticsearchNode) -> None:
    found = described(elasticsearch, {"a": {"type": "long"}}, [{"a": 1, "_routing": "x"}, {"a": 2}])
    asked = [name for name, field in found.items() if field.on_request]
    assert asked == ["_index", "_routing"]
    assert (found["_index"].nullable, found["_routing"].nullable) == (False, True)
    assert found["_routing"].evidence.nulls == 1
