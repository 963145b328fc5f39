"""Which type an SQL expression gives over the columns of a source, and why it cannot be used.

Runs in the process of `mmc.sql.process`: what it does costs whatever a stranger wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from mmc.arrow.schema import arrow_text, data_type
from mmc.sql.engine import Engine, readable_type
from mmc.sql.tree import NotAllowed, columns_of, is_too_deep, parse, too_deep
from mmc.types import ArrowType


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an expression cannot be planned. `position` is an index into its text, when known."""

    message: str
    hint: str = ""
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Typed:
    """The type of an expression.

    Attributes:
        arrow: as `ArrowType` text.
        columns: of the source that it reads, in source order.
        unusable: name of a type that no cast takes, or "".
    """

    arrow: str
    columns: tuple[str, ...]
    unusable: str


def type_of(text: str, columns: Mapping[str, str], engine: Engine) -> Typed | Problem:
    """Evaluates an expression over an empty table.

    Args:
        columns: of the source, and their `ArrowType` texts.
    """
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
        found = engine.evaluate(batch, [text])
    except duckdb.OutOfMemoryException:
        raise
    except (duckdb.Error, ValueError) as error:
        if is_too_deep(str(error)):
            deep = too_deep()
            return Problem(deep.message, deep.hint)
        first, *rest = str(error).split("\n")
        hint = next((line for line in rest if line.startswith("Did you mean")), "")
        return Problem(first, hint)
    if found.failures:
        return Problem(f"this fails for every row: {found.failures[0].reason}")
    type_ = found.columns[0].type
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    return Typed(arrow_text(type_), used, _unusable(type_))


def _unusable(type_: pa.DataType) -> str:
    if pa.types.is_null(type_):
        return "null in every row"
    if pa.types.is_interval(type_):
        return "an interval"
    if pa.types.is_struct(type_) and not type_.num_fields:
        return "nothing"
    if pa.types.is_union(type_):
        return "a union"
    return ""
