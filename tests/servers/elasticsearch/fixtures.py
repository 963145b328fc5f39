"""Fixtures for a conftest.py to import."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.servers.elasticsearch.node import ElasticsearchNode, own_node, shared_node


class Starts(Protocol):
    """`start(profile, password=, data=, heap=, tls=, settings=)`: see `own_node`."""

    def __call__(self, profile: str = "es8", **options: Any) -> ElasticsearchNode: ...


@pytest.fixture(scope="session")
def elasticsearch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ElasticsearchNode]:
    """A real Elasticsearch 8.19, one for all workers of a test run: give indices names of their
    own, and do not kill it.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with shared_node(folder / "elasticsearch") as node:
        yield node


@pytest.fixture
def own_elasticsearch(tmp_path: Path) -> Iterator[Starts]:
    """Starts nodes for one test alone, of any profile, which it may kill and restart."""
    with ExitStack() as stack:
        count = 0

        def start(profile: str = "es8", **options: Any) -> ElasticsearchNode:
            nonlocal count
            count += 1
            folder = tmp_path / f"{profile}-{count}"
            return stack.enter_context(own_node(folder, profile, **options))

        yield start
