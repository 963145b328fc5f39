"""Header of a `.npy` file, as numpy.lib.format versions 1 to 3 describe it. Values may come from
anybody: nothing is believed before it is looked at, and never more than `MOST_BYTES` are parsed.
"""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

MAGIC = b"\x93NUMPY"
MOST_BYTES = (1 << 16) + 12
"""What has to be read of a file, at most, to have its header."""
_MOST_TEXT = 1 << 16


@dataclass(frozen=True, slots=True)
class Header:
    """What the header says; `offset` is where the values begin."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool
    offset: int

    @property
    def rows(self) -> int:
        return self.shape[0]

    @property
    def row_bytes(self) -> int:
        return self.dtype.itemsize * math.prod(self.shape[1:])


def parse_header(head: bytes) -> Header:
    """The header at the beginning of a file.

    Args:
        head: the file, or its first `MOST_BYTES`.

    Raises:
        ValueError: it is none; the text says why.
    """
    if head[:6] != MAGIC or len(head) < 10:
        raise ValueError("it does not begin with the bytes of a NumPy file")
    major = head[6]
    if major not in (1, 2, 3):
        raise ValueError(f"format version {major} is not known")
    width = 2 if major == 1 else 4
    length = int.from_bytes(head[8 : 8 + width], "little")
    start = 8 + width
    if length > _MOST_TEXT or start + length > len(head):
        raise ValueError("its header is cut short, or longer than 64 KiB")
    try:
        text = head[start : start + length].decode("utf-8" if major == 3 else "latin1")
        said = ast.literal_eval(text.strip())
        descr, fortran, shape = said["descr"], said["fortran_order"], tuple(said["shape"])
        dtype = np.lib.format.descr_to_dtype(descr)
        if not all(type(number) is int and number >= 0 for number in shape):
            raise ValueError(shape)
    except (ValueError, SyntaxError, KeyError, TypeError, IndexError, RecursionError, MemoryError):
        raise ValueError("its header cannot be parsed") from None
    return Header(dtype, shape, bool(fortran), start + length)
