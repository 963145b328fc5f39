"""Servers and connections these tests ask for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mmc.sources.elasticsearch.client.connect import Connection, connect
from tests.servers.elasticsearch.fixtures import elasticsearch, own_elasticsearch
from tests.servers.elasticsearch.node import ElasticsearchNode
from tests.sources.elasticsearch.indexed import options_of

__all__ = ["elasticsearch", "own_elasticsearch"]


@pytest.fixture
def connection(elasticsearch: ElasticsearchNode) -> Iterator[Connection]:
    """To the node of the test run."""
    with connect(options_of(elasticsearch.url)) as opened:
        yield opened
