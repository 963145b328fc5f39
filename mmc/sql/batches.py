"""Expressions and a condition over batches, a part at a time in a process with limits."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from mmc.errors import ExpressionFailed
from mmc.sql import process as sqlprocess
from mmc.sql.engine import Evaluated
from mmc.sql.process import ColumnsOf, Evaluate, Exceeded, Limit, Refused, Request

ROWS = 4096
"""Rows of a part: twice what the engine takes at a time."""
SECONDS = 30.0
"""Longest time for a batch."""
TOTAL = 256 << 20
"""Most bytes that the expressions may make of one batch."""


class RowExpressions:
    """The expressions and the condition of one split.

    Args:
        types: the announced type of each expression.
    """

    def __init__(
        self, expressions: Sequence[str], where: str, types: Sequence[pa.DataType]
    ) -> None:
        self._expressions, self._where, self._types = tuple(expressions), where, tuple(types)
        self._rows = ROWS
        self._names: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
        sqlprocess.warm()

    def evaluate(self, batch: pa.RecordBatch) -> Evaluated:
        """As `mmc.sql.engine.Engine.evaluate`. A part that takes too much memory is made smaller.

        Raises:
            ExpressionFailed: one row takes too much memory, or the batch too much time; or the
                statement is none that may be run.
        """
        until = time.monotonic() + SECONDS
        batch = self._narrow(batch)
        parts: list[Evaluated] = []
        start = size = 0
        while start < batch.num_rows or not parts:
            part = batch.slice(start, self._rows)
            try:
                found = self._ask(
                    Evaluate(part, self._expressions, self._where, self._types), until
                )
                size += sum(column.nbytes for column in found.columns)
                if size > TOTAL:
                    raise self._too_much(f"make over {TOTAL >> 20} MiB of {batch.num_rows:,} rows")
            except Exceeded as error:
                if error.limit is Limit.TIME:
                    raise self._too_long(batch.num_rows) from None
                if part.num_rows <= 1:
                    most = sqlprocess.MEMORY >> 20
                    raise self._too_much(f"take over {most} MiB of memory for one row") from None
                self._rows = max(1, part.num_rows // 16)
                continue
            parts.append(_moved(found, start))
            start += max(1, part.num_rows)
        return parts[0] if len(parts) == 1 else _joined(parts)

    def _narrow(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with just the columns that are read, or one column where none is."""
        known, names = self._names
        if known != tuple(batch.schema.names):
            known = tuple(batch.schema.names)
            texts = (*self._expressions, *([self._where] if self._where else []))
            try:
                names = self._ask(ColumnsOf(texts, known), time.monotonic() + SECONDS)
            except Exceeded as error:
                if error.limit is Limit.TIME:
                    raise self._too_long(0) from None
                raise self._too_much(
                    "take too much memory to be read, or is nested too deeply"
                ) from None
            self._names = known, names
        return batch.select(list(names or known[:1]))

    def _ask(self, request: Request, until: float) -> Any:
        answer = sqlprocess.ask(request, max(0.0, until - time.monotonic()))
        if isinstance(answer, Refused):
            raise ExpressionFailed(
                f"{self._shown()} cannot be evaluated: {answer.message}",
                hint=answer.hint or "plan again: the plan was changed, or made by another mmc",
                code="MMC594",
            )
        return answer

    def _too_much(self, what: str) -> ExpressionFailed:
        return ExpressionFailed(
            f"{self._shown()} would {what}",
            hint="repeat, pad, split or list less in `expr` and `where`, and plan again; or raise"
            " `ulimit -v` where it is low",
            code="MMC592",
        )

    def _too_long(self, rows: int) -> ExpressionFailed:
        return ExpressionFailed(
            f"{self._shown()} took over {SECONDS:.0f} s for {rows:,} rows, and was stopped",
            hint="compare or list less in `expr` and `where`, and plan again; when the machine was"
            " busy, apply again",
            code="MMC593",
        )

    def _shown(self) -> str:
        """The texts, shortened: which of them it was is not known."""
        texts = [*self._expressions, *([self._where] if self._where else [])]
        shown = [text if len(text) <= 60 else text[:57] + "..." for text in texts[:3]]
        more = f" and {len(texts) - 3} more" if len(texts) > 3 else ""
        return ", ".join(f"`{text}`" for text in shown) + more


def _moved(found: Evaluated, start: int) -> Evaluated:
    """Positions of a part as positions of its batch."""
    if not start:
        return found
    return Evaluated(
        None if found.rows is None else found.rows + start,
        found.columns,
        tuple(replace(failure, row=failure.row + start) for failure in found.failures),
    )


def _joined(parts: Sequence[Evaluated]) -> Evaluated:
    rows = [part.rows for part in parts if part.rows is not None]
    return Evaluated(
        np.concatenate(rows) if rows else None,
        tuple(
            pa.concat_arrays(columns)
            for columns in zip(*(part.columns for part in parts), strict=True)
        ),
        tuple(failure for part in parts for failure in part.failures),
    )
