"""Evidence of columns, batch by batch or at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mmc.arrow.evidence import Observed, of_column
from mmc.facts import Evidence

NAN, INF = float("nan"), float("inf")
VECTOR = pa.list_(pa.float32(), 5)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (pa.array([3, None, -1]), Evidence(rows=3, nulls=1, min_value=-1, max_value=3)),
        (pa.array(["ä", "abc", None]), Evidence(rows=3, nulls=1, max_bytes=3)),
        (pa.array([b"1234"], pa.binary(4)), Evidence(rows=1, max_bytes=4)),
        (pa.array(["a", "a"]).dictionary_encode(), Evidence(rows=2, max_bytes=1)),
        (pa.array([1.5, NAN, None, -INF]), Evidence(rows=4, nulls=1, non_finite=2)),
        (pa.array(np.array([1, NAN], np.float16)), Evidence(rows=2, non_finite=1)),
        (
            pa.array([[1, 2], [], None]),
            Evidence(rows=3, nulls=1, max_items=2, min_value=1, max_value=2),
        ),
        (pa.array([["a", None], ["abc"]]), Evidence(rows=2, max_items=2, max_bytes=3)),
        (pa.array([None, None], pa.list_(pa.int64())), Evidence(rows=2, nulls=2)),
        (pa.array([[None]], pa.list_(pa.int64())), Evidence(rows=1, max_items=1)),
        (pa.array([], pa.string()), Evidence()),
        (pa.array([True, None]), Evidence(rows=2, nulls=1)),
        # A row is counted once, however many of its numbers are not finite.
        (
            pa.array([[NAN] * 5, None, [1.0] * 5, [INF, 0, 0, 0, NAN]], VECTOR),
            Evidence(rows=4, nulls=1, max_items=5, non_finite=2),
        ),
        (pa.array([[NAN, NAN], [], [None, 1.0]]), Evidence(rows=3, max_items=2, non_finite=1)),
    ],
)
def test_evidence_is_the_same_at_once_and_row_by_row(array: pa.Array, expected: Evidence) -> None:
    whole, parts = of_column(array), Observed()
    for row in range(len(array)):
        parts.add(array[row : row + 1])
    assert parts.evidence == whole
    fields = ("rows", "nulls", "max_bytes", "max_items", "min_value", "max_value", "non_finite")
    assert [getattr(whole, name) for name in fields] == [getattr(expected, n) for n in fields]


@pytest.mark.parametrize(
    ("values", "examples"),
    [
        ([None, 5, 6, 7, 8], ("5", "6", "7")),
        (["x" * 61], ("x" * 57 + "...",)),
        ([[1, 2, 3, 4], [1, 2, 3, 4, 5]], ("[1, 2, 3, 4]", "[1, 2, 3, ... 5 values]")),
    ],
)
def test_examples_are_few_and_short(values: list[Any], examples: tuple[str, ...]) -> None:
    assert of_column(pa.array(values)).examples == examples
