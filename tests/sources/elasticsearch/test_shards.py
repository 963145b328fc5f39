from __future__ import annotations

import pytest

from mmc.errors import SourceChanged
from mmc.sources.elasticsearch.client.connect import Connection
from mmc.sources.elasticsearch.reading.shards import (
    EXTENT_BYTES,
    EXTENT_DOCS,
    extent_docs,
    max_seq_no,
    measure,
)
from tests.servers.elasticsearch.node import ElasticsearchNode
from tests.sources.elasticsearch.indexed import fill, make, numbered, one


def count(node: ElasticsearchNode, index: str, shard: int) -> int:
    return int(node.request("GET", f"/{index}/_count?preference=_shards:{shard}")["count"])


@pytest.mark.parametrize("docs", [1, 7, 1000])
def test_extents_cover_a_shard_and_count_its_documents(
    connection: Connection, elasticsearch: ElasticsearchNode, docs: int
) -> None:
    name = make(elasticsearch)
    fill(elasticsearch, name, numbered(200))
    fill(elasticsearch, name, numbered(60, 100))
    index = one(connection, name)
    for shard in index.shards:
        found = measure(connection, index, shard, docs=docs)
        edges = [0, *(extent.stop for extent in found.extents)]
        assert [extent.start for extent in found.extents] == edges[:-1]
        assert edges[-1] == found.max_seq_no + 1 == max_seq_no(connection, index, shard) + 1
        assert all(0 < extent.docs <= docs for extent in found.extents)
        assert found.docs == count(elasticsearch, name, shard)


def test_documents_that_lie_close_together_are_parted(
    connection: Connection, elasticsearch: ElasticsearchNode
) -> None:
    """Overwriting one document 2,000 times leaves 2,000 numbers with nothing behind them."""
    name = make(elasticsearch, shards=1)
    fill(elasticsearch, name, ({"_id": "same", "k": str(n)} for n in range(2000)))
    fill(elasticsearch, name, numbered(100))
    found = measure(connection, one(connection, name), 0, docs=10)
    assert found.docs == 101
    assert max(extent.docs for extent in found.extents) <= 10
    assert len(found.extents) < 25


def test_a_query_and_the_filter_of_an_alias_both_count(
    connection: Connection, elasticsearch: ElasticsearchNode
) -> None:
    name = make(elasticsearch, shards=1)
    fill(elasticsearch, name, numbered(100))
    add = {"index": name, "alias": f"{name}-alias", "filter": {"term": {"k": "k1"}}}
    elasticsearch.request("POST", "/_aliases", {"actions": [{"add": add}]})
    index = one(connection, f"{name}-alias")
    assert measure(connection, index, 0).docs == 20
    some = measure(connection, index, 0, {"ids": {"values": ["d1", "d6", "d7"]}})
    assert (some.docs, some.max_seq_no, some.extents[-1].stop) == (2, 99, 100)
    assert measure(connection, index, 0, {"match_none": {}}).extents == ()


def test_an_empty_shard_has_no_extents(
    connection: Connection, elasticsearch: ElasticsearchNode
) -> None:
    found = measure(connection, one(connection, make(elasticsearch)), 1)
    assert (found.max_seq_no, found.extents, found.docs) == (-1, (), 0)


def test_an_index_made_anew_is_not_measured(
    connection: Connection, elasticsearch: ElasticsearchNode
) -> None:
    name = make(elasticsearch)
    index = one(connection, name)
    elasticsearch.request("DELETE", f"/{name}")
    make(elasticsearch, name=name)
    with pytest.raises(SourceChanged):
        measure(connection, index, 0)


def test_extents_are_bounded_in_documents_and_bytes() -> None:
    assert extent_docs(10) == EXTENT_DOCS
    assert extent_docs(16384) == EXTENT_BYTES // 16384
    assert extent_docs(1e9) == 1
