"""NumPy files: `.npy`, one a column or one alone, and `.npz`; rows read by range; no pickle, ever.

Format: numpy.org/doc/stable/reference/generated/numpy.lib.format.html (versions 1, 2 and 3).
"""

from __future__ import annotations

import contextlib
import struct
import zipfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from mmc.errors import SourceError
from mmc.facts import Extent
from mmc.layouts.npyheader import MOST_BYTES, Header, parse_header
from mmc.sources.files.arrays import (
    AnyArray,
    ArrayColumn,
    Locator,
    Part,
    arrow_type_of,
    look_parts,
    read_part,
)
from mmc.sources.files.formats import Look, Reading, Rows
from mmc.storage.blobs import Blob, BlobFile

_LOCAL_HEADER = 30
_DAMAGED = (EOFError, OSError, RuntimeError, ValueError, OverflowError, struct.error)
"""What zipfile raises beside its own, by what is damaged."""


class Stored:
    """An array whose bytes stand in a file as they are."""

    def __init__(self, blob: Blob, offset: int, size: int, place: str) -> None:
        self.place = place
        header = _header(blob.read_at(offset, min(size, MOST_BYTES)), place)
        self._blob = blob
        self._data = offset + header.offset
        self._stored = header.dtype
        self.dtype = header.dtype.newbyteorder("=")
        self.rows, self.width = _shape(header.shape, place)
        self.row_bytes = header.dtype.itemsize * (self.width or 1)
        self._fortran = header.fortran and self.width not in (None, 1)
        arrow_type_of(self.dtype, self.width, place)
        _whole(place, self.rows, header.offset + self.rows * self.row_bytes, size)

    def read(self, start: int, count: int) -> AnyArray:
        if self._fortran:
            return self._read_columns(start, count)
        data = self._blob.read_at(self._data + start * self.row_bytes, count * self.row_bytes)
        return _native(np.frombuffer(data, self._stored), self.width)

    def _read_columns(self, start: int, count: int) -> AnyArray:
        """Rows of a column-major array: one range a column."""
        item, width = self._stored.itemsize, self.width or 1
        made = np.empty((count, width), self.dtype)
        for column in range(width):
            at = self._data + (column * self.rows + start) * item
            made[:, column] = np.frombuffer(self._blob.read_at(at, count * item), self._stored)
        return made


