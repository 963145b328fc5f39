"""How a cluster is spared: one limit for all connections of this process to the same hosts."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Limit:
    """At most `concurrency` requests at once, begun at least `1 / per_second` apart."""

    def __init__(self, concurrency: int, per_second: float | None) -> None:
        self._free = threading.BoundedSemaphore(concurrency)
        self._apart = 1 / per_second if per_second else 0.0
        self._lock = threading.Lock()
        self._next = 0.0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Waits for a turn, and holds it."""
        with self._free:
            if self._apart:
                with self._lock:
                    now = time.monotonic()
                    begin = max(now, self._next)
                    self._next = begin + self._apart
                time.sleep(begin - now)
            yield


_limits: dict[tuple[tuple[str, ...], int, float | None], Limit] = {}
_lock = threading.Lock()


def limit(hosts: tuple[str, ...], concurrency: int, per_second: float | None) -> Limit:
    """The limit of these hosts, in whatever order they are named."""
    key = (tuple(sorted(hosts)), concurrency, per_second)
    with _lock:
        return _limits.setdefault(key, Limit(concurrency, per_second))
