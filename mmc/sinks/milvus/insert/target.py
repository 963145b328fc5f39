"""The insert route: an open target, which does the steps of a plan.

What makes a replay harmless: rows have keys, and a later attempt upserts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pyarrow as pa

from mmc.errors import TargetUntouched, refused_untouched
from mmc.milvus.connect import Connection
from mmc.milvus.errors import translated
from mmc.milvus.look import (
    CALLS_IN_FLIGHT,
    WholeLoad,
    count,
    count_keys,
    indexes,
    load_of,
    look_at,
)
from mmc.milvus.pages import read_all, read_keys
from mmc.milvus.schema import DEFAULT_PARTITION
from mmc.plan.ddl import AlterCollection, CreateAlias, DropAlias, DropCollection
from mmc.plan.model import (
    AwaitIndexes,
    BuildIndex,
    CopySplits,
    CreateCollection,
    LoadCollection,
    Split,
    Step,
    Write,
)
from mmc.sinks.milvus import ddl
from mmc.sinks.milvus.access import check_access
from mmc.sinks.milvus.built import await_indexes
from mmc.sinks.milvus.ensure import ensure, release
from mmc.sinks.milvus.insert.writer import InsertWriter
from mmc.spi import ALONE, Claim, Look, Progress, no_progress
from mmc.types import Collection, Index
from mmc.verify.shape import same_index, shown

KEYS_AT_ONCE = 1000
"""Keys in one filter."""


class InsertTarget:
    """An open Milvus, by the insert route: see `mmc.spi.Target`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._whole = WholeLoad(connection)

    @property
    def _client(self) -> Any:
        return self._connection.client

    def check_access(self, steps: Sequence[Step]) -> None:
        """Whether the login may do all of these steps: see `mmc.sinks.milvus.access`."""
        check_access(self._connection, steps)

    def ensure(self, step: CreateCollection, claim: Claim = ALONE) -> dict[str, str]:
        """Brings the collection to what the step says: see `mmc.sinks.milvus.ensure`."""
        return ensure(self._connection, step, claim)

    def release(self, step: CreateCollection, claim: Claim) -> None:
        """Takes the claim off the collection, at the end of the run."""
        release(self._connection, step, claim)

    def writer(self, step: CopySplits, split: Split, *, replay: bool) -> InsertWriter:
        """A writer for one split; inserts only when the plan says so and nothing was tried yet."""
        return InsertWriter(
            self._connection, step, split, insert=step.write is Write.INSERT and not replay
        )

    def drop_alias(self, step: DropAlias) -> None:
        """See `mmc.sinks.milvus.ddl`, as for the next three. What is refused changed nothing."""
        with refused_untouched():
            ddl.drop_alias(self._connection, step)

    def drop_collection(self, step: DropCollection) -> None:
        if self._connection.has_database:
            with refused_untouched():
                ddl.drop_collection(self._connection, step)

    def create_alias(self, step: CreateAlias) -> None:
        with refused_untouched():
            ddl.create_alias(self._connection, step)

    def alter_collection(self, step: AlterCollection) -> None:
        with refused_untouched():
            ddl.alter_collection(self._connection, step)

    def build_index(self, step: BuildIndex) -> None:
        """Creates the index; an equal one that is there is left alone.

        Raises:
            TargetError: the field has another index (MMC525).
        """
        there = dict(indexes(self._connection, step.collection)).get(step.field)
        if there is not None:
            _check_index(step, there)
            return
        self._connection.create_index(step.collection, step.field, step.index)

    def load(self, step: LoadCollection) -> None:
        """Loads the collection, and waits until it can be queried where the step says so.

        Where some partitions were loaded, a server says at once that all are, and for seconds
        counts and finds the rows of those only; not so once the load is refreshed (2.3.5).
        """
        client, timeout = self._client, self._connection.long_timeout
        server = not self._connection.dialect.capabilities.embedded
        partly = step.wait and server and load_of(self._connection, step.collection).unloaded
        self._connection.fence()
        with translated(f"load {step.collection}"):
            client.load_collection(step.collection, timeout=timeout, _async=not step.wait)
            if partly or (step.refresh and server):
                client.refresh_load(step.collection, timeout=timeout)

    def await_indexes(self, step: AwaitIndexes, progress: Progress = no_progress) -> None:
        """Waits until every index covers every row.

        A server builds indexes of flushed rows only, and calls an index of none complete, so the
        rows are flushed first.

        Raises:
            TargetError: the server gave one up (MMC552).
            TargetBusy: one is not built in time (MMC506).
        """
        self._connection.fence()
        with translated(f"flush {step.collection}"):
            self._client.flush(step.collection, timeout=self._connection.long_timeout)
        await_indexes(self._connection, step.collection, progress)

    def count(self, collection: Collection) -> int:
        """Exact count(*) over the whole collection at strong consistency.

        Raises:
            TargetError: partitions of it are not loaded (MMC582), so not counted.
        """
        self._whole.require(collection.name)
        return count(self._connection, collection)

    def count_partitions(self, collection: Collection, partitions: Sequence[str]) -> list[int]:
        """Exact count(*) of each partition at strong consistency. Raises as `count`."""
        self._whole.require(collection.name)
        partitions = [name or DEFAULT_PARTITION for name in partitions]
        if self._connection.dialect.capabilities.embedded:
            self._load_embedded(collection)
            return [count(self._connection, collection, one) for one in partitions]
        with ThreadPoolExecutor(CALLS_IN_FLIGHT) as pool:
            ask = partial(count, self._connection, collection)
            return list(pool.map(ask, partitions))

    def count_keys(self, collection: Collection, keys: pa.Array) -> int:
        """Exact count(*) of the rows with these keys at strong consistency. Raises as `count`."""
        self._whole.require(collection.name)
        parts = [keys.slice(at, KEYS_AT_ONCE) for at in range(0, len(keys), KEYS_AT_ONCE)]

        def ask(part: pa.Array) -> int:
            return count_keys(self._connection, collection, part.to_pylist())

        if self._connection.dialect.capabilities.embedded:
            self._load_embedded(collection)
            return sum(map(ask, parts))
        with ThreadPoolExecutor(CALLS_IN_FLIGHT) as pool:
            return sum(pool.map(ask, parts))

    def look(self, collection: Collection) -> Look:
        """The collection as it is, without its rows."""
        return Look(found=look_at(self._connection, collection.name))

    def read_back(
        self,
        collection: Collection,
        columns: Sequence[str],
        keys: pa.Array | None,
        batch_rows: int,
    ) -> Iterator[pa.RecordBatch]:
        """Rows as canonical batches; see `mmc.spi.Target.read_back`. Raises as `count`."""
        self._whole.require(collection.name)
        if self._connection.dialect.capabilities.embedded:
            self._load_embedded(collection)
        if keys is None:
            return read_all(self._connection, collection, columns, batch_rows)
        return read_keys(self._connection, collection, columns, keys, batch_rows)

    def _load_embedded(self, collection: Collection) -> None:
        """After a new start an embedded collection is not loaded, once it has an index."""
        with translated(f"load {collection.name}"):
            self._client.load_collection(collection.name, timeout=self._connection.long_timeout)


def _check_index(step: BuildIndex, there: Index) -> None:
    if not same_index(step.index, there):
        raise TargetUntouched(
            f"{step.collection}.{step.field} has another index: "
            f"{shown(there)}; planned is {shown(step.index)}",
            hint="drop that index, or plan with it",
            code="MMC525",
        )
