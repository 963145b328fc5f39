"""Checks SQL expressions and conditions of a spec over an empty table, and finds the type they
give.

Pure: nothing is read or written. The only module of `compile` that asks the SQL engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from mmc.io.arrow import arrow_text, data_type
from mmc.io.sql import Engine, readable_type
from mmc.io.sqltree import NotAllowed, columns_of, parse
from mmc.types import ArrowType


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an expression cannot be planned. `position` is an index into its text, when known."""

    message: str
    hint: str = ""
    position: int | None = None


def expression_type(expr: str, columns: Mapping[str, str]) -> str | Problem:
    """The type that an expression gives, as `ArrowType` text.

    Args:
        columns: source columns and their `ArrowType` texts.
    """
    found = _evaluate(expr, columns)
    if isinstance(found, Problem):
        return found
    if pa.types.is_dictionary(found):
        found = found.value_type
    text = arrow_text(found)
    if reason := _unusable(found):
        return Problem(f"the expression gives {reason}", "wrap it in CAST(... AS <type>)")
    return text


def check_condition(where: str, columns: Mapping[str, str]) -> Problem | None:
    """Why a row filter cannot be planned; None when it can."""
    found = _evaluate(where, columns)
    if isinstance(found, Problem):
        return found
    if not pa.types.is_boolean(found):
        return Problem(
            f"a condition is true or false, this gives {arrow_text(found)}",
            "compare it, such as `price > 0`",
        )
    return None


def columns_used(expr: str, columns: Mapping[str, str]) -> tuple[str, ...]:
    """The source columns that an expression reads, in source order; none when it has a problem."""
    try:
        return columns_of([parse(expr)], list(columns))
    except NotAllowed:
        return ()


def _evaluate(text: str, columns: Mapping[str, str]) -> pa.DataType | Problem:
    try:
        used = columns_of([parse(text)], list(columns))
    except NotAllowed as problem:
        return Problem(problem.message, problem.hint, problem.position)
    import duckdb

    try:
        fields = [(name, readable_type(data_type(ArrowType.parse(columns[name])))) for name in used]
        # Without columns the value is one for all rows, so one row shows whether it fails.
        rows: list[dict[str, object]] = [] if used else [{}]
        batch = pa.RecordBatch.from_pylist(rows, schema=pa.schema(fields or [("", pa.null())]))
        found = Engine().evaluate(batch, [text])
    except (duckdb.Error, ValueError) as error:
        first, *rest = str(error).split("\n")
        hint = next((line for line in rest if line.startswith("Did you mean")), "")
        return Problem(first, hint)
    if found.failures:
        return Problem(f"this fails for every row: {found.failures[0].reason}")
    return found.columns[0].type


def _unusable(type_: pa.DataType) -> str:
    """Name of a type that no cast takes, or ""."""
    if pa.types.is_null(type_):
        return "null in every row"
    if pa.types.is_interval(type_):
        return "an interval"
    if pa.types.is_struct(type_) and not type_.num_fields:
        return "nothing"
    if pa.types.is_union(type_):
        return "a union"
    return ""
