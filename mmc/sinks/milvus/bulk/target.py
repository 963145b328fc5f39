"""The bulk route: an open target that stages files and has the server import them.

What makes a replay harmless: a part has a fixed name, and the ledger of the run knows which import
was asked for. The server itself would import the same file again, and double its rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol

import pyarrow as pa

from mmc.errors import TargetBusy, TargetError, TargetUntouched
from mmc.layouts.staging import StagingPlace
from mmc.milvus.connect import Connection
from mmc.milvus.errors import translated
from mmc.milvus.importable import Imports
from mmc.milvus.look import load_of, stored
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
from mmc.sinks.milvus.access import check_access
from mmc.sinks.milvus.built import await_indexes
from mmc.sinks.milvus.bulk.reasons import Reason, reason_of
from mmc.sinks.milvus.bulk.trial import is_found, not_seen, unseen
from mmc.sinks.milvus.bulk.writer import InPlaceWriter, StagedWriter
from mmc.sinks.milvus.insert.target import InsertTarget
from mmc.sinks.parts import PartSplitWriter
from mmc.spi import (
    ALONE,
    Claim,
    FileGroup,
    ImportTask,
    Look,
    Progress,
    TaskState,
    no_progress,
)
from mmc.types import Collection, TypeKind


class ImportCalls(Protocol):
    """The import interface of one server, by gRPC or REST. Paths are the server's.

    Attributes:
        memory_seconds: a task is listed at least so long after it was asked for.
    """

    @property
    def memory_seconds(self) -> float: ...

    def submit(
        self, collection: str, partition: str, groups: Sequence[Sequence[str]], key: str
    ) -> str: ...

    def tasks(self, ids: Sequence[str]) -> list[ImportTask]:
        """In their order. Their `files` are texts of the server's that name them."""

    def find(self, collection: str) -> list[ImportTask]: ...

    def see(self, collection: str, path: str, *, needed: bool) -> str | None:
        """Why the server cannot read a file that brings no rows; "" where it can, None where it
        does not say so soon, or where that takes time and is not `needed`.
        """

    def close(self) -> None: ...


