"""Requests to a real node, recorded, and its answers given again without it, some of them spoiled:
hundreds of inspections take a few seconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any
from unittest import mock

import elastic_transport

Request = tuple[str, str, bytes | None]
"""Method, path and query, body."""


@dataclass(frozen=True, slots=True)
class Told:
    """An answer. Status 0: the connection breaks."""

    status: int
    headers: dict[str, str]
    body: bytes

    def __call__(self) -> Any:
        if not self.status:
            raise elastic_transport.ConnectionError("Connection reset by peer")
        meta = SimpleNamespace(status=self.status, headers=self.headers)
        return SimpleNamespace(meta=meta, body=self.body)


Spoil = Callable[[int, Request, Told], Told]
"""(number of the request, what is asked, what is answered) -> what is answered instead."""


class _Named:
    """Requests without the ids of open searches, which are others each time; a page of a scroll is
    named by what opened it, and its number.
    """

    def __init__(self) -> None:
        self._scroll: tuple[Request, int] | None = None

    def __call__(self, method: str, target: str, body: bytes | None) -> Request:
        plain = re.sub(rb'"(id|scroll_id)":"[^"]+"', rb'"\1":""', body or b"")
        request = (method, target, plain)
        if method == "POST" and target.startswith("/_search/scroll") and self._scroll:
            opened, pages = self._scroll
            self._scroll = opened, pages + 1
            return method, target, repr((opened, pages)).encode()
        if "scroll=" in target:
            self._scroll = request, 0
        return request


@dataclass
class Record:
    """What was asked for, in order, and answered, of an index of this name."""

    index: str
    answers: dict[Request, Told] = field(default_factory=dict)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Asks the node, and keeps what it answers."""
        asked = elastic_transport.Transport.perform_request
        named = _Named()

        def perform(transport: Any, method: str, target: str, **how: Any) -> Any:
            request = named(method, target, how.get("body"))
            answer = asked(transport, method, target, **how)
            headers = dict(answer.meta.headers.items())
            self.answers[request] = Told(answer.meta.status, headers, answer.body or b"")
            return answer

        with mock.patch.object(elastic_transport.Transport, "perform_request", perform):
            yield

    @contextmanager
    def replaying(self, spoil: Spoil) -> Iterator[list[Request]]:
        """Answers without the node; gives what is asked, as far as it came. What was not recorded
        is answered as a node that is away.
        """
        made: list[Request] = []
        named = _Named()

        def perform(transport: Any, method: str, target: str, **how: Any) -> Any:
            request = named(method, target, how.get("body"))
            made.append(request)
            answer = self.answers.get(request, Told(0, {}, b""))
            return spoil(len(made) - 1, request, answer)()

        with mock.patch.object(elastic_transport.Transport, "perform_request", perform):
            yield made


def with_body(answer: Told, body: bytes) -> Told:
    """The same, with status 200."""
    return replace(answer, status=200, body=body)
