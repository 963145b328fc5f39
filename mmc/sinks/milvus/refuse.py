"""Values that a target would change without a word: refused before they are sent.

Casts have checked types, lengths and ranges; here is what only this target does.
"""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mmc.errors import TargetError
from mmc.milvus.dialect import Dialect
from mmc.types import DYNAMIC_FIELD, Collection, TypeKind


def refuse_unstorable(collection: Collection, batch: pa.RecordBatch, dialect: Dialect) -> None:
    """Raises TargetError (MMC508) with the key of the first row that would come back otherwise."""
    if dialect.positive_sparse:
        for field in collection.fields:
            if field.type.kind is TypeKind.SPARSE_FLOAT_VECTOR:
                _positive(collection, batch, field.name)
    if dialect.json_objects:
        for field in collection.fields:
            if field.type.kind is TypeKind.JSON:
                _objects(collection, batch, field.name)
    if collection.primary.type.kind is TypeKind.INT64 and not collection.primary.auto_id:
        _findable(collection, batch, dialect.largest_key)
    if collection.dynamic:
        _keys(collection, batch, dialect)


def _positive(collection: Collection, batch: pa.RecordBatch, name: str) -> None:
    column = batch.column(name)
    offsets = column.offsets.to_numpy()
    weights = column.items.to_numpy(zero_copy_only=False)[offsets[0] : offsets[-1]]
    bad = np.flatnonzero(~(weights > 0))
    if len(bad):
        row = int(np.searchsorted(offsets - offsets[0], bad[0], side="right")) - 1
        _refuse(
            collection,
            batch,
            row,
            f"{name} has the weight {weights[bad[0]]}: Milvus Lite keeps only weights above zero",
            "leave zeros out of sparse vectors; negative weights need a Milvus server",
        )
    empty = np.flatnonzero((np.diff(offsets) == 0) & column.is_valid().to_numpy(False))
    if len(empty):
        _refuse(
            collection,
            batch,
            int(empty[0]),
            f"{name} is an empty sparse vector, which Milvus Lite refuses",
            "filter such rows out with `where`",
        )


def _objects(collection: Collection, batch: pa.RecordBatch, name: str) -> None:
    objects = pc.match_substring_regex(batch.column(name), r"^\s*(\{|null\s*$)")
    bad = np.flatnonzero(~objects.to_numpy(zero_copy_only=False))
    if len(bad):
        _refuse(
            collection,
            batch,
            int(bad[0]),
            f"{name} is JSON, but no object, and Milvus 2.3 takes only objects",
            "map it to a varchar field, or wrap it with `expr`",
        )


def _findable(collection: Collection, batch: pa.RecordBatch, largest: int) -> None:
    keys = batch.column(collection.primary.name).to_numpy(zero_copy_only=False)
    bad = np.flatnonzero(keys > largest)
    if len(bad):
        _refuse(
            collection,
            batch,
            int(bad[0]),
            "Milvus 2.3 would count this row, but never find it",
            "use another key, or filter the row out with `where`",
        )


def _keys(collection: Collection, batch: pa.RecordBatch, dialect: Dialect) -> None:
    """A dynamic key named like a field, or like one of the target's own columns, is lost."""
    column = batch.column(DYNAMIC_FIELD)
    reserved = dialect.reserved_keys | {field.name for field in collection.fields}
    # Only rows whose text has such a name, or any escape that could hide one, are parsed.
    parts = sorted(re.escape(json.dumps(name, ensure_ascii=False)) for name in reserved)
    suspects = pc.match_substring_regex(column, "|".join([*parts, r"\\"]))
    for row in np.flatnonzero(suspects.to_numpy(zero_copy_only=False)).tolist():
        lost = reserved & json.loads(column[row].as_py()).keys()
        if lost:
            _refuse(
                collection,
                batch,
                row,
                f"the dynamic field has a key `{min(lost)}`, which the target would lose",
                "map that source column to a field, under another name",
            )


def _refuse(
    collection: Collection, batch: pa.RecordBatch, row: int, message: str, hint: str
) -> None:
    primary = collection.primary
    key: Any = "?" if primary.auto_id else batch.column(primary.name)[row].as_py()
    raise TargetError(
        f"write {collection.name}: row with {primary.name} {key!r}: {message}",
        hint=hint,
        code="MMC508",
    )
