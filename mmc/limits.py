"""How a server is spared that several readers ask at once. Every connection asks here for the limit
of its hosts; a process that works for others may `share` limits that reach further.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Limit(Protocol):
    """What all connections to the same hosts keep to. For any thread."""

    def turn(self) -> AbstractContextManager[None]:
        """Waits for a turn to send a request, and holds it."""


class Limits(Protocol):
    """Gives the limit of hosts, the same one for equal arguments."""

    def limit(
        self, hosts: tuple[str, ...], concurrency: int, per_second: float | None
    ) -> Limit: ...


class LocalLimit:
    """At most `concurrency` requests of this process at once, begun at least `1 / per_second`
    apart.
    """

    def __init__(self, concurrency: int, per_second: float | None) -> None:
        self._free = threading.BoundedSemaphore(concurrency)
        self._apart = 1 / per_second if per_second else 0.0
        self._lock = threading.Lock()
        self._next = 0.0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """See `Limit`."""
        with self._free:
            if self._apart:
                with self._lock:
                    now = time.monotonic()
                    begin = max(now, self._next)
                    self._next = begin + self._apart
                time.sleep(begin - now)
            yield


class LocalLimits:
    """Limits of one process."""

    def __init__(self) -> None:
        self._limits: dict[tuple[tuple[str, ...], int, float | None], Limit] = {}
        self._lock = threading.Lock()

    def limit(self, hosts: tuple[str, ...], concurrency: int, per_second: float | None) -> Limit:
        """Hosts may be named in any order."""
        key = (tuple(sorted(hosts)), concurrency, per_second)
        with self._lock:
            return self._limits.setdefault(key, LocalLimit(concurrency, per_second))


_limits: Limits = LocalLimits()


def share(limits: Limits) -> Limits:
    """Has connections that are opened from now on keep to these limits; gives those of before. For
    an executor of several machines, before the first split.
    """
    global _limits
    before, _limits = _limits, limits
    return before


def limit(hosts: tuple[str, ...], concurrency: int, per_second: float | None) -> Limit:
    """The limit of these hosts, in whatever order they are named."""
    return _limits.limit(hosts, concurrency, per_second)
