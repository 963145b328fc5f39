from __future__ import annotations

import threading

import pytest

from mmc.errors import SourceBusy, SourceChanged
from mmc.sources.elasticsearch.client.connect import Connection, connect
from mmc.sources.elasticsearch.reading.heads import Head
from mmc.sources.elasticsearch.reading.pages import _Step, read_range
from tests.servers.elasticsearch.fixtures import Starts
from tests.servers.elasticsearch.node import ElasticsearchNode
from tests.sources.elasticsearch.indexed import (
    fill,
    hits,
    make,
    numbered,
    one,
    options_of,
    read_all,
)


def test_every_live_document_comes_once(
    connection: Connection, elasticsearch: ElasticsearchNode
) -> None:
    name = make(elasticsearch)
    fill(elasticsearch, name, numbered(3000))
    fill(elasticsearch, name, numbered(500, 1000))
    for n in range(40):
        elasticsearch.request("DELETE", f"/{name}/_doc/d{n * 7}")
    elasticsearch.request("POST", f"/{name}/_forcemerge?max_num_segments=1")
    elasticsearch.request("POST", f"/{name}/_refresh")
    index = one(connection, name)
    wanted = sorted({f"d{n}" for n in range(3000)} - {f"d{n * 7}" for n in range(40)})
    assert sorted(read_all(connection, index)) == wanted
    assert sorted(read_all(connection, index, docs=100, page_bytes=4000)) == wanted


def test_a_page_that_was_guessed_too_wide_is_asked_for_again(
    connection: Connection, elasticsearch: ElasticsearchNode
) -> None:
    name = make(elasticsearch, shards=1, max_result_window=50)
    fill(elasticsearch, name, numbered(400))
    index = one(connection, name)
    pages = list(read_range(connection, index, 0, 0, 400, docs=1))
    assert max(len(hits([page])) for page in pages) <= 50
    assert [hit["_id"] for hit in hits(pages)] == [f"d{n}" for n in range(400)]


def test_query_and_source_of_the_request(
    connection: Connection, elasticsearch: ElasticsearchNode
) -> None:
    name = make(elasticsearch)
    fill(elasticsearch, name, numbered(100))
    index = one(connection, name)
    query = {"term": {"k": "k2"}}
    assert len(read_all(connection, index, query=query)) == 20
    shown = hits(read_range(connection, index, 0, 0, 100, docs=50, source=["k"]))
    assert {key for hit in shown for key in hit["_source"]} == {"k"}


def test_documents_changed_in_mid_run_are_those_above_the_plans_last_number(
    connection: Connection, elasticsearch: ElasticsearchNode
) -> None:
    name = make(elasticsearch, shards=1)
    fill(elasticsearch, name, numbered(100))
    index = one(connection, name)
    reading = read_range(connection, index, 0, 0, 100, docs=100, page_bytes=1000, doc_bytes=100)
    before = hits([next(reading)])
    fill(elasticsearch, name, numbered(10, 90))
    fill(elasticsearch, name, numbered(5, 100))
    elasticsearch.request("DELETE", f"/{name}/_doc/d80?refresh=true")
    got = {hit["_id"] for hit in before + hits(reading)}
    later = {hit["_id"] for hit in hits(read_range(connection, index, 0, 100, 200, docs=15))}
    assert got == {f"d{n}" for n in range(90)} - {"d80"}
    assert later == {f"d{n}" for n in range(90, 105)}


@pytest.mark.parametrize("anew", [False, True])
def test_an_index_that_goes_in_mid_read_is_told(
    connection: Connection, elasticsearch: ElasticsearchNode, anew: bool
) -> None:
    name = make(elasticsearch, shards=1)
    fill(elasticsearch, name, numbered(400))
    index = one(connection, name)
    reading = read_range(connection, index, 0, 0, 400, docs=400, page_bytes=2000, doc_bytes=100)
    next(reading)
    elasticsearch.request("DELETE", f"/{name}")
    if anew:
        make(elasticsearch, name=name, shards=1)
        fill(elasticsearch, name, numbered(400))
    with pytest.raises(SourceChanged) as raised:
        list(reading)
    assert raised.value.code == "MMC460"


def test_a_reader_that_stops_leaves_no_thread(
    connection: Connection, elasticsearch: ElasticsearchNode
) -> None:
    name = make(elasticsearch, shards=1)
    fill(elasticsearch, name, numbered(100))
    reading = read_range(connection, one(connection, name), 0, 0, 100, docs=100, page_bytes=1000)
    next(reading)
    reading.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("page")]


@pytest.mark.slow
def test_a_node_killed_in_mid_read_is_busy_and_then_gives_the_same(
    own_elasticsearch: Starts,
) -> None:
    node = own_elasticsearch()
    name = make(node, shards=1)
    fill(node, name, numbered(3000))
    with connect(options_of(node.url, timeout=10.0)) as opened:
        index = one(opened, name)
        reading = read_range(opened, index, 0, 0, 3000, docs=3000, page_bytes=20_000)
        next(reading)
        node.kill()
        with pytest.raises(SourceBusy) as raised:
            list(reading)
        assert raised.value.code == "MMC450"
        node.start()
        again = hits(read_range(opened, index, 0, 0, 3000, docs=3000))
    assert [hit["_id"] for hit in again] == [f"d{n}" for n in range(3000)]


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["es7", "es9", "os2"])
def test_other_servers_are_read_alike(own_elasticsearch: Starts, profile: str) -> None:
    node = own_elasticsearch(profile)
    name = make(node)
    fill(node, name, numbered(500))
    fill(node, name, numbered(100, 200))
    with connect(options_of(node.url)) as opened:
        found = read_all(opened, one(opened, name), docs=60)
    assert sorted(found) == sorted(f"d{n}" for n in range(500))


def test_a_head_is_read_without_its_documents() -> None:
    shards = '"_shards":{"total":1,"successful":1,"skipped":0,"failed":%d}'
    page = '{"timed_out":%s,' + shards + ',"hits":{"total":{"value":7},"hits":[%s'
    whole = Head.of((page % ("false", 0, '{"no": JSON')).encode())
    assert (whole.total, whole.whole, whole.empty) == (7, True, False)
    assert Head.of((page % ("false", 0, "]}}")).encode()).empty
    assert not Head.of((page % ("true", 0, "]}}")).encode()).whole
    assert not Head.of((page % ("false", 1, "]}}")).encode()).whole


def test_pages_reach_over_numbers_without_documents() -> None:
    step = _Step(0, 1_000_000, docs=1_000_000, page_bytes=1 << 20, window=10_000)
    asked = 0
    while step.at < 1_000_000:
        assert not step.took(step.until(), 0, 10_000, 200)
        asked += 1
    assert asked < 110


def test_large_documents_make_small_pages() -> None:
    step = _Step(0, 1000, docs=1000, page_bytes=1000, window=10_000)
    assert step.took(step.until(), 500, 500, 500_000)
    assert step.until() - step.at == 1
