"""What a sample of a real index makes of its mapping."""

from __future__ import annotations

from collections import Counter
from typing import Any

import orjson
import pytest

from mmc.facts import SourceField
from mmc.plan.model import Split
from mmc.sources.elasticsearch import contents
from mmc.sources.elasticsearch.source import ElasticsearchSource
from mmc.spi import Sample
from tests.servers.elasticsearch.fixtures import Starts
from tests.servers.elasticsearch.node import ElasticsearchNode
from tests.servers.elasticsearch.rest import bulk
from tests.sources.elasticsearch.indexed import fresh, make, options_of
from tests.sources.elasticsearch.tampering import tampering

LONG = {"type": "long"}


def described(
    node: ElasticsearchNode, properties: dict[str, Any], docs: list[dict[str, Any]]
) -> dict[str, SourceField]:
    name = fresh()
    node.request("PUT", f"/{name}", {"mappings": {"properties": properties}})
    bulk(node.url, name, [{"_id": str(n), **doc} for n, doc in enumerate(docs)])
    options = options_of(node.url, name)
    facts = ElasticsearchSource().inspect(options, (), Sample(100, 7))
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
    options = options_of(elasticsearch.url, index)
    (seen,) = ElasticsearchSource().inspect(options, (), Sample(100, 7)).collections
    assert {field.name: field.arrow for field in seen.fields if not field.on_request} == {
        "_id": "string",
        "other": "list<string>",
        "title": "string",
    }


def test_names_that_no_mapping_has_are_told_once(elasticsearch: ElasticsearchNode) -> None:
    first, second = fresh(), fresh()
    author = {"properties": {"name": {"type": "keyword"}, "at": {"properties": {"x": LONG}}}}
    nested = {"type": "nested", "properties": {"n": LONG}}
    off = {"enabled": False, "properties": {"n": LONG}}
    for name, properties in (
        (first, {"author": author, "tags": LONG, "off": off}),
        (second, {"parts": nested, "more": author}),
    ):
        elasticsearch.request("PUT", f"/{name}", {"mappings": {"properties": properties}})
    options = options_of(
        elasticsearch.url,
        [first, second],
        flatten=["author.at", "autor", "more", "parts", "tags", "off"],
        arrays=["tags", "tgas", "more.name", "parts.n", "author.at.x", "odd"],
    )
    one, two = ElasticsearchSource().inspect(options, (), Sample(10, 7)).collections
    assert two.problems == ()
    assert {problem.code for problem in one.problems} == {"MMC467"}
    assert not any(problem.is_error for problem in one.problems)
    told = [(problem.message.split("`")[1], problem.hint) for problem in one.problems]
    assert told == [
        ("autor", "did you mean `author`?"),
        ("parts", "`parts` is one column, of type nested"),
        ("tags", "`tags` is one column, of type long"),
        ("off", "`off` is one column, of type object"),
        ("tgas", "did you mean `tags`?"),
        ("parts.n", "`parts` is one column, of type nested"),
        ("odd", "name it as the mapping does, with dots"),
    ]
    whole = options_of(elasticsearch.url, [first, second], arrays=["author.name"])
    (found,) = ElasticsearchSource().inspect(whole, (), Sample(10, 7)).collections[0].problems
    opens = "`author` is one column, of type object: `flatten: [author]` would open it"
    assert (found.message.split("`")[1], found.hint) == ("author.name", opens)


def test_an_index_that_keeps_no_documents_is_an_error(elasticsearch: ElasticsearchNode) -> None:
    index = fresh()
    body = {"mappings": {"_source": {"enabled": False}, "properties": {"n": LONG}}}
    elasticsearch.request("PUT", f"/{index}", body)
    bulk(elasticsearch.url, index, [{"_id": "1", "n": 1}])
    options = options_of(elasticsearch.url, index)
    (seen,) = ElasticsearchSource().inspect(options, (), Sample(10, 7)).collections
    (found,) = seen.problems
    assert (found.code, found.is_error) == ("MMC455", True)
    assert index in found.message


