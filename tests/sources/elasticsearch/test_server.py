from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mmc.errors import SourceError
from mmc.sources.elasticsearch.client.connect import Connection, connect
from mmc.sources.elasticsearch.client.server import Server, hidden_vectors, look
from tests.servers.elasticsearch.fixtures import Starts
from tests.servers.elasticsearch.node import ElasticsearchNode
from tests.sources.elasticsearch.indexed import make, options_of


@contextmanager
def answering(status: int, body: bytes, product: str = "") -> Iterator[str]:
    """An address that gives one answer to everything, as a proxy before a cluster may."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            if product:
                self.send_header("X-Elastic-Product", product)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *said: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


def seen(url: str) -> Server:
    with connect(options_of(url)) as opened:
        return look(opened)


def test_a_node_tells_its_version(connection: Connection) -> None:
    server = look(connection)
    assert (server.engine, server.major) == ("elasticsearch", 8)
    assert server.version.startswith("8.19.")


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize(
    ("product", "engine"), [("Elasticsearch", "elasticsearch"), ("", "opensearch")]
)
def test_a_reader_who_may_not_ask_for_the_version(status: int, product: str, engine: str) -> None:
    with answering(status, b"{}", product) as url:
        found = seen(url)
    assert (found.engine, found.version, found.major) == (engine, "", 0)


def test_opensearch_names_its_distribution() -> None:
    body = b'{"version": {"distribution": "opensearch", "number": "2.19.1"}}'
    with answering(200, body) as url:
        assert seen(url) == Server("opensearch", "2.19.1", 2)


@pytest.mark.parametrize("body", [b"<html>hello</html>", b'{"ok": true}', b"[]"])
def test_what_is_no_such_server_is_told(body: bytes) -> None:
    with answering(200, body) as url, pytest.raises(SourceError, match="no Elastic") as raised:
        seen(url)
    assert raised.value.code == "MMC461"


def test_wrong_credentials_are_not_taken_for_a_version_that_is_not_told() -> None:
    with answering(401, b"{}") as url, pytest.raises(SourceError) as raised:
        seen(url)
    assert raised.value.code == "MMC451"


def test_8_hides_no_vectors(connection: Connection, elasticsearch: ElasticsearchNode) -> None:
    assert not hidden_vectors(connection, make(elasticsearch))


@pytest.mark.slow
def test_9_hides_them(own_elasticsearch: Starts) -> None:
    node = own_elasticsearch("es9")
    shown = make(node, **{"index.mapping.exclude_source_vectors": False})
    hiding = make(node)
    with connect(options_of(node.url)) as opened:
        assert look(opened).major == 9
        assert [hidden_vectors(opened, name) for name in (hiding, shown)] == [True, False]
