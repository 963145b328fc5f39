"""Repeated ids and pending deletes, against plain Python over whole lists."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmc.sources.milvus1 import ids as module
from mmc.sources.milvus1.ids import Deletes, Run, find_repeats, taken_away

IDS = st.lists(st.lists(st.integers(-3, 12) | st.sampled_from([2**63 - 1, -(2**63)]), max_size=8))


def run_of(ids: Sequence[int], lsn: int = 0) -> Run:
    numbers = np.array(ids, np.int64)
    return Run(
        table_id="t",
        lsn=lsn,
        rows=len(ids),
        ids=lambda many: (numbers[at : at + many] for at in range(0, len(numbers), many)),
        name="file",
        place=lambda rows: rows,
    )


@pytest.fixture(params=[(1 << 20, 3_000_000), (3, 4)], ids=["at once", "in parts"])
def sizes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once as it is, once with parts and passes so small that there are several."""
    monkeypatch.setattr(module, "_AT_ONCE", request.param[0])
    monkeypatch.setattr(module, "_PASS_IDS", request.param[1])


@pytest.mark.usefixtures("sizes")
class TestRepeats:
    @given(IDS, st.randoms(use_true_random=False), st.sampled_from([0, 1, 3]))
    def test_against_lists(self, lists: list[list[int]], random: object, ahead: int) -> None:
        gone = [
            np.array([i for i in range(len(ids)) if random.random() < 0.3], np.int64)  # type: ignore[attr-defined]
            for ids in lists
        ]
        rows: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for run, ids in enumerate(lists):
            for row, id_ in enumerate(ids):
                if row not in gone[run]:
                    rows[id_].append((run, row))
        several = {id_: places for id_, places in rows.items() if len(places) > 1}
        runs = [run_of(ids) for ids in lists]
        found = find_repeats(runs, gone, rows=True, ahead=ahead)
        counted = find_repeats(runs, gone, rows=False, ahead=ahead)
        assert (counted.ids, counted.rows, counted.superseded) == (found.ids, found.rows, ())
        assert found.ids == len(several)
        assert found.rows == sum(len(places) - 1 for places in several.values())
        for run in range(len(lists)):
            wanted = {row for p in several.values() for r, row in p[:-1] if r == run}
            assert found.superseded[run].tolist() == sorted(wanted)
        if several:
            smallest = min(several)
            assert found.example == (smallest, tuple(several[smallest][:2]))
        else:
            assert found.example is None

    def test_rising_ids_are_seen_once(self) -> None:
        found = find_repeats(
            [run_of([1, 2, 3]), run_of([]), run_of([4, 9])], [np.zeros(0, np.int64)] * 3, rows=True
        )
        assert (found.ids, found.rows, found.example) == (0, 0, None)


@given(
    st.lists(st.integers(0, 9), max_size=12),
    st.integers(0, 4),
    st.lists(st.tuples(st.integers(1, 5), st.lists(st.integers(0, 9), max_size=5)), max_size=4),
)
def test_deletes_act_on_what_was_before(
    ids: list[int], lsn: int, deletes: list[tuple[int, list[int]]]
) -> None:
    wanted = [
        row
        for row, id_ in enumerate(ids)
        if any(at > lsn and id_ in numbers for at, numbers in deletes)
    ]
    made = Deletes.of([(at, np.array(numbers, np.int64)) for at, numbers in deletes])
    assert taken_away(run_of(ids, lsn), made).tolist() == wanted
