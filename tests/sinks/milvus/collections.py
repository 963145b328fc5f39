"""Collections, rows and comparisons of these tests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from mmc.arrow.schema import canonical_schema
from mmc.sinks.milvus.insert.target import InsertTarget
from mmc.types import DYNAMIC_FIELD, Collection, Field, FieldType
from tests.servers.milvus_lite import a_split, copy_step

KEYS = [
    "",
    "a",
    '"',
    "\\",
    "'",
    "\n",
    "\r\n\t",
    "\x00",
    "a\x00b",
    "é",
    "😀",
    "\U0010ffff",
    'x"y\\z',
    "\\n",
    "\\",
    "\x0b\x1f\x7f",
    "\u2028",
    "\ufeff",
    "%_*",
    "$meta",
    "zz" * 60,
]
KEYS = list(dict.fromkeys(KEYS))


def field(name: str, type_: str, **options: Any) -> Field:
    return Field(name, FieldType.parse(type_), **options)


def small(key: str = "int64", **options: Any) -> Collection:
    """A key, a text and a vector of two."""
    fields = (field("id", key, primary_key=True), field("t", "varchar(100)"))
    return Collection("c", (*fields, field("v", "float_vector(2)")), **options)


def batch_of(collection: Collection, columns: dict[str, list[Any]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(columns, schema=canonical_schema(collection))


def small_rows(
    collection: Collection,
    keys: list[Any],
    text: str = "t",
    meta: list[str] | None = None,
    texts: list[str] | None = None,
) -> pa.RecordBatch:
    """Rows of `small`: `text` in all of them, or `texts`; `meta` where the field is dynamic."""
    columns: dict[str, list[Any]] = {"id": keys, "t": texts or [text] * len(keys)}
    columns["v"] = [[i, -0.0] for i in range(len(keys))]
    if meta is not None:
        columns[DYNAMIC_FIELD] = meta
    return batch_of(collection, columns)


def write(
    target: InsertTarget,
    collection: Collection,
    *batches: pa.RecordBatch,
    write: str = "insert",
    replay: bool = False,
    partition: str = "",
    batch_bytes: int = 8 * 2**20,
) -> None:
    step = copy_step(collection, write, batch_bytes)
    writer = target.writer(step, a_split(partition), replay=replay)
    for batch in batches:
        writer.write(batch)
    assert writer.commit() == ()


def read(
    target: InsertTarget, collection: Collection, keys: pa.Array | None = None
) -> pa.RecordBatch:
    """All columns of the rows, as one batch in key order."""
    names = canonical_schema(collection).names
    return joined(collection, target.read_back(collection, names, keys, 1000))


def joined(collection: Collection, batches: Iterable[pa.RecordBatch]) -> pa.RecordBatch:
    table = pa.Table.from_batches(batches, canonical_schema(collection))
    table = table.sort_by(collection.primary.name).combine_chunks()
    return (table.to_batches() or [pa.RecordBatch.from_pylist([], table.schema)])[0]


def same(left: pa.RecordBatch, right: pa.RecordBatch) -> None:
    """Fails unless both hold the same values, bit for bit; the dynamic field as JSON values."""
    assert left.schema == right.schema
    for name in left.schema.names:
        one, other = left[name].to_pylist(), right[name].to_pylist()
        if name == DYNAMIC_FIELD:
            one, other = _values(one), _values(other)
        # repr tells -0.0 from 0.0; Arrow floats of 32 bits become Python floats exactly.
        assert list(map(repr, one)) == list(map(repr, other)), name


def _values(texts: list[str]) -> list[str]:
    """JSON texts in one form: Milvus Lite sorts the keys of the dynamic field."""
    return [json.dumps(json.loads(text), sort_keys=True) for text in texts]
