"""The insert route: an open target, which does the steps of a plan.

What makes a replay harmless: rows have keys, and a later attempt upserts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NoReturn

import pyarrow as pa

from mmc.errors import TargetError
from mmc.plan.model import (
    AwaitIndexes,
    BuildIndex,
    CopySplits,
    CreateCollection,
    LoadCollection,
    Mode,
    Split,
    WriteManifest,
)
from mmc.sinks.milvus.built import await_indexes
from mmc.sinks.milvus.connect import Connection
from mmc.sinks.milvus.errors import translated
from mmc.sinks.milvus.lite import remove_remnant
from mmc.sinks.milvus.look import count, describe, indexes
from mmc.sinks.milvus.pages import KEYWORDS, read_all, read_keys
from mmc.sinks.milvus.schema import differences, to_schema
from mmc.sinks.milvus.writer import InsertWriter
from mmc.spi import Progress, WrittenSplit, unheard
from mmc.types import Collection, Index

COUNTS_IN_FLIGHT = 16
"""A strong read waits half a second for the server's clock, whatever it reads (2.3.5)."""


class InsertTarget:
    """An open Milvus, by the insert route: see `mmc.spi.Target`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def _client(self) -> Any:
        return self._connection.client

    def ensure(self, step: CreateCollection) -> None:
        """Brings the collection to what the step says, and checks that it is so.

        Once a `replace` has been done it must not be asked for again: it drops what was copied.

        Raises:
            TargetError: it exists and must not (MMC520), or differs from the plan (MMC522).
        """
        wanted = step.collection
        if wanted.primary.name.lower() in KEYWORDS:
            raise TargetError(
                f"`{wanted.primary.name}` is a word of Milvus's filter language: rows could not "
                "be asked for by that key",
                hint="give the primary key another name",
                code="MMC523",
            )
        self._connection.ensure_database()
        there = self._exists(wanted.name)
        if step.exists and step.mode in (Mode.APPEND, Mode.UPSERT):
            if not there:
                raise TargetError(f"collection {wanted.name} is not there any more", code="MMC522")
        elif step.exists and step.mode is Mode.FAIL:
            raise TargetError(
                f"collection {wanted.name} exists",
                hint="set load.mode to append, upsert or replace",
                code="MMC520",
            )
        else:
            if there and step.mode is Mode.REPLACE:
                self._drop(wanted.name)
                there = False
            self._create(wanted, there)
        self._compare(wanted)

    def _exists(self, name: str) -> bool:
        with translated(f"look for collection {name}"):
            return bool(self._client.has_collection(name, timeout=self._connection.timeout))

    def _drop(self, name: str) -> None:
        with translated(f"drop collection {name}"):
            self._client.drop_collection(name, timeout=self._connection.timeout)

    def _create(self, wanted: Collection, there: bool) -> None:
        """Makes what is missing of it: an attempt may have been killed half way."""
        timeout = self._connection.timeout
        if not there:
            address = self._connection.address
            if address.path is not None:
                remove_remnant(address.path, address.database, wanted.name)
            with translated(f"create collection {wanted.name}"):
                self._client.create_collection(
                    wanted.name,
                    schema=to_schema(wanted),
                    num_shards=wanted.shards,
                    properties=dict(wanted.properties) or None,
                    timeout=timeout,
                )
        with translated(f"create partitions of {wanted.name}"):
            present = self._client.list_partitions(wanted.name, timeout=timeout)
            for partition in wanted.partitions:
                if partition not in present:
                    self._client.create_partition(wanted.name, partition, timeout=timeout)

    def _compare(self, wanted: Collection) -> None:
        found = describe(self._connection, wanted.name)
        lines = [
            *differences(wanted, found.schema),
            *(f"field {name} is not wanted" for name in found.unknown),
        ]
        if lines:
            raise TargetError(
                f"collection {wanted.name} is not as planned: {'; '.join(lines)}",
                hint="plan again, or set load.mode to replace",
                code="MMC522",
            )

    def writer(self, step: CopySplits, split: Split, *, replay: bool) -> InsertWriter:
        """A writer for one split; inserts only when the plan says so and nothing was tried yet."""
        return InsertWriter(
            self._connection, step, split, insert=step.write == "insert" and not replay
        )

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
        """Loads the collection, and waits until it can be queried where the step says so."""
        with translated(f"load {step.collection}"):
            self._client.load_collection(
                step.collection, timeout=self._connection.long_timeout, _async=not step.wait
            )

    def await_indexes(self, step: AwaitIndexes, progress: Progress = unheard) -> None:
        """Waits until every index covers every row.

        A server builds indexes of flushed rows only, and calls an index of none complete, so the
        rows are flushed first.

        Raises:
            TargetError: the server gave one up (MMC552).
            TargetBusy: one is not built in time (MMC506).
        """
        with translated(f"flush {step.collection}"):
            self._client.flush(step.collection, timeout=self._connection.long_timeout)
        await_indexes(self._connection, step.collection, progress)

    def write_manifest(
        self,
        step: WriteManifest,
        plan_digest: str,
        files: Mapping[str, Sequence[WrittenSplit]],
    ) -> NoReturn:
        """This route writes no files; a plan that asks for a manifest here is a bug."""
        raise AssertionError(f"step {step.id}: the insert route has no manifest")

    def count(self, collection: Collection) -> int:
        """Exact count(*) over the whole collection at strong consistency."""
        return count(self._connection, collection)

    def count_partitions(self, collection: Collection, partitions: Sequence[str]) -> list[int]:
        """Exact count(*) of each partition at strong consistency."""
        if self._connection.dialect.capabilities.embedded:
            self._load_embedded(collection)
            return [count(self._connection, collection, one) for one in partitions]
        with ThreadPoolExecutor(COUNTS_IN_FLIGHT) as pool:
            ask = partial(count, self._connection, collection)
            return list(pool.map(ask, partitions))

    def read_back(
        self,
        collection: Collection,
        columns: Sequence[str],
        keys: pa.Array | None,
        batch_rows: int,
    ) -> Iterator[pa.RecordBatch]:
        """Rows as canonical batches; see `mmc.spi.Target.read_back`."""
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
    wanted, params = step.index, dict(there.params)
    same = wanted.type == there.type and wanted.metric in (None, there.metric)
    if not same or any(params.get(key) != value for key, value in wanted.params):
        raise TargetError(
            f"{step.collection}.{step.field} has another index: "
            f"{_shown(there)}; planned is {_shown(wanted)}",
            hint="drop that index, or plan with it",
            code="MMC525",
        )


def _shown(index: Index) -> str:
    params = " ".join(f"{key}={value}" for key, value in index.params)
    return " ".join(part for part in (index.type, index.metric or "", params) if part)
