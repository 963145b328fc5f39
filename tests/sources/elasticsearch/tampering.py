"""A proxy before a real node that spoils chosen answers, as one in production may."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from urllib.parse import urlsplit

Spoil = Callable[[str, bytes, bytes], bytes | tuple[int, bytes] | None]
"""(path and query, body of the request, body of the answer) -> the body that is sent instead, or
status and body; None drops the connection.
"""


@contextmanager
def tampering(url: str, spoil: Spoil, *, product: bool = True) -> Iterator[str]:
    """The address of a proxy to the node at `url`. Without `product` no answer names Elasticsearch,
    as those of OpenSearch do not.
    """
    node = urlsplit(url)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except ConnectionError:
                self.close_connection = True

        def _pass_on(self) -> None:
            asked = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            told = {"Content-Type": "application/json"} if asked else {}
            onward = HTTPConnection(node.hostname or "", node.port, timeout=60)
            onward.request(self.command, self.path, asked or None, told)
            answer = onward.getresponse()
            spoiled = spoil(self.path, asked, answer.read())
            onward.close()
            if spoiled is None:
                self.close_connection = True
                return
            status, body = spoiled if isinstance(spoiled, tuple) else (answer.status, spoiled)
            self.send_response(status)
            for name in ("Content-Type", "X-Elastic-Product")[: 2 if product else 1]:
                if value := answer.getheader(name):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self._pass_on()

        def do_POST(self) -> None:
            self._pass_on()

        def do_DELETE(self) -> None:
            self._pass_on()

        def log_message(self, *said: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            serving.join()
