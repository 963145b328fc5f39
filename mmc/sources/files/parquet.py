"""Parquet files: schema and row groups from the footers, rows decoded with bounded memory.

Column chunks are read through small buffers, so a row group of any size is never held whole.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mmc.arrow.column import Column
from mmc.arrow.schema import Origin, arrow_text
from mmc.errors import SourceChanged, SourceError
from mmc.facts import Extent
from mmc.sources.files.formats import (
    Look,
    Reading,
    Rows,
    number_of,
    only_one,
    pick,
    slices,
    text_of,
)
from mmc.storage.blobs import BlobFile
from mmc.storage.filesystems import reading_failed
from mmc.storage.urls import is_local, local_path

_CUT_ABOVE = 256 << 20
"""Row groups above this many bytes may be cut; reading a later part decodes the earlier one too."""
_DECODE_BYTES = 16 << 20
_DECODE_ROWS = 65_536
"""Rows decoded at once: small batches cost up to half of the speed (measured at 8,192)."""
_BUFFER = 1 << 20
_REMOTE_BUFFER = 8 << 20
_SAMPLE_SPREAD = 32 << 20
"""In row groups up to this size the sample is spread; of larger ones it has the first rows."""


def look(files: Sequence[str], options: Reading) -> Look:
    columns: dict[str, Column] = {}
    extents: list[Extent] = []
    windows: list[Extent] = []
    first, number = "", 0
    for file in files:
        with _open(file, options) as parquet:
            found = _columns(parquet, file)
            if not first:
                first, columns = file, found
            else:
                columns = _agreed(first, columns, file, found)
            row = 0
            for group in range(parquet.metadata.num_row_groups):
                info = parquet.metadata.row_group(group)
                size = _group_bytes(info)
                pairs = (("first", number), ("group", group), ("path", file))
                cuttable = size > _CUT_ABOVE
                extents.append(
                    Extent(
                        locator=pairs,
                        start=row,
                        stop=row + info.num_rows,
                        unit="row",
                        rows=info.num_rows,
                        bytes=size,
                        cuttable=cuttable,
                    )
                )
                windows.extend(_windows(extents[-1]))
                row += info.num_rows
            number += row
    return Look(
        columns=tuple(columns.values()), extents=tuple(extents), windows=tuple(windows), rows=number
    )


def _group_bytes(info: Any) -> int:
    """Bytes of a row group in the file. `total_byte_size` counts what it is after decompression."""
    return sum(info.column(place).total_compressed_size for place in range(info.num_columns))


def _windows(extent: Extent) -> list[Extent]:
    rows = extent.stop - extent.start
    if not rows:
        return []
    parts = 8 if extent.bytes <= _SAMPLE_SPREAD else 1
    step = -(-rows // parts) if parts > 1 else min(rows, _DECODE_ROWS)
    starts = range(extent.start, extent.stop, step) if parts > 1 else [extent.start]
    return [
        Extent(
            locator=extent.locator,
            start=at,
            stop=min(at + step, extent.stop),
            unit="row",
            rows=min(step, extent.stop - at),
            bytes=0,
        )
        for at in starts
    ]


def _columns(parquet: pq.ParquetFile, file: str) -> dict[str, Column]:
    schema = parquet.schema_arrow
    only_one(schema.names, file)
    nulls = _may_be_null(parquet)
    made = {}
    for field in schema:
        type_ = _plain_type(field.type)
        made[field.name] = Column(
            field.name, type_, nullable=field.nullable and field.name in nulls
        )
    return made


def _may_be_null(parquet: pq.ParquetFile) -> set[str]:
    """Top-level columns that the footer does not prove to be without nulls."""
    metadata = parquet.metadata
    proven: dict[str, bool] = {}
    for group in range(metadata.num_row_groups):
        info = metadata.row_group(group)
        for place in range(info.num_columns):
            chunk = info.column(place)
            statistics = chunk.statistics
            clean = (
                "." not in chunk.path_in_schema
                and statistics is not None
                and statistics.has_null_count
                and statistics.null_count == 0
            )
            name = chunk.path_in_schema
            proven[name] = proven.get(name, True) and clean
    return {name for name in parquet.schema_arrow.names if not proven.get(name)}


def _plain_type(type_: pa.DataType) -> pa.DataType:
    return _plain_type(type_.storage_type) if isinstance(type_, pa.BaseExtensionType) else type_


def _agreed(
    first: str, columns: dict[str, Column], other: str, found: dict[str, Column]
) -> dict[str, Column]:
    for name in [*columns, *(name for name in found if name not in columns)]:
        ours = arrow_text(columns[name].type) if name in columns else "absent"
        theirs = arrow_text(found[name].type) if name in found else "absent"
        if ours != theirs:
            raise SourceError(
                f"files disagree about `{name}`: {ours} in {first}, {theirs} in {other}",
                hint="narrow the path, or migrate them with two specs",
                code="MMC434",
            )
    return {
        name: column if column.nullable or not found[name].nullable else found[name]
        for name, column in columns.items()
    }


def read(
    extent: Extent, columns: Sequence[str], batch_rows: int, options: Reading
) -> Iterator[Rows]:
    locator = extent.place
    file = text_of(locator, "path")
    first, group = number_of(locator, "first"), number_of(locator, "group")
    with _open(file, options) as parquet:
        if not 0 <= group < parquet.metadata.num_row_groups:
            raise SourceChanged(f"{file}: there is no row group {group}", hint="plan again")
        names = pick(columns, parquet.schema_arrow.names, file)
        row = sum(parquet.metadata.row_group(place).num_rows for place in range(group))
        for count, arrays in _decoded(parquet, group, names, extent.stop - row, batch_rows, file):
            skip = max(0, extent.start - row)
            keep = min(count, extent.stop - row) - skip
            if keep > 0:
                kept = [array.slice(skip, keep) for array in arrays]
                for offset, some in slices(kept, keep, batch_rows):
                    at = row + skip + offset
                    size = min(batch_rows, keep - offset)
                    yield Rows(arrays=some, count=size, number=first + at, origin=Origin(file, at))
            row += count


def _decoded(
    parquet: pq.ParquetFile, group: int, names: list[str], rows: int, batch_rows: int, file: str
) -> Iterator[tuple[int, list[pa.Array]]]:
    """(rows, arrays) of the first `rows` rows of a row group, a few megabytes at once."""
    info = parquet.metadata.row_group(group)
    if not names:
        for start in range(0, rows, batch_rows):
            yield min(batch_rows, rows - start), []
        return
    row_bytes = max(1, info.total_byte_size // max(1, info.num_rows))
    size = max(min(batch_rows, _DECODE_ROWS), min(_DECODE_ROWS, _DECODE_BYTES // row_bytes))
    done = 0
    with _reading(file):
        for batch in parquet.iter_batches(size, [group], columns=names, use_threads=False):
            # Arrow takes texts as they are stored, and who reads a value gets the error.
            batch.validate(full=True)
            yield batch.num_rows, [_plain(batch.column(name)) for name in names]
            done += batch.num_rows
            if done >= rows:
                return


def _plain(array: pa.Array) -> pa.Array:
    return _plain(array.storage) if isinstance(array.type, pa.BaseExtensionType) else array


@contextlib.contextmanager
def _reading(file: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise reading_failed(file, error) from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        text = str(error).splitlines()[0]
        raise SourceError(
            f"{file}: is no Parquet file, or damaged: {text}",
            hint="copy the file again",
            code="MMC440",
        ) from None


@contextlib.contextmanager
def _open(file: str, options: Reading) -> Iterator[pq.ParquetFile]:
    with contextlib.ExitStack() as stack:
        if is_local(file):
            buffer = _BUFFER
            with _reading(file):
                source = stack.enter_context(pa.OSFile(str(local_path(file))))
        else:
            buffer = _REMOTE_BUFFER
            blob = stack.enter_context(options.files.open(file))
            source = stack.enter_context(pa.PythonFile(BlobFile(blob), mode="r"))
        with _reading(file):
            parquet = pq.ParquetFile(
                source,
                pre_buffer=False,
                buffer_size=buffer,
                page_checksum_verification=True,
                arrow_extensions_enabled=False,
            )
            # Names and footers are decoded when they are asked for.
            yield parquet
