"""Writes the rows of one split by insert or upsert calls."""

from __future__ import annotations

import pyarrow as pa

from mmc.errors import BatchTooLarge, TargetError, TargetThrottled
from mmc.layouts.files import FileRecord
from mmc.milvus.connect import Connection
from mmc.milvus.encode import encode
from mmc.plan.model import CopySplits, Split
from mmc.sinks.milvus.refuse import refuse_unstorable


class InsertWriter:
    """Writes one split by insert or upsert calls: see `mmc.spi.Writer`.

    Rows count once the server has acknowledged them. A server has them in its log then, and
    Milvus Lite in its write-ahead log, handed to the operating system: killing this process loses
    none. So `commit` has nothing left to do; a flush would only be slow.
    """

    def __init__(
        self, connection: Connection, step: CopySplits, split: Split, *, insert: bool
    ) -> None:
        self._connection = connection
        self._collection = step.collection
        self._partition = split.partition
        self._most_bytes = min(step.batches.bytes, connection.dialect.capabilities.max_batch_bytes)
        self._insert = insert
        self._acknowledged = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Sends the batch in pieces of at most the planned bytes.

        Raises:
            TargetThrottled: after `rows_written` of its rows; the rest may be written next.
            TargetError: the server refuses, or a value would not come back as it is (MMC508).
        """
        if not batch.num_rows:
            return
        refuse_unstorable(self._collection, batch, self._connection.dialect)
        pieces = -(-batch.nbytes // self._most_bytes)
        rows = max(1, -(-batch.num_rows // pieces))
        self._acknowledged = 0
        try:
            for start in range(0, batch.num_rows, rows):
                self._send(batch.slice(start, rows))
        except TargetThrottled as error:
            error.rows_written = self._acknowledged
            raise
        except BaseException:
            # Nobody knows what a failed call has written, so whoever tries again must replace.
            self._insert = False
            raise

    def _send(self, batch: pa.RecordBatch) -> None:
        try:
            self._send_once(batch)
        except BatchTooLarge as error:
            if batch.num_rows == 1:
                raise TargetError(f"one row is too large: {error}", code="MMC509") from None
            half = batch.num_rows // 2
            self._most_bytes = max(1, batch.nbytes // 2)
            self._send(batch.slice(0, half))
            self._send(batch.slice(half))

    def _send_once(self, batch: pa.RecordBatch) -> None:
        from pymilvus.grpc_gen import milvus_pb2

        insert = self._insert or self._connection.dialect.insert_replaces
        kind = milvus_pb2.InsertRequest if insert else milvus_pb2.UpsertRequest
        request = kind(
            collection_name=self._collection.name,
            partition_name=self._partition,
            num_rows=batch.num_rows,
            fields_data=encode(self._collection, batch, self._connection.dialect),
        )
        answer = self._connection.call("Insert" if insert else "Upsert", request)
        written = answer.insert_cnt or answer.upsert_cnt
        if written != batch.num_rows:
            raise TargetError(
                f"write {self._collection.name}: {batch.num_rows} rows sent, "
                f"{written} acknowledged",
                code="MMC524",
            )
        self._acknowledged += written

    def commit(self) -> tuple[FileRecord, ...]:
        """All rows are acknowledged, so all are durable; this route has no files."""
        return ()

    def abort(self) -> None:
        """What was written stays, under its keys, until the split is replayed over it."""
