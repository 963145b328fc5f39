"""A place in every object store, on servers that live as long as a module of tests."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.servers.azurite import azure_container
from tests.servers.gcs import gcs_bucket
from tests.servers.s3 import Bucket, s3_bucket

STARTS = {"s3": s3_bucket, "gcs": gcs_bucket, "azure": azure_container}


@pytest.fixture(scope="module", params=list(STARTS))
def store(request: pytest.FixtureRequest) -> Iterator[Bucket]:
    """An object store, and a bucket of it."""
    with ExitStack() as stack:
        yield stack.enter_context(STARTS[request.param]())


@pytest.fixture
def folder(store: Bucket) -> str:
    """URL of a prefix under which nothing is yet."""
    return f"{store.url}/{uuid.uuid4().hex}"
