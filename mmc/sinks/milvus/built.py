"""Waits for the indexes that a server builds, with a deadline, and tells how far they are. Changes
nothing.

pymilvus's own wait has no end where the timeout is a float, and says nothing meanwhile.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from mmc.errors import TargetBusy, TargetError
from mmc.milvus.connect import Connection
from mmc.spi import Progress

LOOK_SECONDS = (0.1, 0.5)
"""Between looks: first, and longest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """How an index stands.

    Attributes:
        state: the server's: Finished, InProgress, Failed... 2.3.5 says Finished too early.
        left: rows that are to come into it.
    """

    field: str
    state: str
    reason: str
    rows: int
    indexed: int
    left: int


def await_indexes(connection: Connection, name: str, progress: Progress) -> None:
    """Waits until every index of a collection covers every row that is flushed now; others may go
    on writing.

    Raises:
        TargetError: the server gave one up (MMC552).
        TargetBusy: one is not built in time (MMC506).
    """
    stands = look_at(connection, name)
    wanted = {one.field: one.rows for one in stands}
    deadline = time.monotonic() + connection.long_timeout
    wait = LOOK_SECONDS[0]
    while True:
        progress(sum(one.indexed for one in stands), sum(one.rows for one in stands))
        for one in stands:
            if one.state == "Failed":
                raise TargetError(
                    f"index of {name}.{one.field}: the server could not build it:"
                    f" {one.reason or 'no reason given'}",
                    hint="look at the server's log; another index type or parameters may do",
                    code="MMC552",
                )
        behind = [one for one in stands if one.left > 0 and one.indexed < wanted.get(one.field, 0)]
        if not behind:
            return
        if time.monotonic() > deadline:
            raise TargetBusy(
                f"index of {name}.{behind[0].field}: {behind[0].left:,} rows are not in it yet",
                hint="raise target.timeout, or apply again: the server goes on building",
                code="MMC506",
            )
        time.sleep(wait)
        wait = min(wait * 1.5, LOOK_SECONDS[1])
        stands = look_at(connection, name)


def look_at(connection: Connection, name: str) -> list[Built]:
    """How every index of a collection stands. Raises TargetError."""
    from pymilvus.grpc_gen import common_pb2, milvus_pb2

    request = milvus_pb2.DescribeIndexRequest(
        db_name=connection.address.database, collection_name=name
    )
    answer = connection.call("DescribeIndex", request, f"look at the indexes of {name}")
    return [
        Built(
            field=found.field_name,
            state=common_pb2.IndexState.Name(found.state),
            reason=found.index_state_fail_reason,
            rows=int(found.total_rows),
            indexed=int(found.indexed_rows),
            left=max(
                int(found.total_rows) - int(found.indexed_rows), int(found.pending_index_rows)
            ),
        )
        for found in answer.index_descriptions
    ]
