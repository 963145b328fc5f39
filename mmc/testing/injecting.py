"""Stands between mmc and a plug-in: calls of the seam are counted, and any one of them can be the
last of the process, in earnest or as far as a test can tell.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

from mmc import registry
from mmc.plan.model import Split

Meet = Callable[[str], None]
"""Is told each call, as `read 00001` or `write before`, and may raise."""


class Crash(BaseException):
    """The process is as good as dead: nothing may catch it to go on."""


def die() -> None:
    """The end of this process, as the kernel makes it when memory is out."""
    os.kill(os.getpid(), signal.SIGKILL)


class Calls:
    """Counts the calls of the seam, and crashes at one of them.

    Attributes:
        at: number of the call that crashes, from 0; None counts only.
        crash: what happens there.
    """

    def __init__(self, at: int | None = None, crash: Callable[[], None] | None = None) -> None:
        self.at, self.crash = at, crash
        self.names: list[str] = []

    def __call__(self, name: str) -> None:
        self.names.append(name)
        if len(self.names) - 1 == self.at:
            if self.crash is not None:
                self.crash()
            raise Crash(name)


class StopsOnce:
    """Crashes at each batch of each split, or each call, and lets it pass the next time.

    Args:
        every: only at every so many of them.

    Attributes:
        seen: where it crashed.
    """

    def __init__(self, every: int = 1) -> None:
        self._every, self._met = every, 0
        self.seen: set[str] = set()
        self._passed: dict[str, int] = {}

    def __call__(self, name: str) -> None:
        number = self._passed[name] = self._passed.get(name, -1) + 1
        place = f"{name}, batch {number}"
        if place not in self.seen:
            self.seen.add(place)
            self._met += 1
            if self._met % self._every:
                return
            self._passed.clear()
            raise Crash(place)


class Once:
    """Does something at one call, and goes on."""

    def __init__(self, at: int, action: Callable[[], None]) -> None:
        self._left, self._action = at, action

    def __call__(self, name: str) -> None:
        if self._left == 0:
            self._action()
        self._left -= 1


@contextmanager
def watched_source(meet: Meet) -> Iterator[None]:
    """Each batch that a source gives, and the end of each read, is a call. Not in other
    processes.
    """
    original = registry.source

    def watched(type_: str) -> Any:
        return _Source(original(type_), meet)

    with mock.patch.object(registry, "source", watched):
        yield


@contextmanager
def watched_sink(meet: Meet) -> Iterator[None]:
    """The beginning and the end of each call that changes a target is a call."""
    original = registry.sink

    def watched(target_type: str, route: str) -> Any:
        return _Sink(original(target_type, route), meet)

    with mock.patch.object(registry, "sink", watched):
        yield


class _Source:
    """All else, the optional abilities too, is the plug-in's own."""

    def __init__(self, source: Any, meet: Meet) -> None:
        self._source, self._meet = source, meet

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def read(
        self,
        options: Any,
        collection: str,
        split: Split,
        columns: Sequence[str],
        batch_rows: int,
    ) -> Iterator[Any]:
        reader = self._source.read(options, collection, split, columns, batch_rows)
        try:
            for batch in reader:
                self._meet(f"read {split.id}")
                yield batch
            self._meet(f"read {split.id}")
        finally:
            if hasattr(reader, "close"):
                reader.close()


class _Sink:
    def __init__(self, sink: Any, meet: Meet) -> None:
        self._sink, self._meet = sink, meet

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sink, name)

    @contextmanager
    def open(self, *args: Any) -> Iterator[Any]:
        with self._sink.open(*args) as target:
            yield _Watched(target, self._meet, _CHANGING)


_CHANGING = frozenset(
    {
        "ensure",
        "release",
        "drop_collection",
        "writer",
        "alter_collection",
        "create_alias",
        "drop_alias",
        "build_index",
        "load",
        "write_manifest",
        "submit",
        "claim_again",
    }
)
_WRITING = frozenset({"write", "commit"})


class _Watched:
    """A target or a writer."""

    def __init__(self, inner: Any, meet: Meet, names: frozenset[str]) -> None:
        self._inner, self._meet, self._names = inner, meet, names

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in self._names:
            return found

        def call(*args: Any, **named: Any) -> Any:
            self._meet(f"{name} before")
            result = found(*args, **named)
            self._meet(f"{name} after")
            return _Watched(result, self._meet, _WRITING) if name == "writer" else result

        return call
