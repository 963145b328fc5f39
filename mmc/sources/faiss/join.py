"""Payload from a side file: a table held once a process, looked up by id, batch by batch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from mmc.errors import SourceError
from mmc.storage.urls import open_blob
from mmc.types import JsonValue

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_TEXT_LIMIT = (1 << 31) - 1


@dataclass(frozen=True, slots=True, eq=False)
class SideTable:
    """The side file.

    Attributes:
        url: where it is.
        columns: what it adds, without the key; each column in one chunk.
        keys: the ids it has rows for, ascending.
        rows: row of each key.
    """

    url: str
    columns: pa.Table
    keys: NDArray[np.int64]
    rows: NDArray[np.int64]

    def places(self, ids: NDArray[np.int64]) -> pa.Array:
        """Row of each id; null where the file has none."""
        import numpy as np
        import pyarrow as pa

        if not len(self.keys):
            return pa.nulls(len(ids), pa.int64())
        at = np.minimum(np.searchsorted(self.keys, ids), len(self.keys) - 1)
        return pa.array(self.rows[at], mask=self.keys[at] != ids)

    def take(self, ids: NDArray[np.int64], names: Sequence[str]) -> list[pa.Array]:
        """Values of the named columns for ids."""
        places = self.places(ids)
        return [self.columns.column(name).chunk(0).take(places) for name in names]


def load_side(url: str, key: str, storage: Mapping[str, JsonValue], fingerprint: str) -> SideTable:
    """Reads a side file once a process.

    Raises:
        SourceError: unreadable, or its key is missing, not whole numbers, null, or not unique; or a
            column is named
            like one of the index.
    """
    return _load(url, key, json.dumps(storage, sort_keys=True), fingerprint)


@lru_cache(maxsize=2)
def _load(url: str, key: str, storage_text: str, fingerprint: str) -> SideTable:
    import numpy as np
    import pyarrow as pa

    table = _read(url, json.loads(storage_text))
    names = table.column_names
    if key not in names:
        raise SourceError(
            f"{url}: no column {key!r}",
            hint="join.key is one of " + ", ".join(names[:20]),
            code="MMC407",
        )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise SourceError(f"{url}: two columns are named {twice!r}", code="MMC409")
    keys = _keys(url, key, table.column(key))
    order = np.argsort(keys, kind="stable").astype(np.int64)
    ordered = keys[order]
    twice = np.flatnonzero(ordered[1:] == ordered[:-1])
    if len(twice):
        some = ", ".join(str(value) for value in np.unique(ordered[twice])[:5].tolist())
        raise SourceError(
            f"{url}: {len(twice):,} rows repeat a key: {some}",
            hint=f"keep one row for each {key!r}",
            code="MMC408",
        )
    rest = table.drop_columns([key])
    clash = [name for name in rest.column_names if name in ("id", "vector")]
    if clash:
        raise SourceError(
            f"{url}: the column {clash[0]!r} is named like one of the index",
            hint="rename it in the side file; the index brings `id` and `vector`",
            code="MMC409",
        )
    columns = {name: _one_chunk(rest.column(name)) for name in rest.column_names}
    schema = pa.schema([pa.field(name, column.type) for name, column in columns.items()])
    arrays = [pa.chunked_array([column]) for column in columns.values()]
    return SideTable(url, pa.table(arrays, schema=schema), ordered, order)


def _read(url: str, storage: Mapping[str, JsonValue]) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv, parquet
    from pyarrow import json as jsonlines

    name = url.lower()
    with open_blob(url, storage) as blob:
        source = pa.BufferReader(blob.read_at(0, blob.size))
    try:
        if name.endswith((".parquet", ".pq")):
            # Without threads: those of Arrow abort a process that ends right after, on an error.
            return parquet.ParquetFile(source, pre_buffer=False).read(use_threads=False)
        if name.endswith(".csv"):
            return csv.read_csv(source)
        if name.endswith((".tsv", ".tab")):
            return csv.read_csv(source, parse_options=csv.ParseOptions(delimiter="\t"))
        if name.endswith((".jsonl", ".ndjson", ".json")):
            return jsonlines.read_json(source)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{url}: cannot be read: {error}", code="MMC406") from None
    raise SourceError(
        f"{url}: what kind of file this is cannot be told by its name",
        hint="a side file ends in .parquet, .csv, .tsv or .jsonl",
        code="MMC406",
    )


def _keys(url: str, key: str, column: pa.ChunkedArray) -> NDArray[np.int64]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.null_count:
        raise SourceError(f"{url}: {column.null_count:,} rows have no {key!r}", code="MMC407")
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        whole = pc.match_substring_regex(column, r"^-?[0-9]+$")
        if not pc.all(whole).as_py() and len(column):
            bad = column.filter(pc.invert(whole))[0].as_py()
            raise _not_whole(url, key, repr(bad[:40]))
    elif not pa.types.is_integer(kind):
        raise _not_whole(url, key, f"of type {kind}")
    try:
        found = column.cast(pa.int64()).combine_chunks()
    except pa.ArrowInvalid as error:
        raise _not_whole(url, key, str(error)) from None
    values: NDArray[np.int64] = found.to_numpy(zero_copy_only=False)
    return values


def _not_whole(url: str, key: str, what: str) -> SourceError:
    return SourceError(
        f"{url}: the key {key!r} is not a 64-bit whole number: {what}",
        hint="join.key holds the ids of the index",
        code="MMC407",
    )


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    """The column as one array, decoded; long text gets 64-bit offsets."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        # Arrow cannot take rows of views.
        kind = pa.large_string() if pa.types.is_string_view(kind) else pa.large_binary()
        column = column.cast(kind)
    if column.nbytes > _TEXT_LIMIT and pa.types.is_string(kind):
        column = column.cast(pa.large_string())
    if column.nbytes > _TEXT_LIMIT and pa.types.is_binary(kind):
        column = column.cast(pa.large_binary())
    combined = column.combine_chunks()
    return combined.chunk(0) if isinstance(combined, pa.ChunkedArray) else combined
