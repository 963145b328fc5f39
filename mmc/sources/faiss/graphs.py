"""The links of HNSW and NSG graphs: stepped over, but for what a Milvus index takes over."""

from __future__ import annotations

import struct

from mmc.sources.faiss.cursor import Cursor
from mmc.sources.faiss.nodes import Header

_CHUNK = 1 << 22
"""Bytes of NSG links looked at at once."""


def read_hnsw(cursor: Cursor, header: Header) -> tuple[int, int]:
    """f64 probabilities, i32 links a level (cumulated), i32 levels, u64 offsets, i32 neighbours,
    five i32.

    Returns:
        M and efConstruction.
    """
    cursor.vector(8, "the level probabilities")
    levels = cursor.vector(4, "the links of a level")
    first = cursor.blob.read_at(levels.offset, 8) if levels.count > 1 else bytes(8)
    links = struct.unpack("<ii", first)[1]
    cursor.vector(4, "the levels", expect=header.ntotal)
    cursor.vector(8, "the offsets of the links", expect=header.ntotal + 1)
    cursor.vector(4, "the links")
    _, _, ef, _, _ = cursor.unpack("iiiii", "the parameters of the graph")
    return links // 2, ef


def read_nsg(cursor: Cursor, header: Header) -> tuple[int, int]:
    """Build parameters, then per row its neighbours (i32) and a -1: only scanning finds the end.

    Returns:
        R (links of a node) and C (candidates when built).
    """
    import numpy as np

    cursor.take(4 + 1 + 16, "the build parameters")
    ntotal, degree, _, candidates, _, _ = cursor.unpack("iiiiii", "the graph")
    if not cursor.flag("is_built"):
        return degree, candidates
    if ntotal != header.ntotal or degree < 1:
        raise cursor.fault(f"a graph of {ntotal:,} nodes for {header.ntotal:,} rows")
    missing = ntotal
    while missing:
        length = min(_CHUNK, cursor.left // 4 * 4)
        if not length:
            raise cursor.fault(f"the links of {missing:,} nodes are missing")
        data = np.frombuffer(cursor.blob.read_at(cursor.position, length), "<i4")
        ends = np.flatnonzero(data == -1)
        used = int(ends[missing - 1]) + 1 if len(ends) >= missing else len(data)
        missing -= min(missing, len(ends))
        cursor.position += used * 4
    return degree, candidates
