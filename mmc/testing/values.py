"""Values that plug-ins get wrong, and rows compared to the last bit."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any

import pyarrow as pa

LONG = 60_000
"""Bytes of a long text: a varchar of Milvus ends at 65,535."""


class Awkward(StrEnum):
    """Kinds of values that a test data set has, unless the system has no place for them."""

    NULL = "null"
    NAN = "NaN"
    NEGATIVE_ZERO = "-0.0"
    INT64_BOUNDS = "the least and the greatest int64"
    EMPTY_TEXT = "an empty text"
    EMPTY_LIST = "an empty list"
    UNICODE = "a text beyond ASCII and beyond U+FFFF"
    LONG_TEXT = f"a text of {LONG:,} bytes or more"


def awkward_columns() -> dict[str, pa.Array]:
    """Columns of six rows with all of these, to make a test data set of."""
    return {
        "number": pa.array([0, -(2**63), 2**63 - 1, None, -1, 1], pa.int64()),
        "real": pa.array([0.5, -0.0, math.nan, None, 1e308, 5e-324], pa.float64()),
        "text": pa.array(["", "naïve \U0001f30a \u0416", "x" * LONG, None, "a\nb\tc", "'\"\\"]),
        "items": pa.array([[], [1], [1, 2, 3], None, [0], [7]], pa.list_(pa.int64())),
    }


def awkward_kinds(table: pa.Table) -> set[Awkward]:
    """Which of these a table has."""
    kinds: set[Awkward] = set()
    for column in table.columns:
        for value in column.to_pylist():
            kinds.update(_kinds(value))
    return kinds


def _kinds(value: Any) -> Iterator[Awkward]:
    match value:
        case None:
            yield Awkward.NULL
        case float() if math.isnan(value):
            yield Awkward.NAN
        case float() if value == 0 and math.copysign(1, value) < 0:
            yield Awkward.NEGATIVE_ZERO
        case int() if value in (-(2**63), 2**63 - 1):
            yield Awkward.INT64_BOUNDS
        case str():
            if not value:
                yield Awkward.EMPTY_TEXT
            if any(ord(sign) > 0xFFFF for sign in value):
                yield Awkward.UNICODE
            if len(value.encode(errors="surrogatepass")) >= LONG:
                yield Awkward.LONG_TEXT
        case list():
            if not value:
                yield Awkward.EMPTY_LIST
            for item in value:
                yield from _kinds(item)
        case _:
            return


def rows_of(batches: Iterable[pa.RecordBatch | pa.Table], columns: Iterable[str]) -> list[str]:
    """Each row as a text that tells -0.0 from 0.0, NaN from null, and every byte."""
    names = list(columns)
    return [repr([row[name] for name in names]) for batch in batches for row in batch.to_pylist()]


def difference(found: Iterable[str], expected: Iterable[str]) -> str:
    """What of the rows is missing or too many, shortened; "" when they are the same rows, each as
    often, in any order.
    """
    have, want = Counter(found), Counter(expected)
    missing, extra = want - have, have - want
    if not missing and not extra:
        return ""
    said = [f"{have.total()} rows where there are {want.total()}"]
    for word, rows in (("missing", missing), ("too many", extra)):
        if rows:
            shown = ", ".join(_short(row) for row in list(rows)[:3])
            said.append(f"{rows.total()} {word}, such as {shown}")
    return "; ".join(said)


def _short(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:100]}... ({len(text):,} characters)"
