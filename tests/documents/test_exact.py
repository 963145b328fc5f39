"""Columns of exactly the values that documents have, and misfits where a type holds one not."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
import pytest

from mmc.arrow.column import Column
from mmc.documents.exact import build, json_text

VECTOR = pa.list_(pa.float32(), 2)


@pytest.mark.parametrize(
    ("type_", "values", "expected", "misfits"),
    [
        (pa.int64(), [1, None, -(2**63)], [1, None, -(2**63)], []),
        (pa.int64(), [1, 2**63, True, 1.0, "1"], [1, None, None, None, None], [1, 2, 3, 4]),
        (pa.float64(), [None, -0.0, 2**53, 3], [None, -0.0, 2.0**53, 3.0], []),
        (pa.float64(), [2**53 + 1, 0.5, -(2**53) - 1], [None, 0.5, None], [0, 2]),
        (pa.bool_(), [True, 1, None], [True, None, None], [1]),
        (pa.string(), ["a", 5, {"b": 1}], ["a", None, None], [1, 2]),
        (pa.list_(pa.string()), [["a", None], None, []], [["a", None], None, []], []),
        (pa.list_(pa.int64()), [[1], "x", [], [2, "3"], [4]], [[1], None, [], None, [4]], [1, 3]),
        (VECTOR, [None, [1.5, -0.0]], [None, [1.5, -0.0]], []),
        (VECTOR, [[1, 16777216], [1, 16777217], [1]], [[1.0, 16777216.0], None, None], [1, 2]),
        (VECTOR, [[1, 1e39], [1, None], "ab", [True, 1], [10**400, 1]], [None] * 5, [*range(5)]),
        (VECTOR, [], [], []),
        (pa.list_(pa.int64()), [], [], []),
    ],
)
def test_values_are_kept_or_are_misfits_of_their_rows(
    type_: pa.DataType, values: list[Any], expected: list[Any], misfits: list[int]
) -> None:
    array, found = build(values, Column("x", type_))
    assert array.type == type_
    assert array.to_pylist() == expected
    assert [misfit.row for misfit in found] == misfits
    assert [misfit.value for misfit in found] == [values[row] for row in misfits]
    array.validate(full=True)


def test_a_negative_zero_stays_one() -> None:
    for type_, value in ((pa.float64(), -0.0), (VECTOR, [1.0, -0.0])):
        (made,) = build([value], Column("x", type_))[0].to_pylist()
        assert math.copysign(1, made if isinstance(made, float) else made[1]) == -1


def test_a_misfit_says_the_type_of_the_whole_column() -> None:
    _, (misfit,) = build([["a"]], Column("x", pa.list_(pa.int64())))
    assert misfit.reason == "does not fit list<int64>, the type of the sampled values"


def test_json_text_has_every_digit() -> None:
    column = Column("x", pa.string(), json_text=True)
    array, misfits = build([2**80, None, "ä", {"b": [1, {}]}], column)
    assert (array.to_pylist(), misfits) == ([str(2**80), None, '"ä"', '{"b":[1,{}]}'], [])
    assert json_text([2**70, "é"]) == f'[{2**70},"é"]'
