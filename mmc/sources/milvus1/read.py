"""Pieces -> Arrow batches of ids, vectors and tags. Values are windows of the files where all rows
of a batch are wanted, and are gathered where some are deleted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from mmc.arrow.schema import Origin, with_origin
from mmc.errors import FileMissing, SourceChanged, SourceError
from mmc.facts import Extent
from mmc.sources.milvus1.extents import Piece
from mmc.sources.milvus1.kept import HEADER, Kept, load_kept, payload
from mmc.sources.milvus1.segment import identify, ids_url, segment_urls, vectors_url
from mmc.storage.urls import Blob, fingerprint, open_blob
from mmc.types import FieldType, JsonValue, TypeKind

if TYPE_CHECKING:
    from typing import TypeAlias

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Raw: TypeAlias = bytes | memoryview | NDArray[np.uint8]

_WINDOW = 16 << 20
"""Bytes looked at together while wanted rows are gathered from among deleted ones."""
_MERGE = 64
"""Wanted rows of a batch that lie closer than this many rows are read together."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Rows:
    """Values of a batch. `places`: row numbers in the file; None when they follow `first`."""

    ids: Raw
    vectors: Raw | None
    count: int
    first: int
    places: NDArray[np.int64] | None


def read_piece(
    extent: Extent,
    columns: Sequence[str],
    batch_rows: int,
    partition_field: str,
    storage: Mapping[str, JsonValue],
) -> Iterator[pa.RecordBatch]:
    """Raises SourceChanged, SourceError."""
    piece = Piece.of(extent)
    check(piece, storage)
    vectors = "vector" in columns
    if piece.folder:
        path, unit = vectors_url(piece.folder), "row"
        blocks = _segment(piece, vectors, batch_rows, storage)
    else:
        path, unit = piece.log, "byte"
        blocks = _log(piece, vectors, batch_rows, storage)
    try:
        for block in blocks:
            yield with_origin(
                _batch(piece, block, columns, partition_field),
                Origin(path, block.first, unit, block.places),
            )
    except SourceError:
        # A file that is replaced while it is read may look like a damaged one.
        check(piece, storage)
        raise
    # Again at the end: what was read while the files were replaced is a mixture.
    check(piece, storage)


def check(piece: Piece, storage: Mapping[str, JsonValue]) -> None:
    """Raises SourceChanged when the files are not those of the plan."""
    where = piece.folder or piece.log
    try:
        now = identify(where, storage) if piece.folder else fingerprint(where, storage)
    except FileMissing as error:
        raise _changed(f"{error} any more; it was there when the plan was made") from None
    if now != piece.seen:
        then, files = piece.seen.split(" "), now.split(" ")
        if piece.folder and len(then) == len(files) == len(segment_urls(where)):
            places = zip(segment_urls(where), then, files, strict=True)
            where = ", ".join(url for url, old, new in places if old != new)
        raise _changed(f"{where}: changed since the plan")


def _changed(message: str) -> SourceChanged:
    return SourceChanged(
        message, hint="make the plan again, with the Milvus 1.x server stopped", code="MMC420"
    )


def live_ids(
    folder: str, rows: int, deleted: int, storage: Mapping[str, JsonValue], at_once: int
) -> Iterator[NDArray[np.int64]]:
    """Ids of the live rows of a segment, `at_once` together.

    Args:
        rows: live ones.
        deleted: how many are; the list of them is read when there are some.

    Raises:
        SourceError: a file cannot be read.
    """
    import numpy as np

    kept = load_kept(folder, storage, rows + deleted) if deleted else Kept.every()
    with open_blob(ids_url(folder), storage) as blob:
        for start in range(0, rows, at_once):
            stop = min(start + at_once, rows)
            first = kept.run(start, stop)
            raw: Raw = (
                _gather(blob, HEADER, 8, kept.places(start, stop))
                if first is None
                else _window(blob, HEADER + 8 * first, 8 * (stop - start))
            )
            yield np.frombuffer(raw, "<i8")


