"""Rows by partition, as sent and as counted. Pure: the counts come in.

A row in the wrong partition is invisible to queries on the right one, even when the total count is
correct. So all partitions are counted, also those that the plan does not write to: one by one, or
where they are many, the latter together, as what is left of the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from mmc.plan.model import CopySplits, Mode
from mmc.types import Collection

DEFAULT = ""
"""Name of the partition of rows that are written to none by name."""
ONE_BY_ONE = 64
"""Most partitions of which each is counted; a count may take half a second."""
NAMED = 5
"""Other partitions that a line names."""


def counted_alone(copy: CopySplits, there: Collection) -> tuple[str, ...]:
    """Partitions that are counted each: all, or if there are many those that a copy writes to. ()
    where there is but one, or a partition key spreads the rows.
    """
    written = {split.partition for split in copy.splits}
    every = {DEFAULT, *there.partitions, *written}
    if len(every) == 1:
        return ()
    return tuple(sorted(every if len(every) <= ONE_BY_ONE else written))


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Rows of the whole collection and of each partition that is counted alone, now and before the
    first of ours.
    """

    found: int
    before: int
    found_in: Mapping[str, int]
    before_in: Mapping[str, int]

    @property
    def others_found(self) -> int:
        """Rows in all other partitions."""
        return self.found - sum(self.found_in.values())

    @property
    def others_before(self) -> int:
        return self.before - sum(self.before_in.get(name, 0) for name in self.found_in)


def partition_problems(
    mode: Mode, sent: Iterable[tuple[str, int]], counts: Counts, there: Sequence[str]
) -> Iterator[str]:
    """A line for each partition that has another number of rows than it must have.

    Args:
        sent: (partition, rows), of all splits.
        there: the names of all partitions but the default one.
    """
    written = dict.fromkeys(counts.found_in, 0)
    for name, rows in sent:
        written[name] = written.get(name, 0) + rows
    for name, found in counts.found_in.items():
        held = counts.before_in.get(name, 0)
        expected = held + written[name]
        if mode is Mode.UPSERT:
            # A row of the same key may have gone to another partition.
            expected = min(max(found, written[name]), expected)
        if found != expected:
            shown = f"partition `{name}`" if name else "the default partition"
            yield f"MMC710: {shown} counts {found:,} rows, {expected:,} were expected"
    others = [name or "the default one" for name in ("", *there) if name not in counts.found_in]
    if not others:
        return
    found, expected = counts.others_found, counts.others_before
    if mode is Mode.UPSERT:
        expected = min(expected, max(found, expected - sum(written.values())))
    if found != expected:
        named = ", ".join(others[:NAMED])
        named += f", and {len(others) - NAMED:,} more" if len(others) > NAMED else ""
        yield (
            f"MMC710: partitions that the plan does not write to ({named}) count {found:,} rows,"
            f" {expected:,} were expected"
        )
