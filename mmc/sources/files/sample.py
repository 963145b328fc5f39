"""Evidence from a seeded sample: a few pieces, spread over all rows. Reads, never decides."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from mmc.arrow.column import Column
from mmc.facts import Evidence, Extent
from mmc.sources.files.formats import Format, Look, Reading, Rows
from mmc.spi import Sample

_WINDOWS = 16
"""Most places that are looked at: each may cost a request or the decoding of a page."""
_EXAMPLES = 3
_EXAMPLE_LENGTH = 60


@dataclass(slots=True)
class Observed:
    """What the sampled values of one column showed; grows by `add`."""

    type: pa.DataType
    rows: int = 0
    nulls: int = 0
    max_bytes: int | None = None
    lengths: set[int] = field(default_factory=set)
    min_value: int | None = None
    max_value: int | None = None
    non_finite: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, array: pa.Array) -> None:
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        self.rows += len(array)
        self.nulls += array.null_count
        type_ = array.type
        present = array.drop_null()
        self._examples_of(present)
        if not len(present):
            return
        if _is_text(type_):
            self.max_bytes = max(self.max_bytes or 0, pc.max(pc.binary_length(present)).as_py())
        elif pa.types.is_integer(type_):
            limits = pc.min_max(present).as_py()
            least, most = limits["min"], limits["max"]
            self.min_value = least if self.min_value is None else min(self.min_value, least)
            self.max_value = most if self.max_value is None else max(self.max_value, most)
        elif pa.types.is_floating(type_):
            self.non_finite += _non_finite(present)
        elif _is_list(type_):
            if pa.types.is_fixed_size_list(type_):
                self.lengths.add(type_.list_size)
            else:
                lengths = pc.unique(pc.list_value_length(present)).to_pylist()
                self.lengths.update(lengths)
            items = present.flatten()
            if pa.types.is_floating(items.type):
                self.non_finite += _non_finite(items)
            elif _is_text(items.type) and len(items) > items.null_count:
                self.max_bytes = max(self.max_bytes or 0, pc.max(pc.binary_length(items)).as_py())
            elif pa.types.is_integer(items.type) and len(items) > items.null_count:
                limits = pc.min_max(items).as_py()
                least, most = limits["min"], limits["max"]
                self.min_value = least if self.min_value is None else min(self.min_value, least)
                self.max_value = most if self.max_value is None else max(self.max_value, most)

    def _examples_of(self, present: pa.Array) -> None:
        for value in present[: _EXAMPLES - len(self.examples)]:
            if _is_list(present.type) and len(value) > 4:
                shown = ", ".join(str(item) for item in value.values[:3].to_pylist())
                text = f"[{shown}, ... {len(value)} values]"
            else:
                text = str(value.as_py())
            cut = len(text) > _EXAMPLE_LENGTH
            self.examples.append(text[: _EXAMPLE_LENGTH - 3] + "..." if cut else text)

    @property
    def constant_length(self) -> int | None:
        """The one length of all sampled lists, if there is one."""
        return next(iter(self.lengths)) if len(self.lengths) == 1 else None

    @property
    def evidence(self) -> Evidence:
        return Evidence(
            self.rows,
            self.nulls,
            self.max_bytes,
            max(self.lengths, default=None),
            self.min_value,
            self.max_value,
            self.non_finite,
            tuple(self.examples),
        )


def _is_text(type_: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(type_)
        or pa.types.is_large_string(type_)
        or pa.types.is_binary(type_)
        or pa.types.is_large_binary(type_)
        or pa.types.is_fixed_size_binary(type_)
    )


def _is_list(type_: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(type_)
        or pa.types.is_large_list(type_)
        or pa.types.is_fixed_size_list(type_)
    )


def _non_finite(values: pa.Array) -> int:
    if pa.types.is_float16(values.type):
        values = values.cast(pa.float32())
    finite: int = pc.sum(pc.is_finite(values)).as_py() or 0
    return int(len(values) - values.null_count - finite)


def choose(windows: Sequence[Extent], sample: Sample, least: int = 0) -> list[tuple[Extent, int]]:
    """Which pieces to look at, in order, and how many rows of each: the same for the same seed.

    `least` rows are wanted even if the sample asks for fewer (types of text need some). Neighbours
    are one piece: each costs opening the file.
    """
    wanted = max(sample.rows, least)
    known = [window for window in windows if window.rows]
    if not wanted or not known:
        return []
    if sum(window.rows or 0 for window in known) <= wanted:
        return _joined([(window, window.rows or 0) for window in known])
    order = list(range(len(known)))
    random.Random(sample.seed).shuffle(order)
    order = [0, len(known) - 1] + [place for place in order if 0 < place < len(known) - 1]
    share = -(-wanted // min(len(known), _WINDOWS))
    taken: dict[int, int] = {}
    for limit in (share, wanted):
        for place in dict.fromkeys(order):
            missing = wanted - sum(taken.values())
            if missing > 0:
                have = taken.get(place, 0)
                taken[place] = min(known[place].rows or 0, limit, have + missing)
    return _joined([(known[place], rows) for place, rows in sorted(taken.items()) if rows])


def _joined(chosen: Sequence[tuple[Extent, int]]) -> list[tuple[Extent, int]]:
    made: list[tuple[Extent, int]] = []
    for window, rows in chosen:
        before, taken = made[-1] if made else (window, 0)
        if taken == before.rows and (before.locator, before.stop) == (window.locator, window.start):
            whole = replace(before, stop=window.stop, rows=taken + (window.rows or 0))
            made[-1] = (whole, taken + rows)
        else:
            made.append((window, rows))
    return made


def sampled(
    module: Format, look: Look, columns: Sequence[Column], options: Reading
) -> Iterator[Rows]:
    """The rows of the sample."""
    names = [column.name for column in columns]
    for window, wanted in choose(look.windows, options.sample):
        left = wanted
        for rows in module.read(window, names, min(left, 4096), options):
            count = min(left, rows.count)
            yield Rows([array[:count] for array in rows.arrays], count, rows.number, rows.origin)
            left -= count
            if not left:
                break


def observe(module: Format, look: Look, options: Reading) -> Mapping[str, Observed]:
    """Evidence by column name."""
    seen = {column.name: Observed(column.type) for column in look.columns}
    for rows in sampled(module, look, look.columns, options):
        for column, array in zip(look.columns, rows.arrays, strict=True):
            seen[column.name].add(array)
    return seen