@pytest.mark.slow
def test_a_data_stream_is_all_its_indices(own_elasticsearch: Starts) -> None:
    """On OpenSearch 2.19: the module is not among what can be had of Elasticsearch's."""
    node = own_elasticsearch("os2")
    mapping = {"properties": {"n": LONG, "@timestamp": {"type": "date"}}}
    template = {
        "index_patterns": ["logs-*"],
        "data_stream": {},
        "template": {"settings": {"number_of_replicas": 0}, "mappings": mapping},
    }
    node.request("PUT", "/_index_template/logs", template)
    for n in range(6):
        doc = {"n": n, "@timestamp": "2024-02-28T00:00:00Z"}
        node.request("POST", "/logs-app/_doc?refresh=true", doc)
        if n == 3:
            node.request("POST", "/logs-app/_rollover")
    source = ElasticsearchSource()
    for index in ("logs-*", "logs-app"):
        options = options_of(node.url, index)
        (seen,) = source.inspect(options, (), Sample(10, 7)).collections
        assert (seen.name, seen.rows, len(seen.fingerprint)) == ("logs-app", 6, 2)
        assert not any(field.unique for field in seen.fields)
        pieces = tuple(extent for extent in seen.extents if extent.rows)
        read = source.read(
            options,
            "logs-app",
            Split(id="00000", pieces=pieces, rows=6, bytes=0),
            ["n", "_index"],
            10,
        )
        rows = [row for batch in read for row in batch.to_pylist()]
        assert sorted(row["n"] for row in rows) == list(range(6))
        assert {row["_index"] for row in rows} == {name for name, _ in seen.fingerprint}


def test_documents_of_which_orjson_reads_none_are_sampled(
    elasticsearch: ElasticsearchNode,
) -> None:
    name = fresh()
    mapping = {"properties": {"k": {"type": "keyword"}, "o": {"enabled": False}}}
    elasticsearch.request("PUT", f"/{name}", {"mappings": mapping})
    for n, text in enumerate((rb'{"k": "\ud800x"}', b'{"o": {"a": 1e400}}', b'{"k": "abcd"}')):
        elasticsearch.request("PUT", f"/{name}/_doc/{n}?refresh", text)
    options = options_of(elasticsearch.url, name)
    (found,) = ElasticsearchSource().inspect(options, (), Sample(100, 7)).collections
    assert found.rows == 3
    (field,) = [field for field in found.fields if field.name == "k"]
    assert (field.evidence.rows, field.evidence.nulls, field.evidence.max_bytes) == (3, 2, 4)


def test_what_a_mapping_without_objects_does_not_name_is_a_column(
    elasticsearch: ElasticsearchNode,
) -> None:
    name = fresh()
    properties = {"cpu.total": {"type": "long"}, "cpu": {"type": "long"}, "host.os": {"type": "ip"}}
    mapping = {"subobjects": False, "dynamic": False, "properties": properties}
    elasticsearch.request("PUT", f"/{name}", {"mappings": mapping})
    docs = [
        {"_id": "1", "cpu.total": 2, "host.name": "a", "new.one": 1},
        {"_id": "2", "host": {"os": "::1", "arch": {"bits": 64}}, "new": [], "cpu": None},
    ]
    bulk(elasticsearch.url, name, docs)
    options = options_of(elasticsearch.url, name)
    (found,) = ElasticsearchSource().inspect(options, (), Sample(100, 7)).collections
    unmapped = {field.name for field in found.fields if "not in the mapping" in field.note}
    assert unmapped == {"host.name", "host.arch", "new.one"}


def test_fields_beyond_the_limit_of_a_mapping_are_warned_of(
    elasticsearch: ElasticsearchNode,
) -> None:
    limit = "mapping.total_fields.limit"
    more = {limit: 3, "mapping.total_fields.ignore_dynamic_beyond_limit": True}
    name = make(elasticsearch, **more)
    bulk(elasticsearch.url, name, [{"_id": "1", "k": "a", "third": 1}, {"_id": "2", "fourth": 1}])
    options = options_of(elasticsearch.url, name)
    (found,) = ElasticsearchSource().inspect(options, (), Sample(100, 7)).collections
    assert [problem.code for problem in found.problems] == ["MMC457"]
    assert found.problems[0].message.startswith(f"{name}: `index.mapping.total_fields.ignore")


