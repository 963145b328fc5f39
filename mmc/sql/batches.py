"""Expressions and a condition over batches, a part at a time in a process with limits."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mmc.errors import ExpressionFailed
from mmc.sql import process as sqlprocess
from mmc.sql.engine import Evaluated, decoded
from mmc.sql.process import ColumnsOf, Evaluate, Exceeded, Limit, Refused, Request

ROWS = 4096
"""Most rows of a part: twice what the engine takes at a time."""
PART = 8 << 20
"""Most bytes of a part of more than one row."""
HANDED = 64 << 20
"""Bytes of values from which on they are handed on, before the rest of the batch."""
SECONDS = 30.0
"""Longest time for a batch, and so much more for each `SECOND_BYTES` of it."""
SECOND_BYTES = 1 << 20
TOTAL, EACH_TOTAL = 1 << 30, 8
"""Most bytes that the expressions may make of one batch, or so many times the batch for each."""
_SHRINK, _PATIENCE = 16, 4


@dataclass(frozen=True, slots=True)
class Part:
    """Values of the rows from `start` on. Positions count in the batch, not in the part."""

    start: int
    rows: int
    found: Evaluated


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
        self._well, self._patience = 0, _PATIENCE
        self._names: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
        sqlprocess.warm()

    def parts(self, batch: pa.RecordBatch) -> Iterator[Part]:
        """Values as of `mmc.sql.engine.Engine.evaluate`, in one part unless they are large.

        What is asked for at once is smaller: at most `ROWS` rows and `PART` bytes, and less where
        that takes too much memory.

        Raises:
            ExpressionFailed: one row takes too much memory, or the batch too much time; or the
                statement is none that may be run.
        """
        narrow = _plain(self._narrow(batch))
        size = _bytes(narrow)
        most = max(TOTAL, EACH_TOTAL * size * max(1, len(self._expressions)))
        left = seconds = SECONDS + size / SECOND_BYTES
        held: list[Evaluated] = []
        first = start = made = total = 0
        while start < batch.num_rows or not held:
            part = self._cut(narrow, start)
            began = time.monotonic()
            try:
                found = self._ask(
                    Evaluate(_compact(part), self._expressions, self._where, self._types), left
                )
            except Exceeded as error:
                self._smaller(error.limit, part.num_rows, batch.num_rows, seconds)
                continue
            finally:
                left -= time.monotonic() - began
            self._larger()
            new = sum(column.nbytes for column in found.columns)
            total += new
            if total > most:
                raise self._too_much(f"make over {most >> 20:,} MiB of {batch.num_rows:,} rows")
            if held and made + new > HANDED:
                yield Part(first, start - first, _joined(held))
                held, first, made = [], start, 0
            held.append(_moved(found, start))
            start += part.num_rows
            made += new
        yield Part(first, start - first, _joined(held))

    def _cut(self, batch: pa.RecordBatch, start: int) -> pa.RecordBatch:
        """The next part of a batch."""
        part = batch.slice(start, self._rows)
        while part.num_rows > 1 and (size := _bytes(part)) > PART:
            rows = min(part.num_rows // 2, part.num_rows * PART // size)
            part = part.slice(0, max(1, rows))
        return part

    def _smaller(self, limit: Limit, rows: int, all_rows: int, seconds: float = SECONDS) -> None:
        """The next parts have fewer rows, and for longer each time that this happens."""
        if limit is Limit.TIME:
            raise self._too_long(all_rows, seconds) from None
        if rows <= 1 and limit is Limit.SIZE:
            raise self._too_much(f"make over {sqlprocess.RESULT >> 20} MiB of one row") from None
        if rows <= 1:
            most = sqlprocess.MEMORY >> 20
            raise self._too_much(f"take over {most} MiB of memory for one row") from None
        self._rows = max(1, rows // _SHRINK)
        self._well, self._patience = 0, self._patience * 2

    def _larger(self) -> None:
        """After some parts that went well the next ones may have more rows again."""
        self._well += 1
        if self._well >= self._patience:
            self._rows, self._well = min(ROWS, self._rows * 2), 0

    def _narrow(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with just the columns that are read, or one column where none is."""
        known, names = self._names
        if known != tuple(batch.schema.names):
            known = tuple(batch.schema.names)
            texts = (*self._expressions, *([self._where] if self._where else []))
            try:
                names = self._ask(ColumnsOf(texts, known), SECONDS)
            except Exceeded as error:
                if error.limit is Limit.TIME:
                    raise self._too_long(0, SECONDS) from None
                raise self._too_much(
                    "take too much memory to be read, or is nested too deeply"
                ) from None
            self._names = known, names
        return batch.select(list(names or known[:1]))

    def _ask(self, request: Request, seconds: float) -> Any:
        answer = sqlprocess.ask(request, max(0.0, seconds))
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

    def _too_long(self, rows: int, seconds: float) -> ExpressionFailed:
        return ExpressionFailed(
            f"{self._shown()} took over {seconds:.0f} s for {rows:,} rows, and was stopped",
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


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Types of which a slice can be measured and sent alone. Dictionaries stay: they may become
    far larger.
    """
    columns = [
        column
        if pa.types.is_dictionary(column.type)
        else column.cast(pa.large_string())
        if pa.types.is_string_view(column.type)
        else decoded(column)
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)


def _compact(part: pa.RecordBatch) -> pa.RecordBatch:
    """A copy with its own rows only: a slice is sent with all that it was cut from."""
    columns = [decoded(column) for column in part.columns]
    part = pa.RecordBatch.from_arrays(columns, part.schema.names)
    return pa.ipc.read_record_batch(part.serialize(), part.schema)


def _bytes(part: pa.RecordBatch) -> int:
    """Size once it is compact."""
    return sum(_column_bytes(column) for column in part.columns)


def _column_bytes(column: pa.Array) -> int:
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    words = column.dictionary
    if pa.types.is_string(words.type) or pa.types.is_large_string(words.type):
        lengths = pc.binary_length(words).take(column.indices)
        return (pc.sum(lengths).as_py() or 0) + 8 * len(column)
    return len(column) * (1 + int(words.nbytes) // max(1, len(words)))


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
    if len(parts) == 1:
        return parts[0]
    rows = [part.rows for part in parts if part.rows is not None]
    return Evaluated(
        np.concatenate(rows) if rows else None,
        tuple(
            pa.concat_arrays(columns)
            for columns in zip(*(part.columns for part in parts), strict=True)
        ),
        tuple(failure for part in parts for failure in part.failures),
    )
