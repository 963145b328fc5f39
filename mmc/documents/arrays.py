"""Values of documents into Arrow arrays: all at once where they are plain, else one by one.

What a value may be, and what it becomes, says a `Maker`. A value that it refuses is a `Misfit` of
its row, and null in the array.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mmc.text import cut

SHOWN = 60
"""Letters of a value in a message."""


class Misfit(ValueError):
    """A value that its column cannot hold. Raised where reading ends with it, listed where only its
    row is bad.

    Attributes:
        row: number of the document.
        reason: in words, without the value, so that equal reasons can be counted.
    """

    def __init__(self, row: int, reason: str, value: Any) -> None:
        super().__init__(row, reason)
        self.row, self.reason, self.value = row, reason, value


class Maker(Protocol):
    """How the values of one type are made."""

    @property
    def type(self) -> pa.DataType: ...

    def at_once(self, values: Sequence[Any]) -> pa.Array | None:
        """All of them; None where only a look at each tells."""

    def one(self, value: Any) -> Any:
        """What Arrow takes for a value, which is not None. Raises ValueError with the reason."""


def array_of(cells: Sequence[Any], maker: Maker) -> tuple[pa.Array, list[Misfit]]:
    """One value a document."""
    made, wrong = _made(cells, maker)
    return made, [Misfit(row, reason, cells[row]) for row, reason in wrong]


def lists_of(
    cells: Sequence[Any], items: Callable[[Any], Sequence[Any] | None], maker: Maker
) -> tuple[pa.Array, list[Misfit]]:
    """One list a document.

    Args:
        items: elements of a cell, which is not None; None where it has no list. Raises ValueError
            with the reason.
        maker: makes the elements.
    """
    flat: list[Any] = []
    counts = np.zeros(len(cells), np.int64)
    absent = np.zeros(len(cells), np.bool_)
    misfits: dict[int, Misfit] = {}
    for row, cell in enumerate(cells):
        try:
            inside = None if cell is None else items(cell)
        except ValueError as error:
            inside, misfits[row] = None, Misfit(row, str(error), cell)
        if inside is None:
            absent[row] = True
        else:
            flat += inside
            counts[row] = len(inside)
    offsets = np.concatenate(([0], np.cumsum(counts)))
    values, wrong = _made(flat, maker)
    for at, reason in wrong:
        row = int(offsets.searchsorted(at, "right")) - 1
        misfits.setdefault(row, Misfit(row, reason, cells[row]))
    absent[list(misfits)] = True
    mask = pa.array(absent) if absent.any() else None
    ends = pa.array(offsets.astype(np.int32))
    made = pa.ListArray.from_arrays(ends, values, type=pa.list_(maker.type), mask=mask)
    return made, [misfits[row] for row in sorted(misfits)]


def _made(values: Sequence[Any], maker: Maker) -> tuple[pa.Array, list[tuple[int, str]]]:
    """The array, and place and reason of what is null in it because it does not fit."""
    made = maker.at_once(values)
    if made is not None:
        return made, []
    taken: list[Any] = []
    wrong: list[tuple[int, str]] = []
    for at, value in enumerate(values):
        try:
            taken.append(None if value is None else maker.one(value))
        except ValueError as error:
            taken.append(None)
            wrong.append((at, str(error)))
    return pa.array(taken, maker.type), wrong


def vectors_of(numbers: npt.NDArray[Any], absent: npt.NDArray[np.bool_]) -> pa.Array:
    """Vectors, a row each, as lists of one length; null where `absent` says so."""
    mask = pa.array(absent) if absent.any() else None
    flat = pa.array(numbers.reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, numbers.shape[1], mask=mask)


def shown(value: Any) -> str:
    """A value as JSON in a message, cut where it is long."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except RecursionError:
        text = "what is nested deeply here"
    return cut(text.encode(errors="backslashreplace").decode(), SHOWN)
