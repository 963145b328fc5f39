"""Rows with awkward values, for the data sets of all sources."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from mmc.testing import awkward_columns

DIM = 4


def awkward(copies: int = 4, *, first: int = 0) -> pa.Table:
    """Awkward values, each a few times, with a key and a vector; keys begin with `first`."""
    rows = copies * 6
    columns = {"id": pa.array(range(first, first + rows), pa.int64())}
    columns |= {
        name: pa.concat_arrays([array] * copies) for name, array in awkward_columns().items()
    }
    columns["vector"] = vectors(rows, first)
    return pa.table(columns)


def vectors(rows: int, first: int = 0) -> pa.FixedSizeListArray:
    floats = (np.arange(rows * DIM, dtype=np.float32) + first) / 7
    return pa.FixedSizeListArray.from_arrays(pa.array(floats), DIM)


def changed(table: pa.Table, column: str = "number") -> pa.Table:
    """The same rows with other numbers in one column."""
    place = table.schema.get_field_index(column)
    numbers = pa.array(range(1000, 1000 + len(table)), table.schema.field(place).type)
    return table.set_column(place, table.schema.field(place), numbers)


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """A new file under the name of an old one, as a careful program writes it."""
    new = path.with_name(f"new-{path.name}")
    write(new)
    new.replace(path)