class Deflated:
    """A compressed member of an `.npz`: read from the front; going back starts again."""

    def __init__(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, place: str) -> None:
        self._archive, self._member, self.place = archive, member, place
        with _damage(place), archive.open(member) as file:
            head = file.read(min(member.file_size, MOST_BYTES))
        header = _header(head, place)
        self._stored, self._skip = header.dtype, header.offset
        self.dtype = self._stored.newbyteorder("=")
        self.rows, self.width = _shape(header.shape, place)
        self.row_bytes = self._stored.itemsize * (self.width or 1)
        arrow_type_of(self.dtype, self.width, place)
        if header.fortran and self.width not in (None, 1):
            raise SourceError(
                f"{place}: is compressed and in Fortran order, which cannot be read by rows",
                hint="save it with np.ascontiguousarray, or without compression",
                code="MMC441",
            )
        _whole(place, self.rows, self._skip + self.rows * self.row_bytes, member.file_size)
        self._file: Any = None
        self._row = 0

    def read(self, start: int, count: int) -> AnyArray:
        with _damage(self.place):
            if self._file is None or start < self._row:
                self._file = self._archive.open(self._member)
                self._file.read(self._skip)
                self._row = 0
            while self._row < start:
                step = min(start - self._row, max(1, (1 << 20) // self.row_bytes))
                self._file.read(step * self.row_bytes)
                self._row += step
            data = self._file.read(count * self.row_bytes)
        if len(data) != count * self.row_bytes:
            raise SourceError(
                f"{self.place}: ends before row {start + count:,}",
                hint="the file is damaged; copy it again",
                code="MMC432",
            )
        self._row = start + count
        return _native(np.frombuffer(data, self._stored), self.width)


@contextlib.contextmanager
def _damage(place: str) -> Iterator[None]:
    import zlib

    try:
        yield
    except (zipfile.BadZipFile, zlib.error, *_DAMAGED) as error:
        raise SourceError(
            f"{place}: is damaged: {error}", hint="copy the file again", code="MMC440"
        ) from None


def _native(values: AnyArray, width: int | None) -> AnyArray:
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    return values if width is None else values.reshape(-1, width)


def _shape(shape: tuple[int, ...], place: str) -> tuple[int, int | None]:
    if len(shape) == 1:
        return shape[0], None
    if len(shape) == 2 and shape[1] > 0:
        return shape
    raise SourceError(
        f"{place}: has shape {shape}; a column has shape (rows,) or (rows, dimension)",
        hint="reshape it before saving",
        code="MMC441",
    )


def _whole(place: str, rows: int, needed: int, size: int) -> None:
    """Refuses a file that ends before its rows do, or goes on behind them."""
    if needed == size:
        return
    told = f"its header tells {rows:,} rows, {needed:,} bytes; there are {size:,}"
    if needed > size:
        raise SourceError(f"{place}: cut short: {told}", hint="copy the file again", code="MMC432")
    raise SourceError(
        f"{place}: something stands behind its array: {told}",
        hint="where it is a second array, save each into a file of its own",
        code="MMC440",
    )


def _header(head: bytes, place: str) -> Header:
    try:
        return parse_header(head)
    except ValueError as error:
        raise _no_npy(place, str(error)) from None


def _no_npy(place: str, why: str) -> SourceError:
    return SourceError(
        f"{place}: is no .npy file: {why}", hint="save it again with numpy.save", code="MMC440"
    )


def _stem(file: str) -> str:
    return PurePosixPath(file.rpartition("/")[2]).stem


def _is_archive(file: str) -> bool:
    return file.lower().endswith(".npz")


def look(files: Sequence[str], options: Reading) -> Look:
    """Each `.npz` is a part; the `.npy` files of one folder are the columns of a part."""
    locators: list[Locator] = [{"path": file} for file in files if _is_archive(file)]
    folders: dict[str, list[str]] = {}
    for file in files:
        if not _is_archive(file):
            folders.setdefault(file.rpartition("/")[0], []).append(file)
    for some in folders.values():
        single = len(some) == 1 and _rank(some[0], options) == 2
        names = ["vector"] if single else [_stem(file) for file in some]
        locators.append({f"path:{name}": file for name, file in zip(names, some, strict=True)})
    return look_parts([(locator, partial(_open, locator, options)) for locator in locators])


def _rank(file: str, options: Reading) -> int:
    with options.files.open(file) as blob:
        return 1 if Stored(blob, 0, blob.size, file).width is None else 2


def read(
    extent: Extent, columns: Sequence[str], batch_rows: int, options: Reading
) -> Iterator[Rows]:
    locator: Locator = dict(extent.place)
    if "path" not in locator:
        wanted = {f"path:{name}" for name in columns}
        known = {key: value for key, value in locator.items() if key.startswith("path:")}
        locator = {key: value for key, value in known.items() if key in wanted} or known
    with _open(locator, options) as part:
        yield from read_part(part, extent, columns, batch_rows)


@contextlib.contextmanager
def _open(locator: Locator, options: Reading) -> Iterator[Part]:
    with contextlib.ExitStack() as stack:
        if "path" in locator:
            yield _open_archive(str(locator["path"]), stack, options)
            return
        columns: dict[str, Stored] = {}
        for key, value in locator.items():
            if key.startswith("path:"):
                blob = stack.enter_context(options.files.open(str(value)))
                columns[key.removeprefix("path:")] = Stored(blob, 0, blob.size, str(value))
        yield _part(next(iter(columns.values())).place, columns)


def _open_archive(file: str, stack: contextlib.ExitStack, options: Reading) -> Part:
    blob = stack.enter_context(options.files.open(file))
    with _damage(file):
        archive = stack.enter_context(zipfile.ZipFile(BlobFile(blob)))
    columns: dict[str, Stored | Deflated] = {}
    for member in archive.infolist():
        place = f"{file}[{member.filename}]"
        name = member.filename.removesuffix(".npy")
        if member.compress_type == zipfile.ZIP_STORED:
            head = blob.read_at(member.header_offset, _LOCAL_HEADER)
            if head[:4] != b"PK\x03\x04":
                raise SourceError(f"{place}: is damaged", hint="copy it again", code="MMC440")
            skip = int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
            offset = member.header_offset + _LOCAL_HEADER + skip
            columns[name] = Stored(blob, offset, member.file_size, place)
        else:
            columns[name] = Deflated(archive, member, place)
    if not columns:
        raise SourceError(f"{file}: holds no array", hint="save it again", code="MMC440")
    if len(columns) == 1 and next(iter(columns.values())).width is not None and "arr_0" in columns:
        columns = {"vector": columns["arr_0"]}
    return _part(file, columns)


def _part(place: str, columns: dict[str, Any]) -> Part:
    first = next(iter(columns.values()))
    for column in columns.values():
        if column.rows != first.rows:
            raise SourceError(
                f"{first.place} has {first.rows:,} rows, {column.place} has {column.rows:,}: "
                "NumPy files of one source are columns of one collection",
                hint="narrow the path to arrays of one length; put parts into folders of their own",
                code="MMC442",
            )
    sequential = any(isinstance(column, Deflated) for column in columns.values())
    typed: dict[str, ArrayColumn] = columns
    return Part(place=place, rows=first.rows, columns=typed, sequential=sequential)