def live_places(
    folder: str, stored: int, storage: Mapping[str, JsonValue], rows: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Live rows of a segment of `stored` rows as row numbers of the files. Raises SourceError."""
    import numpy as np

    kept = load_kept(folder, storage, stored)
    return np.array([kept.places(row, row + 1)[0] for row in rows.tolist()], np.int64)


def _segment(
    piece: Piece, vectors: bool, batch_rows: int, storage: Mapping[str, JsonValue]
) -> Iterator[Rows]:
    import numpy as np

    width = piece.vector.bytes_per_vector
    with ExitStack() as stack:
        ids = stack.enter_context(open_blob(ids_url(piece.folder), storage))
        kept = load_kept(piece.folder, storage, payload(ids) // 8)
        raw = None
        if vectors:
            raw = stack.enter_context(open_blob(vectors_url(piece.folder), storage))
        for start in range(piece.start, piece.stop, batch_rows):
            stop = min(start + batch_rows, piece.stop)
            dropped = piece.drop[
                np.searchsorted(piece.drop, start) : np.searchsorted(piece.drop, stop)
            ]
            first = kept.run(start, stop) if not len(dropped) else None
            if first is not None:
                count = stop - start
                yield Rows(
                    ids=_window(ids, HEADER + 8 * first, 8 * count),
                    vectors=None
                    if raw is None
                    else _window(raw, HEADER + width * first, width * count),
                    count=count,
                    first=first,
                    places=None,
                )
                continue
            places = np.delete(kept.places(start, stop), dropped - start)
            if len(places):
                yield Rows(
                    ids=_gather(ids, HEADER, 8, places),
                    vectors=None if raw is None else _gather(raw, HEADER, width, places),
                    count=len(places),
                    first=int(places[0]),
                    places=places,
                )


def _log(
    piece: Piece, vectors: bool, batch_rows: int, storage: Mapping[str, JsonValue]
) -> Iterator[Rows]:
    """Batches within one record; the place of a row is the byte of its id in the log file."""
    import numpy as np

    width = piece.vector.bytes_per_vector
    with open_blob(piece.log, storage) as log:
        begin = 0
        for ids_at, rows, data_at in piece.records:
            for start in range(max(begin, piece.start), min(begin + rows, piece.stop), batch_rows):
                stop = min(start + batch_rows, begin + rows, piece.stop)
                dropped = piece.drop[
                    np.searchsorted(piece.drop, start) : np.searchsorted(piece.drop, stop)
                ]
                places = np.delete(np.arange(start, stop), dropped - start) - begin
                if len(places):
                    yield Rows(
                        ids=_gather(log, ids_at, 8, places),
                        vectors=_gather(log, data_at, width, places) if vectors else None,
                        count=len(places),
                        first=ids_at + 8 * int(places[0]),
                        places=ids_at + 8 * places,
                    )
            begin += rows


def _window(blob: Blob, offset: int, length: int) -> Raw:
    mapped = blob.map(offset, length)
    return mapped if mapped is not None else blob.read_at(offset, length)


def _gather(blob: Blob, base: int, width: int, places: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The values at these ascending places, one after another, in bounded memory."""
    import numpy as np

    out = np.empty((len(places), width), np.uint8)
    step = max(_WINDOW // width, 1)
    # Far from each other, wanted rows are read by themselves and not with what is between them.
    apart = np.flatnonzero(np.diff(places) > _MERGE) + 1
    bounds = [0, *apart.tolist(), len(places)]
    if len(bounds) > len(places) // 4 + 2:
        bounds = [0, len(places)]
    for begin, end in pairwise(bounds):
        at = begin
        while at < end:
            first = int(places[at])
            until = at + int(np.searchsorted(places[at:end], first + step))
            count = int(places[until - 1]) - first + 1
            block = np.frombuffer(_window(blob, base + width * first, width * count), np.uint8)
            np.take(block.reshape(count, width), places[at:until] - first, 0, out[at:until], "clip")
            at = until
    return out


def _batch(
    piece: Piece, rows: Rows, columns: Sequence[str], partition_field: str
) -> pa.RecordBatch:
    import pyarrow as pa

    arrays, fields = [], []
    for name in columns:
        if name == "id":
            array = pa.Array.from_buffers(pa.int64(), rows.count, [None, pa.py_buffer(rows.ids)])
        elif name == "vector":
            assert rows.vectors is not None
            array = vector_array(piece.vector, rows.vectors, rows.count)
        else:
            assert name == partition_field
            array = pa.repeat(pa.scalar(piece.tag, pa.string()), rows.count)
        arrays.append(array)
        fields.append(pa.field(name, array.type, nullable=False))
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def vector_array(type_: FieldType, raw: Raw, rows: int) -> pa.Array:
    """Raw rows as an Arrow array, without a copy."""
    import pyarrow as pa

    buffer = pa.py_buffer(raw)
    if type_.kind is TypeKind.BINARY_VECTOR:
        return pa.Array.from_buffers(pa.binary(type_.bytes_per_vector), rows, [None, buffer])
    values = pa.Array.from_buffers(pa.float32(), rows * (type_.dim or 0), [None, buffer])
    return pa.FixedSizeListArray.from_arrays(values, type_.dim)
