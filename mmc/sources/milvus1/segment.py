"""One segment's files: found, measured and checked against each other, without their values.

Layout: `codecs/default/Default{Vectors,VectorIds,DeletedDocs}Format.cpp` of Milvus 1.1. Each file
is a uint64 with the number of bytes that follow, then those; what comes behind them is left over
from an older, longer file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mmc.errors import FileMissing, SourceError
from mmc.sources.milvus1.kept import HEADER, deletes_url, load_kept, payload
from mmc.sources.milvus1.live import LiveSegment
from mmc.storage.filesystems import join_url
from mmc.storage.urls import fingerprint, open_blob
from mmc.types import JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
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


def segment_urls(folder: str) -> tuple[str, str, str]:
    """Vectors, ids, deletes."""
    return vectors_url(folder), ids_url(folder), deletes_url(folder)


def look(
    folder: str, live: LiveSegment, row_bytes: int, storage: Mapping[str, JsonValue]
) -> tuple[Segment | None, list[str]]:
    """Measures a segment; the second value names every damage, a line each.

    Args:
        row_bytes: of one vector, by the collection's dimension and metric.

    Raises:
        SourceBusy: the world fails, but may not the next time; a file that cannot be read is a
            damage, and no error here.
    """
    urls = dict(zip(segment_urls(folder), (row_bytes, 8, 4), strict=True))
    wrong: list[str] = []
    found = [_measure(url, width, storage, wrong) for url, width in urls.items()]
    if wrong == [_missing(url) for url in urls]:
        return None, [f"{folder} is missing, or has none of the segment's files"]
    files = [file for file in found if file is not None]
    if len(files) < len(urls):
        return None, wrong
    vectors, ids, deletes = files
    if vectors.values != ids.values:
        return None, [
            f"{ids_url(folder)} holds {ids.values:,} ids, but {vectors_url(folder)}"
            f" {vectors.values:,} vectors"
        ]
    deleted = 0
    if deletes.values:
        try:
            deleted = load_kept(folder, storage, ids.values).deleted
        except SourceError as error:
            return None, [_line(error, deletes_url(folder))]
    name = f"{live.table_id}/{live.segment_id}"
    seen = " ".join(file.seen for file in files)
    return Segment(
        folder=folder,
        name=name,
        rows=ids.values,
        deleted=deleted,
        seen=seen,
        counted=live.row_count,
    ), []


@dataclass(frozen=True, slots=True)
class _File:
    """What a file holds by its header, and its fingerprint from before it was read."""

    values: int
    seen: str


def _measure(
    url: str, width: int, storage: Mapping[str, JsonValue], wrong: list[str]
) -> _File | None:
    """Counts the values of `width` bytes of a file; None when it is damaged."""
    try:
        seen = fingerprint(url, storage)
        with open_blob(url, storage) as blob:
            length = blob.size
            size = payload(blob) if length >= HEADER else 0
    except SourceError as error:
        wrong.append(_line(error, url))
        return None
    if length < HEADER:
        wrong.append(f"{url} has {length} bytes: its header is cut short")
    elif HEADER + size > length:
        wrong.append(
            f"{url} is cut short: {size:,} bytes by its header, {length - HEADER:,} are there"
        )
    elif size % width:
        wrong.append(f"{url} holds {size:,} bytes, which are no whole values of {width:,} bytes")
    else:
        return _File(size // width, seen)
    return None


def _line(error: SourceError, url: str) -> str:
    """A damage in words. Raises the error again where another attempt may help."""
    if error.retryable:
        raise error
    return _missing(url) if isinstance(error, FileMissing) else str(error)


def _missing(url: str) -> str:
    return f"{url} is missing"


def identify(folder: str, storage: Mapping[str, JsonValue]) -> str:
    """Fingerprints of the three files. Raises SourceError."""
    return " ".join(fingerprint(url, storage) for url in segment_urls(folder))
