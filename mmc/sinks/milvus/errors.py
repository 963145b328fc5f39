"""What pymilvus and gRPC raise, turned into our errors with the server's own words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmc.errors import BatchTooLarge, TargetBusy, TargetError, TargetThrottled


class NotAllowed(TargetError):
    """The login lacks the privilege for a call; nothing of the call was done."""


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turns errors of pymilvus and gRPC into ours, with the server's own words.

    Raises:
        BatchTooLarge: the message is larger than the server takes.
        TargetThrottled: rate or quota limit.
        TargetBusy: not reachable, too slow.
        NotAllowed: the login lacks a privilege.
        TargetError: anything else.
    """
    import grpc
    from pymilvus.exceptions import MilvusException

    try:
        yield
    except MilvusException as error:
        raise _translate(what, error.code, words(error), error.retriable) from None
    except grpc.RpcError as error:
        raise _translate(what, error.code(), str(error.details()), False) from None


def words(error: Any) -> str:
    """What was said, without the stack trace that a server may put in front of it."""
    text = str(error.message or error).strip()
    before, trace, _ = text.partition("stack trace: ")
    if not trace:
        return text
    # The last frame's line ends in the words: `...(*Server).Flush: attempt #0: session not found`.
    return before + text.rpartition("\n")[2].partition(": ")[2]


_TOO_LARGE = ("larger than max", "message larger", "exceeds the maximum", "too large")
_THROTTLED = ("rate limit", "ratelimit", "quota exceeded")
"""The proxy looks at limits before it does anything of a request."""
_BUSY = (
    *("not ready", "no available"),
    # While a server comes back after a restart: its parts do not find each other yet.
    *("node not found", "node offline", "node not match", "session not found", "not healthy"),
    *("channel not found", "channel not available", "shard leader", "shard delegator"),
    *("service unavailable", "server not available", "not fully loaded"),
)
_RATE_LIMIT = 8
_NOT_LOADED = 101
"""merr.ErrCollectionNotLoaded of Milvus's pkg/util/merr, seen on 2.3.5."""


def _translate(what: str, code: Any, words: str, retriable: bool) -> TargetError:
    name = getattr(code, "name", "")
    text = f"{what}: {words}"
    lower = words.lower()
    if code == _RATE_LIMIT or any(part in lower for part in _THROTTLED):
        return TargetThrottled(text, code="MMC506")
    if name == "RESOURCE_EXHAUSTED" and "rate" not in lower:
        return BatchTooLarge(text, code="MMC505")
    if any(part in lower for part in _TOO_LARGE) and "message" in lower:
        return BatchTooLarge(text, code="MMC505")
    if name in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED"):
        return TargetBusy(text, code="MMC506")
    if retriable or any(part in lower for part in _BUSY):
        return TargetBusy(text, code="MMC506")
    if name == "PERMISSION_DENIED":
        hint = "grant the privilege to a role of this login"
        return NotAllowed(text, hint=hint, code="MMC570")
    if name == "UNAUTHENTICATED":
        return TargetError(text, hint="is the token right, and may it do this?", code="MMC507")
    if code == _NOT_LOADED:
        hint = "load the collection first: until then its rows can be neither counted nor read"
        return TargetError(text, hint=hint, code="MMC507")
    return TargetError(text, code="MMC507")
