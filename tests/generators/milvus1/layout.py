"""Bytes of the files of one segment: little-endian, no padding, each bounded by its header."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tests.generators.milvus1.codes import Engine

Vectors = NDArray[np.float32] | NDArray[np.uint8]


def counted(payload: bytes) -> bytes:
    """uint64 number of bytes, then the bytes: .rv, .uid, deleted_docs and .ra alike."""
    return struct.pack("<Q", len(payload)) + payload


def raw_vectors(vectors: Vectors) -> bytes:
    """`.rv`: float32 or packed bits, row after row."""
    kind = "u1" if vectors.dtype == np.uint8 else "<f4"
    return counted(np.ascontiguousarray(vectors, dtype=kind).tobytes())


def row_ids(ids: ArrayLike) -> bytes:
    """`.uid`: int64 in the order of the vectors."""
    return counted(np.asarray(ids, dtype="<i8").tobytes())


def deleted_docs(offsets: Sequence[int]) -> bytes:
    """int32 row offsets, in any order, repeats and all."""
    return counted(np.asarray(offsets, dtype="<i4").tobytes())


def bloom_filter(rows: int, *, headed: bool) -> bytes:
    """Looks like one filter without a member; `headed` as 1.1.0 and later write it."""
    capacity = max(rows, 1)
    bitmap = struct.pack("<QQQQII", 0, 1, 0, 0, 0, 0) + bytes(capacity * 4)
    if not headed:
        return bitmap
    head = struct.pack("<qIdQ", 0x305F6D6F6F6C62, capacity, 0.01, len(bitmap))
    return head + bitmap


KINDS = {
    Engine.FLAT: 1,
    Engine.IVF_FLAT: 2,
    Engine.IVF_PQ: 5,
    Engine.IVF_SQ8: 9,
    Engine.IVF_SQ8H: 11,
    Engine.NSG: 12,
    Engine.HNSW: 15,
    Engine.ANNOY: 16,
    Engine.BIN_FLAT: 100,
    Engine.BIN_IVF_FLAT: 101,
}
"""First word of an index file; that of SPTAG is not known to us and written as 0."""


def index_file(engine: int, payload: bytes = b"\xffquantised\xff") -> bytes:
    """A built index: nothing in it is exact, so nothing of it may be read."""
    kind = KINDS.get(Engine(engine), 0)
    key = b"data"
    blob = struct.pack("<Q", len(key)) + key + struct.pack("<q", len(payload)) + payload
    return struct.pack("<i", kind) + blob


def floats(
    rows: int, dim: int, seed: int = 1, *, not_finite: Sequence[int] = ()
) -> NDArray[np.float32]:
    """float32[rows, dim]; the rows of `not_finite` hold a NaN, then an infinity, in turn."""
    vectors = np.random.default_rng(seed).standard_normal((rows, dim), dtype=np.float32)
    for turn, row in enumerate(not_finite):
        vectors[row, turn % dim] = (np.nan, np.inf, -np.inf)[turn % 3]
    return vectors


def bits(rows: int, dim: int, seed: int = 1) -> NDArray[np.uint8]:
    """uint8[rows, dim / 8]."""
    return np.random.default_rng(seed).integers(0, 256, (rows, dim // 8), dtype=np.uint8)
