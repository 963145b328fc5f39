"""Indices on a real node, under names of their own."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from mmc.sources.elasticsearch.client.connect import Connection
from mmc.sources.elasticsearch.options import ElasticsearchOptions, Read
from mmc.sources.elasticsearch.reading.indices import Index, resolve
from mmc.sources.elasticsearch.reading.pages import read_range
from mmc.sources.elasticsearch.reading.shards import measure
from tests.servers.elasticsearch.node import ElasticsearchNode
from tests.servers.elasticsearch.rest import basic, bulk, trusting

NESTED = {"k": {"type": "keyword"}, "n": {"type": "nested"}}


def options_of(
    url: str | list[str] = "", index: str | list[str] = "", **more: Any
) -> ElasticsearchOptions:
    said = {"type": "elasticsearch", "url": url, "index": index, **more}
    return ElasticsearchOptions.model_validate(said)


def small_pages(method: str, page_bytes: int) -> Read:
    """How to read in answers smaller than a spec may ask for, so that few documents fill many."""
    return Read(method=method).model_copy(update={"page_bytes": page_bytes})


def fresh(start: str = "docs") -> str:
    return f"{start}-{uuid.uuid4().hex[:12]}"


def make(node: ElasticsearchNode, *, shards: int = 2, name: str = "", **settings: Any) -> str:
    """An empty index whose documents may have nested ones; gives its name."""
    made = name or fresh()
    wanted = {"number_of_shards": shards, "number_of_replicas": 0, **settings}
    node.request("PUT", f"/{made}", {"settings": wanted, "mappings": {"properties": NESTED}})
    return made


def fill(node: ElasticsearchNode, index: str, docs: Iterable[Mapping[str, Any]]) -> int:
    tls = trusting(node.certificates.ca) if node.certificates else None
    headers = basic(node.password) if node.password else None
    return bulk(node.url, index, docs, headers=headers, tls=tls)


def numbered(count: int, first: int = 0) -> Iterable[dict[str, Any]]:
    """Documents `d0`, `d1`, ... of which every fourth has no nested ones, the others up to 3."""
    for n in range(first, first + count):
        yield {"_id": f"d{n}", "k": f"k{n % 5}", "n": [{"a": n}] * (n % 4)}


def one(connection: Connection, name: str) -> Index:
    (group,) = resolve(connection, [name])
    (index,) = group.indices
    return index


def hits(pages: Iterable[bytes]) -> list[dict[str, Any]]:
    return [hit for page in pages for hit in orjson.loads(page)["hits"]["hits"]]


def read_all(connection: Connection, index: Index, docs: int = 20_000, **how: Any) -> list[str]:
    """The ids of all documents, by measured extents, each of which has as many as was counted."""
    found: list[str] = []
    for shard in index.shards:
        for extent in measure(connection, index, shard, how.get("query"), docs).extents:
            pages = read_range(
                connection, index, shard, extent.start, extent.stop, docs=extent.docs, **how
            )
            got = hits(pages)
            assert len(got) == extent.docs
            numbers = [hit["_seq_no"] for hit in got]
            assert numbers == sorted(numbers)
            found += [hit["_id"] for hit in got]
    return found
