from __future__ import annotations

from typing import Any

import pytest

from mmc.errors import SourceChanged, SourceError, SourceMissing
from mmc.sources.elasticsearch.client.connect import Connection
from mmc.sources.elasticsearch.reading.indices import ensure_same, resolve, uuid_of
from tests.servers.elasticsearch.node import ElasticsearchNode
from tests.sources.elasticsearch.indexed import fresh, make, one


def add(node: ElasticsearchNode, alias: str, index: str, **more: Any) -> None:
    action = {"add": {"index": index, "alias": alias, **more}}
    node.request("POST", "/_aliases", {"actions": [action]})


def test_a_name_is_one_index(connection: Connection, elasticsearch: ElasticsearchNode) -> None:
    name = make(elasticsearch, shards=3, max_result_window=77)
    index = one(connection, name)
    assert (index.name, index.shards, index.filter, index.window) == (name, (0, 1, 2), None, 77)
    assert index.uuid == uuid_of(connection, name)


def test_an_alias_is_all_its_indices_and_its_filter(
    connection: Connection, elasticsearch: ElasticsearchNode
) -> None:
    first, second, alias = make(elasticsearch), make(elasticsearch), fresh("alias")
    add(elasticsearch, alias, first, filter={"term": {"k": "k1"}})
    add(elasticsearch, alias, second)
    (group,) = resolve(connection, [alias])
    filters = {index.name: index.filter for index in group.indices}
    assert group.name == alias
    assert filters == {first: {"term": {"k": {"value": "k1"}}}, second: None}


def test_an_alias_with_a_routing_shows_fewer_shards(
    connection: Connection, elasticsearch: ElasticsearchNode
) -> None:
    name, alias = make(elasticsearch, shards=4), fresh("alias")
    add(elasticsearch, alias, name, routing="x")
    assert len(one(connection, alias).shards) == 1


def test_what_a_pattern_leaves_out_is_told(
    connection: Connection, elasticsearch: ElasticsearchNode
) -> None:
    start = fresh("some")
    names = [make(elasticsearch, name=f"{start}-{n}") for n in range(3)]
    elsewhere = make(elasticsearch)
    add(elasticsearch, f"{start}-inside", names[0])
    add(elasticsearch, f"{start}-outside", elsewhere)
    elasticsearch.request("POST", f"/{names[2]}/_close")
    first, second = resolve(connection, [f"{start}-*"])
    assert (first.name, second.name, second.left_out) == (*names[:2], ())
    assert [found.message for found in first.left_out] == [
        f"`{start}-*` matches {names[2]} too, closed: left out",
        f"`{start}-*` matches {start}-outside too, an alias of other indices: left out",
    ]
    with pytest.raises(SourceError, match="closed") as raised:
        resolve(connection, [f"{start}-2*"])
    assert raised.value.code == "MMC462"
    elasticsearch.request("DELETE", f"/{names[2]}")


def test_a_pattern_gives_each_index_once(
    connection: Connection, elasticsearch: ElasticsearchNode
) -> None:
    start = fresh("many")
    names = [make(elasticsearch, name=f"{start}-{n}") for n in range(3)]
    make(elasticsearch, name=f"{start}-hidden", hidden=True)
    add(elasticsearch, f"{start}-alias", names[0])
    found = resolve(connection, [names[1], f"{start}-*"])
    assert [group.name for group in found] == [names[1], names[0], names[2]]
    everything = [group.name for group in resolve(connection, [])]
    assert set(names) <= set(everything)
    assert f"{start}-hidden" not in everything
    assert [group.name for group in resolve(connection, [f"{start}-hidden"])]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (["*", "-1"], "23a"),
        (["*,-1"], "23a"),
        (["*", "-1", "-2*"], "3a"),
        (["*", "-1", "1"], "23a1"),
        (["1", "*", "-1"], "23a"),
        (["a", "*", "-a"], "123"),
        (["a", "*", "-nothing"], "a123"),
        (["2", "*", "-*3"], "2" + "1a"),
        (["2", "1*", "-3*", "3"], "213"),
    ],
)
def test_a_dash_leaves_out_as_the_server_does(
    connection: Connection, elasticsearch: ElasticsearchNode, wanted: list[str], found: str
) -> None:
    start = fresh("dash")
    names = [make(elasticsearch, name=f"{start}-{n}", shards=1) for n in "123a"]
    full = [
        ",".join(
            f"-{start}-{name.removeprefix('-')}" if name[0] == "-" else f"{start}-{name}"
            for name in text.split(",")
        )
        for text in wanted
    ]
    groups = [group.name for group in resolve(connection, full)]
    assert groups == [f"{start}-{n}" for n in found]
    there = elasticsearch.request("GET", f"/_resolve/index/{','.join(full)}")["indices"]
    assert sorted(groups) == [one["name"] for one in there]
    elasticsearch.request("DELETE", f"/{','.join(names)}")


@pytest.mark.parametrize("wanted", [["-a"], ["-a", "b*"], ["b", "-b"]])
def test_a_dash_without_a_pattern_before_it_is_no_name(
    connection: Connection, wanted: list[str]
) -> None:
    with pytest.raises(SourceMissing, match="no index -") as raised:
        resolve(connection, wanted)
    assert (raised.value.code, raised.value.hint[:18]) == ("MMC452", 'write index: ["*",')


def test_a_pattern_of_which_all_is_left_out_matches_nothing(
    connection: Connection, elasticsearch: ElasticsearchNode
) -> None:
    name = make(elasticsearch, shards=1)
    with pytest.raises(SourceMissing, match="no index, alias or data stream"):
        resolve(connection, [f"{name}*", f"-{name}"])


@pytest.mark.parametrize("wanted", ["{0}x", "nothing-of-that-*"])
def test_what_is_not_there_is_told_with_what_is(
    connection: Connection, elasticsearch: ElasticsearchNode, wanted: str
) -> None:
    name = make(elasticsearch)
    with pytest.raises(SourceError, match="no index, alias or data stream") as raised:
        resolve(connection, [wanted.format(name)])
    assert raised.value.code == "MMC452"
    if wanted.endswith("x"):
        assert raised.value.hint == f"did you mean {name}?"


def test_a_closed_index_is_told(connection: Connection, elasticsearch: ElasticsearchNode) -> None:
    name = make(elasticsearch)
    elasticsearch.request("POST", f"/{name}/_close")
    with pytest.raises(SourceError, match=f"index {name} is closed") as raised:
        resolve(connection, [name])
    assert raised.value.code == "MMC462"


def test_an_index_made_anew_or_gone_is_another(
    connection: Connection, elasticsearch: ElasticsearchNode
) -> None:
    name = make(elasticsearch)
    uuid = uuid_of(connection, name)
    ensure_same(connection, name, uuid)
    elasticsearch.request("DELETE", f"/{name}")
    with pytest.raises(SourceChanged, match="is gone") as raised:
        ensure_same(connection, name, uuid)
    assert raised.value.code == "MMC460"
    make(elasticsearch, name=name)
    with pytest.raises(SourceChanged, match="made anew"):
        ensure_same(connection, name, uuid)
