"""An index is read whole, or not at all: a shard that no node has is never left out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from mmc.errors import SourceBusy
from mmc.sources.elasticsearch import contents
from mmc.sources.elasticsearch.client.connect import Connection
from mmc.sources.elasticsearch.reading.indices import resolve
from mmc.sources.elasticsearch.source import ElasticsearchSource
from mmc.spi import Sample
from tests.servers.elasticsearch.node import ElasticsearchNode
from tests.sources.elasticsearch.indexed import fill, fresh, make, numbered, options_of
from tests.sources.elasticsearch.tampering import tampering
from tests.sources.elasticsearch.test_spoiled_answers import by, inspected, read


def half(node: ElasticsearchNode, aliases: Mapping[str, Any]) -> str:
    """An index of two shards, one of which no node has, and the documents of the other."""
    name = fresh("half")
    settings = {
        "number_of_shards": 2,
        "number_of_replicas": 0,
        "index.routing.allocation.total_shards_per_node": 1,
    }
    body = {"settings": settings, "aliases": aliases}
    node.request("PUT", f"/{name}?wait_for_active_shards=0", body)
    lines = b"".join(b'{"index":{"_id":"d%d"}}\n{"k":"k"}\n' % n for n in range(40))
    path = f"/{name}/_bulk?timeout=1s&refresh=true"
    told = node.request("POST", path, lines, ndjson=True)
    assert {one["index"]["status"] for one in told["items"]} == {201, 503}
    return name


@pytest.fixture(scope="module")
def halved(elasticsearch: ElasticsearchNode) -> Iterator[tuple[str, str]]:
    """Such an index, with an alias of it and of one that is whole."""
    alias = fresh("alias")
    name = half(elasticsearch, {alias: {}, f"{alias}-alone": {}})
    other = make(elasticsearch, shards=1)
    fill(elasticsearch, other, numbered(10))
    add = {"add": {"index": other, "alias": alias}}
    elasticsearch.request("POST", "/_aliases", {"actions": [add]})
    yield name, alias
    elasticsearch.request("DELETE", f"/{name}")


@pytest.mark.parametrize("method", ["auto", "seq_no", "pit", "scroll"])
@pytest.mark.parametrize("behind", ["index", "alias", "pattern", "alias of two"])
def test_a_shard_that_no_node_has_stops_the_plan(
    elasticsearch: ElasticsearchNode, halved: tuple[str, str], behind: str, method: str
) -> None:
    name, alias = halved
    ways = {"index": name, "pattern": f"{name[:-1]}*", "alias": f"{alias}-alone"}
    options = options_of(elasticsearch.url, ways.get(behind, alias), read={"method": method})
    with pytest.raises(SourceBusy, match=rf"index {name}, shard [01]: no node") as raised:
        inspected(options)
    assert raised.value.code == "MMC459"


def test_an_alias_with_a_routing_is_whole_without_the_other_shards(
    connection: Connection, elasticsearch: ElasticsearchNode
) -> None:
    name, alias = make(elasticsearch, shards=4), fresh("alias")
    fill(elasticsearch, name, numbered(200))
    add = {"index": name, "alias": alias, "routing": "x", "filter": {"term": {"k": "k1"}}}
    elasticsearch.request("POST", "/_aliases", {"actions": [{"add": add}]})
    there = elasticsearch.request("GET", f"/{alias}/_count")["count"]
    assert 0 < there < 40
    for method in ("auto", "pit", "scroll"):
        options = options_of(elasticsearch.url, alias, read={"method": method})
        facts = inspected(options)
        assert facts.collections[0].rows == there == len(set(read(options, facts))), method


Spoil = Callable[[Any], Any]


def without_last(told: Any) -> Any:
    return {**told, "shards": told["shards"][:-1]}


def one_empty(told: Any) -> Any:
    return {**told, "shards": [*told["shards"][:-1], []]}


def another(told: Any) -> Any:
    shards = json.loads(json.dumps(told["shards"]).replace('"shard": 1', '"shard": 0'))
    return {**told, "shards": shards}


@pytest.mark.parametrize("spoil", [without_last, one_empty, another])
def test_shards_are_as_many_as_the_settings_say(
    elasticsearch: ElasticsearchNode, spoil: Spoil
) -> None:
    name = make(elasticsearch)
    fill(elasticsearch, name, numbered(20))

    def spoiled(path: str, asked: bytes, answer: bytes) -> bytes:
        return (
            json.dumps(spoil(json.loads(answer))).encode() if "_search_shards" in path else answer
        )

    options = options_of(elasticsearch.url, name)
    with tampering(elasticsearch.url, spoiled) as url, pytest.raises(SourceBusy) as raised:
        inspected(by(url, options))
    assert raised.value.code == "MMC459" and f"index {name}, shard 1" in str(raised.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": 21}, "its shards have 20 documents, one search of all has 21"),
        ({"value": 19}, "its shards have 20 documents, one search of all has 19"),
        ({"_shards": {"total": 1, "successful": 1, "failed": 0}}, "not complete"),
        ({"_shards": {"total": 3, "successful": 2, "failed": 0}}, "not complete"),
    ],
)
def test_the_sum_of_the_shards_is_what_one_search_of_all_counts(
    elasticsearch: ElasticsearchNode, change: dict[str, Any], message: str
) -> None:
    name = make(elasticsearch)
    fill(elasticsearch, name, numbered(20))

    def spoiled(path: str, asked: bytes, answer: bytes) -> bytes:
        if "_search?" not in path or "preference" in path:
            return answer
        told = json.loads(answer)
        told["_shards"] = change.get("_shards", told["_shards"])
        told["hits"]["total"]["value"] = change.get("value", 20)
        return json.dumps(told).encode()

    options = options_of(elasticsearch.url, name)
    with (
        tampering(elasticsearch.url, spoiled) as url,
        pytest.raises(SourceBusy, match=message) as raised,
    ):
        inspected(by(url, options))
    assert raised.value.code == "MMC459"


def test_an_index_that_grows_while_it_is_counted_is_counted_a_few_times(
    elasticsearch: ElasticsearchNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = make(elasticsearch, shards=1)
    fill(elasticsearch, name, numbered(20))
    counts = 0
    whole = contents._whole

    def growing(connection: Connection, *about: Any) -> int:
        nonlocal counts
        counts += 1
        fill(elasticsearch, name, numbered(3, 100 * counts))
        return whole(connection, *about)

    monkeypatch.setattr(contents, "_whole", growing)
    options = options_of(elasticsearch.url, name)
    (found,) = ElasticsearchSource().inspect(options, (), Sample(10, 7)).collections
    assert counts == contents.COUNTS
    assert found.rows == 20 + 3 * (counts - 1)
    assert [problem.code for problem in found.problems] == ["MMC464"]
    assert found.problems[0].message.endswith("not in the plan: 3 documents")


def test_a_rollover_between_two_questions_is_not_half_of_the_indices(
    elasticsearch: ElasticsearchNode, connection: Connection
) -> None:
    first, second, alias = make(elasticsearch), make(elasticsearch), fresh("alias")
    for name in (first, second):
        add = {"add": {"index": name, "alias": alias}}
        elasticsearch.request("POST", "/_aliases", {"actions": [add]})
    assert len(resolve(connection, [alias])[0].indices) == 2

    def spoiled(path: str, asked: bytes, answer: bytes) -> bytes:
        told = json.loads(answer)
        if f"{alias}/_settings" in path:
            del told[second]
        return json.dumps(told).encode()

    with (
        tampering(elasticsearch.url, spoiled) as url,
        pytest.raises(SourceBusy, match=f"behind {alias} changed") as raised,
    ):
        inspected(options_of(url, alias))
    assert raised.value.code == "MMC464"
