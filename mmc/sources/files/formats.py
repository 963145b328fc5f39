"""What a format is to the files source, and how the format of a file is told. Knows no bytes."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, cast

import pyarrow as pa

from mmc.arrow.column import Column
from mmc.arrow.schema import Origin
from mmc.diagnostics import Diagnostic
from mmc.errors import SourceChanged, SourceError
from mmc.facts import Extent, Locator
from mmc.sources.files.options import Csv
from mmc.spi import Sample
from mmc.storage.opened import Opened
from mmc.types import JsonValue, nearest


@dataclass(frozen=True, slots=True)
class Reading:
    """What a format needs to look and to read. `format` is one of the names in a spec; `files`
    opens them.
    """

    format: str
    files: Opened
    csv: Csv
    sample: Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a format says about all files together.

    Attributes:
        extents: pieces to migrate, in order; locators name files in `path` or `path:<column>`.
        open: rows may have more than the columns, which the format notes.
        windows: smaller pieces, spread over all rows, that a sample may be taken from.
        problems: what a person should know of the files; none is an error.
    """

    columns: tuple[Column, ...]
    extents: tuple[Extent, ...]
    windows: tuple[Extent, ...]
    rows: int
    notes: tuple[str, ...] = ()
    problems: tuple[Diagnostic, ...] = ()
    open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Some rows of a piece: arrays in the order asked for.

    Attributes:
        number: of the first row in all.
        outside: what rows have beyond the columns, by row; `offset` is the first of these there.
    """

    arrays: list[pa.Array]
    count: int
    number: int
    origin: Origin
    outside: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    offset: int = 0


class Format(Protocol):
    """One module a format has these two functions."""

    def look(self, files: Sequence[str], options: Reading) -> Look:
        """Columns, pieces and exact row count. Raises SourceError."""

    def read(
        self, extent: Extent, columns: Sequence[str], batch_rows: int, options: Reading
    ) -> Iterator[Rows]:
        """The piece's rows in order, at most `batch_rows` at once. Raises SourceError."""


_MODULES = {
    "parquet": "parquet",
    "numpy": "npy",
    "json": "jsonlines",
    "csv": "csv_",
    "fvecs": "vecs",
    "bvecs": "vecs",
    "ivecs": "vecs",
    "hdf5": "hdf5",
}
_EXTENSIONS = {
    "parquet": "parquet",
    "pq": "parquet",
    "npy": "numpy",
    "npz": "numpy",
    "jsonl": "json",
    "ndjson": "json",
    "json": "json",
    "csv": "csv",
    "tsv": "csv",
    "fvecs": "fvecs",
    "bvecs": "bvecs",
    "ivecs": "ivecs",
    "h5": "hdf5",
    "hdf5": "hdf5",
}


def format_module(name: str) -> Format:
    """The module of a format; imported only now, for some need optional libraries. Raises
    SourceChanged: a plan names another.
    """
    if name not in _MODULES:
        raise SourceChanged(f"the plan names the file format {name!r}", hint="plan again")
    return cast(Format, importlib.import_module(f"mmc.sources.files.{_MODULES[name]}"))


def format_of(files: Sequence[str], wanted: str) -> str:
    """The one format of all files. Raises SourceError when there are two, or none is known."""
    if wanted != "auto":
        return wanted
    first = _by_name(files[0])
    for other in files[1:]:
        found = _by_name(other)
        if found != first:
            raise SourceError(
                f"two formats in one source: {files[0]} is {first}, {other} is {found}",
                hint="narrow the path to one format, such as 'data/*.parquet'; "
                "what a files target wrote is read with `manifest: <folder>/manifest.json`",
                code="MMC433",
            )
    return first


def has_known_name(file: str) -> bool:
    """Whether the name of a file, or of a glob, tells its format."""
    return _ending(file) in _EXTENSIONS


def _ending(file: str) -> str:
    return file.rpartition("/")[2].rpartition(".")[2].lower()


def _by_name(file: str) -> str:
    extension = _ending(file)
    if extension not in _EXTENSIONS:
        raise SourceError(
            f"{file}: the name does not tell the format",
            hint="known endings: ." + ", .".join(_EXTENSIONS) + "; or set `format`",
            code="MMC433",
        )
    return _EXTENSIONS[extension]


def with_locator(extent: Extent, key: str, value: JsonValue) -> Extent:
    """The extent with one more thing that `read` needs to know."""
    return replace(extent, locator=tuple(sorted({**extent.place, key: value}.items())))


def pick(columns: Sequence[str], known: Sequence[str], place: str) -> list[str]:
    """The asked columns. Raises SourceError with the nearest name when one is not there."""
    for name in columns:
        if name not in known:
            near = nearest(name, list(known))
            raise SourceError(
                f"{place}: there is no column `{name}`",
                hint=f"did you mean `{near}`?" if near else "columns: " + ", ".join(known),
                code="MMC435",
            )
    return list(columns)


def only_one(names: Sequence[str], place: str) -> None:
    """Raises SourceError when a column name occurs twice, or is empty."""
    seen: set[str] = set()
    for name in names:
        if not name or name in seen:
            what = f"two columns are named `{name}`" if name else "a column has no name"
            raise SourceError(f"{place}: {what}", hint="rename it in the file", code="MMC447")
        seen.add(name)


def slices(
    arrays: list[pa.Array], count: int, batch_rows: int
) -> Iterator[tuple[int, list[pa.Array]]]:
    """(offset, arrays) pieces of at most `batch_rows` rows, without copying."""
    for offset in range(0, count, batch_rows):
        yield offset, [array.slice(offset, batch_rows) for array in arrays]


def text_of(locator: Locator, key: str) -> str:
    """A text in a locator. Raises SourceChanged: the plan does not say it."""
    return str(locator[key])


def number_of(locator: Locator, key: str) -> int:
    """An integer in a locator, from 0. Raises SourceChanged: the plan does not say it."""
    return locator.number(key)
