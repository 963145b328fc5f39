"""All ids of a collection in their order: which rows a pending delete takes away, and which ids
stand in several rows.

Rows are grouped in runs: a segment's live rows, or those of one log record. Memory is bounded: ids
are read a part at a time, and repeated ids are looked for in several passes when there are many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers: TypeAlias = NDArray[np.int64]

_AT_ONCE = 1 << 20
"""Ids that are read together."""
_PASS_IDS = 4_000_000
"""Ids that are compared in one pass: about 130 MB with their places and their order."""
_SPREAD = 0x9E3779B97F4A7C15
"""Odd constant that spreads neighbouring ids over the passes (Knuth, multiplicative hashing)."""


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Rows that lie together, in the order in which Milvus 1.x got them.

    Attributes:
        table_id: collection or partition they are in.
        lsn: of the log record; 0 for a segment, which is older than all pending records.
        rows: how many.
        ids: gives the ids of rows start..stop-1.
        name: file they are in, for messages.
        place: what rows are called in messages: their numbers in that file.
    """

    table_id: str
    lsn: int
    rows: int
    ids: Callable[[int, int], Numbers]
    name: str
    place: Callable[[Numbers], Numbers]


@dataclass(frozen=True, slots=True, eq=False)
class Repeats:
    """Ids that stand in several rows.

    Attributes:
        ids: how many different ones.
        superseded: for each run, its rows whose id stands in a later row again; ascending.
        example: the smallest such id, and the (run, row) of its first two places.
    """

    ids: int
    superseded: tuple[Numbers, ...]
    example: tuple[int, tuple[tuple[int, int], ...]] | None

    @property
    def rows(self) -> int:
        return sum(len(rows) for rows in self.superseded)


@dataclass(frozen=True, slots=True, eq=False)
class Deletes:
    """Pending deletes of one table: `ids` ascending, `lsns` of the last delete of each."""

    ids: Numbers
    lsns: Numbers

    @classmethod
    def of(cls, deletes: Sequence[tuple[int, Numbers]]) -> Deletes:
        """From (lsn, ids) of each record."""
        import numpy as np

        if not deletes:
            return cls(np.zeros(0, np.int64), np.zeros(0, np.int64))
        ids = np.concatenate([numbers for _, numbers in deletes])
        lsns = np.concatenate([np.full(len(numbers), lsn) for lsn, numbers in deletes])
        order = np.lexsort((lsns, ids))
        ids, lsns = ids[order], lsns[order]
        last = np.append(ids[1:] != ids[:-1], [True] if len(ids) else [])
        return cls(ids[last.astype(bool)], lsns[last.astype(bool)])

    def hit(self, ids: Numbers, lsn: int) -> NDArray[np.bool_]:
        """Which of these ids a delete after `lsn` takes away."""
        import numpy as np

        if not len(self.ids):
            return np.zeros(len(ids), bool)
        at = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        found: NDArray[np.bool_] = (self.ids[at] == ids) & (self.lsns[at] > lsn)
        return found


def parts(run: Run) -> Iterator[tuple[int, Numbers]]:
    """(first row, ids) of a run, a part at a time."""
    for start in range(0, run.rows, _AT_ONCE):
        yield start, run.ids(start, min(start + _AT_ONCE, run.rows))


def taken_away(run: Run, deletes: Deletes) -> Numbers:
    """Rows of a run that a later delete in the log takes away; ascending."""
    import numpy as np

    if not len(deletes.ids):
        return np.zeros(0, np.int64)
    found = [start + np.flatnonzero(deletes.hit(ids, run.lsn)) for start, ids in parts(run)]
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def find_repeats(runs: Sequence[Run], gone: Sequence[Numbers]) -> Repeats:
    """Looks at every id, without the rows that are gone. The last row of an id is the one to keep.

    Args:
        gone: for each run, rows that do not count; ascending.
    """
    import numpy as np

    firsts = np.concatenate(([0], np.cumsum([run.rows for run in runs]))).astype(np.int64)
    total = int(firsts[-1])
    passes = max(1, -(-total // _PASS_IDS))
    superseded: list[Numbers] = []
    different = 0
    example: tuple[int, tuple[tuple[int, int], ...]] | None = None
    if not _ascending(runs):
        for number in range(passes):
            ids, rows = _pass(runs, gone, firsts, number, passes)
            order = np.argsort(ids, kind="stable")
            ids, rows = ids[order], rows[order]
            same = ids[1:] == ids[:-1]
            again = np.flatnonzero(same)
            if not len(again):
                continue
            superseded.append(rows[again])
            begins = again[np.concatenate(([True], ids[again][1:] != ids[again][:-1]))]
            different += len(begins)
            at = int(begins[0])
            if example is None or int(ids[at]) < example[0]:
                places = tuple(_row(firsts, int(row)) for row in rows[at : at + 2])
                example = (int(ids[at]), places)
    whole = np.sort(np.concatenate(superseded)) if superseded else np.zeros(0, np.int64)
    cuts = np.searchsorted(whole, firsts)
    by_run = tuple(whole[cuts[i] : cuts[i + 1]] - firsts[i] for i in range(len(runs)))
    return Repeats(different, by_run, example)


def _ascending(runs: Sequence[Run]) -> bool:
    """Whether the ids only rise from row to row, so that none can occur twice: ids that servers
    made do.
    """
    last: int | None = None
    for run in runs:
        for _, ids in parts(run):
            if (last is not None and int(ids[0]) <= last) or not bool((ids[1:] > ids[:-1]).all()):
                return False
            last = int(ids[-1])
    return True


def _pass(
    runs: Sequence[Run], gone: Sequence[Numbers], firsts: Numbers, number: int, passes: int
) -> tuple[Numbers, Numbers]:
    """Ids that belong to one pass, and their rows through all runs, in order."""
    import numpy as np

    all_ids, all_rows = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for run, first, away in zip(runs, firsts[:-1].tolist(), gone, strict=True):
        for start, ids in parts(run):
            here = away[np.searchsorted(away, start) : np.searchsorted(away, start + len(ids))]
            rows = np.delete(np.arange(len(ids)), here - start)
            if passes > 1:
                spread = (ids[rows].astype(np.uint64) * np.uint64(_SPREAD)) >> np.uint64(40)
                rows = rows[spread % np.uint64(passes) == number]
            all_ids.append(ids[rows])
            all_rows.append(first + start + rows)
    return np.concatenate(all_ids), np.concatenate(all_rows)


def _row(firsts: Numbers, row: int) -> tuple[int, int]:
    import numpy as np

    run = int(np.searchsorted(firsts, row, "right")) - 1
    return run, row - int(firsts[run])
