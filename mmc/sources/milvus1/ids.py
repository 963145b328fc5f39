"""All ids of a collection in their order: which rows a pending delete takes away, and which ids
stand in several rows.

Rows are grouped in runs: a segment's live rows, or those of one log record. Memory is bounded: ids
are read a part at a time, and repeated ids are looked for in several passes when there are many.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers: TypeAlias = NDArray[np.int64]

_AT_ONCE = 1 << 20
"""Ids that are read together."""
_PASS_IDS = 3_000_000
"""Ids that are compared in one pass: about 100 MB with their places and their order."""
_SPREAD = 0x9E3779B97F4A7C15
"""Odd constant that spreads neighbouring ids over the passes (Knuth, multiplicative hashing)."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Run:
    """Rows that lie together, in the order in which Milvus 1.x got them.

    Attributes:
        table_id: collection or partition they are in.
        lsn: of the log record; 0 for a segment, which is older than all pending records.
        rows: how many.
        ids: gives them in order, so many together as asked.
        name: file they are in, for messages.
        place: what rows are called in messages: their numbers in that file.
    """

    table_id: str
    lsn: int
    rows: int
    ids: Callable[[int], Iterator[Numbers]]
    name: str
    place: Callable[[Numbers], Numbers]


@dataclass(frozen=True, slots=True, eq=False)
class Repeats:
    """Ids that stand in several rows.

    Attributes:
        ids: how many different ones.
        rows: how many rows too many.
        superseded: for each run, its rows whose id stands in a later row again; ascending. ()
            where it was not asked for.
        example: the smallest such id, and the (run, row) of its first two places.
    """

    ids: int
    rows: int
    superseded: tuple[Numbers, ...]
    example: tuple[int, tuple[tuple[int, int], ...]] | None


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
    start = 0
    for ids in run.ids(_AT_ONCE) if run.rows else ():
        yield start, ids
        start += len(ids)


def _every_part(runs: Sequence[Run], ahead: int) -> Iterator[tuple[int, int, Numbers]]:
    """(run, first row, ids) of all runs; small ones up to `ahead` at a time, in threads."""
    if not ahead:
        for number, run in enumerate(runs):
            for start, ids in parts(run):
                yield number, start, ids
        return
    with ThreadPoolExecutor(ahead) as pool:
        begun: deque[Future[list[tuple[int, Numbers]]] | None] = deque()
        for number in range(len(runs) + ahead):
            if number < len(runs):
                small = runs[number].rows <= _AT_ONCE // ahead
                begun.append(pool.submit(list, parts(runs[number])) if small else None)
            if (at := number - ahead) >= 0:
                read = begun.popleft()
                for start, ids in parts(runs[at]) if read is None else read.result():
                    yield at, start, ids


def taken_away(run: Run, deletes: Deletes) -> Numbers:
    """Rows of a run that a later delete in the log takes away; ascending."""
    import numpy as np

    if not len(deletes.ids):
        return np.zeros(0, np.int64)
    found = [start + np.flatnonzero(deletes.hit(ids, run.lsn)) for start, ids in parts(run)]
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def find_repeats(
    runs: Sequence[Run], gone: Sequence[Numbers], *, rows: bool, ahead: int = 0
) -> Repeats:
    """Looks at every id, without the rows that are gone. The last row of an id is the one to keep.

    Args:
        gone: for each run, rows that do not count; ascending.
        rows: whether `superseded` is wanted: it may be as long as the rows.
        ahead: runs that are read at a time, where reading waits for a network.
    """
    import numpy as np

    firsts = np.concatenate(([0], np.cumsum([run.rows for run in runs]))).astype(np.int64)
    total = int(firsts[-1])
    passes = max(1, -(-total // _PASS_IDS))
    superseded: list[Numbers] = []
    different = several = 0
    example: tuple[int, tuple[tuple[int, int], ...]] | None = None
    # One pass sorts about as quickly as it would be seen that there is no need to.
    if passes == 1 or not _ascending(runs, ahead):
        for number in range(passes):
            ids, places = _pass(runs, gone, firsts, number, passes, ahead)
            order = np.argsort(ids, kind="stable")
            ids, places = ids[order], places[order]
            again = np.flatnonzero(ids[1:] == ids[:-1])
            if not len(again):
                continue
            if rows:
                superseded.append(places[again])
            begins = again[np.concatenate(([True], ids[again][1:] != ids[again][:-1]))]
            different += len(begins)
            several += len(again)
            at = int(begins[0])
            if example is None or int(ids[at]) < example[0]:
                two = tuple(_row(firsts, int(row)) for row in places[at : at + 2])
                example = (int(ids[at]), two)
    whole = np.sort(np.concatenate(superseded)) if superseded else np.zeros(0, np.int64)
    cuts = np.searchsorted(whole, firsts)
    by_run = tuple(whole[cuts[i] : cuts[i + 1]] - firsts[i] for i in range(len(runs)))
    return Repeats(different, several, by_run if rows else (), example)


def _ascending(runs: Sequence[Run], ahead: int) -> bool:
    """Whether the ids only rise from row to row, so that none can occur twice: ids that servers
    made do.
    """
    last: int | None = None
    for _, _, ids in _every_part(runs, ahead):
        if (last is not None and int(ids[0]) <= last) or not bool((ids[1:] > ids[:-1]).all()):
            return False
        last = int(ids[-1])
    return True


def _pass(
    runs: Sequence[Run],
    gone: Sequence[Numbers],
    firsts: Numbers,
    number: int,
    passes: int,
    ahead: int,
) -> tuple[Numbers, Numbers]:
    """Ids that belong to one pass, and their rows through all runs, in order."""
    import numpy as np

    all_ids, all_rows = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for at, start, ids in _every_part(runs, ahead):
        away = gone[at]
        here = away[np.searchsorted(away, start) : np.searchsorted(away, start + len(ids))]
        wanted = np.ones(len(ids), bool)
        if passes > 1:
            spread = (ids.astype(np.uint64) * np.uint64(_SPREAD)) >> np.uint64(40)
            wanted = spread % np.uint64(passes) == number
        wanted[here - start] = False
        rows = np.flatnonzero(wanted)
        all_ids.append(ids[rows])
        all_rows.append(int(firsts[at]) + start + rows)
    return np.concatenate(all_ids), np.concatenate(all_rows)


def _row(firsts: Numbers, row: int) -> tuple[int, int]:
    import numpy as np

    run = int(np.searchsorted(firsts, row, "right")) - 1
    return run, row - int(firsts[run])
