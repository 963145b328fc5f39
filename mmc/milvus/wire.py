"""Protobuf's wire form built from whole columns: lengths and bytes in, bytes out. Knows no message.

Source of the format: protobuf.dev, Encoding. Every field that is written here is field 1 or has a
number below 16, so a tag is one byte; `0x0a` is field 1, length-delimited.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FIELD_1 = 0x0A
"""Tag of field 1, wire type 2: a packed `repeated`, one string, or one message."""

Bytes = npt.NDArray[np.uint8]
Lengths = npt.NDArray[np.int64]


def tag(number: int) -> int:
    """The tag of a length-delimited field with this number, below 16."""
    return number << 3 | 2


@dataclass(frozen=True, slots=True)
class Pieces:
    """Byte strings, one after another without gaps: `data` has `lengths.sum()` bytes."""

    data: Bytes
    lengths: Lengths

    def grouped(self, offsets: Lengths) -> Pieces:
        """Each run of pieces `offsets[i]` to `offsets[i + 1]` as one piece; offsets start at 0."""
        ends = np.concatenate([[0], np.cumsum(self.lengths)])
        return Pieces(self.data, np.diff(ends[offsets]))

    def framed(self, tag: int) -> Pieces:
        """Each piece with a tag and its length before it: a length-delimited field."""
        headers = varints(self.lengths)
        lengths = 1 + headers.lengths + self.lengths
        starts = np.cumsum(lengths) - lengths
        out = np.empty(int(lengths.sum()), np.uint8)
        rest = np.ones(len(out), bool)
        # A mask, and not an index for every byte: that would take eight times the memory.
        for at in range(1 + int(headers.lengths.max(initial=0))):
            rest[starts[headers.lengths >= at] + at] = False
        out[rest] = self.data
        out[starts] = tag
        header_ends = np.cumsum(headers.lengths)
        first = np.repeat(starts + 1 - (header_ends - headers.lengths), headers.lengths)
        out[first + np.arange(len(headers.data))] = headers.data
        return Pieces(out, lengths)


def varints(values: npt.NDArray[Any]) -> Pieces:
    """Integers as protobuf's varints: seven bits a byte, lowest first; negative ones take ten."""
    left = values.astype(np.int64).view(np.uint64)
    lengths = np.ones(len(left), np.int64)
    for bits in range(7, 64, 7):
        more = left >= np.uint64(1 << bits)
        if not more.any():
            break
        lengths += more
    starts = np.cumsum(lengths) - lengths
    out = np.empty(int(lengths.sum()), np.uint8)
    rows = np.arange(len(left))
    for at in range(int(lengths.max(initial=0))):
        rows = rows[lengths[rows] > at]
        low = (left[rows] >> np.uint64(7 * at)).astype(np.uint8) & np.uint8(0x7F)
        out[starts[rows] + at] = low | ((lengths[rows] > at + 1).astype(np.uint8) << 7)
    return Pieces(out, lengths)


def fixed(values: npt.NDArray[Any]) -> Pieces:
    """Numbers of fixed width, one piece each, little-endian."""
    body = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return Pieces(body.view(np.uint8).ravel(), np.full(len(values), body.itemsize, np.int64))
