"""One segment's files: found, measured and checked against each other, without their values.

Layout: `codecs/default/Default{Vectors,VectorIds,DeletedDocs}Format.cpp` of Milvus 1.1. Each file
is a uint64 with the number of bytes that follow, then those; what comes behind them is left over
from an older, longer file. The offsets in `deleted_docs` are a set: unsorted, and some occur twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmc.errors import SourceError
from mmc.io.filesystems import join_url
from mmc.io.urls import Blob, exists, fingerprint, open_blob
from mmc.sources.milvus1.live import LiveSegment
from mmc.types import JsonValue

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HEADER = 8
"""Bytes before the values of each file."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment whose files agree.

    Attributes:
        folder: URL, with the three files in it.
        rows: stored ones, deleted or not.
        deleted: how many of them are.
        seen: fingerprints of the files.
        counted: what the metadata says is left; None when it does not tell.
    """

    folder: str
    name: str
    rows: int
    deleted: int
    seen: str
    counted: int | None

    @property
    def live(self) -> int:
        return self.rows - self.deleted

    @property
    def vectors(self) -> str:
        return vectors_url(self.folder)

    @property
    def ids(self) -> str:
        return ids_url(self.folder)


def vectors_url(folder: str) -> str:
    """`<segment>/<segment>.rv`"""
    return join_url(folder, f"{folder.rpartition('/')[2]}.rv")


def ids_url(folder: str) -> str:
    """`<segment>/<segment>.uid`"""
    return join_url(folder, f"{folder.rpartition('/')[2]}.uid")


def deletes_url(folder: str) -> str:
    return join_url(folder, "deleted_docs")


def find_folder(
    data: Sequence[str], live: LiveSegment, storage: Mapping[str, JsonValue]
) -> tuple[str, str]:
    """The folder of a segment among the data folders, or "" and what is wrong."""
    below = f"{live.table_id}/{live.segment_id}"
    if len(data) == 1:
        return join_url(data[0], below), ""
    # By a file in it: object stores have no folders.
    held = [
        folder
        for folder in (join_url(root, below) for root in data)
        if exists(ids_url(folder), storage) or exists(vectors_url(folder), storage)
    ]
    if len(held) == 1:
        return held[0], ""
    if held:
        return "", f"segment {below} lies in several data folders: {', '.join(held)}"
    return "", f"segment {below} lies in none of the {len(data)} data folders"


def look(
    folder: str, live: LiveSegment, row_bytes: int, storage: Mapping[str, JsonValue]
) -> tuple[Segment | None, list[str]]:
    """Measures a segment; the second value names every damage, a line each.

    Args:
        row_bytes: of one vector, by the collection's dimension and metric.

    Raises:
        SourceError: the world fails; a damaged file is no error here.
    """
    wrong: list[str] = []
    vectors = _payload(vectors_url(folder), row_bytes, storage, wrong)
    ids = _payload(ids_url(folder), 8, storage, wrong)
    deletes = _payload(deletes_url(folder), 4, storage, wrong)
    if vectors is not None and ids is not None and vectors != ids:
        wrong.append(
            f"{ids_url(folder)} holds {ids:,} ids, but {vectors_url(folder)} {vectors:,} vectors"
        )
    if wrong or vectors is None or ids is None or deletes is None:
        return None, wrong
    deleted = load_deletes(folder, storage)
    for bad in deleted[(deleted < 0) | (deleted >= ids)][:1].tolist():
        wrong.append(
            f"{deletes_url(folder)} deletes row {bad:,}; the segment has rows 0..{ids - 1:,}"
        )
        return None, wrong
    name = f"{live.table_id}/{live.segment_id}"
    seen = identify(folder, storage)
    return Segment(folder, name, ids, len(deleted), seen, live.row_count), []


def _payload(
    url: str, width: int, storage: Mapping[str, JsonValue], wrong: list[str]
) -> int | None:
    """Values of `width` bytes that a file holds by its header; None when it is damaged."""
    try:
        with open_blob(url, storage) as blob:
            if blob.size < HEADER:
                wrong.append(f"{url} has {blob.size} bytes: its header is cut short")
                return None
            size = _header(blob)
    except SourceError as error:
        if error.code != "MMC430":
            raise
        wrong.append(f"{url} is missing")
        return None
    if HEADER + size > blob.size:
        wrong.append(
            f"{url} is cut short: {size:,} bytes by its header, {blob.size - HEADER:,} are there"
        )
        return None
    if size % width:
        wrong.append(f"{url} holds {size:,} bytes, which are no whole values of {width:,} bytes")
        return None
    return size // width


def _header(blob: Blob) -> int:
    return int.from_bytes(blob.read_at(0, HEADER), "little")


def load_deletes(folder: str, storage: Mapping[str, JsonValue]) -> NDArray[np.int64]:
    """Offsets of the deleted rows, ascending, each once. Raises SourceError."""
    import numpy as np

    with open_blob(deletes_url(folder), storage) as blob:
        raw = blob.read_at(HEADER, _header(blob))
    return np.unique(np.frombuffer(raw, "<i4")).astype(np.int64)


def identify(folder: str, storage: Mapping[str, JsonValue]) -> str:
    """Fingerprints of the three files. Raises SourceError."""
    urls = (vectors_url(folder), ids_url(folder), deletes_url(folder))
    return " ".join(fingerprint(url, storage) for url in urls)
