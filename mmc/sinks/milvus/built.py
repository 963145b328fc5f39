"""Waits for the indexes that a server builds. Changes nothing."""

from __future__ import annotations

import time

from mmc.errors import TargetBusy, TargetError
from mmc.sinks.milvus.connect import Connection
from mmc.sinks.milvus.errors import translated

_LOOK_SECONDS = 0.5
"""Between looks at an index that is being built."""


def await_indexes(connection: Connection, name: str) -> None:
    """Waits until every index of a collection covers every row that is flushed.

    Raises:
        TargetError: the server gave one up (MMC552).
        TargetBusy: one is not built in time (MMC506).
    """
    deadline = time.monotonic() + connection.long_timeout
    with translated(f"look at the indexes of {name}"):
        indexes = connection.client.list_indexes(name, timeout=connection.timeout)
    for index in indexes:
        while (left := _unindexed(connection, name, index)) > 0:
            if time.monotonic() > deadline:
                raise TargetBusy(
                    f"index {index} of {name}: {left:,} rows are not in it yet",
                    hint="raise target.timeout, or apply again: the server goes on building",
                    code="MMC506",
                )
            time.sleep(_LOOK_SECONDS)


def _unindexed(connection: Connection, name: str, index: str) -> int:
    with translated(f"look at index {index} of {name}"):
        stands = connection.client.describe_index(name, index, timeout=connection.timeout)
    if stands["state"] == "Failed":
        raise TargetError(
            f"index {index} of {name}: the server gave up building it",
            hint="its log says why; take other parameters, or another type of index",
            code="MMC552",
        )
    behind = int(stands["total_rows"]) - int(stands["indexed_rows"])
    return max(behind, int(stands["pending_index_rows"]))
