"""An index that was shrunk: the documents of several shards have one sequence number."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from mmc.errors import SourceBusy
from mmc.sources.elasticsearch.client.connect import Connection
from mmc.sources.elasticsearch.reading.pages import read_range
from mmc.sources.elasticsearch.reading.shards import measure
from tests.servers.elasticsearch.fixtures import Starts
from tests.servers.elasticsearch.node import ElasticsearchNode
from tests.sources.elasticsearch.indexed import (
    fill,
    fresh,
    hits,
    make,
    numbered,
    one,
    options_of,
    small_pages,
)
from tests.sources.elasticsearch.tampering import tampering
from tests.sources.elasticsearch.test_spoiled_answers import by, inspected, read

SHARDS = 6
DOCS = {"shrunk": 600, "narrow": 60}


def shrink(node: ElasticsearchNode, docs: int, **settings: Any) -> str:
    """From 6 shards to 1; each number has up to 6 documents. Some are overwritten afterwards."""
    large, small = make(node, shards=SHARDS), fresh("small")
    fill(node, large, numbered(docs))
    node.request("PUT", f"/{large}/_settings", {"index.blocks.write": True})
    wanted = {"index.number_of_shards": 1, "index.blocks.write": None, **settings}
    wanted["index.number_of_replicas"] = 0
    node.request("POST", f"/{large}/_shrink/{small}?wait_for_active_shards=1", {"settings": wanted})
    node.request("DELETE", f"/{large}")
    fill(node, small, numbered(docs // 20, 10))
    return small


@pytest.fixture(scope="module")
def shrunk(elasticsearch: ElasticsearchNode) -> Iterator[str]:
    name = shrink(elasticsearch, DOCS["shrunk"])
    yield name
    elasticsearch.request("DELETE", f"/{name}")


@pytest.fixture(scope="module")
def narrow(elasticsearch: ElasticsearchNode) -> Iterator[str]:
    """One number has more documents than an answer may have."""
    name = shrink(elasticsearch, DOCS["narrow"], **{"index.max_result_window": 4})
    yield name
    elasticsearch.request("DELETE", f"/{name}")


KEYS = {kind: sorted(f"d{n}" for n in range(docs)) for kind, docs in DOCS.items()}


@pytest.mark.parametrize(
    ("kind", "docs"), [("shrunk", 3), ("shrunk", 20_000), ("narrow", 1), ("narrow", 50)]
)
def test_each_document_comes_once_by_rising_number(
    connection: Connection,
    elasticsearch: ElasticsearchNode,
    request: pytest.FixtureRequest,
    kind: str,
    docs: int,
) -> None:
    index = one(connection, request.getfixturevalue(kind))
    shard = measure(connection, index, 0, docs=docs)
    assert shard.docs == DOCS[kind]
    edges = [0, *(extent.stop for extent in shard.extents)]
    assert [extent.start for extent in shard.extents] == edges[:-1]
    assert all(extent.docs <= docs or extent.stop - extent.start == 1 for extent in shard.extents)
    for page_bytes in (1000, 0):
        found = [
            hit
            for extent in shard.extents
            for hit in hits(
                read_range(
                    connection,
                    index,
                    0,
                    extent.start,
                    extent.stop,
                    docs=extent.docs,
                    page_bytes=page_bytes,
                )
            )
        ]
        numbers = [hit["_seq_no"] for hit in found]
        assert numbers == sorted(numbers) and len(set(numbers)) < DOCS[kind] / 3
        assert sorted(hit["_id"] for hit in found) == KEYS[kind]


@pytest.mark.parametrize(
    ("kind", "page_bytes"), [("shrunk", 3000), ("shrunk", 8 << 20), ("narrow", 3000)]
)
def test_it_is_planned_and_read_in_few_requests(
    elasticsearch: ElasticsearchNode, request: pytest.FixtureRequest, kind: str, page_bytes: int
) -> None:
    name = request.getfixturevalue(kind)
    options = options_of(elasticsearch.url, name, read=small_pages("auto", page_bytes))
    asked: Counter[str] = Counter()

    def count(path: str, body: bytes, answer: bytes) -> bytes:
        what = path.partition("?")[0].removeprefix(f"/{name}/")
        asked["pages" if b'"_source"' in answer else what] += 1
        return answer

    with tampering(elasticsearch.url, count) as url:
        facts = inspected(by(url, options))
        assert facts.collections[0].rows == DOCS[kind]
        planned = asked.total()
        asked.clear()
        assert sorted(read(by(url, options), facts)) == KEYS[kind]
    assert planned < 90
    if kind == "shrunk":
        # About as many as documents of this size fill, and those that were guessed too small.
        assert asked.total() < 30 + 2 * DOCS[kind] * 250 / page_bytes
    else:
        # A number in an answer at most: one that says how many it has, a scroll, its end.
        assert asked.total() < 8 * DOCS[kind] / SHARDS + 30


def test_a_key_with_a_routing_may_be_there_twice(elasticsearch: ElasticsearchNode) -> None:
    """In one shard, which were several."""
    large, small = make(elasticsearch, shards=4), fresh("small")
    fill(elasticsearch, large, [{"_id": "same", "_routing": f"r{n}", "k": "a"} for n in range(20)])
    elasticsearch.request("PUT", f"/{large}/_settings", {"index.blocks.write": True})
    body = {"settings": {"index.number_of_shards": 1, "index.number_of_replicas": 0}}
    elasticsearch.request("POST", f"/{large}/_shrink/{small}?wait_for_active_shards=1", body)
    options = options_of(elasticsearch.url, small)
    facts = inspected(options)
    (found,) = facts.collections
    assert found.rows is not None and found.rows > 1
    assert read(options, facts) == ["same"] * found.rows
    assert not any(field.unique for field in found.fields)


def test_a_page_of_a_number_that_comes_twice_is_no_other_page(
    elasticsearch: ElasticsearchNode, narrow: str
) -> None:
    options = options_of(elasticsearch.url, narrow)
    facts = inspected(options)
    kept: list[bytes] = []

    def spoil(path: str, asked: bytes, answer: bytes) -> bytes:
        told = json.loads(answer)
        if "scroll" not in path or not told.get("hits", {}).get("hits"):
            return answer
        kept.append(answer)
        again = json.loads(kept[-2 if b"scroll_id" in asked else -1])
        told["hits"]["hits"] = again["hits"]["hits"]
        return json.dumps(told).encode()

    with tampering(elasticsearch.url, spoil) as url, pytest.raises(SourceBusy) as raised:
        read(by(url, options), facts)
    assert raised.value.code == "MMC459"


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["es7", "os2"])
def test_other_servers_shrink_alike(own_elasticsearch: Starts, profile: str) -> None:
    node = own_elasticsearch(profile)
    for kind, settings in (("shrunk", {}), ("narrow", {"index.max_result_window": 2})):
        options = options_of(node.url, shrink(node, DOCS[kind], **settings))
        assert sorted(read(options, inspected(options))) == KEYS[kind]
