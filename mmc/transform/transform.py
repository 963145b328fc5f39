"""Source batch -> canonical batch: filter, expressions, casts, defaults, normalisation, dynamic
field.

Compiled once a split from the plan's step. Everything works on whole columns; a row is looked at
alone only when it is bad. Must not know where rows come from or go to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from mmc.arrow.schema import Flaw, arrow_text, canonical_schema, data_type, flaws_of, origin_of
from mmc.arrow.unmapped import unmapped_of
from mmc.errors import SourceChanged
from mmc.plan.mapping import Column, Expression, Mapping, arrow_type
from mmc.plan.model import CopySplits
from mmc.sql.batches import Part, RowExpressions
from mmc.sql.engine import Evaluated
from mmc.transform.badrow import BadRow
from mmc.transform.columns import MakeColumn, make_column
from mmc.transform.kernels.faults import EXPRESSION, FLAW, Fault, Positions
from mmc.transform.kernels.jsontext import too_long
from mmc.transform.rest import Rest, is_dropped
from mmc.transform.values import plain_values
from mmc.types import DYNAMIC_FIELD, TypeKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Transformed:
    """A source batch, or the next part of it.

    `batch` has the canonical schema; rows_read == batch.num_rows + rows_filtered + len(bad).
    `unmapped` has, for each row of `batch` with values that no column took, their names.
    """

    batch: pa.RecordBatch
    rows_read: int
    rows_filtered: int
    bad: tuple[BadRow, ...]
    unmapped: tuple[list[str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Found:
    """Faults of one field, over the rows that the condition keeps."""

    field: str
    faults: tuple[Fault, ...]


class Transform:
    """The mappings of one step, ready to be applied to batches.

    Args:
        only: make just these target fields (for the check of keys).
    """

    def __init__(self, step: CopySplits, only: Sequence[str] | None = None) -> None:
        mappings = [mapping for mapping in step.mappings if not mapping.generated]
        schema = canonical_schema(step.collection)
        if only is not None:
            mappings = [mapping for mapping in mappings if mapping.field.name in only]
            schema = pa.schema([schema.field(mapping.field.name) for mapping in mappings])
        self._schema = schema
        self._where = step.read.where
        self._mappings: list[tuple[Mapping, MakeColumn]] = [(m, make_column(m)) for m in mappings]
        expressions = [m.origin for m in mappings if isinstance(m.origin, Expression)]
        self._expressions = [expression.sql for expression in expressions]
        self._types = [data_type(arrow_type(expression)) for expression in expressions]
        dynamic = step.collection.dynamic and only is None
        names = [field.name for field in step.collection.fields]
        self._dropped = step.read.unmapped_drop
        self._rest = Rest(step.rest, names, self._dropped) if dynamic else None
        self._announced = {
            m.origin.name: m.origin.arrow for m in mappings if isinstance(m.origin, Column)
        }
        if self._rest is not None:
            self._announced |= {column.source: column.arrow for column in step.rest}
        self._json_bytes = step.batches.json_bytes
        self._sql = (
            RowExpressions(self._expressions, self._where, self._types)
            if self._where or self._expressions
            else None
        )
        self._checked: pa.Schema | None = None

    def __call__(self, batch: pa.RecordBatch) -> Iterator[Transformed]:
        """Transforms one batch: as a whole, or in parts where SQL makes large values.

        Raises:
            SourceChanged: a column is missing or has not the type that the plan says.
            ExpressionFailed: the SQL takes too much memory or time.
        """
        self._check(batch)
        if self._sql is None:
            yield self._part(batch, Part(0, batch.num_rows, Evaluated(None, ())))
            return
        for part in self._sql.parts(batch):
            yield self._part(batch, part)

    def _part(self, batch: pa.RecordBatch, part: Part) -> Transformed:
        evaluated = part.found
        rows = part.rows if evaluated.rows is None else len(evaluated.rows)
        arrays, found = self._columns(batch, part, rows)
        bad, good = self._judge(batch, part, found, rows)
        made = pa.RecordBatch.from_arrays(
            [self._canonical(array, good, number) for number, array in enumerate(arrays)],
            schema=self._schema,
        )
        # Counted, not what is left over: else a row that got lost would pass for a filtered one.
        failed = sum(1 for failure in evaluated.failures if failure.expression < 0)
        filtered = part.rows - rows - failed
        return Transformed(
            batch=made,
            rows_read=part.rows,
            rows_filtered=filtered,
            bad=bad,
            unmapped=self._unmapped(batch, part, good),
        )

    def _check(self, batch: pa.RecordBatch) -> None:
        if self._checked is not None and batch.schema.equals(self._checked):
            return
        for name, announced in self._announced.items():
            at = batch.schema.get_field_index(name)
            actual = arrow_text(batch.schema.field(at).type) if at >= 0 else "missing"
            if actual != announced:
                raise SourceChanged(
                    f"column {name} is {actual}; the plan says {announced}", hint="plan again"
                )
        self._checked = batch.schema

    def _columns(
        self, batch: pa.RecordBatch, part: Part, rows: int
    ) -> tuple[list[pa.Array], list[_Found]]:
        evaluated = part.found
        picked = None if evaluated.rows is None else pa.array(evaluated.rows)

        def source(name: str) -> pa.Array:
            array = batch.column(name)
            if picked is not None:
                return array.take(picked)
            return array if rows == len(array) else array.slice(part.start, rows)

        arrays, found = [], []
        expressions = iter(enumerate(evaluated.columns))
        for mapping, make in self._mappings:
            failed: tuple[Fault, ...] = ()
            array = None
            if isinstance(mapping.origin, Expression):
                number, array = next(expressions)
                failed = _failed(part, number)
            elif isinstance(mapping.origin, Column):
                array = source(mapping.origin.name)
            made = make(array, rows)
            faults = failed + made.faults
            if mapping.field.type.kind is TypeKind.JSON:
                faults += too_long(made.values, self._json_bytes)
            arrays.append(made.values)
            found.append(_Found(mapping.field.name, faults))
        if self._rest is not None:
            made = self._rest(source, rows)
            faults = made.faults + too_long(made.values, self._json_bytes)
            arrays.append(made.values)
            found.append(_Found(DYNAMIC_FIELD, faults))
        return arrays, found

    def _judge(
        self, batch: pa.RecordBatch, part: Part, found: list[_Found], rows: int
    ) -> tuple[tuple[BadRow, ...], Positions | None]:
        """The bad rows in source order, and the positions (among those kept) of the good ones; None
        means all.
        """
        evaluated, end = part.found, part.start + part.rows
        flaws = {
            flaw.row: flaw
            for flaw in flaws_of(batch)
            if part.start <= flaw.row < end and self._uses(flaw.column)
        }
        if not evaluated.failures and not flaws and not any(field.faults for field in found):
            return (), None
        reasons: dict[int, tuple[str, str, str]] = {}
        for failure in evaluated.failures:
            if failure.expression < 0:
                reasons[failure.row] = (EXPRESSION, "where", failure.reason)
        place = np.arange(part.start, end) if evaluated.rows is None else evaluated.rows
        good = np.array([row not in flaws for row in place.tolist()], dtype=np.bool_)
        for row in place[~good].tolist():
            reasons[row] = (FLAW, self._field_of(flaws[row].column), flaws[row].reason)
        for field in found:
            for one in field.faults:
                for row in one.rows[good[one.rows]].tolist():
                    reasons[int(place[row])] = (one.code, field.field, one.reason)
                good[one.rows] = False
        origin = origin_of(batch)
        bad = tuple(
            BadRow(
                path=origin.path,
                row=origin.place(row),
                unit=origin.unit,
                code=code,
                field=column,
                reason=reason,
                values=_as_found(plain_values(batch, row), flaws.get(row)),
            )
            for row, (code, column, reason) in sorted(reasons.items())
        )
        return bad, np.flatnonzero(good)

    def _unmapped(
        self, batch: pa.RecordBatch, part: Part, good: Positions | None
    ) -> tuple[list[str], ...]:
        """Names of what no column took, of the rows that are kept and good."""
        noted = unmapped_of(batch)
        if not noted:
            return ()
        kept = part.found.rows
        rows = np.arange(part.start, part.start + part.rows) if kept is None else kept
        if good is not None:
            rows = rows[good]
        names = (noted[row] for row in rows.tolist() if row in noted)
        if self._dropped:
            names = ([it for it in some if not is_dropped(it, self._dropped)] for some in names)
        return tuple(some for some in names if some)

    def _uses(self, column: str) -> bool:
        """Whether a flaw in a source column makes a row bad here: SQL may look at any of them."""
        return self._sql is not None or column in self._announced

    def _field_of(self, column: str) -> str:
        fields = (mapping.field.name for mapping, _ in self._mappings if mapping.column == column)
        return next(fields, column)

    def _canonical(self, array: pa.Array, good: Positions | None, number: int) -> pa.Array:
        if good is not None and len(good) < len(array):
            array = array.take(pa.array(good))
        wanted = self._schema.field(number).type
        return array if array.type.equals(wanted) else array.cast(wanted)


def _as_found(values: dict[str, object], flaw: Flaw | None) -> dict[str, object]:
    """Values of a row with the flawed one as it stands in the source."""
    return values if flaw is None else {**values, flaw.column: flaw.shown}


def _failed(part: Part, number: int) -> tuple[Fault, ...]:
    """Failures of one expression, by their positions among the rows that are kept."""
    evaluated = part.found
    failures = [failure for failure in evaluated.failures if failure.expression == number]
    if not failures:
        return ()
    rows = np.array([failure.row for failure in failures], dtype=np.int64)
    if evaluated.rows is not None:
        rows = np.searchsorted(evaluated.rows, rows)
    else:
        rows = rows - part.start
    return tuple(
        Fault(rows[at : at + 1], EXPRESSION, failure.reason) for at, failure in enumerate(failures)
    )
