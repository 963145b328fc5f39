"""Folders that are tables of Delta Lake, Iceberg and others: which of their files hold rows that
are still there is written in their logs, so reading all of them would bring back what was removed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from mmc.diagnostics import Diagnostic, Severity
from mmc.errors import SourceError
from mmc.storage.failures import world_errors
from mmc.storage.filesystems import filesystem, is_local
from mmc.storage.listing import Listing
from mmc.types import JsonValue

_KINDS: Mapping[str, tuple[str, str]] = {
    "_delta_log": (
        "Delta Lake",
        "pq.write_table(deltalake.DeltaTable({folder!r}).to_pyarrow_table(), 'rows.parquet')",
    ),
    ".hoodie": ("Hudi", "spark.read.format('hudi').load({folder!r}).write.parquet('rows')"),
    "metadata/*.metadata.json": (
        "Iceberg",
        "pyiceberg.table.StaticTable.from_metadata(FILE).scan().to_arrow(), with the newest"
        " metadata.json of {folder} as FILE",
    ),
    "snapshot/LATEST": (
        "Paimon",
        "spark.read.format('paimon').load({folder!r}).write.parquet('rows')",
    ),
}
"""By what is in the folder of a table: its kind, and what writes the rows it has now."""

_MOST = 50
"""Folders of an object store that are looked at: each costs some requests."""


def look_for_tables(listing: Listing, storage: Mapping[str, JsonValue]) -> Iterator[Diagnostic]:
    """About files that a spec names one by one inside of a table: a warning.

    Raises:
        SourceError: a folder or a glob leads into one.
    """
    looked: dict[str, str] = {}
    told: set[str] = set()
    for file in listing.files:
        # One by one, remote files are taken at their word: each look costs requests.
        remote = not is_local(file)
        if remote and (file in listing.given or "::" in file):
            continue
        folders = _remote_folders(file) if remote else _local_folders(file)
        for folder in folders:
            if folder not in looked and (not remote or len(looked) < _MOST):
                looked[folder] = _remote_sign(folder, storage) if remote else _local_sign(folder)
        folder = next((folder for folder in folders if looked.get(folder)), "")
        if not folder or folder in told:
            continue
        sign = looked[folder]
        kind, way = _KINDS[sign]
        if file not in listing.given:
            raise SourceError(
                f"{folder} is a table of {kind} ({sign}): which of its files count is written"
                " there, and reading them all would bring back rows that were removed",
                hint=f"write its rows first:  {way.format(folder=folder)}; or list the files",
                code="MMC480",
            )
        told.add(folder)
        yield Diagnostic(
            "MMC480",
            f"{file} is a file of the {kind} table {folder}: all of its rows are taken, also those"
            " that the table has removed",
            severity=Severity.WARNING,
            hint=f"or write its rows first:  {way.format(folder=folder)}",
        )


def _local_folders(file: str) -> list[str]:
    """All folders above a file, by the name that was given and by its real one."""
    names = (Path(os.path.abspath(file)), Path(os.path.realpath(file)))  # noqa: PTH100
    return list(dict.fromkeys(str(folder) for name in names for folder in name.parents))


def _local_sign(folder: str) -> str:
    """What tells that a folder is a table; "" if nothing does."""
    return next((sign for sign in _KINDS if any(Path(folder).glob(sign))), "")


def _remote_folders(file: str) -> list[str]:
    """The folders above a file, without those of partitions: a table is above them."""
    scheme, _, path = file.partition("://")
    parts = path.split("/")[:-1]
    names = ["/".join(parts[:size]) for size in range(len(parts), 0, -1)]
    return [f"{scheme}://{name}" for name in names if "=" not in name.rpartition("/")[2]]


def _remote_sign(folder: str, storage: Mapping[str, JsonValue]) -> str:
    system, path = filesystem(folder, storage)
    for sign in _KINDS:
        with contextlib.suppress(*world_errors()):  # what may not be looked at tells nothing
            place = f"{path}/{sign}"
            if system.glob(place) if "*" in sign else system.exists(place):
                return sign
    return ""