def test_what_no_refresh_shows_yet_is_warned_of(elasticsearch: ElasticsearchNode) -> None:
    name = make(elasticsearch, refresh_interval="-1")
    bulk(elasticsearch.url, name, [{"_id": "1", "k": "a"}], refresh=False)
    options = options_of(elasticsearch.url, name)
    (found,) = ElasticsearchSource().inspect(options, (), Sample(100, 7)).collections
    assert (found.rows, [problem.code for problem in found.problems]) == (0, ["MMC464"])
    assert found.problems[0].hint == f"POST {name}/_refresh, and plan again"


def test_metadata_is_offered_on_request_only(elasticsearch: ElasticsearchNode) -> None:
    found = described(elasticsearch, {"a": {"type": "long"}}, [{"a": 1, "_routing": "x"}, {"a": 2}])
    asked = [name for name, field in found.items() if field.on_request]
    assert asked == ["_index", "_routing", "$unmapped"]
    assert (found["_index"].nullable, found["_routing"].nullable) == (False, True)
    assert found["_routing"].evidence.nulls == 1


def test_what_is_written_while_it_is_looked_at_is_told(
    elasticsearch: ElasticsearchNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = fresh()
    elasticsearch.request("PUT", f"/{index}", {"settings": {"number_of_shards": 1}})
    bulk(elasticsearch.url, index, [{"_id": str(n), "n": n} for n in range(3)])
    elasticsearch.request("POST", f"/{index}/_refresh")
    measured = contents.measure

    def busy(*args: Any) -> Any:
        shard = measured(*args)
        elasticsearch.request("PUT", f"/{index}/_doc/late?refresh=true", {"n": 9})
        return shard

    options = options_of(elasticsearch.url, index)
    monkeypatch.setattr(contents, "measure", busy)
    (seen,) = ElasticsearchSource().inspect(options, (), Sample(10, 7)).collections
    (found,) = seen.problems
    assert (seen.rows, found.code, found.is_error) == (3, "MMC464", False)
    assert found.message.endswith("not in the plan: 1 document")
    monkeypatch.undo()
    (seen,) = ElasticsearchSource().inspect(options, (), Sample(10, 7)).collections
    assert (seen.rows, seen.problems) == (4, ())


def test_a_small_index_takes_few_requests(elasticsearch: ElasticsearchNode) -> None:
    """However many fields it has: `_routing` was asked for once a field."""
    index = make(elasticsearch, shards=2)
    fields = {f"f{n}": LONG for n in range(50)}
    elasticsearch.request("PUT", f"/{index}/_mapping", {"properties": fields})
    bulk(elasticsearch.url, index, [{"_id": str(n), "f0": n} for n in range(20)])
    asked: Counter[str] = Counter()

    def count(path: str, body: bytes, answer: bytes) -> bytes:
        what = path.partition("?")[0].removeprefix(f"/{index}/")
        asked[f"{what} of {_kind(body)}" if what == "_search" else what] += 1
        return answer

    with tampering(elasticsearch.url, count) as url:
        source, options = ElasticsearchSource(), options_of(url, index)
        (collection,) = source.inspect(options, (), Sample(100, 7)).collections
        assert len(collection.extents) == 2 and len(collection.fields) > 50
        looks = asked.copy()
        asked.clear()
        split = Split(id="00000", pieces=collection.extents, rows=20, bytes=0)
        batches = list(source.read(options, index, split, ["_id", "f0"], 100))
    assert sum(batch.num_rows for batch in batches) == 20
    assert looks == {
        "/": 1,
        "_mapping": 1,
        "_search_shards": 1,
        # What it is, what its mapping means, whether it hides vectors, and whether it still is the
        # same one after each shard was counted, and before its pages.
        "_settings": 3 + 2 + 2,
        "_search of routing": 1,
        # What the user's privileges hide.
        "/_security/user/_privileges": 1,
        "_search of privileges": 1,
        # Of each shard: is each document numbered, the largest number, how many, how they lie, and
        # whether some came meanwhile. And how many the whole has.
        "_search of counts": 2 * 5 + 1,
        "_search of documents": 2,
    }
    # Each piece: the same one before its pages and after.
    assert asked == {"_search of documents": 2, "_settings": 4}


def _kind(body: bytes) -> str:
    asked = orjson.loads(body)
    if "profile" in asked:
        return "privileges"
    if asked["size"]:
        return "documents"
    return "routing" if b"_routing" in body else "counts"
