"""The first rows of a plan through source and casts, without a sink."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from mmc.arrow.schema import canonical_schema
from mmc.plan.model import CopySplits, Plan
from mmc.registry import options_of, source
from mmc.transform.transform import Transform


def preview_rows(plan: Plan, rows: int) -> Sequence[tuple[str, pa.Table]]:
    """Reads just enough of each collection. Rows that are filtered or bad do not show.

    Returns:
        (collection, table of at most `rows` canonical rows), in plan order.

    Raises:
        SourceError, SecretError.
    """
    return [(copy.collection.name, _first(plan, copy, rows)) for copy in plan.copies]


def _first(plan: Plan, copy: CopySplits, rows: int) -> pa.Table:
    reader, options = source(plan.source.type), options_of("source", plan.source)
    transform = Transform(copy)
    found: list[pa.RecordBatch] = []
    have = 0
    for split in copy.splits:
        rows_each, read = min(copy.batches.rows, 1024), copy.read
        batches = reader.read(options, read.collection, split, read.columns, rows_each)
        for batch in batches:
            for part in transform(batch):
                good = part.batch.slice(0, rows - have)
                found.append(good)
                have += good.num_rows
                if have >= rows:
                    return pa.Table.from_batches(found)
    return pa.Table.from_batches(found, schema=canonical_schema(copy.collection))
