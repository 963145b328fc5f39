"""What comes back with status 200 and is no whole answer: never fewer documents, never a bug."""

from __future__ import annotations

import re

import pytest

from mmc.errors import SourceBusy
from mmc.facts import SourceFacts
from mmc.plan.model import Split
from mmc.sources.elasticsearch.options import ElasticsearchOptions
from mmc.sources.elasticsearch.source import ElasticsearchSource
from mmc.spi import Sample
from tests.servers.elasticsearch.node import ElasticsearchNode
from tests.sources.elasticsearch.indexed import fill, make, numbered, options_of, small_pages
from tests.sources.elasticsearch.tampering import tampering

SPOILED = {
    "html": lambda body: b"<html>502 Bad Gateway</html>",
    "empty": lambda body: b"",
    "object": lambda body: b"{}",
    "half": lambda body: body[: len(body) // 2],
    "first bytes": lambda body: body[:200],
    "timed out": lambda body: body.replace(b'"timed_out":false', b'"timed_out":true', 1),
    "failed": lambda body: body.replace(b'"failed":0', b'"failed":1', 1),
}
METHODS = pytest.mark.parametrize("method", ["seq_no", "pit", "scroll"])


def inspected(options: ElasticsearchOptions) -> SourceFacts:
    return ElasticsearchSource().inspect(options, (), Sample(50, 7))


def read(options: ElasticsearchOptions, facts: SourceFacts) -> list[str]:
    (found,) = facts.collections
    rows = sum(extent.rows or 0 for extent in found.extents)
    split = Split(id="00000", pieces=found.extents, rows=rows, bytes=found.bytes)
    batches = ElasticsearchSource().read(options, found.name, split, ["_id", "k"], 100)
    return [key for batch in batches for key in batch.column("_id").to_pylist()]


def written(node: ElasticsearchNode, method: str, documents: int = 300) -> ElasticsearchOptions:
    name = make(node, shards=1)
    fill(node, name, numbered(documents))
    return options_of(node.url, name, read=small_pages(method, 10_000))


def by(url: str | list[str], options: ElasticsearchOptions) -> ElasticsearchOptions:
    """The same index, by another way."""
    return options.model_copy(update={"url": url})


@METHODS
@pytest.mark.parametrize("kind", SPOILED)
def test_a_page_that_is_spoiled_is_read_again(
    elasticsearch: ElasticsearchNode, method: str, kind: str
) -> None:
    options = written(elasticsearch, method)
    facts = inspected(options)

    def spoil(path: str, asked: bytes, answer: bytes) -> bytes:
        return SPOILED[kind](answer) if b'"_source"' in answer else answer

    with (
        tampering(elasticsearch.url, spoil) as url,
        pytest.raises(SourceBusy, match=options.indices[0]) as raised,
    ):
        read(by(url, options), facts)
    assert raised.value.code == "MMC459"
    assert len(set(read(options, facts))) == 300


@METHODS
def test_how_long_an_answer_took_is_no_fact(elasticsearch: ElasticsearchNode, method: str) -> None:
    options = written(elasticsearch, method, 2000)
    facts = []
    for took in (b'"took":1,', b'"took":123456789012345,'):

        def spoil(path: str, asked: bytes, answer: bytes, took: bytes = took) -> bytes:
            return re.sub(rb'"took":\d+,', took, answer, count=1)

        with tampering(elasticsearch.url, spoil) as url:
            facts.append(inspected(by(url, options)))
    assert facts[0] == facts[1]


def test_a_page_that_comes_twice_is_no_other_page(elasticsearch: ElasticsearchNode) -> None:
    options = written(elasticsearch, "seq_no")
    facts = inspected(options)
    kept: list[bytes] = []

    def spoil(path: str, asked: bytes, answer: bytes) -> bytes:
        if b'"_source"' in answer:
            kept.append(answer)
            return kept[0]
        return answer

    with tampering(elasticsearch.url, spoil) as url, pytest.raises(SourceBusy) as raised:
        read(by(url, options), facts)
    assert raised.value.code == "MMC459"


def test_a_page_of_a_scroll_that_is_lost_on_the_way_is_not_skipped(
    elasticsearch: ElasticsearchNode,
) -> None:
    options = written(elasticsearch, "scroll")
    facts = inspected(options)

    def lose(path: str, asked: bytes, answer: bytes) -> bytes | None:
        return None if b'"scroll_id"' in asked else answer

    # The other node goes on with the same scroll, behind the page that nobody got.
    with tampering(elasticsearch.url, lose) as url, pytest.raises(SourceBusy):
        read(by([url, elasticsearch.url], options), facts)


@pytest.mark.parametrize("kind", SPOILED)
def test_an_answer_that_is_spoiled_at_plan_time_is_told(
    elasticsearch: ElasticsearchNode, kind: str
) -> None:
    options = written(elasticsearch, "auto", 20)

    def spoil(path: str, asked: bytes, answer: bytes) -> bytes:
        return SPOILED[kind](answer) if "/_search?" in path else answer

    with tampering(elasticsearch.url, spoil) as url, pytest.raises(SourceBusy) as raised:
        inspected(by(url, options))
    assert raised.value.code == "MMC459"
