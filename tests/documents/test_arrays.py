"""What a maker refuses is a misfit of its row, also inside lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest

from mmc.documents.arrays import array_of, lists_of, shown


class _Even:
    """Takes even integers."""

    type = pa.int64()

    def at_once(self, values: Sequence[Any]) -> pa.Array | None:
        return None

    def one(self, value: Any) -> int:
        if value % 2:
            raise ValueError("odd")
        return int(value)

    def items(self, value: Any) -> list[Any] | None:
        if value == "none":
            return None
        if not isinstance(value, list):
            raise ValueError("no list")
        return value


def test_one_value_a_document() -> None:
    made, misfits = array_of([2, 3, None], _Even())
    assert made.to_pylist() == [2, None, None]
    assert [(one.row, one.reason, one.value) for one in misfits] == [(1, "odd", 3)]


@pytest.mark.parametrize(
    ("cells", "expected", "misfits"),
    [
        ([[2, 4], [], None, "none", [6]], [[2, 4], [], None, None, [6]], []),
        ([[], [2, 3, 5], [], 7, [8]], [[], None, [], None, [8]], [(1, "odd"), (3, "no list")]),
        ([[1], [], [], [3]], [None, [], [], None], [(0, "odd"), (3, "odd")]),
    ],
)
def test_lists(cells: list[Any], expected: list[Any], misfits: list[tuple[int, str]]) -> None:
    maker = _Even()
    made, found = lists_of(cells, maker.items, maker)
    assert made.to_pylist() == expected
    assert [(one.row, one.reason) for one in found] == misfits
    made.validate(full=True)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": "ä"}, '{"a": "ä"}'),
        ("\ud800", '"\\ud800"'),
        ("x" * 100, '"' + "x" * 56 + "..."),
    ],
)
def test_values_in_messages(value: Any, text: str) -> None:
    assert shown(value) == text
