"""A way to a server that can be made bad: while it is, some of the server's answers end early."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Way:
    """Attributes:
    port: of this machine; what comes there goes to the server.
    bad: share of the answers that are cut, 0 to 1.
    cuts: how many were.
    """

    port: int
    bad: float = 0.0
    cuts: int = 0
    random: random.Random = field(default_factory=lambda: random.Random(7))

    def cut(self, sent: int) -> bool:
        """Whether an answer of which something was passed on ends here."""
        if sent and self.random.random() < self.bad:
            self.cuts += 1
            return True
        return False


@contextmanager
def way_to(port: int) -> Iterator[Way]:
    """A way to the server on `port` of this machine, until the end."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        way = Way(listening.getsockname()[1])
        listening.settimeout(0.1)
        ended = threading.Event()

        def accept() -> None:
            while not ended.is_set():
                with suppress(TimeoutError):
                    near, _ = listening.accept()
                    threading.Thread(target=_pass, args=(near, port, way), daemon=True).start()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield way
        finally:
            ended.set()
            thread.join()


def _pass(near: socket.socket, port: int, way: Way) -> None:
    with near, suppress(OSError), socket.create_connection(("127.0.0.1", port)) as far:
        asks = threading.Thread(target=_pump, args=(near, far, None), daemon=True)
        asks.start()
        _pump(far, near, way)
        asks.join(1)


def _pump(source: socket.socket, sink: socket.socket, way: Way | None) -> None:
    """Passes on until one side ends, or `way` says that an answer is cut: in half."""
    with suppress(OSError):
        while data := source.recv(65_536):
            head = data.find(b"\r\n\r\n") + 4
            if way is not None and len(data) > head > 3 and way.cut(head):
                sink.sendall(data[: head + (len(data) - head) // 2])
                break
            sink.sendall(data)
    for side in (source, sink):
        with suppress(OSError):
            side.shutdown(socket.SHUT_RDWR)
