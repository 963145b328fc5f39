"""A way to a server that can be cut: while it is, bytes wait, and nobody is told."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Cuttable:
    """Forwards connections to a server.

    Attributes:
        port: where to connect instead, on 127.0.0.1.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._open = threading.Event()
        self._open.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._sockets = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """From now on nothing goes through, in either direction."""
        self._open.clear()

    def mend(self) -> None:
        """What waited goes through, and all that comes."""
        self._open.set()

    def close(self) -> None:
        """Closes all connections."""
        self.mend()
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._open.wait()
                far = socket.create_connection(("127.0.0.1", self._to))
                self._sockets += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._forward, args=(one, other), daemon=True).start()

    def _forward(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while block := one.recv(1 << 16):
                self._open.wait()
                other.sendall(block)
            other.shutdown(socket.SHUT_WR)


@contextmanager
def cuttable(port: int) -> Iterator[Cuttable]:
    """A way to a port of this machine."""
    way = Cuttable(port)
    try:
        yield way
    finally:
        way.close()
