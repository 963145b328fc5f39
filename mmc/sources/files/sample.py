"""Evidence from a seeded sample: a few pieces, spread over all rows. Reads, never decides."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from mmc.arrow.column import Column
from mmc.arrow.evidence import Observed
from mmc.diagnostics import Diagnostic
from mmc.facts import Extent
from mmc.sources.files.formats import Format, Look, Reading, Rows
from mmc.sources.files.lengths import Lengths
from mmc.spi import Sample

_WINDOWS = 16
"""Most places that are looked at: each may cost a request or the decoding of a page."""


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
            yield Rows(
                arrays=[array[:count] for array in rows.arrays],
                count=count,
                number=rows.number,
                origin=rows.origin,
            )
            left -= count
            if not left:
                break


def observe(
    module: Format, look: Look, options: Reading
) -> tuple[Mapping[str, Observed], tuple[Diagnostic, ...]]:
    """Evidence by column name, and what a person should know of the lists."""
    seen = {column.name: Observed() for column in look.columns}
    lengths = Lengths()
    for rows in sampled(module, look, look.columns, options):
        for column, array in zip(look.columns, rows.arrays, strict=True):
            seen[column.name].add(array)
            lengths.add(column.name, array, rows.origin.path)
    return seen, tuple(lengths.problems())
