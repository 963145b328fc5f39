"""Pieces of an index -> Arrow batches: ids, vectors and joined columns, each with its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from mmc.arrow.schema import Origin, with_origin
from mmc.facts import Extent
from mmc.sources.faiss.files import Opened
from mmc.sources.faiss.nodes import Ivf
from mmc.sources.faiss.read import Block, Reader
from mmc.sources.faiss.table import Table
from mmc.storage.urls import open_blob

if TYPE_CHECKING:
    import pyarrow as pa


def read_piece(
    opened: Opened, piece: Extent, columns: Sequence[str], batch_rows: int
) -> Iterator[pa.RecordBatch]:
    table, storage = opened.table, opened.options.files
    with ExitStack() as stack:
        index = stack.enter_context(open_blob(table.url, storage))
        data = index
        if table.data_url:
            data = stack.enter_context(open_blob(table.data_url, storage))
        reader = Reader(table, index, data, vectors="vector" in columns, batch_rows=batch_rows)
        locator = piece.place
        if piece.unit == "list":
            blocks = reader.lists(piece.start, piece.stop)
        elif isinstance(table.store, Ivf):
            blocks = reader.list_rows(int(str(locator["list"])), piece.start, piece.stop)
        else:
            blocks = reader.rows(piece.start, piece.stop)
        for block in blocks:
            yield from _batches(opened, block, columns, batch_rows)


def _batches(
    opened: Opened, block: Block, columns: Sequence[str], batch_rows: int
) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    table, side = opened.table, opened.side
    joined = [name for name in columns if name not in ("id", "vector")]
    vectors = None if block.vectors is None else _vectors(table, block.vectors, len(block.ids))
    for start in range(0, len(block.ids), batch_rows):
        ids = block.ids[start : start + batch_rows]
        values: dict[str, pa.Array] = {"id": pa.array(ids)}
        if vectors is not None:
            values["vector"] = vectors.slice(start, batch_rows)
        if joined:
            assert side is not None
            values.update(zip(joined, side.take(ids, joined), strict=True))
        batch = pa.RecordBatch.from_arrays(
            [values[name] for name in columns],
            schema=pa.schema(
                [
                    pa.field(name, values[name].type, nullable=name not in ("id", "vector"))
                    for name in columns
                ]
            ),
        )
        row, unit = block.place(start)
        yield with_origin(batch, Origin(table.url, row, unit))


def _vectors(table: Table, raw: bytes | memoryview, rows: int) -> pa.Array:
    import pyarrow as pa

    buffer = pa.py_buffer(raw)
    if table.binary:
        return pa.Array.from_buffers(pa.binary(table.width), rows, [None, buffer])
    values = pa.Array.from_buffers(pa.float32(), rows * table.d, [None, buffer])
    return pa.FixedSizeListArray.from_arrays(values, table.d)
