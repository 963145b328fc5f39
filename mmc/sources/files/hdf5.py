"""HDF5 files by h5py (an extra): the 1-D and 2-D datasets of equal first dimension are columns.

Where datasets differ in length (ann-benchmarks: train, test, neighbors), the longest are the rows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from mmc.diagnostics import Diagnostic
from mmc.errors import PluginMissing, SourceError
from mmc.facts import Extent
from mmc.sources.files.arrays import AnyArray, ArrayColumn, Part, look_parts, read_part
from mmc.sources.files.distances import index_of, named, unused
from mmc.sources.files.formats import Look, Reading, Rows, text_of
from mmc.sources.files.hdf5texts import DAMAGED, Texts, texts_of
from mmc.storage.blobs import BlobFile
from mmc.storage.urls import is_local, local_path
from mmc.types import Index


class Dataset:
    """One dataset; texts of variable length are read as NumPy texts."""

    def __init__(self, dataset: Any, place: str, texts: Texts) -> None:
        import h5py

        self._dataset, self._place, self._texts = dataset, place, texts
        text = h5py.check_string_dtype(dataset.dtype)
        self._text, self._varies = text is not None, text is not None and text.length is None
        stored = np.dtype("U1") if self._text else dataset.dtype
        self.dtype = stored.newbyteorder("=")
        self.rows = int(dataset.shape[0])
        self.width = int(dataset.shape[1]) if dataset.ndim == 2 else None
        item = 64 if self._text else stored.itemsize
        self.row_bytes = item * (self.width or 1)

    def read(self, start: int, count: int) -> AnyArray:
        with _readable(f"{self._place}: rows {start:,}..{start + count:,}"):
            if self._varies:
                return self._texts.read(self._dataset.name, start, count)
            if self._text:
                return np.asarray(self._dataset.asstr()[start : start + count], dtype=object)
            return np.asarray(self._dataset[start : start + count], dtype=self.dtype)


@contextlib.contextmanager
def _readable(place: str) -> Iterator[None]:
    """Around every call of h5py: it raises what comes to hand when a file is damaged. Raises
    SourceError.
    """
    try:
        yield
    except UnicodeDecodeError as error:
        raise SourceError(f"{place}: a text is not UTF-8: {error.reason}", code="MMC438") from None
    except DAMAGED as error:
        told = str(error).partition("\n")[0] or type(error).__name__
        raise SourceError(
            f"{place}: cannot be read: {told}",
            hint="the file is no HDF5 file, is damaged, or is compressed by a filter that is not"
            " installed",
            code="MMC440",
        ) from None


def look(files: Sequence[str], options: Reading) -> Look:
    return look_parts([({"path": file}, partial(_open, file, options)) for file in files])


def read(
    extent: Extent, columns: Sequence[str], batch_rows: int, options: Reading
) -> Iterator[Rows]:
    with _open(text_of(extent.place, "path"), options) as part:
        yield from read_part(part, extent, columns, batch_rows)


@contextlib.contextmanager
def _open(file: str, options: Reading) -> Iterator[Part]:
    try:
        import h5py
    except ImportError:
        raise PluginMissing(
            f"{file}: HDF5 needs h5py", hint="pip install 'mmc[hdf5]'", code="MMC445"
        ) from None
    with contextlib.ExitStack() as stack:
        blob = stack.enter_context(options.files.open(file))
        with _readable(file):
            opened = str(local_path(file)) if is_local(file) else BlobFile(blob)
            handle = stack.enter_context(h5py.File(opened, "r"))
            part = _part(file, handle, texts_of(file, options.files.storage))
        yield part


def _part(file: str, handle: Any, texts: Texts) -> Part:
    import h5py

    found: dict[str, Any] = {}
    skipped: list[str] = []

    def visit(name: str | bytes, item: Any) -> None:
        if isinstance(name, bytes):  # so h5py gives one that is not UTF-8
            shown = name.decode("utf-8", "backslashreplace")
            raise SourceError(f"{file}: the name {shown} is not UTF-8", code="MMC440")
        if isinstance(item, h5py.Dataset):
            if item.shape is not None and item.ndim in (1, 2) and 0 not in item.shape[1:]:
                found[name] = item
            else:
                skipped.append(f"{name} {item.shape}")

    handle.visititems(visit)
    if not found:
        raise SourceError(f"{file}: has no dataset of one or two dimensions", code="MMC440")
    rows = max(item.shape[0] for item in found.values())
    skipped += [f"{name} {item.shape}" for name, item in found.items() if item.shape[0] != rows]
    columns: dict[str, ArrayColumn] = {
        name: Dataset(item, f"{file}[{name}]", texts)
        for name, item in found.items()
        if item.shape[0] == rows
    }
    notes = [f"not read, for they are no columns of {rows:,} rows: {', '.join(skipped)}"]
    told = notes if skipped else []
    indexes: dict[str, Index] = {}
    problems: tuple[Diagnostic, ...] = ()
    wide = [name for name, column in columns.items() if column.width is not None]
    distances = {name: named(found[name].attrs) or named(handle.attrs) for name in wide}
    for name, distance in distances.items():
        if distance and (index := index_of(distance, columns[name].dtype)):
            indexes[name] = index
            told.append(f"`{name}`: the file names its distance: {distance}")
    if (distance := next(filter(None, distances.values()), "")) and not indexes:
        problems = (unused(file, distance, wide),)
    return Part(
        place=file,
        rows=rows,
        columns=columns,
        notes=tuple(told),
        indexes=indexes,
        problems=problems,
    )
