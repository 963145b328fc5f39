"""What pymilvus and gRPC raise, turned into our errors with the server's own words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmc.errors import BatchTooLarge, TargetBusy, TargetError


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turns errors of pymilvus and gRPC into ours, with the server's own words.

    Raises:
        BatchTooLarge: the message is larger than the server takes.
        TargetBusy: not reachable, too slow, rate or quota limit.
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
    return str(error.message or error).strip()


_TOO_LARGE = ("larger than max", "message larger", "exceeds the maximum", "too large")
_BUSY = ("rate limit", "quota exceeded", "ratelimiter", "not ready", "no available")
_RATE_LIMIT = 8


def _translate(what: str, code: Any, words: str, retriable: bool) -> TargetError:
    name = getattr(code, "name", "")
    text = f"{what}: {words}"
    lower = words.lower()
    if name == "RESOURCE_EXHAUSTED" and "rate" not in lower:
        return BatchTooLarge(text, code="MMC505")
    if any(part in lower for part in _TOO_LARGE) and "message" in lower:
        return BatchTooLarge(text, code="MMC505")
    if name in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "ABORTED"):
        return TargetBusy(text, code="MMC506")
    if retriable or code == _RATE_LIMIT or any(part in lower for part in _BUSY):
        return TargetBusy(text, code="MMC506")
    if name in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
        return TargetError(text, hint="is the token right, and may it do this?", code="MMC507")
    return TargetError(text, code="MMC507")
