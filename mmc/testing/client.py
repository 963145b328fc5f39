"""The client of a plug-in, where requests are counted and faults are injected."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One function through which a plug-in talks to its system: a file's `open`, the `execute` of a
    connection, the `perform_request` of an HTTP client.

    Attributes:
        owner: the module or class that has it.
        name: of the function there.
        passing: makes the exception of the client that may pass when it is tried again: a time-out,
            a lock. None where it has no such.
        final: makes one that stays: no permission, a damaged file.
        loses: takes a good answer and gives one with something missing: a page without its last
            row. None where an answer cannot be cut without an exception.
    """

    owner: Any
    name: str
    passing: Callable[[], BaseException] | None = None
    final: Callable[[], BaseException] | None = None
    loses: Callable[[Any], Any] | None = None


@dataclass(slots=True)
class Requests:
    """What went through a client.

    Attributes:
        count: of requests until now.
        at: number of the request where `fault` strikes, from 0. It strikes once.
        always: it strikes at each request from there on.
        struck: it did.
    """

    count: int = 0
    at: int | None = None
    always: bool = False
    struck: bool = False


@contextmanager
def counted(
    client: Client,
    *,
    at: int | None = None,
    always: bool = False,
    fails: Callable[[], BaseException] | None = None,
    loses: Callable[[Any], Any] | None = None,
) -> Iterator[Requests]:
    """Counts the requests of a client in this process, and spoils one of them."""
    requests = Requests(at=at, always=always)
    original = getattr(client.owner, client.name)

    def request(*args: Any, **named: Any) -> Any:
        number, requests.count = requests.count, requests.count + 1
        here = requests.at is not None and (
            number >= requests.at if requests.always else number == requests.at
        )
        if here:
            requests.struck = True
            if fails is not None:
                raise fails()
        answer = original(*args, **named)
        return loses(answer) if here and loses is not None else answer

    with mock.patch.object(client.owner, client.name, request):
        yield requests
