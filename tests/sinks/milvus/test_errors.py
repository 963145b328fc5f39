"""Errors of client and wire, by what can be done about them."""

from __future__ import annotations

import grpc
import pytest
from pymilvus.exceptions import MilvusException

from mmc.errors import BatchTooLarge, TargetBusy, TargetError, TargetThrottled
from mmc.sinks.milvus.errors import translated

CODE = grpc.StatusCode
LIMITED = (
    "request is rejected by grpc RateLimiter middleware, please retry later:"
    " rate limit exceeded[rate=314572.8]"
)
"""What 2.3.5 answers to an insert above `quotaAndLimits.dml.insertRate.max`."""


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (
            MilvusException(
                CODE.RESOURCE_EXHAUSTED,
                "grpc: received message larger than max (77408563 vs. 67108864)",
            ),
            BatchTooLarge,
            "MMC505",
        ),
        (MilvusException(8, LIMITED), TargetThrottled, "MMC506"),
        (MilvusException(1, "request is rejected by grpc RateLimiter"), TargetThrottled, "MMC506"),
        (MilvusException(9, "quota exceeded[reason=disk quota]"), TargetThrottled, "MMC506"),
        (MilvusException(CODE.RESOURCE_EXHAUSTED, LIMITED), TargetThrottled, "MMC506"),
        (MilvusException(5, "not now", retriable=True), TargetBusy, "MMC506"),
        (MilvusException(CODE.UNAVAILABLE, "connection refused"), TargetBusy, "MMC506"),
        (MilvusException(CODE.DEADLINE_EXCEEDED, "Deadline Exceeded"), TargetBusy, "MMC506"),
        (MilvusException(CODE.UNAUTHENTICATED, "auth check failure"), TargetError, "MMC507"),
        (MilvusException(1100, "field x not found"), TargetError, "MMC507"),
        (MilvusException(101, "collection not loaded"), TargetError, "MMC507"),
    ],
)
def test_kinds(error: Exception, kind: type[TargetError], code: str) -> None:
    with pytest.raises(TargetError) as caught, translated("insert c"):
        raise error
    assert type(caught.value) is kind
    assert caught.value.code == code
    assert str(caught.value).startswith("insert c: ")
    assert error.message in str(caught.value)  # type: ignore[attr-defined]


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
