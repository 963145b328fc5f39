from __future__ import annotations

from typing import Any

import pytest

from mmc.errors import SourceBusy, SourceChanged
from mmc.sources.elasticsearch.client.connect import Connection, connect
from mmc.sources.elasticsearch.reading.scrolls import read_pit_slice, read_scroll_slice
from tests.servers.elasticsearch.fixtures import Starts
from tests.servers.elasticsearch.node import ElasticsearchNode
from tests.sources.elasticsearch.indexed import fill, hits, make, numbered, one, options_of

WAYS = pytest.mark.parametrize("read", [read_pit_slice, read_scroll_slice])


def small(read: Any) -> dict[str, Any]:
    return (
        {"page_bytes": 2000} if read is read_pit_slice else {"page_bytes": 2000, "doc_bytes": 100}
    )


def open_contexts(node: ElasticsearchNode, index: str) -> int:
    told = node.request("GET", f"/{index}/_stats/search")
    return int(told["indices"][index]["total"]["search"]["open_contexts"])


@WAYS
@pytest.mark.parametrize("slices", [1, 3])
def test_slices_part_an_index(
    connection: Connection, elasticsearch: ElasticsearchNode, read: Any, slices: int
) -> None:
    name = make(elasticsearch)
    fill(elasticsearch, name, numbered(1500))
    index = one(connection, name)
    found = [
        hit["_id"]
        for number in range(slices)
        for hit in hits(read(connection, index, number, slices, **small(read)))
    ]
    assert sorted(found) == sorted(f"d{n}" for n in range(1500))
    assert open_contexts(elasticsearch, name) == 0


@WAYS
def test_query_filter_and_source(
    connection: Connection, elasticsearch: ElasticsearchNode, read: Any
) -> None:
    name = make(elasticsearch)
    fill(elasticsearch, name, numbered(100))
    pages = read(connection, one(connection, name), 0, 1, query={"term": {"k": "k2"}}, source=["k"])
    assert [hit["_source"] for hit in hits(pages)] == [{"k": "k2"}] * 20


@WAYS
def test_nothing_is_read_of_nothing(
    connection: Connection, elasticsearch: ElasticsearchNode, read: Any
) -> None:
    assert list(read(connection, one(connection, make(elasticsearch)), 0, 1)) == []


@WAYS
def test_a_reader_that_stops_closes_its_context(
    connection: Connection, elasticsearch: ElasticsearchNode, read: Any
) -> None:
    name = make(elasticsearch, shards=1)
    fill(elasticsearch, name, numbered(1000))
    reading = read(connection, one(connection, name), 0, 1, **small(read))
    next(reading)
    assert open_contexts(elasticsearch, name) == 1
    reading.close()
    assert open_contexts(elasticsearch, name) == 0


@WAYS
def test_an_index_made_anew_is_not_read(
    connection: Connection, elasticsearch: ElasticsearchNode, read: Any
) -> None:
    name = make(elasticsearch)
    index = one(connection, name)
    elasticsearch.request("DELETE", f"/{name}")
    make(elasticsearch, name=name)
    with pytest.raises(SourceChanged):
        list(read(connection, index, 0, 1))


def test_a_scroll_that_the_server_lost_may_be_read_again(
    connection: Connection, elasticsearch: ElasticsearchNode
) -> None:
    name = make(elasticsearch, shards=1)
    fill(elasticsearch, name, numbered(1000))
    reading = read_scroll_slice(
        connection, one(connection, name), 0, 1, page_bytes=2000, doc_bytes=100
    )
    next(reading)
    next(reading)
    elasticsearch.request("DELETE", "/_search/scroll/_all")
    with pytest.raises(SourceBusy) as raised:
        list(reading)
    assert raised.value.code == "MMC459"


def test_a_scroll_has_pages_of_the_wanted_size(
    connection: Connection, elasticsearch: ElasticsearchNode
) -> None:
    name = make(elasticsearch, shards=1, max_result_window=30)
    fill(elasticsearch, name, numbered(100))
    index = one(connection, name)
    ways: list[tuple[dict[str, Any], list[int]]] = [
        ({"page_bytes": 2000, "doc_bytes": 80.0}, [25] * 4),
        ({"page_bytes": 10, "doc_bytes": 1000.0}, [1] * 100),
        ({"page_bytes": 2000}, [30, 30, 30, 10]),
    ]
    for said, sizes in ways:
        pages = list(read_scroll_slice(connection, index, 0, 1, **said))
        assert [len(hits([page])) for page in pages] == sizes


@pytest.mark.slow
def test_opensearch_is_read_by_scrolls(own_elasticsearch: Starts) -> None:
    node = own_elasticsearch("os2")
    name = make(node)
    fill(node, name, numbered(300))
    with connect(options_of(node.url)) as opened:
        index = one(opened, name)
        found = [hit for n in (0, 1) for hit in hits(read_scroll_slice(opened, index, n, 2))]
    assert len({hit["_id"] for hit in found}) == len(found) == 300
