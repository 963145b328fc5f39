"""What pymilvus, gRPC and the REST interface raise or answer, turned into our errors with the
server's own words. The one place that says which of them may pass, for every call alike.

By the code of Milvus (pkg/util/merr), then by the status of gRPC; by words only where neither says
anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

from mmc.errors import BatchTooLarge, TargetAway, TargetBusy, TargetError, TargetThrottled


class Fault(StrEnum):
    """What is to be done about a failed call.

    AWAY: no server answers, or the connection broke: it may be starting again, or have crashed.
    BUSY: a part of it is not ready, or it was too slow.
    THROTTLED: a rate limit or quota. Nothing of the call was done.
    TOO_LARGE: send less at a time.
    LOGIN: user, password or API key are refused.
    TLS: no encrypted connection can be made.
    FORBIDDEN: the user may not do this.
    NOT_LOADED: the collection is to be loaded first.
    REFUSED: anything else.
    """

    AWAY = "away"
    BUSY = "busy"
    THROTTLED = "throttled"
    TOO_LARGE = "too_large"
    LOGIN = "login"
    TLS = "tls"
    FORBIDDEN = "forbidden"
    NOT_LOADED = "not_loaded"
    REFUSED = "refused"


class NotAllowed(TargetError):
    """The login lacks the privilege for a call; nothing of the call was done."""


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turns errors of pymilvus and gRPC into ours.

    Raises:
        BatchTooLarge: the message is larger than the server takes.
        TargetThrottled: rate or quota limit.
        TargetAway: not reachable.
        TargetBusy: too slow, or not ready.
        NotAllowed: the login lacks a privilege.
        TargetError: anything else.
    """
    import grpc
    from pymilvus.exceptions import MilvusException

    try:
        yield
    except (MilvusException, grpc.RpcError) as error:
        raise _ours(what, error, _CODES) from None


def not_reached(shown: str, error: Any) -> TargetError:
    """Our error for what pymilvus or gRPC raised while a connection was made to `shown`."""
    return _ours(f"cannot connect to {shown}", error, _CONNECTING)


def _ours(what: str, error: Any, codes: Mapping[Fault, str]) -> TargetError:
    import grpc
    from pymilvus.exceptions import MilvusException

    if isinstance(error, MilvusException):
        text, status = words(error), None
        if (below := _status_below(error)) is not None and error.code == CONNECT_FAILED:
            # "Fail connecting ... illegal connection params or server unavailable": which of them
            # it is, only the call below says.
            status, text = below.code(), str(below.details() or text)
        if isinstance(error.code, grpc.StatusCode):
            status = error.code
        fault = fault_of(error.code, text, status=status, retriable=error.retriable)
    else:
        text = str(error.details())
        fault = fault_of(None, text, status=error.code())
    return error_of(what, text, fault, codes)


def _status_below(error: BaseException) -> Any:
    """The gRPC error that made pymilvus give up, if one did. It raises its own error from itself,
    so the chain of causes may be a circle.
    """
    import grpc

    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        if isinstance(at, grpc.RpcError):
            return at
        seen.add(id(at))
        at = at.__context__ if at.__cause__ in (None, at) else at.__cause__
    return None


def words(error: Any) -> str:
    """What was said, without the stack trace that a server may put in front of it."""
    text = str(error.message or error).strip()
    before, trace, _ = text.partition("stack trace: ")
    if not trace:
        return text
    # The last frame's line ends in the words: `...(*Server).Flush: attempt #0: session not found`.
    return before + text.rpartition("\n")[2].partition(": ")[2]


CONNECT_FAILED = 2
"""pymilvus's own code, and Milvus's "service unavailable"."""

_BY_CODE: Mapping[int, Fault] = {
    CONNECT_FAILED: Fault.AWAY,
    10001: Fault.BUSY,
    # Too many requests, resources, recovering, not fully loaded, no replica.
    **dict.fromkeys((4, 12, 103, 106, 202, 401), Fault.BUSY),
    # Channels and nodes: while a server comes back, its parts do not find each other yet.
    **dict.fromkeys((500, 501, 503, 901, 902, 903, 904, 905, 906), Fault.BUSY),
    # Its own storage: broken off, too many requests.
    **dict.fromkeys((1002, 1003), Fault.BUSY),
    # The proxy looks at limits before it does anything of a request.
    **dict.fromkeys((8, 9, 1807), Fault.THROTTLED),
    **dict.fromkeys((101, 201), Fault.NOT_LOADED),
    **dict.fromkeys((1400, 1800), Fault.LOGIN),
    1401: Fault.FORBIDDEN,
    # Names and parameters of the request itself.
    **dict.fromkeys((100, 102, 200, 700, 701, 702, 800, 1100, 1101, 1700, 1701), Fault.REFUSED),
}
"""Codes of Milvus's pkg/util/merr that say enough, whatever the words. 1 is not among them: it is
"not ready" for a server, and anything for pymilvus and Milvus Lite.
"""

