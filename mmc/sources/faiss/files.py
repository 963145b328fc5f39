"""The files that the options name: identified, and checked against a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mmc.errors import SourceChanged
from mmc.sources.faiss.join import SideTable, load_side
from mmc.sources.faiss.options import FaissOptions
from mmc.sources.faiss.table import Table, load_table
from mmc.storage.urls import fingerprint
from mmc.types import JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Files known to be those of the plan.

    Attributes:
        locator: what an extent needs to find and to check them again.
        fingerprint: (file, fingerprint) pairs of all of them.
    """

    options: FaissOptions
    table: Table
    side: SideTable | None
    locator: dict[str, JsonValue]
    fingerprint: tuple[tuple[str, str], ...]


def open_files(options: FaissOptions, planned: Mapping[str, JsonValue] | None = None) -> Opened:
    """Identifies the files; raises SourceChanged when they are not those of a planned locator."""
    locator: dict[str, JsonValue] = {}
    files: dict[str, str] = {}

    def identify(role: str, url: str) -> str:
        files[url] = seen = fingerprint(url, options.files)
        locator[role] = seen
        if planned is not None and planned.get(role) != seen:
            raise SourceChanged(
                f"{url}: changed since the plan ({planned.get(role)} then, {seen} now)",
                hint="make the plan again",
                code="MMC405",
            )
        return seen

    table = load_table(options.path, options.files, identify("fingerprint", options.path))
    if table.data_url:
        identify("lists_fingerprint", table.data_url)
    side = None
    if (join := options.join) is not None:
        seen = identify("join_fingerprint", join.path)
        side = load_side(join.path, join.key, options.files, seen)
    locator["path"] = options.path
    return Opened(
        options=options,
        table=table,
        side=side,
        locator=locator,
        fingerprint=tuple(sorted(files.items())),
    )
