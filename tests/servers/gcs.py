"""A server that speaks Google Cloud Storage's JSON API, in this process, with one empty bucket.

It is gcp-storage-emulator, which keeps all in memory and looks at no credentials.
"""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from unittest.mock import patch

import pytest

from tests.servers.s3 import Bucket


class QuietServer(ThreadingHTTPServer):
    """gcsfs hangs up on answers that it needs no more; that is no news. The emulator's own server
    serves one connection at a time, and would wait for ever for a client that does not hang up.
    """

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        return


@contextmanager
def gcs_bucket() -> Iterator[Bucket]:
    """Starts the server, makes a bucket, stops it at the end."""
    if reason := missing():
        required = os.environ.get("MMC_REQUIRE_SERVERS")
        (pytest.fail if required else pytest.skip)(reason)
    from gcp_storage_emulator import server as emulator

    logging.getLogger("gcp_storage_emulator").setLevel(logging.CRITICAL)
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    server = emulator.create_server("127.0.0.1", 0, in_memory=True, default_bucket=name)
    with patch.object(emulator.server, "HTTPServer", QuietServer):
        server.start()
    try:
        port = server._api._httpd.server_address[1]
        endpoint = f"http://127.0.0.1:{port}"
        yield Bucket(f"gs://{name}", {"token": "anon", "endpoint_url": endpoint})
    finally:
        server.stop()


def missing() -> str:
    """What has to be installed before it can start; "" when nothing has."""
    try:
        import gcp_storage_emulator  # noqa: F401
        import gcsfs  # noqa: F401
    except ImportError as error:
        return f"{error.name} is not installed: pip install -e '.[dev]'"
    return ""
