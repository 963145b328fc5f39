"""What can have happened to a written data directory: each function does one kind of harm."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import numpy as np

from tests.generators.milvus1.writer import Segment, Server


def cut(path: Path, lost: int = 1) -> None:
    """The file ends `lost` bytes before what its header says."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - lost])


def cut_to(path: Path, left: int) -> None:
    """Only `left` bytes are there: under 8, not even the header."""
    path.write_bytes(path.read_bytes()[:left])


def claim(path: Path, payload: int) -> None:
    """The header says `payload` bytes, whatever follows; the length of the file stays."""
    path.write_bytes(struct.pack("<Q", payload) + path.read_bytes()[8:])


def odd(path: Path, extra: int = 1) -> None:
    """Header and file agree on a size that is no whole number of rows."""
    (size,) = struct.unpack("<Q", path.read_bytes()[:8])
    body = path.read_bytes()[8 : 8 + size]
    path.write_bytes(struct.pack("<Q", size + extra) + body + bytes(extra))


def lose_rows(path: Path, rows: int, width: int) -> None:
    """A sound file with `rows` fewer rows of `width` bytes: .uid against .rv."""
    (size,) = struct.unpack("<Q", path.read_bytes()[:8])
    size -= rows * width
    path.write_bytes(struct.pack("<Q", size) + path.read_bytes()[8 : 8 + size])


def delete_offsets(segment: Segment, *offsets: int) -> None:
    """Puts further offsets, such as negative or too large ones, at the end of deleted_docs."""
    old = np.frombuffer(segment.deleted_docs.read_bytes()[8:], "<i4")
    new = np.concatenate([old, np.asarray(offsets, "<i4")]).tobytes()
    segment.deleted_docs.write_bytes(struct.pack("<Q", len(new)) + new)


def remove(path: Path) -> None:
    """Takes a file or a whole folder away."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def as_folder(path: Path) -> None:
    """A folder stands where a file should."""
    path.unlink()
    path.mkdir()


def as_link(path: Path, target: str) -> None:
    """A symbolic link stands where a file should."""
    path.unlink()
    path.symlink_to(target)


def put_in_two_roots(server: Server, segment: Segment) -> Path:
    """Copies the segment's folder into every other tables folder; gives the last copy."""
    copy = segment.folder
    for tables in server.tables:
        if tables != segment.tables_folder:
            copy = tables / segment.table.table_id / segment.id
            shutil.copytree(segment.folder, copy)
    return copy


def flip(path: Path, at: int, mask: int = 0xFF) -> None:
    """Changes bits of one byte; `at` may count from the end."""
    content = bytearray(path.read_bytes())
    content[at] ^= mask
    path.write_bytes(content)


def tear_wal(meta: Path) -> None:
    """The last transaction in meta.sqlite-wal was cut off: its commit never got there."""
    cut(Path(f"{meta}-wal"), lost=100)
