"""What a target must have after an apply: the rows of the data set, by the mappings of the plan."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from mmc import registry
from mmc.arrow.schema import canonical_schema, data_type
from mmc.plan.mapping import Column
from mmc.plan.model import CopySplits, Plan
from mmc.testing.bench import Bench
from mmc.testing.source.case import Data
from mmc.testing.values import difference, rows_of
from mmc.transform.transform import Transform
from mmc.types import ArrowType


def compare(bench: Bench, plan: Plan, data: Data) -> None:
    """The target has exactly these rows. Raises AssertionError."""
    for copy in plan.copies:
        wrong = what_is_wrong(bench, plan, copy, data)
        assert not wrong, f"{copy.collection.name} in the target: {wrong}"


def what_is_wrong(bench: Bench, plan: Plan, copy: CopySplits, data: Data) -> str:
    names = canonical_schema(copy.collection).names
    options = registry.options_of("target", plan.target)
    with registry.sink(plan.target.type, copy.route).open(options) as target:
        found = rows_of(target.read_back(copy.collection, names, None, 1000), names)
    return difference(found, expected_rows(copy, data))


def expected_rows(copy: CopySplits, data: Data) -> list[str]:
    """The rows as the plan sends them; bad ones are left out."""
    transform, names = Transform(copy), canonical_schema(copy.collection).names
    return [
        row
        for batch in _batches(copy, data.tables[copy.read.collection])
        for done in transform(batch)
        for row in rows_of([done.batch], names)
    ]


def _batches(copy: CopySplits, table: pa.Table) -> Iterator[pa.RecordBatch]:
    """The table with the types that the source announces."""
    origins = [mapping.origin for mapping in copy.mappings]
    announced = {origin.name: origin.arrow for origin in origins if isinstance(origin, Column)}
    announced |= {rest.source: rest.arrow for rest in copy.rest}
    columns = []
    for name in copy.read.columns:
        column = table[name]
        if name in announced:
            column = column.cast(data_type(ArrowType.parse(announced[name])))
        columns.append(column)
    yield from pa.table(columns, names=list(copy.read.columns)).combine_chunks().to_batches()
