"""Answers and samples stay small where documents are large."""

from __future__ import annotations

import pytest

from mmc.plan.model import Split
from mmc.sources.elasticsearch import describe
from mmc.sources.elasticsearch.source import ElasticsearchSource
from mmc.spi import Sample
from tests.servers.elasticsearch.node import ElasticsearchNode
from tests.sources.elasticsearch.indexed import fill, make, options_of
from tests.sources.elasticsearch.tampering import tampering

DOCUMENTS = 60
LARGE = 200_000


@pytest.mark.parametrize("method", ["seq_no", "pit", "scroll"])
def test_answers_are_sized_by_bytes_from_the_first(
    elasticsearch: ElasticsearchNode, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr(describe, "_SAMPLE_BYTES", 10 * LARGE)
    name = make(elasticsearch, shards=1)
    fill(elasticsearch, name, ({"_id": f"d{n}", "n": {"t": "x" * LARGE}} for n in range(DOCUMENTS)))
    sizes: list[int] = []

    def spoil(path: str, asked: bytes, answer: bytes) -> bytes:
        sizes.append(len(answer))
        return answer

    source = ElasticsearchSource()
    with tampering(elasticsearch.url, spoil) as url:
        options = options_of(url, name, read={"method": method, "page_bytes": 5 * LARGE})
        (found,) = source.inspect(options, (), Sample(1000, 7)).collections
        assert found.fields[0].evidence.rows <= 16
        # 16 of 64 KB are one page of the sample.
        assert max(sizes) < 17 * LARGE
        sizes.clear()
        split = Split(id="00000", pieces=found.extents, rows=DOCUMENTS, bytes=found.bytes)
        rows = sum(b.num_rows for b in source.read(options, name, split, ["_id", "n"], 100))
    assert rows == DOCUMENTS
    assert max(sizes) < 6 * LARGE
