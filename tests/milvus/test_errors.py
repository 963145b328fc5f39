"""Errors of client and wire, by what can be done about them."""

from __future__ import annotations

import grpc
import pytest
from pymilvus.exceptions import MilvusException

from mmc.errors import BatchTooLarge, TargetAway, TargetBusy, TargetError, TargetThrottled
from mmc.milvus.errors import NotAllowed, not_reached, translated

CODE = grpc.StatusCode
LIMITED = (
    "request is rejected by grpc RateLimiter middleware, please retry later:"
    " rate limit exceeded[rate=314572.8]"
)
"""What 2.3.5 answers to an insert above `quotaAndLimits.dml.insertRate.max`."""
UNAVAILABLE = "illegal connection params or server unavailable"


UNEXPECTED = 65535
"""What 2.3 calls whatever its parts told it."""

TABLE: list[tuple[Exception, type[TargetError], str]] = [
    (
        MilvusException(
            CODE.RESOURCE_EXHAUSTED,
            "grpc: received message larger than max (77408563 vs. 67108864)",
        ),
        BatchTooLarge,
        "MMC505",
    ),
    (MilvusException(UNEXPECTED, "message larger than max"), BatchTooLarge, "MMC505"),
    (MilvusException(8, LIMITED), TargetThrottled, "MMC506"),
    (MilvusException(8, "later"), TargetThrottled, "MMC506"),
    (MilvusException(1, "request is rejected by grpc RateLimiter"), TargetThrottled, "MMC506"),
    (MilvusException(9, "quota exceeded[reason=disk quota]"), TargetThrottled, "MMC506"),
    (MilvusException(CODE.RESOURCE_EXHAUSTED, LIMITED), TargetThrottled, "MMC506"),
    (MilvusException(5, "not now", retriable=True), TargetBusy, "MMC506"),
    (MilvusException(1, "service not ready[datanode=7]"), TargetBusy, "MMC506"),
    (MilvusException(10001, "context deadline exceeded"), TargetBusy, "MMC506"),
    (MilvusException(103, "collection not fully loaded"), TargetBusy, "MMC506"),
    (MilvusException(106, "recovering"), TargetBusy, "MMC506"),
    (MilvusException(202, "partition not fully loaded"), TargetBusy, "MMC506"),
    (MilvusException(401, "no replica"), TargetBusy, "MMC506"),
    (MilvusException(500, "ch-1"), TargetBusy, "MMC506"),
    (MilvusException(503, "ch-1"), TargetBusy, "MMC506"),
    (MilvusException(901, "node=7"), TargetBusy, "MMC506"),
    (MilvusException(1002, "object x"), TargetBusy, "MMC506"),
    (MilvusException(UNEXPECTED, "node not found[node=7]"), TargetBusy, "MMC506"),
    (MilvusException(UNEXPECTED, "fail to get shard leaders"), TargetBusy, "MMC506"),
    (MilvusException(CODE.DEADLINE_EXCEEDED, "Deadline Exceeded"), TargetBusy, "MMC506"),
    (MilvusException(CODE.ABORTED, "again"), TargetBusy, "MMC506"),
    (MilvusException(2, f"Fail connecting to server on x, {UNAVAILABLE}"), TargetAway, "MMC506"),
    (MilvusException(2, "service unavailable"), TargetAway, "MMC506"),
    (MilvusException(CODE.UNAVAILABLE, "connection refused"), TargetAway, "MMC506"),
    (MilvusException(CODE.UNAVAILABLE, "Socket closed"), TargetAway, "MMC506"),
    (MilvusException(CODE.UNKNOWN, "Stream removed"), TargetAway, "MMC506"),
    (MilvusException(CODE.INTERNAL, "Received RST_STREAM with error code 2"), TargetAway, "MMC506"),
    (MilvusException(CODE.UNAVAILABLE, "Ssl handshake failed: x"), TargetError, "MMC571"),
    (MilvusException(CODE.UNAVAILABLE, "Tls handshake: Socket closed"), TargetAway, "MMC506"),
    (MilvusException(CODE.UNAUTHENTICATED, "auth check failure"), TargetError, "MMC573"),
    (MilvusException(1400, "not authenticated"), TargetError, "MMC573"),
    (MilvusException(CODE.PERMISSION_DENIED, "PrivilegeLoad"), NotAllowed, "MMC570"),
    (MilvusException(1401, "PrivilegeLoad"), NotAllowed, "MMC570"),
    (MilvusException(1100, "field x not found"), TargetError, "MMC507"),
    (MilvusException(1100, "field `node not found`"), TargetError, "MMC507"),
    (MilvusException(101, "collection not loaded"), TargetError, "MMC507"),
    (MilvusException(CODE.UNIMPLEMENTED, "unknown method"), TargetError, "MMC507"),
]


