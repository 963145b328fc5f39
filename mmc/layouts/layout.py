"""One split as one part, in any of Milvus's import formats: names, writing, counting, reading.

Dispatches to `parquet`, `npy` and `jsonrows`. Knows no plan, target or manifest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import pyarrow as pa

from mmc.layouts import jsonrows, npy, parquet
from mmc.layouts.npypart import NumpyPart
from mmc.layouts.parquet import RowGroup
from mmc.storage.hashed import PartFile
from mmc.types import DYNAMIC_FIELD, Collection, JsonValue

FORMATS = ("parquet", "numpy", "json")

_SUFFIX = {"parquet": ".parquet", "numpy": "", "json": ".json"}
_PART = re.compile(r"(?:^|/)(part-[A-Za-z0-9_-]+)(\.parquet|\.json|/[^/]+\.npy)(\.partial)?$")

Storage = Mapping[str, JsonValue]


class PartWriter(Protocol):
    """Writes one part. Nothing is under a final name before `commit`."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Takes a canonical batch. Raises TargetError."""

    def commit(self) -> tuple[PartFile, ...]:
        """Makes its files durable under their final names. Raises TargetError."""

    def abort(self) -> None:
        """Removes what was written. Never raises."""


def part_name(format_: str, split: str) -> str:
    """`part-00007.parquet`, `part-00007.json`, or the folder `part-00007`."""
    return f"part-{split}{_SUFFIX[format_]}"


def part_of(path: str) -> tuple[str, str] | None:
    """The part that a file belongs to and its format; None for a file that no part has.

    Half-written files (`*.partial`) belong to their part too.
    """
    match = _PART.search(path)
    if not match:
        return None
    name, end = match[1], match[2]
    format_ = "numpy" if end.endswith(".npy") else end.removeprefix(".")
    return path[: match.start(1)] + name + _SUFFIX[format_], format_


def column_names(collection: Collection) -> tuple[str, ...]:
    """Columns of a part: the fields but auto-id ones, then `$meta` of a dynamic collection."""
    names = [field.name for field in collection.fields if not field.auto_id]
    return tuple(names + [DYNAMIC_FIELD] * collection.dynamic)


def files_of(format_: str, path: str, collection: Collection) -> tuple[str, ...]:
    """Paths of the files of the part at `path`: itself, or in its folder one a column."""
    if format_ != "numpy":
        return (path,)
    return tuple(f"{path}/{name}.npy" for name in column_names(collection))


def open_part(
    format_: str, url: str, storage: Storage, collection: Collection, rows: int | None
) -> PartWriter:
    """Begins a part at `url`. `rows`: how many it will most likely have. Raises TargetError."""
    match format_:
        case "parquet":
            return parquet.ParquetPart(url, storage, collection)
        case "numpy":
            return NumpyPart(url, storage, collection, rows)
        case _:
            return jsonrows.JsonPart(url, storage, collection)


def count_rows(format_: str, url: str, storage: Storage, collection: Collection) -> int:
    """Rows of a part, by the part itself. Raises SourceError."""
    match format_:
        case "parquet":
            return parquet.count_rows(url, storage)
        case "numpy":
            return npy.count_rows(url, column_names(collection), storage)
        case _:
            return jsonrows.count_rows(url, storage)


def read_rows(
    format_: str,
    url: str,
    storage: Storage,
    collection: Collection,
    columns: Sequence[str],
    start: int,
    stop: int,
    batch_rows: int,
) -> Iterator[pa.RecordBatch]:
    """Rows start..stop-1 of a part as canonical batches of `columns`. Raises SourceError."""
    read = {"parquet": parquet.read_rows, "numpy": npy.read_rows, "json": jsonrows.read_rows}
    yield from read[format_](url, storage, collection, columns, start, stop, batch_rows)


def pieces(format_: str, url: str, storage: Storage, rows: int, size: int) -> tuple[RowGroup, ...]:
    """Runs of rows of a part that are read well on their own. Raises SourceError."""
    if format_ == "parquet":
        return parquet.row_groups(url, storage)
    return (RowGroup(0, rows, size),)
