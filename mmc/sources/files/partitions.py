"""Columns that stand in the names of folders, as Hive, Spark and pandas write partitioned data:
`lang=en/part-0.parquet` has the column `lang`, and the files do not. Their values are texts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from urllib.parse import unquote

import pyarrow as pa

from mmc.arrow.column import Column
from mmc.arrow.evidence import Observed
from mmc.diagnostics import Diagnostic, Severity
from mmc.errors import SourceError
from mmc.facts import Extent, Locator
from mmc.sources.files.formats import Look
from mmc.storage.listing import Listing
from mmc.storage.tree import AGAIN
from mmc.types import JsonValue

_NULL = "__HIVE_DEFAULT_PARTITION__"
_KEY = "partition:"
_FOLDER = re.compile(r"([^=]+)=(.*)", re.DOTALL)

Values = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Partitions:
    """`of`: of each file the values of its folders; the same columns for every file."""

    of: Mapping[str, Values]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(next(iter(self.of.values()), {}))

    def without(self, names: Sequence[str]) -> Partitions:
        kept = {
            file: {name: value for name, value in values.items() if name not in names}
            for file, values in self.of.items()
        }
        return Partitions(kept)

    def columns(self, rows: int) -> dict[str, tuple[Column, Observed]]:
        """What is known of each column: values of all files, seen in so many rows of a sample."""
        made = {}
        for name in self.names:
            values = pa.array([values[name] for values in self.of.values()], pa.string())
            seen = Observed()
            seen.add(values)
            note = "from the names of the folders"
            column = Column(name, pa.string(), nullable=bool(values.null_count), note=note)
            made[name] = (column, replace(seen, rows=rows, nulls=min(seen.nulls, rows)))
        return made

    def mark(self, extent: Extent) -> Extent:
        """The extent with the values of its folder, for `values_of`."""
        pairs: dict[str, JsonValue] = {**extent.place}
        file = next(str(value) for key, value in extent.locator if key.partition(":")[0] == "path")
        pairs |= {f"{_KEY}{name}": value for name, value in self.of[file].items()}
        return replace(extent, locator=tuple(sorted(pairs.items())))


def partitions_of(file: str) -> Values:
    """Column -> value, by the folders in the path of a file. Raises SourceError."""
    path = file.partition("://")[2].partition("/")[2] if "://" in file else file
    found: dict[str, str | None] = {}
    for folder in path.split("/")[:-1]:
        if pair := _FOLDER.fullmatch(folder):
            name, text = unquote(pair[1]), unquote(pair[2])
            if name in found:
                raise SourceError(
                    f"{file}: two folders of its path give a value to `{name}`",
                    hint="rename one of the folders",
                    code="MMC449",
                )
            found[name] = None if text == _NULL else text
    return found


def partitions(files: Sequence[str]) -> Partitions:
    """The columns that the folders of files name. Raises SourceError where files disagree."""
    of = {file: partitions_of(file) for file in files}
    first = files[0]
    for file in files:
        if set(of[file]) != set(of[first]):
            raise SourceError(
                f"the folders of {first} name {_told(of[first])}, those of {file}"
                f" {_told(of[file])}: what has no such folder would get no value there",
                hint="narrow the path to files of one kind, or move the others into folders like"
                " name=value",
                code="MMC449",
            )
    return Partitions(of)


def refuse_two_meanings(listing: Listing) -> None:
    """Raises SourceError where two names of one file say different things of its rows: reading it
    once would lose one of them, reading it twice is not what a link says.
    """
    for one in listing.left_out:
        if one.reason == AGAIN and _meaning(one.path) != _meaning(one.other):
            raise SourceError(
                f"{one.path} and {one.other} are one file or folder under two names, which say"
                " different things of its rows",
                hint="copy it, if it is to be read as both; or remove one of the names",
                code="MMC481",
            )


def _meaning(path: str) -> tuple[Values, str]:
    """What a name says: the values of its folders, and the column where each file is one."""
    column = PurePosixPath(path).stem if path.lower().endswith(".npy") else ""
    return partitions_of(f"{path}/"), column


def _told(values: Values) -> str:
    return "the columns " + ", ".join(f"`{name}`" for name in values) if values else "no column"


def clashes(found: Partitions, look: Look, file: str) -> list[Diagnostic]:
    """About columns that both the files and their folders have."""
    both = [column.name for column in look.columns if column.name in found.names]
    return [
        Diagnostic(
            "MMC449",
            f"`{name}` is a column of the files, and a folder names it too: {file}; the values of"
            " the files are taken",
            severity=Severity.WARNING,
            hint="compare the two; to have those of the folders, rename these in their names",
        )
        for name in both
    ]


def values_of(locator: Locator) -> Values:
    """The values that every row of a piece has."""
    return {
        key.removeprefix(_KEY): None if value is None else str(value)
        for key, value in locator.items()
        if key.startswith(_KEY)
    }
