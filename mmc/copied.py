"""What became of a split that was copied: one value that the executors give, the state store
keeps, verification compares with the target, and a manifest is made of. Knows none of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from mmc.events import Rejection, Unmapped
from mmc.layouts.files import FileRecord
from mmc.plan.model import Split
from mmc.text import cut, many

NOTHING_UNMAPPED = Unmapped()
OTHERS = "(other names)"
"""Stands for the names that a `Tally` has no room for."""
_NAMED = 100
_KEPT = 1_000
_SHOWN = 8
_LETTERS = 60


class Tally:
    """Counts rows with values that no column took, by name. Names beyond the first thousand, and
    beyond the hundred most frequent, are counted together: documents may have a name each.
    """

    def __init__(self) -> None:
        self._rows = 0
        self._names: Counter[str] = Counter()

    def add(self, rows: Iterable[Iterable[str]]) -> None:
        """Takes the names of each row that has some."""
        for names in rows:
            self._rows += 1
            for name in names:
                self._count(name, 1)

    def join(self, other: Unmapped) -> None:
        """Takes what was counted elsewhere."""
        self._rows += other.rows
        for name, rows in other.names:
            self._count(name, rows)

    def _count(self, name: str, rows: int) -> None:
        room = name in self._names or len(self._names) < _KEPT
        self._names[name if room else OTHERS] += rows

    @property
    def sum(self) -> Unmapped:
        """What was counted so far."""
        others = self._names[OTHERS]
        ordered = sorted((item for item in self._names.items() if item[0] != OTHERS), key=_frequent)
        others += sum(rows for _, rows in ordered[_NAMED:])
        named = ordered[:_NAMED] + ([(OTHERS, others)] if others else [])
        return Unmapped(self._rows, tuple(named))


def _frequent(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def unmapped_text(unmapped: Unmapped) -> str:
    """`hidden` in 12 rows, `note` in 1 row and 3 more names"""
    shown = [
        f"{name if name == OTHERS else f'`{cut(name, _LETTERS)}`'} in {many(rows, 'row')}"
        for name, rows in unmapped.names[:_SHOWN]
    ]
    more = len(unmapped.names) - len(shown)
    uncounted = "at least " if any(name == OTHERS for name, _ in unmapped.names[_SHOWN:]) else ""
    return ", ".join(shown) + (f" and {uncounted}{many(more, 'more name')}" if more else "")


def unmapped_line(unmapped: Unmapped) -> str:
    """`12 rows had values that no column took: `hidden` in 12 rows`"""
    rows = many(unmapped.rows, "row")
    return f"{rows} had values that no column took: {unmapped_text(unmapped)}"


def unmapped_sum(parts: Iterable[Unmapped]) -> Unmapped:
    """The counts of several splits together."""
    tally = Tally()
    for part in parts:
        tally.join(part)
    return tally.sum


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitResult:
    """The rows of a copied split. `rows_read` = written + filtered + quarantined.

    Attributes:
        bytes_read: size in the source, as planned.
        digest: of the rows written, in the form of `mmc.verify.digest`; "" while nothing was.
        reasons: why rows are in quarantine, the most frequent first.
        unmapped: what the rows written had that no column took.
    """

    rows_read: int = 0
    rows_written: int = 0
    rows_filtered: int = 0
    rows_quarantined: int = 0
    bytes_read: int = 0
    digest: str = ""
    files: tuple[FileRecord, ...] = ()
    reasons: tuple[Rejection, ...] = ()
    unmapped: Unmapped = NOTHING_UNMAPPED


NOTHING = SplitResult()
"""The result of a split that is not copied yet."""


@dataclass(frozen=True, slots=True)
class CopiedSplit:
    """A split of the plan that was copied whole, and its result."""

    split: Split
    result: SplitResult