class BulkTarget:
    """An open Milvus server, by the bulk route: see `mmc.spi.Importer`."""

    def __init__(self, connection: Connection, imports: Imports, calls: ImportCalls) -> None:
        self._connection = connection
        self._imports = imports
        self._calls = calls
        self._rows = InsertTarget(connection)
        # All our formats carry a document as text, which every server takes, whatever it holds.
        self._dialect = replace(connection.dialect, json_objects=False)

    def check_access(self, steps: Sequence[Step]) -> None:
        """Whether the login may do all of these steps: see `mmc.sinks.milvus.access`."""
        check_access(self._connection, steps)

    def ensure(self, step: CreateCollection, claim: Claim = ALONE) -> dict[str, str]:
        """Brings the collection to what the step says: see `mmc.sinks.milvus.ensure`.

        Raises:
            TargetError: as there; the server is to make text keys, which an import cannot (MMC511).
        """
        key = step.collection.primary
        if key.auto_id and key.type.kind is not TypeKind.INT64:
            raise TargetUntouched(
                f"{step.collection.name}.{key.name}: an import makes no {key.type} keys",
                hint="make it int64, or set load.route: insert",
                code="MMC511",
            )
        return self._rows.ensure(step, claim)

    def release(self, step: CreateCollection, claim: Claim) -> None:
        """Takes the claim off the collection, at the end of the run."""
        self._rows.release(step, claim)

    def check_staging(self, copy: CopySplits, *, dropping: bool, manifest: str) -> None:
        """Writes, reads and removes a file without rows below the plan's key, and has the server
        read it where the collection, also an old one that is to be replaced, is there. A place
        whose files are imported where they lie is not written to: the server reads its manifest.

        Raises:
            TargetError: a field is of a type that such files cannot bring in (MMC510), the place
                cannot be written or read (MMC541), or the server does not see it (MMC542), or no
                server could (MMC546).
            TargetBusy: a collection is to be dropped, and the server does not say whether it sees
                the place (MMC550). The file without rows stays, for the server to find.
        """
        self._refuse_types(copy)
        place = StagingPlace.of(copy)
        place.on_server("")
        told: str | None = ""
        if copy.write is Write.IN_PLACE:
            place.refuse_unreadable(copy)
            if manifest.endswith(".json") or dropping:
                told = self._told(copy.collection.name, place.on_server(manifest), dropping)
        else:
            path = place.probe()
            try:
                told = self._told(copy.collection.name, place.on_server(path), dropping)
            finally:
                if told is not None:
                    place.remove_probe(path)
        if told and not is_found(told):
            raise not_seen(copy, place, told)
        if told is None:
            raise TargetBusy(
                f"{copy.collection.name}: the server does not say yet whether it sees"
                f" {place.url}; the collection is not dropped before",
                hint="it may have other imports to do first, or could not read its storage just"
                " now: apply again later",
                code="MMC550",
            )

    def _told(self, name: str, path: str, dropping: bool) -> str | None:
        """Why the server cannot read a file that brings no rows: "" where it can, or where there is
        no collection to ask with; None where it does not say, and a collection is to be dropped.
        """
        connection = self._connection
        if not connection.has_database:
            return ""
        with translated(f"look for collection {name}"):
            there = connection.client.has_collection(name, timeout=connection.timeout)
        if not there:
            return ""
        told = self._calls.see(name, path, needed=dropping)
        return "" if told is None and not dropping else told

    def _refuse_types(self, copy: CopySplits) -> None:
        assert copy.layout is not None
        format_ = self._imports.format(copy.layout.format)
        for field in copy.collection.fields:
            if not format_.carries(field):
                null = "nullable " if field.nullable else ""
                raise TargetError(
                    f"{copy.collection.name}.{field.name}: Milvus {self._connection.version.text} "
                    f"imports no {null}{field.type} from {format_.name} files",
                    hint="take another load.staging.format, or load.route: insert",
                    code="MMC510",
                )

    def writer(
        self, step: CopySplits, split: Split, *, replay: bool
    ) -> StagedWriter | InPlaceWriter:
        """A writer for one split. A replay writes the same names, so nothing depends on it.

        Raises:
            TargetError: a field is of a type that such files cannot bring in (MMC510).
        """
        self._refuse_types(step)
        place = StagingPlace.of(step)
        if step.write is Write.IN_PLACE:
            return InPlaceWriter(place, step, split, self._dialect)
        part = PartSplitWriter(
            place.url, place.storage, step, split, place.key, self._connection.fence
        )
        return StagedWriter(part, step.collection, self._dialect)

    @property
    def memory_seconds(self) -> float:
        """A task is listed at least so long after it was asked for."""
        return self._calls.memory_seconds

    def submit(self, copy: CopySplits, groups: Sequence[FileGroup], key: str) -> str:
        """Asks for one import: see `mmc.spi.Importer.submit`."""
        place = StagingPlace.of(copy)
        (partition,) = {group.partition for group in groups}
        paths = [[place.on_server(path) for path in group.files] for group in groups]
        self._connection.fence()
        return self._calls.submit(copy.collection.name, partition, paths, key)

    def tasks(self, copy: CopySplits, ids: Sequence[str]) -> Sequence[ImportTask]:
        """How these stand, in their order. A task that the server no longer knows is FAILED."""
        place = StagingPlace.of(copy)
        return [_ours(place, task) for task in self._calls.tasks(ids)]

    def find_tasks(self, copy: CopySplits) -> Sequence[ImportTask]:
        """Every task of the collection that the server knows, the oldest first.

        From 2.4 on the server does not tell the files of a job before it has looked at all of them.
        """
        place = StagingPlace.of(copy)
        return [_ours(place, task) for task in self._calls.find(copy.collection.name)]

    def rows_there(self, copy: CopySplits) -> int:
        """How many rows the collection has, with those imported: see `mmc.spi.Importer`."""
        collection = copy.collection
        if not load_of(self._connection, collection.name).whole:
            return stored(self._connection, collection.name)
        self._refresh(collection.name)
        return self.count(collection)

    def drop_alias(self, step: DropAlias) -> None:
        """As by insert; so are the next three."""
        self._rows.drop_alias(step)

    def drop_collection(self, step: DropCollection) -> None:
        self._rows.drop_collection(step)

    def create_alias(self, step: CreateAlias) -> None:
        self._rows.create_alias(step)

    def alter_collection(self, step: AlterCollection) -> None:
        self._rows.alter_collection(step)

    def build_index(self, step: BuildIndex) -> None:
        """Creates the index; an equal one that is there is left alone.

        Raises:
            TargetError: the field has another index (MMC525).
        """
        self._rows.build_index(step)

    def await_indexes(self, step: AwaitIndexes, progress: Progress = no_progress) -> None:
        """Waits until every index covers every row: what was imported is flushed.

        Raises:
            TargetError: the server gave one up (MMC552).
            TargetBusy: one is not built in time (MMC506).
        """
        await_indexes(self._connection, step.collection, progress)

    def load(self, step: LoadCollection) -> None:
        """Loads the collection and waits until all that was imported can be queried.

        In a collection that was loaded before, imported rows cannot be seen for some 15 seconds,
        not even at strong consistency, unless it is refreshed.
        """
        if not load_of(self._connection, step.collection).whole:
            self._rows.load(step)
            return
        self._refresh(step.collection)

    def _refresh(self, name: str) -> None:
        client, timeout = self._connection.client, self._connection.long_timeout
        with translated(f"refresh {name}"):
            client.refresh_load(name, timeout=timeout)

    def count(self, collection: Collection) -> int:
        """Exact count(*) over the whole collection at strong consistency."""
        return self._rows.count(collection)

    def count_partitions(self, collection: Collection, partitions: Sequence[str]) -> list[int]:
        """Exact count(*) of each partition at strong consistency."""
        return self._rows.count_partitions(collection, partitions)

    def count_keys(self, collection: Collection, keys: pa.Array) -> int:
        """Exact count(*) of the rows with these keys at strong consistency."""
        return self._rows.count_keys(collection, keys)

    def look(self, collection: Collection) -> Look:
        """The collection as it is, without its rows."""
        return self._rows.look(collection)

    def read_back(
        self,
        collection: Collection,
        columns: Sequence[str],
        keys: pa.Array | None,
        batch_rows: int,
    ) -> Iterator[pa.RecordBatch]:
        """Rows as canonical batches; see `mmc.spi.Target.read_back`."""
        return self._rows.read_back(collection, columns, keys, batch_rows)


def _ours(place: StagingPlace, task: ImportTask) -> ImportTask:
    """A task with our paths, and with our words where the server does not see the files. Files of
    other places keep the server's names, so that a task without any is one it does not tell yet.
    """
    named = (place.ours(told) or ((told,) if told else ()) for told in task.files)
    files = tuple(path for paths in named for path in paths)
    if task.state is not TaskState.FAILED:
        return replace(task, files=files)
    match reason_of(task.reason):
        case Reason.UNSEEN:
            reason = unseen(place, task.reason)
            return replace(task, files=files, reason=reason, code="MMC542")
        case Reason.PASSING:
            reason = f"Milvus could not read its storage just now: {task.reason}"
            return replace(task, files=files, reason=reason, code="MMC557", again=True)
        case _:
            return replace(task, files=files)
