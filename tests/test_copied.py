"""Names of values without a column are counted in bounded memory, and summed over splits."""

from __future__ import annotations

import pytest

from mmc.copied import OTHERS, Tally, unmapped_line, unmapped_sum
from mmc.events import Unmapped


def test_rows_and_names_are_counted() -> None:
    tally = Tally()
    tally.add([["b"], ["a", "b"], ["a"]])
    tally.add([["c"]])
    assert tally.sum == Unmapped(4, (("a", 2), ("b", 2), ("c", 1)))
    assert unmapped_sum([tally.sum, Unmapped(), Unmapped(9, (("c", 9),))]) == Unmapped(
        13, (("c", 10), ("a", 2), ("b", 2))
    )


def test_a_name_a_row_is_counted_together() -> None:
    tally = Tally()
    tally.add([f"n{row}", "all"] for row in range(5_000))
    found = tally.sum
    assert (found.rows, len(found.names)) == (5_000, 101)
    assert found.names[0] == ("all", 5_000) and found.names[-1] == (OTHERS, 4_901)
    twice = unmapped_sum([found, found])
    assert twice.names[-1] == (OTHERS, 9_802) and sum(n for _, n in twice.names) == 20_000


@pytest.mark.parametrize(
    ("unmapped", "line"),
    [
        (Unmapped(1, (("a", 1),)), "1 row had values that no column took: `a` in 1 row"),
        (
            Unmapped(3, (*((f"n{n}", 3) for n in range(9)), (OTHERS, 2))),
            "3 rows had values that no column took: "
            + ", ".join(f"`n{n}` in 3 rows" for n in range(8))
            + " and at least 2 more names",
        ),
    ],
)
def test_as_a_line(unmapped: Unmapped, line: str) -> None:
    assert unmapped_line(unmapped) == line
