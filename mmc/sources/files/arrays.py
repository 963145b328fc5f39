"""What NumPy, fvecs and HDF5 have in common: columns that are arrays of known shape.

A part is a set of arrays of equal length (a file, or one file a column); parts follow one another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mmc.arrow.column import Column
from mmc.arrow.schema import Origin, arrow_text
from mmc.diagnostics import Diagnostic
from mmc.errors import SourceError
from mmc.facts import Extent
from mmc.sources.files.distances import disagreeing
from mmc.sources.files.formats import Look, Rows, number_of, pick, slices
from mmc.types import Index, JsonValue

AnyArray: TypeAlias = npt.NDArray[Any]

_WINDOW = 8 << 20
"""Bytes fetched at once: large enough for object stores, small enough to hold a few."""
_SAMPLE_WINDOWS = 64
_LAST = 0x10FFFF
_HALVES = 0xD800 >> 11
"""Characters of Unicode are numbered up to the first; those that begin so are half of one."""
_TOLD = 3
"""Warnings of as many files: those of the others are alike."""


class ArrayColumn(Protocol):
    """One array of a part. `row_bytes` is the size of one row in the file."""

    dtype: np.dtype[Any]
    width: int | None
    row_bytes: int

    def read(self, start: int, count: int) -> AnyArray:
        """Rows start..start+count-1, shape (count,) or (count, width), native byte order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Open arrays of equal length.

    Attributes:
        sequential: only reading from the first row on is cheap.
        vectors, indexes: of columns, by name, as far as the file tells.
    """

    place: str
    rows: int
    columns: Mapping[str, ArrayColumn]
    sequential: bool = False
    vectors: Mapping[str, str] | None = None
    notes: tuple[str, ...] = ()
    indexes: Mapping[str, Index] = field(default_factory=dict)
    problems: tuple[Diagnostic, ...] = ()


Opened: TypeAlias = AbstractContextManager[Part]
Locator: TypeAlias = dict[str, JsonValue]


def arrow_type_of(dtype: np.dtype[Any], width: int | None, place: str) -> pa.DataType:
    """The Arrow type of a NumPy one. Raises SourceError for what has none (objects, structures)."""
    if dtype.kind in "US" and dtype.itemsize:
        scalar = pa.string()
    elif dtype.kind in "biu" or (dtype.kind == "f" and dtype.itemsize <= 8):
        scalar = pa.from_numpy_dtype(dtype.newbyteorder("="))
    else:
        why = {
            "U": "it has texts of no length; save them again",
            "S": "it has texts of no length; save them again",
            "O": "it holds Python objects, which only unpickling could read; that is never done",
            "V": "it is structured; save one array a field",
            "c": "complex numbers have no type in Milvus",
        }.get(dtype.kind, "it has no type in Milvus")
        raise SourceError(
            f"{place}: dtype {dtype} is refused: {why}",
            hint="known: bool, int8-64, uint8-64, float16-64, fixed-length text",
            code="MMC441",
        )
    return scalar if width is None else pa.list_(scalar, width)


def to_arrow(values: AnyArray, place: str, first_row: int) -> pa.Array:
    """A 1-D array as a column, a 2-D one as fixed-size lists. Shares memory where Arrow can."""
    if values.ndim == 2:
        flat = to_arrow(np.ascontiguousarray(values).reshape(-1), place, first_row)
        return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
    if values.dtype.kind == "S":
        try:
            return pa.array([text.decode("utf-8") for text in values.tolist()], pa.string())
        except UnicodeDecodeError:
            row = next(row for row, text in enumerate(values.tolist()) if not _is_utf8(text))
            raise SourceError(
                f"{place}: row {first_row + row:,} is not UTF-8",
                hint="decode the texts before saving them",
                code="MMC438",
            ) from None
    if values.dtype.kind == "U":
        points = np.ascontiguousarray(values).view(np.uint32).reshape(len(values), -1)
        strange = np.flatnonzero(((points > _LAST) | (points >> 11 == _HALVES)).any(axis=1))
        if strange.size:
            raise SourceError(
                f"{place}: row {first_row + int(strange[0]):,} has what is no character",
                hint="the file is damaged, or has half of a surrogate pair; copy it again",
                code="MMC438",
            )
        return pa.array(values.tolist(), pa.string())
    return pa.array(values)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def look_parts(parts: Sequence[tuple[Locator, Callable[[], Opened]]]) -> Look:
    """Columns (all parts must agree), one extent a part, windows for the sample."""
    columns: tuple[Column, ...] = ()
    extents: list[Extent] = []
    sequential: list[bool] = []
    notes: list[str] = []
    problems: list[Diagnostic] = []
    indexes: Mapping[str, Index] = {}
    first_place, number = "", 0
    for locator, opened in parts:
        with opened() as part:
            found = _columns(part)
            if not extents:
                columns, first_place, indexes = found, part.place, part.indexes
            else:
                _agree(first_place, columns, part.place, found)
                differ = list(disagreeing(first_place, indexes, part.place, part.indexes))
                problems += differ if not problems else []
                indexes = {} if differ else indexes
            problems += part.problems
            notes.extend(note for note in part.notes if note not in notes)
            size = part.rows * sum(column.row_bytes for column in part.columns.values())
            pairs = tuple(sorted({**locator, "number": number}.items()))
            cuttable = not part.sequential
            extents.append(
                Extent(
                    locator=pairs,
                    start=0,
                    stop=part.rows,
                    unit="row",
                    rows=part.rows,
                    bytes=size,
                    cuttable=cuttable,
                )
            )
            sequential.append(part.sequential)
            number += part.rows
    windows = [
        window
        for extent, whole in zip(extents, sequential, strict=True)
        for window in ([extent] if whole else _cut(extent, number))
    ]
    indexed = tuple(replace(column, index=indexes.get(column.name)) for column in columns)
    told = tuple(problems[:_TOLD])
    return Look(
        columns=indexed,
        extents=tuple(extents),
        windows=tuple(windows),
        rows=number,
        notes=tuple(notes),
        problems=told,
    )


def _columns(part: Part) -> tuple[Column, ...]:
    made = []
    for name, column in part.columns.items():
        type_ = arrow_type_of(column.dtype, column.width, f"{part.place} `{name}`")
        note = ""
        if column.dtype == np.uint8 and column.width is not None:
            note = "bytes: an array of small integers, or packed bits of a binary vector"
        hint = (part.vectors or {}).get(name, "")
        made.append(Column(name, type_, nullable=False, vector=hint, note="" if hint else note))
    return tuple(made)


def _agree(first: str, columns: Sequence[Column], other: str, found: Sequence[Column]) -> None:
    ours = {column.name: arrow_text(column.type) for column in columns}
    theirs = {column.name: arrow_text(column.type) for column in found}
    for name in sorted(ours.keys() | theirs.keys()):
        if ours.get(name) != theirs.get(name):
            raise SourceError(
                f"files disagree about `{name}`: {ours.get(name, 'absent')} in {first}, "
                f"{theirs.get(name, 'absent')} in {other}",
                hint="narrow the path, or migrate them with two specs",
                code="MMC434",
            )


def _cut(extent: Extent, total: int) -> list[Extent]:
    """The extent in pieces for the sample, about as many in all as there are windows."""
    rows = max(1, -(-total // _SAMPLE_WINDOWS))
    return [
        Extent(
            locator=extent.locator,
            start=start,
            stop=min(start + rows, extent.stop),
            unit="row",
            rows=min(rows, extent.stop - start),
            bytes=0,
        )
        for start in range(extent.start, extent.stop, rows)
    ]


def read_part(
    part: Part, extent: Extent, columns: Sequence[str], batch_rows: int
) -> Iterator[Rows]:
    """The extent's rows of an open part."""
    names = pick(columns, list(part.columns), part.place)
    if extent.stop > part.rows:
        raise SourceError(
            f"{part.place}: has {part.rows:,} rows, but rows up to {extent.stop:,} are wanted",
            hint="make a new plan",
            code="MMC432",
        )
    number = number_of(extent.place, "number")
    row_bytes = sum(part.columns[name].row_bytes for name in names) or 8
    window = max(1, _WINDOW // row_bytes // batch_rows) * batch_rows
    for start in range(extent.start, extent.stop, window):
        count = min(window, extent.stop - start)
        arrays = [
            to_arrow(part.columns[name].read(start, count), f"{part.place} `{name}`", start)
            for name in names
        ]
        for offset, some in slices(arrays, count, batch_rows):
            row = start + offset
            size = min(batch_rows, count - offset)
            yield Rows(arrays=some, count=size, number=number + row, origin=Origin(part.place, row))
