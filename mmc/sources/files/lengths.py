"""Lengths of sampled lists of numbers, file by file: what looks like vectors of two dimensions is a
mistake that must not become an array without a word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from mmc.arrow.column import CLEARLY_VECTOR
from mmc.diagnostics import Diagnostic, Severity

_MOST = 0.9
"""Part of the lists that have one length, from which on the others look like mistakes."""


class Lengths:
    """Counts; grows by `add`."""

    def __init__(self) -> None:
        self._of: dict[str, dict[str, Counter[int]]] = {}

    def add(self, name: str, array: pa.Array, file: str) -> None:
        """Values of a column, of rows of one file."""
        kind = array.type
        if not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
            return
        if not pa.types.is_floating(kind.value_type):
            return
        counted = self._of.setdefault(name, {}).setdefault(file, Counter())
        for each in pc.value_counts(pc.list_value_length(array.drop_null())):
            counted[each["values"].as_py()] += each["counts"].as_py()

    def problems(self) -> Iterator[Diagnostic]:
        """About columns that have vectors of several lengths, it seems."""
        for name, files in self._of.items():
            if found := _by_file(files) or _odd_ones(files):
                yield Diagnostic(
                    "MMC482",
                    f"`{name}`: {found}: lists of several lengths are an array, not a vector",
                    severity=Severity.WARNING,
                    hint="vectors of one field have one dimension: narrow the path, or correct the"
                    " files; go on if these are no vectors",
                )


def _by_file(files: dict[str, Counter[int]]) -> str:
    """In each file all have one length, and not the same in all files."""
    lengths = {file: set(counted) for file, counted in files.items() if counted}
    if any(len(some) != 1 or min(some) < 2 for some in lengths.values()):
        return ""
    first: dict[int, str] = {}
    for file, some in lengths.items():
        first.setdefault(next(iter(some)), file)
    if len(first) < 2:
        return ""
    told = [f"{length:,} numbers in {file}" for length, file in list(first.items())[:3]]
    return ", ".join(told) + (", ..." if len(first) > 3 else "")


def _odd_ones(files: dict[str, Counter[int]]) -> str:
    """Nearly all have one length, which is that of a vector."""
    counted = sum(files.values(), Counter[int]())
    if len(counted) < 2:
        return ""
    (length, most), *others = counted.most_common()
    if length < CLEARLY_VECTOR or most < _MOST * counted.total():
        return ""
    strange = others[0][0]
    file = next(file for file, some in files.items() if some[strange])
    return f"{length:,} numbers in {most:,} sampled lists, {strange:,} in {file}"