_BY_STATUS: Mapping[str, Fault] = {
    "UNAVAILABLE": Fault.AWAY,
    "DEADLINE_EXCEEDED": Fault.BUSY,
    "ABORTED": Fault.BUSY,
    "RESOURCE_EXHAUSTED": Fault.TOO_LARGE,
    "UNAUTHENTICATED": Fault.LOGIN,
    "PERMISSION_DENIED": Fault.FORBIDDEN,
}

_TLS = ("ssl", "tls", "handshake", "certificate", "hostname verification")
_BROKEN_OFF = (
    "connection reset",
    "connection refused",
    "socket closed",
    "broken pipe",
    "timed out",
)
"""gRPC calls a failed handshake UNAVAILABLE, and only its words tell it from a server that is away,
or that went away in the middle of one.
"""

_BY_WORDS: tuple[tuple[Fault, tuple[str, ...]], ...] = (
    (Fault.THROTTLED, ("rate limit", "ratelimit", "quota exceeded")),
    (Fault.AWAY, ("stream removed", "rst_stream", "server unavailable", "connection reset")),
    (
        Fault.BUSY,
        (
            *("not ready", "no available", "number of jobs has reached the limit"),
            *("node not found", "node offline", "node not match", "session not found"),
            *("channel not found", "channel not available", "shard leader", "shard delegator"),
            *("not healthy", "service unavailable", "server not available", "not fully loaded"),
        ),
    ),
)
"""Where the code says nothing: 2.3 wraps what its parts said as "unexpected error", 65535."""


def fault_of(code: Any, words: str, *, status: Any = None, retriable: bool = False) -> Fault:
    """What kind of failure this is.

    Args:
        code: of Milvus, or None.
        words: the message.
        status: of gRPC, or None.
        retriable: the server says so itself.
    """
    lower = words.lower()
    if status is not None and (fault := _by_status(status.name, lower)):
        return fault
    if isinstance(code, int) and code in _BY_CODE:
        return _BY_CODE[code]
    if "message" in lower and any(part in lower for part in ("larger than max", "too large")):
        return Fault.TOO_LARGE
    for fault, parts in _BY_WORDS:
        if any(part in lower for part in parts):
            return fault
    return Fault.BUSY if retriable else Fault.REFUSED


def _by_status(name: str, lower: str) -> Fault | None:
    fault = _BY_STATUS.get(name)
    if fault is Fault.AWAY and any(part in lower for part in _TLS):
        return fault if any(part in lower for part in _BROKEN_OFF) else Fault.TLS
    if fault is Fault.TOO_LARGE and "rate" in lower:
        return Fault.THROTTLED
    return fault


_KINDS: Mapping[Fault, type[TargetError]] = {
    Fault.AWAY: TargetAway,
    Fault.BUSY: TargetBusy,
    Fault.THROTTLED: TargetThrottled,
    Fault.TOO_LARGE: BatchTooLarge,
    Fault.FORBIDDEN: NotAllowed,
}
_CODES: Mapping[Fault, str] = {
    Fault.AWAY: "MMC506",
    Fault.BUSY: "MMC506",
    Fault.THROTTLED: "MMC506",
    Fault.TOO_LARGE: "MMC505",
    Fault.LOGIN: "MMC573",
    Fault.TLS: "MMC571",
    Fault.FORBIDDEN: "MMC570",
    Fault.NOT_LOADED: "MMC507",
    Fault.REFUSED: "MMC507",
}
_CONNECTING = {**_CODES, **dict.fromkeys((Fault.AWAY, Fault.BUSY, Fault.REFUSED), "MMC500")}
_HINTS: Mapping[Fault, str] = {
    Fault.LOGIN: "check target.token: user:password, or an API key of this server",
    Fault.TLS: "check that the server speaks TLS on this port (https://), or does not (http://),"
    " and the certificates of target.tls",
    Fault.FORBIDDEN: "grant the privilege to a role of this login",
    Fault.NOT_LOADED: "load the collection first: until then its rows can be neither counted nor"
    " read",
}
_AWAY_HINT = "check that the server is up, and its address and port"


def error_of(
    what: str, words: str, fault: Fault, codes: Mapping[Fault, str] = _CODES
) -> TargetError:
    """Our error for a call that failed so."""
    hint = _HINTS.get(fault, "")
    if codes[fault] == _CONNECTING[Fault.AWAY]:
        hint = _AWAY_HINT
    return _KINDS.get(fault, TargetError)(f"{what}: {words}", hint=hint, code=codes[fault])
