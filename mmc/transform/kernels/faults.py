"""What a kernel gives back: values, and which rows have none. Positions count in the array that
came in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mmc.types import FieldType

Positions: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]

NULL = "MMC600"
RANGE = "MMC601"
INEXACT = "MMC602"
NOT_FINITE = "MMC603"
TOO_LONG = "MMC604"
NOT_READABLE = "MMC605"
WRONG_LENGTH = "MMC606"
NULL_ELEMENT = "MMC607"
OVER_CAPACITY = "MMC608"
NOT_JSON = "MMC609"
ZERO_VECTOR = "MMC610"
NOT_UTF8 = "MMC611"
EXPRESSION = "MMC612"
SPARSE = "MMC613"
FLAW = "MMC614"


@dataclass(frozen=True, slots=True)
class Fault:
    """Rows that one rule refuses. `reason` does not hold values, so that equal reasons can be
    counted.
    """

    rows: Positions
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Casted:
    """`values` has the canonical type and the length of the input; at faulty rows it holds
    anything.
    """

    values: pa.Array
    faults: tuple[Fault, ...] = ()


Kernel: TypeAlias = Callable[[pa.Array, FieldType], Casted]


def fault(flags: Flags, code: str, reason: str) -> tuple[Fault, ...]:
    """One fault for the rows that are flagged; none when no row is."""
    rows = np.flatnonzero(flags)
    return (Fault(rows, code, reason),) if len(rows) else ()


def present(array: pa.Array) -> Flags:
    """Which values are not null."""
    if array.null_count == 0:
        return np.ones(len(array), dtype=np.bool_)
    flags: Flags = array.is_valid().to_numpy(zero_copy_only=False)
    return flags


def absent(array: pa.Array) -> pa.Array | None:
    """Null flags as builders take them (`mask=`); None when no value is null."""
    return array.is_null() if array.null_count else None


def failing(array: pa.Array, convert: Callable[[pa.Array], object]) -> Positions:
    """Positions of the values that `convert` refuses with ArrowInvalid, found by halving.

    Only called once the whole array was refused, so that good batches pay nothing.
    """

    def search(start: int, stop: int) -> Iterator[int]:
        try:
            convert(array.slice(start, stop - start))
        except pa.ArrowInvalid:
            if stop - start == 1:
                yield start
                return
            middle = (start + stop) // 2
            yield from search(start, middle)
            yield from search(middle, stop)

    return np.fromiter(search(0, len(array)), dtype=np.int64)


def without(array: pa.Array, rows: Positions) -> pa.Array:
    """The array with nulls at `rows`."""
    flags = np.zeros(len(array), dtype=np.bool_)
    flags[rows] = True
    return pc.if_else(pa.array(flags), pa.scalar(None, array.type), array)