def _id(row: tuple[Exception, type[TargetError], str]) -> str:
    return f"{row[0].code}-{row[0].message[:20]}"  # type: ignore[attr-defined]


class Rpc(grpc.RpcError):
    """As gRPC raises it to callers of a stub."""

    def __init__(self, code: grpc.StatusCode, words: str) -> None:
        self._code, self._words = code, words

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._words


@pytest.mark.parametrize(("error", "kind", "code"), TABLE, ids=map(_id, TABLE))
def test_kinds(error: MilvusException, kind: type[TargetError], code: str) -> None:
    """Calls of pymilvus and raw calls are told alike."""
    same: list[Exception] = [error]
    if isinstance(error.code, grpc.StatusCode):
        same.append(Rpc(error.code, error.message))
    for one in same:
        with pytest.raises(TargetError) as caught, translated("insert c"):
            raise one
        assert type(caught.value) is kind
        assert caught.value.code == code
        assert str(caught.value).startswith("insert c: ")
        assert error.message in str(caught.value)


@pytest.mark.parametrize(
    ("status", "said", "kind", "code"),
    [
        (CODE.UNAVAILABLE, "Connection refused (111)", TargetAway, "MMC500"),
        (CODE.DEADLINE_EXCEEDED, "Deadline Exceeded", TargetBusy, "MMC500"),
        (CODE.UNAUTHENTICATED, "auth check failure", TargetError, "MMC573"),
        (CODE.PERMISSION_DENIED, "no", NotAllowed, "MMC570"),
        (CODE.UNAVAILABLE, "CERTIFICATE_VERIFY_FAILED: unable to get it", TargetError, "MMC571"),
        (CODE.UNAVAILABLE, "Ssl handshake failed (TSI_PROTOCOL_FAILURE)", TargetError, "MMC571"),
    ],
)
def test_what_is_below_pymilvus_own_words(
    status: grpc.StatusCode, said: str, kind: type[TargetError], code: str
) -> None:
    """It says "illegal connection params or server unavailable" whatever happened."""

    def client() -> None:
        try:
            try:
                raise Rpc(status, said)
            except grpc.RpcError as error:
                raise MilvusException(
                    2, f"Fail connecting to server on x, {UNAVAILABLE}"
                ) from error
        except MilvusException as error:
            raise error from error

    with pytest.raises(MilvusException) as raised:
        client()
    error = not_reached("http://x", raised.value)
    assert (type(error), error.code) == (kind, code)
    assert str(error) == f"cannot connect to http://x: {said}"
    later = {"MMC500": "MMC506"}.get(code, code)
    with pytest.raises(TargetError) as caught, translated("flush c"):
        client()
    assert (type(caught.value), caught.value.code) == (kind, later)


TRACE = (
    "attempt #0: stack trace: /m/pkg/tracer/stack_trace.go:51 github.com/m/pkg/tracer.StackTrace\n"
    "/m/internal/datacoord/cluster.go:146 github.com/m/datacoord.(*ClusterImpl).FlushChannels\n"
    "/m/internal/datacoord/services.go:116 github.com/m/datacoord.(*Server).Flush: attempt #0: "
    "session not found->datanode-1: node not found[node=1]: unrecoverable error"
)
"""What 2.3.5 answers to a flush right after a restart (paths shortened)."""


def test_a_stack_trace_is_left_out() -> None:
    with pytest.raises(TargetBusy) as caught, translated("flush c"):
        raise MilvusException(65535, TRACE)
    assert str(caught.value) == (
        "flush c: attempt #0: attempt #0: "
        "session not found->datanode-1: node not found[node=1]: unrecoverable error"
    )


def test_other_exceptions_are_bugs_and_pass() -> None:
    with pytest.raises(KeyError), translated("insert c"):
        raise KeyError("x")
