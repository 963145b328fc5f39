"""Options of the source, and the files they name: identified, and checked against a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmc.errors import SourceChanged
from mmc.sources.faiss.join import SideTable, load_side
from mmc.sources.faiss.table import Table, load_table
from mmc.spi import Config
from mmc.storage.urls import fingerprint
from mmc.types import JsonValue


@dataclass(frozen=True, slots=True)
class Options:
    """The checked configuration, typed."""

    path: str
    storage: Mapping[str, JsonValue]
    allow_lossy: bool
    join_path: str
    join_key: str

    @classmethod
    def of(cls, config: Config) -> Options:
        options: Mapping[str, Any] = config
        join = options.get("join") or {}
        return cls(
            str(options["path"]),
            options.get("storage") or {},
            bool(options.get("allow_lossy", False)),
            str(join.get("path", "")),
            str(join.get("key", "")),
        )


@dataclass(frozen=True, slots=True)
class Opened:
    """Files known to be those of the plan.

    Attributes:
        locator: what an extent needs to find and to check them again.
        fingerprint: (file, fingerprint) pairs of all of them.
    """

    options: Options
    table: Table
    side: SideTable | None
    locator: dict[str, JsonValue]
    fingerprint: tuple[tuple[str, str], ...]


def open_files(options: Options, planned: Mapping[str, JsonValue] | None = None) -> Opened:
    """Identifies the files; raises SourceChanged when they are not those of a planned locator."""
    locator: dict[str, JsonValue] = {}
    files: dict[str, str] = {}

    def identify(role: str, url: str) -> str:
        files[url] = seen = fingerprint(url, options.storage)
        locator[role] = seen
        if planned is not None and planned.get(role) != seen:
            raise SourceChanged(
                f"{url}: changed since the plan ({planned.get(role)} then, {seen} now)",
                hint="make the plan again",
                code="MMC405",
            )
        return seen

    table = load_table(options.path, options.storage, identify("fingerprint", options.path))
    if table.data_url:
        identify("lists_fingerprint", table.data_url)
    side = None
    if options.join_path:
        seen = identify("join_fingerprint", options.join_path)
        side = load_side(options.join_path, options.join_key, options.storage, seen)
    locator["path"] = options.path
    return Opened(options, table, side, locator, tuple(sorted(files.items())))
