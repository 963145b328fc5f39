"""Evidence of Arrow columns: what a sample shows, or exactly what a whole column holds; and which
rows a sample takes. The one place where values become evidence.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mmc.facts import Evidence, Extent
from mmc.text import cut

if TYPE_CHECKING:
    import pyarrow as pa

_WINDOWS = 16
"""Places of the source that a sample is taken from."""
_EXAMPLES = 3
_EXAMPLE_LENGTH = 60
_FEW = 4
"""Items of a list that an example shows whole."""


def sample_pieces(
    extents: tuple[Extent, ...], wanted: int, seed: int
) -> Iterator[tuple[Extent, int]]:
    """Pieces and how many rows to take of each: all rows, or windows spread by the seed.

    A piece may hold fewer rows than that.
    """
    total = sum(extent.rows or 0 for extent in extents)
    if total <= wanted:
        yield from ((extent, extent.rows or 0) for extent in extents)
        return
    pick = random.Random(seed)
    weights = [extent.rows or 0 for extent in extents]
    count = min(_WINDOWS, wanted)
    for i, extent in enumerate(pick.choices(extents, weights, k=count)):
        rows = wanted // count + (i < wanted % count)
        if extent.unit == "list":
            yield replace(extent, start=pick.randrange(extent.start, extent.stop)), rows
        else:
            start = pick.randrange(extent.start, max(extent.stop - rows, extent.start) + 1)
            yield replace(extent, start=start, stop=min(start + rows, extent.stop)), rows


def sampled_evidence(
    extents: tuple[Extent, ...],
    wanted: int,
    seed: int,
    read: Callable[[Extent, int], Iterator[pa.RecordBatch]],
) -> dict[str, Evidence]:
    """Evidence of each column of a sample; none of a source without rows.

    Args:
        wanted: rows to look at.
        read: gives the batches of a piece, of at most so many rows.
    """
    seen: dict[str, Observed] = {}
    for piece, rows in sample_pieces(extents, wanted, seed):
        left = rows
        for batch in read(piece, max(1, min(left, 4096))):
            for name in batch.schema.names:
                seen.setdefault(name, Observed()).add(batch.column(name)[:left])
            left -= min(left, batch.num_rows)
            if not left:
                break
    return {name: observed.evidence for name, observed in seen.items()}


def of_column(column: pa.Array) -> Evidence:
    """Evidence of a whole column."""
    seen = Observed()
    seen.add(column)
    return seen.evidence


@dataclass(slots=True)
class Observed:
    """What the values of one column showed; grows by `add`."""

    rows: int = 0
    nulls: int = 0
    max_bytes: int | None = None
    lengths: set[int] = field(default_factory=set)
    min_value: int | None = None
    max_value: int | None = None
    non_finite: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, array: pa.Array) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        self.rows += len(array)
        self.nulls += array.null_count
        present = array.drop_null()
        self.examples += map(_example, present[: _EXAMPLES - len(self.examples)])
        items, rows = present, None
        if _is_list(present.type) and len(present):
            fixed = pa.types.is_fixed_size_list(present.type)
            lengths = () if fixed else pc.unique(pc.list_value_length(present)).to_pylist()
            self.lengths.update((present.type.list_size,) if fixed else lengths)
            items, rows = present.flatten(), present
        if len(items) > items.null_count:
            self._values(items, rows)

    def _values(self, values: pa.Array, lists: pa.Array | None) -> None:
        """Values of the column, or items of its lists."""
        import pyarrow as pa
        import pyarrow.compute as pc

        kind = values.type
        if _is_text(kind):
            self.max_bytes = max(self.max_bytes or 0, pc.max(pc.binary_length(values)).as_py())
        elif pa.types.is_integer(kind):
            limits = pc.min_max(values).as_py()
            least, most = limits["min"], limits["max"]
            self.min_value = least if self.min_value is None else min(self.min_value, least)
            self.max_value = most if self.max_value is None else max(self.max_value, most)
        elif pa.types.is_floating(kind):
            wide = values.cast(pa.float32()) if pa.types.is_float16(kind) else values
            bad = pc.fill_null(pc.invert(pc.is_finite(wide)), False)
            rows = bad.true_count
            if rows and lists is not None:
                rows = pc.count_distinct(pc.list_parent_indices(lists).filter(bad)).as_py()
            self.non_finite += rows

    @property
    def constant_length(self) -> int | None:
        """The one length of all lists, if there is one."""
        return next(iter(self.lengths)) if len(self.lengths) == 1 else None

    @property
    def evidence(self) -> Evidence:
        return Evidence(
            rows=self.rows,
            nulls=self.nulls,
            max_bytes=self.max_bytes,
            max_items=max(self.lengths, default=None),
            min_value=self.min_value,
            max_value=self.max_value,
            non_finite=self.non_finite,
            examples=tuple(self.examples),
        )


def _example(value: pa.Scalar) -> str:
    if _is_list(value.type) and len(value) > _FEW:
        shown = ", ".join(str(item) for item in value.values[: _FEW - 1].to_pylist())
        text = f"[{shown}, ... {len(value)} values]"
    else:
        text = str(value.as_py())
    return cut(text, _EXAMPLE_LENGTH)


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    types = pa.types
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
    )


def _is_list(kind: pa.DataType) -> bool:
    import pyarrow as pa

    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))
