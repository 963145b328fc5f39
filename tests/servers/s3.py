"""An S3 server in this process (moto), with one empty bucket, for tests of remote files."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mmc.types import JsonValue


@dataclass(frozen=True, slots=True)
class Bucket:
    """URL of the bucket, and the `storage` options that reach it."""

    url: str
    storage: dict[str, JsonValue]


@contextmanager
def s3_bucket() -> Iterator[Bucket]:
    """Starts the server, makes a bucket, stops it at the end."""
    from moto.server import ThreadedMotoServer
    from s3fs import S3FileSystem

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        storage: dict[str, JsonValue] = {
            "key": "testing",
            "secret": "testing",
            "endpoint_url": f"http://{host}:{port}",
        }
        name = f"bucket-{uuid.uuid4().hex[:12]}"
        S3FileSystem(**storage, use_listings_cache=False).mkdir(name)
        yield Bucket(f"s3://{name}", storage)
    finally:
        server.stop()
