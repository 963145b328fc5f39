"""Two 64-bit hashes ("lanes") of every value of an Arrow array: numpy, no Python per row or value.

The hash, and why it can be trusted. A value is a string of 32-bit words w[0..m). Lane k of it is
`mix(a[k][0]*w[0] + ... + a[k][m-1]*w[m-1] + c[k]*length)` mod 2^64, with fixed pseudo-random odd
64-bit multipliers a, different for each position and lane: the multilinear family (Lemire and
Kaser, "Strongly universal string hashing is fast", 2014). Words are 32 bits wide on purpose: with
64-bit words times odd constants, two flipped top bits cancel. Two values of one length that differ
in one word never collide; that differ anywhere, in one lane for a fraction of at most 2^-32 of the
multipliers, so in both for 2^-64. `mix` (the finalizer of MurmurHash3) is a bijection that destroys
the linearity before columns and rows are summed. Scalars need no sum: they pass through bijections,
so they never collide. This finds every accident; it is no defence against someone who builds
collisions.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

LANES = 2
Hashes: TypeAlias = npt.NDArray[np.uint64]
"""Shape (values, LANES)."""

BLOCK_BYTES = 1 << 20
"""Bytes of vectors that are widened at a time. Measured: 256 KiB to 1 MiB are best, 64 KiB a third
slower.
"""
BLOCK_WORDS = 1 << 16
"""Words of texts and lists that are gathered at a time."""

_GOLDEN = 0x9E3779B97F4A7C15
_LANE_SEEDS = (0x243F6A8885A308D3, 0xA4093822299F31D0)
"""Hexadecimal digits of pi: nothing up the sleeve."""
_TAIL = np.array([0xFFFFFFFF, 0xFF, 0xFFFF, 0xFFFFFF], np.uint32)
"""What counts of a last word, by length mod 4."""


def mix(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """fmix64 of MurmurHash3: a bijection where every input bit moves every output bit."""
    x = x ^ (x >> np.uint64(33))
    x *= np.uint64(0xFF51AFD7ED558CCD)
    x ^= x >> np.uint64(33)
    x *= np.uint64(0xC4CEB9FE1A85EC53)
    x ^= x >> np.uint64(33)
    return x


class _Multipliers:
    """The table a[lane][position], grown as needed.

    Position p of a lane is `mix(seed of the lane + (p + 1) * golden ratio)`, made odd.
    """

    def __init__(self) -> None:
        self._table = np.empty((LANES, 0), np.uint64)

    def first(self, count: int) -> npt.NDArray[np.uint64]:
        """Shape (LANES, at least `count`)."""
        if count > self._table.shape[1]:
            size = 1 << max(10, (count - 1).bit_length())
            steps = np.arange(1, size + 1, dtype=np.uint64) * np.uint64(_GOLDEN)
            self._table = np.stack(
                [mix(steps + np.uint64(seed)) | np.uint64(1) for seed in _LANE_SEEDS]
            )
        return self._table


_MULTIPLIERS = _Multipliers()
_LENGTH = mix(np.array(_LANE_SEEDS, np.uint64)) | np.uint64(1)
_ROUND = mix(_LENGTH)
_NULL = mix(_ROUND + np.uint64(1))


def hash_values(array: pa.Array) -> Hashes:
    """Hashes of the values of an array; null has a hash of its own, whatever bytes lie under it.

    Raises:
        TypeError: no canonical batch has a column of this type.
        ValueError: a vector has a null component.
    """
    type_ = array.type
    if pa.types.is_string(type_) or pa.types.is_binary(type_):
        hashes = _of_bytes(array, offset_width=4)
    elif pa.types.is_large_string(type_) or pa.types.is_large_binary(type_):
        hashes = _of_bytes(array, offset_width=8)
    elif pa.types.is_fixed_size_binary(type_):
        hashes = _of_rows(_rows_of(array, type_.byte_width))
    elif pa.types.is_fixed_size_list(type_):
        hashes = _of_fixed_lists(array)
    elif pa.types.is_list(type_) or pa.types.is_large_list(type_):
        bounds = _bounds(array)
        hashes = _of_lists(bounds, hash_values(_between(array.values, bounds)))
    elif pa.types.is_map(type_):
        bounds = _bounds(array)
        keys = hash_values(_between(array.keys, bounds))
        hashes = _of_lists(bounds, mix(keys + mix(hash_values(_between(array.items, bounds)))))
    else:
        hashes = _of_scalars(array)
    if array.null_count:
        hashes[array.is_null().to_numpy(zero_copy_only=False)] = _NULL
    return hashes


def _of_scalars(array: pa.Array) -> Hashes:
    """bool, integers, floats and times: their bits, through two bijections."""
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.uint8())
    try:
        width = array.type.bit_width
    except ValueError:
        width = 0
    if width not in (8, 16, 32, 64):
        raise TypeError(f"no canonical batch has a column of type {array.type}")
    data = array.buffers()[1]
    if data is None or not len(array):
        bits = np.zeros(len(array), np.uint64)
    else:
        start = array.offset * width // 8
        bits = np.frombuffer(data, f"<u{width // 8}", len(array), start).astype(np.uint64)
    return mix((bits[:, None] ^ _ROUND) * _LENGTH)


def _rows_of(array: pa.Array, width: int) -> npt.NDArray[np.uint8]:
    """The bytes of fixed-width values, shape (values, width), without copying."""
    data = array.buffers()[-1]
    if data is None or not len(array) or not width:
        return np.zeros((len(array), width), np.uint8)
    return np.frombuffer(data, np.uint8, len(array) * width, array.offset * width).reshape(
        -1, width
    )


def _of_fixed_lists(array: pa.Array) -> Hashes:
    """Vectors: the bits of all components as one string of words."""
    size, item = array.type.list_size, array.type.value_type
    if not pa.types.is_primitive(item) or pa.types.is_boolean(item):
        raise TypeError(f"no canonical batch has a column of type {array.type}")
    items = array.values.slice(array.offset * size, len(array) * size)
    # Under a null vector lie null components; `flatten` leaves those out.
    if items.null_count and array.flatten().null_count:
        raise ValueError("a vector has a null component")
    flat = _rows_of(items, item.bit_width // 8)
    return _of_rows(flat.reshape(len(array), size * item.bit_width // 8))


def _of_rows(rows: npt.NDArray[np.uint8]) -> Hashes:
    """Rows of bytes, all of one width. One pass widens a block in the cache, one einsum a lane sums
    it."""
    count, width = rows.shape
    spare = -width % 4
    if spare:
        rows = np.pad(rows, ((0, 0), (0, spare)))
    words = rows.view("<u4")
    sums = np.empty((LANES, count), np.uint64)
    multipliers = _MULTIPLIERS.first(words.shape[1])[:, : words.shape[1]]
    step = max(1, BLOCK_BYTES // max(4, words.shape[1] * 4))
    for start in range(0, count, step):
        block = words[start : start + step].astype(np.uint64)
        for lane in range(LANES):
            np.einsum("ij,j->i", block, multipliers[lane], out=sums[lane, start : start + step])
    return mix(sums.T + _LENGTH * np.uint64(width))


def _of_bytes(array: pa.Array, *, offset_width: int) -> Hashes:
    """Texts and bytes of any length; offsets are of 4 or 8 bytes."""
    count = len(array)
    _, offsets_buffer, data = array.buffers()
    if not count or offsets_buffer is None:
        return np.empty((count, LANES), np.uint64)
    offsets = np.frombuffer(
        offsets_buffer, f"<i{offset_width}", count + 1, array.offset * offset_width
    ).astype(np.int64)
    lengths = np.diff(offsets)
    first, last = int(offsets[0]), int(offsets[-1])
    # Four bytes more, so that the last word of the last value can be read whole.
    text = np.zeros(last - first + 4, np.uint8)
    if data is not None and last > first:
        text[:-4] = np.frombuffer(data, np.uint8, last - first, first)
    unaligned: npt.NDArray[np.uint32] = np.ndarray((len(text) - 3,), "<u4", text, strides=(1,))

    sizes = (lengths + 3) // 4
    sums = np.zeros((LANES, count), np.uint64)
    for start, stop in _blocks(sizes):
        own = slice(start, stop)
        ends = np.cumsum(sizes[own])
        heads = ends - sizes[own]
        place = np.arange(ends[-1]) - np.repeat(heads, sizes[own])
        words = unaligned[np.repeat(offsets[:-1][own] - first, sizes[own]) + 4 * place]
        full = sizes[own] > 0
        words[ends[full] - 1] &= _TAIL[lengths[own][full] % 4]
        _sum_segments(words.astype(np.uint64), place, heads, full, sums[:, own])
    return mix(sums.T + _LENGTH * lengths.astype(np.uint64)[:, None])


def _bounds(array: pa.Array) -> npt.NDArray[np.int64]:
    """Offsets of the lists of an array, sliced or not, into its child."""
    bounds: npt.NDArray[np.int64] = array.offsets.to_numpy().astype(np.int64)
    return bounds


def _between(child: pa.Array, bounds: npt.NDArray[np.int64]) -> pa.Array:
    """The part of the child that the lists cover."""
    return child.slice(int(bounds[0]), int(bounds[-1] - bounds[0]))


def _of_lists(bounds: npt.NDArray[np.int64], items: Hashes) -> Hashes:
    """Lists, from the hashes of all items that they cover: each is two words more of its list.

    A null list may have items under it; `hash_values` overwrites what they give.
    """
    bounds = bounds - bounds[0]
    sizes = np.diff(bounds)
    sums = np.zeros((LANES, len(sizes)), np.uint64)
    for start, stop in _blocks(sizes):
        own = slice(start, stop)
        ends = np.cumsum(sizes[own])
        heads = ends - sizes[own]
        place = np.arange(ends[-1]) - np.repeat(heads, sizes[own])
        parts = items[bounds[start] : bounds[stop]]
        full = sizes[own] > 0
        low = (parts & np.uint64(0xFFFFFFFF)).T
        _sum_segments(low, 2 * place, heads, full, sums[:, own])
        _sum_segments((parts >> np.uint64(32)).T, 2 * place + 1, heads, full, sums[:, own])
    return mix(sums.T + _LENGTH * sizes.astype(np.uint64)[:, None])


def _blocks(sizes: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Runs of values that hold some BLOCK_WORDS words together, at least one value each, none
    without words."""
    if not len(sizes):
        return []
    ends = np.cumsum(sizes)
    block = (ends - sizes) // BLOCK_WORDS
    cuts = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), len(sizes)]
    return [
        (start, stop)
        for start, stop in pairwise(cuts)
        if ends[stop - 1] > ends[start] - sizes[start]
    ]


def _sum_segments(
    words: npt.NDArray[np.uint64],
    place: npt.NDArray[np.int64],
    heads: npt.NDArray[np.int64],
    full: npt.NDArray[np.bool_],
    sums: npt.NDArray[np.uint64],
) -> None:
    """Adds the sum of words times multipliers of each segment to `sums`, shape (LANES, segments).

    `words` is one row for all lanes or one a lane; `full` tells the segments that have words at
    all, as reduceat would give an empty one the word of the next.
    """
    multipliers = _MULTIPLIERS.first(int(place.max()) + 1)
    for lane in range(LANES):
        own = words if words.ndim == 1 else words[lane]
        products = own * multipliers[lane][place]
        sums[lane, full] += np.add.reduceat(products, heads[full])
