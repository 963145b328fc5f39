"""SQL over Arrow batches: one embedded duckdb connection that can reach no file, network or
extension.

Expressions were checked at plan time (`mmc.compile.expressions`); the lock here holds whatever they
say. Nothing in this module knows what the values are for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mmc.sql.tree import columns_of, parse

ROWS = "mmc_rows"
"""Name of the table that a batch stands under."""
_ROW = "mmc_row_number"

Positions = npt.NDArray[np.int64]


@lru_cache(maxsize=1)
def _row_errors() -> tuple[type[Exception], ...]:
    """What one row's values can raise; other errors are about the statement or the machine."""
    import duckdb

    return duckdb.DataError, duckdb.InvalidInputException


def connect() -> Any:
    """A new locked-down connection: one thread, UTC, 1 GB, no file, network, extension or Python
    variable.
    """
    import duckdb

    connection = duckdb.connect(
        ":memory:",
        config={
            "enable_external_access": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "python_enable_replacements": "false",
            "temp_directory": "",
            "memory_limit": "1GB",
            "threads": "1",
        },
    )
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET lock_configuration = true")
    return connection


@dataclass(frozen=True, slots=True)
class Failure:
    """An expression that failed for one row. `row` counts in the batch; `expression` is -1 for the
    condition.
    """

    row: int
    expression: int
    reason: str


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What a statement gave.

    Attributes:
        rows: positions in the batch of the rows for which the condition holds; None means all.
        columns: one array an expression, over those rows; null where the expression failed.
        failures: rows whose condition failed (they are not in `rows`), and rows whose expressions
            did.
    """

    rows: Positions | None
    columns: tuple[pa.Array, ...]
    failures: tuple[Failure, ...] = ()


class Engine:
    """Evaluates expressions and a condition over batches."""

    def __init__(self) -> None:
        self._connection = connect()

    def evaluate(
        self,
        batch: pa.RecordBatch,
        expressions: Sequence[str],
        where: str = "",
        types: Sequence[pa.DataType] = (),
    ) -> Evaluated:
        """Runs all expressions and the condition in one statement, keeping row order.

        Only when that statement fails are rows looked at apart, so that a bad value costs its own
        row alone.

        Args:
            types: the announced type of each expression, to which results are cast; empty takes
                them as they come.
        """
        table = self._readable(batch, [*expressions, *([where] if where else [])])
        try:
            rows, columns = self._select(table, expressions, where)
        except _row_errors():
            return self._apart(table, expressions, where, types)
        return Evaluated(rows, _as(columns, types))

    def _readable(self, batch: pa.RecordBatch, expressions: Sequence[str]) -> pa.Table:
        """The columns that the expressions name, in types that the engine reads, and the row
        number.
        """
        names = columns_of([parse(text) for text in expressions], batch.schema.names)
        columns = {name: decoded(batch.column(name)) for name in names}
        return pa.table({**columns, _ROW: np.arange(batch.num_rows, dtype=np.int64)})

    def _select(
        self, table: pa.Table, expressions: Sequence[str], where: str
    ) -> tuple[Positions | None, list[pa.Array]]:
        """Raises duckdb.Error when a row fails."""
        columns = [f"(\n{text}\n) AS c{number}" for number, text in enumerate(expressions)]
        if where:
            columns.append(_ROW)
        condition = f" WHERE (\n{where}\n)" if where else ""
        found = self._query(table, f"SELECT {', '.join(columns)} FROM {ROWS}{condition}")
        arrays = [_flat(column) for column in found.columns]
        return (arrays.pop().to_numpy() if where else None), arrays

    def _query(self, table: pa.Table, statement: str) -> pa.Table:
        self._connection.register(ROWS, table)
        try:
            return self._connection.sql(statement).to_arrow_table()
        finally:
            self._connection.unregister(ROWS)

    def _apart(
        self, table: pa.Table, expressions: Sequence[str], where: str, types: Sequence[pa.DataType]
    ) -> Evaluated:
        failures: list[Failure] = []
        rows: Positions = np.arange(table.num_rows, dtype=np.int64)
        if where:
            held, failed = self._try(table, where)
            failures += self._explain(table, where, -1, failed, rows)
            rows = np.flatnonzero(held.fill_null(False).to_numpy(zero_copy_only=False))
            table = table.take(pa.array(rows))
        columns = []
        for number, text in enumerate(expressions):
            values, failed = self._try(table, text)
            failures += self._explain(table, text, number, failed, rows)
            columns.append(values)
        return Evaluated(rows if where else None, _as(columns, types), tuple(failures))

    def _try(self, table: pa.Table, text: str) -> tuple[pa.Array, Positions]:
        """Values of one expression, null where it fails, and the positions where it does."""
        found = self._query(table, f"SELECT TRY({{'v': (\n{text}\n)}}) AS c FROM {ROWS}")
        column = _flat(found.column(0))
        failed = np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))
        return column.flatten()[0], failed

    def _explain(
        self, table: pa.Table, text: str, number: int, failed: Positions, rows: Positions
    ) -> Iterable[Failure]:
        """A reason a row. Asking costs a statement: after 20 rows the reason is the general one."""
        for count, position in enumerate(failed.tolist()):
            reason = "the expression fails for these values"
            if count < 20:
                try:
                    self._select(table.slice(position, 1), [text], "")
                except _row_errors() as error:
                    reason = _reason(error)
            yield Failure(int(rows[position]), number, reason)


def _reason(error: Exception) -> str:
    """First line of an engine message without the row's values, so that equal reasons can be
    counted.
    """
    line = str(error).split("\n", 1)[0]
    line = re.sub(r"'[^']*'|\"[^\"]*\"|\([-0-9.e+ *]+[-+*/ ][-0-9.e+ *]+\)", "...", line)
    return re.sub(r"with value \S+ ", "", line).strip()


def _as(columns: Sequence[pa.Array], types: Sequence[pa.DataType]) -> tuple[pa.Array, ...]:
    if not types:
        return tuple(columns)
    return tuple(
        column if column.type == type_ else column.cast(type_)
        for column, type_ in zip(columns, types, strict=True)
    )


def _flat(column: pa.ChunkedArray) -> pa.Array:
    """One array of the chunks."""
    if column.num_chunks == 1:
        return column.chunk(0)
    flat = column.combine_chunks()
    return flat if isinstance(flat, pa.Array) else flat.chunk(0)


def readable_type(type_: pa.DataType) -> pa.DataType:
    """The type in which the engine sees a column: dictionaries decoded, half floats as floats."""
    if pa.types.is_dictionary(type_):
        return readable_type(type_.value_type)
    if pa.types.is_float16(type_):
        return pa.float32()
    if pa.types.is_fixed_size_list(type_):
        return pa.list_(readable_type(type_.value_type), type_.list_size)
    if pa.types.is_large_list(type_):
        return pa.large_list(readable_type(type_.value_type))
    if pa.types.is_list(type_):
        return pa.list_(readable_type(type_.value_type))
    if pa.types.is_struct(type_):
        return pa.struct([pa.field(member.name, readable_type(member.type)) for member in type_])
    return type_


def decoded(column: pa.Array) -> pa.Array:
    """The column in the type that the engine reads."""
    wanted = readable_type(column.type)
    return column if column.type == wanted else column.cast(wanted)
