"""The checked configuration of the source, typed, with the places it leaves out filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmc.sources.milvus1.folders import above
from mmc.spi import Config
from mmc.storage.filesystems import is_local, join_url, local_path
from mmc.types import JsonValue


@dataclass(frozen=True, slots=True)
class Options:
    """See `mmc.spec.endpoints.Milvus1Source`.

    Attributes:
        data: data folders, without a slash at the end, each once.
        meta: where the metadata is; never empty.
        wal_path: folder of the log as the spec says, or "".
    """

    data: tuple[str, ...]
    meta: str
    meta_password: Mapping[str, JsonValue] | None
    wal: str
    wal_path: str
    duplicates: str
    partition_field: str
    storage: Mapping[str, JsonValue]
    meta_storage: Mapping[str, JsonValue]

    @classmethod
    def of(cls, config: Config) -> Options:
        options: Mapping[str, Any] = config
        said = options["data"]
        urls = [_plain(url) for url in ([said] if isinstance(said, str) else said)]
        data = tuple(dict.fromkeys(urls))
        storage = options.get("storage") or {}
        return cls(
            data,
            str(options.get("meta") or join_url(above(data[0]), "meta.sqlite")),
            options.get("meta_password"),
            str(options.get("wal", "stop")),
            str(options.get("wal_path") or ""),
            str(options.get("duplicates", "fail")),
            str(options.get("partition_field") or ""),
            storage,
            options.get("meta_storage") or storage,
        )

    @property
    def far(self) -> bool:
        """Whether looking at a segment waits for a network."""
        return not all(is_local(url) for url in self.data)

    @property
    def log_folder(self) -> str:
        """Where the log is by the spec, or by the layout of `storage.path`: `wal` beside `db`."""
        return self.wal_path or join_url(above(above(self.data[0])), "wal")


def _plain(url: str) -> str:
    return str(local_path(url)) if is_local(url) else url.rstrip("/")
