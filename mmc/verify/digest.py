"""Order-free content digest of a multiset of rows, over canonical batches (`mmc.arrow.schema`).

Computed on what was sent and again on what is read back; knows neither source nor target. Each row
becomes two independent 64-bit hashes over all its columns, bound to their names and types; rows are
summed, so their order and batching do not matter, but how often each occurs does. The hash of a
value is in `lanes`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mmc.arrow.schema import arrow_text, canonical_schema, is_json
from mmc.types import Collection
from mmc.verify.jsonform import canonical_documents
from mmc.verify.lanes import LANES, Hashes, hash_values, mix

Seed: TypeAlias = npt.NDArray[np.uint64]

BLOCK_ROWS = 1 << 14
"""Rows hashed at a time: the intermediate vectors of a column stay in the cache."""
_MASK = (1 << 64) - 1


class Digest:
    """Sums the hashes of the rows it is given.

    Args:
        schema: the columns that count, by name; others in a batch are left out. None: those of the
            first batch.
            `Digest.of` makes one for a collection.
    """

    def __init__(self, schema: pa.Schema | None = None) -> None:
        self._schema = schema
        self._rows = 0
        self._sums = [0] * LANES

    @classmethod
    def of(cls, collection: Collection, columns: Sequence[str] | None = None) -> Digest:
        """A digest over the canonical columns of a collection, or over those named."""
        schema = canonical_schema(collection)
        if columns is not None:
            schema = pa.schema([schema.field(name) for name in columns])
        return cls(schema)

    @property
    def rows(self) -> int:
        """Rows added so far."""
        return self._rows

    def add(self, batch: pa.RecordBatch) -> None:
        """Adds the rows of a batch.

        Raises:
            KeyError: a column of the schema is not in the batch.
            TypeError: a column has a type that no canonical batch has.
        """
        if self._schema is None:
            self._schema = batch.schema
        hashes = row_hashes(batch, self._schema)
        self._rows += len(hashes)
        for lane, total in enumerate(hashes.sum(axis=0, dtype=np.uint64)):
            self._sums[lane] = (self._sums[lane] + int(total)) & _MASK

    def hex(self) -> str:
        """Row count and sums as text: `<rows>:<32 hex digits>`."""
        return f"{self._rows:x}:{self._sums[1]:016x}{self._sums[0]:016x}"


def combine(hexes: Iterable[str]) -> str:
    """Digest of the union (with multiplicity) of what the given digests saw; of none, the empty
    digest.

    Raises:
        ValueError: a text is no digest.
    """
    rows, high, low = 0, 0, 0
    for text in hexes:
        count, _, sums = text.partition(":")
        if len(sums) != 32:
            raise ValueError(f"`{text}` is not a digest")
        rows += int(count, 16)
        high = (high + int(sums[:16], 16)) & _MASK
        low = (low + int(sums[16:], 16)) & _MASK
    return f"{rows:x}:{high:016x}{low:016x}"


def row_hashes(batch: pa.RecordBatch, schema: pa.Schema | None = None) -> Hashes:
    """The two hashes of each row, shape (rows, 2), uint64. `schema` as in `Digest`; its order does
    not matter."""
    columns = []
    for field in batch.schema if schema is None else schema:
        index = batch.schema.get_field_index(field.name)
        if index < 0:
            raise KeyError(f"the batch has no column `{field.name}`")
        columns.append((_seed(field), batch.column(index), is_json(field)))
    out = np.empty((batch.num_rows, LANES), np.uint64)
    for start in range(0, batch.num_rows, BLOCK_ROWS):
        block = out[start : start + BLOCK_ROWS]
        block[:] = 0
        for seed, column, json in columns:
            values = column.slice(start, len(block))
            if json:
                values = pa.array(canonical_documents(values.to_pylist()), pa.large_string())
            block += mix(hash_values(values) + seed)
        out[start : start + BLOCK_ROWS] = mix(block)
    return out


def _seed(field: pa.Field) -> Seed:
    """What binds a column's name and type into its hashes; 64-bit offsets (`large_string`) are the
    same type."""
    type_ = "json" if is_json(field) else arrow_text(field.type).replace("large_", "")
    raw = hashlib.blake2b(f"{field.name}\0{type_}".encode(), digest_size=8 * LANES).digest()
    return np.frombuffer(raw, "<u8").astype(np.uint64)
