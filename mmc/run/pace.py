"""Retries, the one place where a call is tried again. Knows errors and events, no source or target.

Waits grow exponentially, each up to half of it shorter at random, so that many workers do not
return at once. Not shorter: what is tried again has at least a minute, in which a Milvus that was
restarted on a busy machine has found its nodes. With the whole wait random, eight attempts were
over after 10 to 60 seconds, which was too soon.
"""

from __future__ import annotations

import random as _random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from mmc.errors import MmcError
from mmc.events import Emit, Retrying

if TYPE_CHECKING:
    from mmc.spi import Again

T = TypeVar("T")

SLICE_SECONDS = 0.25
"""Longest single sleep: a stop is seen this soon."""


def never() -> bool:
    """The stop flag of a call that nobody stops."""
    return False


def call(
    what: str,
    function: Callable[[], T],
    *,
    emit: Emit,
    attempts: int = 10,
    first_wait: float = 0.5,
    longest_wait: float = 30.0,
    should_stop: Callable[[], bool] = never,
    sleep: Callable[[float], None] = time.sleep,
    random: Callable[[], float] = _random.random,
) -> T:
    """Calls `function`, again and again while it fails in a way that may pass.

    Only an MmcError with `retryable` is tried again; any other exception passes through at once.
    The call must be harmless to repeat. Each wait is between half and the whole of
    `min(longest_wait, first_wait * 2**n)` seconds and is announced by a Retrying event; as it
    stands, all waits are 61 seconds together at least, and 121 at most.

    Args:
        what: for the event, such as "write split 00007".
        attempts: most calls in all, at least 1.
        should_stop: asked before and during each wait; when true, the last error is raised.
        random: gives a float in [0, 1).

    Raises:
        MmcError: the last error, once it is final, attempts are used up, or `should_stop` says so.
    """
    attempt = 1
    while True:
        try:
            return function()
        except MmcError as error:
            if not error.retryable or attempt >= attempts or should_stop():
                raise
            longest = min(longest_wait, first_wait * 2 ** (attempt - 1))
            seconds = longest * (1 + random()) / 2
            emit(Retrying(what, str(error), attempt, seconds))
            if not wait(seconds, should_stop, sleep):
                raise
        attempt += 1


def patient(
    emit: Emit,
    *,
    attempts: int = 10,
    silence: float = 150.0,
    should_stop: Callable[[], bool] = never,
    clock: Callable[[], float] = time.monotonic,
) -> Again:
    """`call` for one request after the other of a system. Ends also where none was answered for
    `silence` seconds: a request that times out costs a minute a time.
    """
    answered = clock()

    def tired() -> bool:
        return should_stop() or clock() - answered > silence

    def again(what: str, function: Callable[[], T]) -> T:
        nonlocal answered
        result = call(what, function, emit=emit, attempts=attempts, should_stop=tired)
        answered = clock()
        return result

    return again


def wait(seconds: float, should_stop: Callable[[], bool], sleep: Callable[[float], None]) -> bool:
    """Sleeps in slices; False when a stop was asked for meanwhile."""
    while seconds > 0:
        piece = min(seconds, SLICE_SECONDS)
        sleep(piece)
        seconds -= piece
        if should_stop():
            return False
    return True
