"""What JSON lines and CSV share: types told from a sample, rows of a block, values that do not fit
their column.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from mmc.arrow.column import Column
from mmc.arrow.schema import Origin, arrow_text
from mmc.documents.locator import columns_text, read_columns
from mmc.errors import SourceError
from mmc.facts import Extent
from mmc.sources.files.formats import Look, Rows, number_of, pick, text_of, with_locator
from mmc.sources.files.records import Block
from mmc.types import UNMAPPED

LEAST_SAMPLE = 1_000
"""Rows that types are told from even when the spec samples fewer."""


def typed_look(
    columns: Sequence[Column], extents: Sequence[Extent], windows: Sequence[Extent], rows: int
) -> Look:
    """What was seen of text files, with the types in every piece: `read` has no sample to infer
    them from.
    """
    types = columns_text(columns)
    return Look(
        columns=tuple(columns),
        extents=tuple(with_locator(extent, "types", types) for extent in extents),
        windows=tuple(with_locator(window, "types", types) for window in windows),
        rows=rows,
    )


def planned(extent: Extent, names: Sequence[str]) -> tuple[dict[str, Column], list[Column]]:
    """Columns of a piece by name, and those that are asked for but `$unmapped`, which is none."""
    known = {column.name: column for column in read_columns(text_of(extent.place, "types"))}
    names = [name for name in names if name != UNMAPPED or name in known]
    return known, [known[name] for name in pick(names, list(known), text_of(extent.place, "path"))]


def in_batches(
    block: Block,
    arrays: list[pa.Array],
    extent: Extent,
    number: int,
    batch_rows: int,
    outside: Mapping[int, Mapping[str, Any]] | None = None,
) -> Iterator[Rows]:
    """The columns of a block in batches.

    Args:
        number: of its first row in all.
        outside: what its rows have beyond the columns.
    """
    file, first = text_of(extent.place, "path"), number_of(extent.place, "first_row")
    count, one_a_line = len(block.starts), block.one_a_line
    for offset in range(0, count, batch_rows):
        origin = (
            Origin(file, block.line + offset, "line")
            if one_a_line
            else Origin(file, number + offset - first)
        )
        some = [array.slice(offset, batch_rows) for array in arrays]
        count_here = min(batch_rows, count - offset)
        yield Rows(
            arrays=some,
            count=count_here,
            number=number + offset,
            origin=origin,
            outside=outside or {},
            offset=offset,
        )


def misfit(file: str, block: Block, row: int, column: Column, value: str) -> SourceError:
    """A value of a row of the block, as its text in the message."""
    return SourceError(
        f"{file}:{block.line_of(int(block.starts[row]))}: column `{column.name}`: {value} does not"
        f" fit {arrow_text(column.type)}, the type of the sampled values",
        hint="correct the value, or raise sample.rows so that the sample sees values like it",
        code="MMC438",
    )
