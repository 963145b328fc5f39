"""Options of the `milvus1` source, and the places that follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mmc.sources.milvus1.codes import CODES
from mmc.spec.options import Options, Secret, Storage, stored
from mmc.storage.filesystems import above, is_local, join_url, local_path
from mmc.types import JsonValue


class Milvus1Options(Options):
    """The data folder of a Milvus 0.7 to 1.1 server, read offline."""

    codes: ClassVar[Mapping[str, str]] = CODES
    type: Literal["milvus1"]
    data: Annotated[str | list[str], Field(min_length=1)]
    """`<storage.path>/db/tables`, or several such folders; local or any fsspec URL."""
    meta: str = ""
    """Where the metadata is: `sqlite:////path/meta.sqlite`, `mysql+pymysql://user@host:3306/milvus`,
    or the URL of a meta.json. Default: `meta.sqlite` beside the data folder.
    """
    meta_password: Secret | None = None
    """Password of the metadata server."""
    wal: Literal["stop", "ignore", "replay"] = "stop"
    """Rows that are only in the write-ahead log: stop the plan, leave them out, or bring them."""
    wal_path: str = ""
    """The `wal.path` of the server. Default: `wal` two levels above the data folder."""
    duplicates: Literal["fail", "keep_last", "keep_all"] = "fail"
    """An id that stands in several live rows: stop the plan, keep the newest row, or keep all."""
    partition_field: str = ""
    """Put the partition tag into a field of this name, instead of making Milvus partitions."""
    storage: Storage = Field(default_factory=dict)
    """Options of the file system of `data` and `wal_path`."""
    meta_storage: Storage = Field(default_factory=dict)
    """Options of the file system of `meta`, where it is not that of `data`."""

    @property
    def shown_places(self) -> tuple[str, ...]:
        return (self.data,) if isinstance(self.data, str) else tuple(self.data)

    @property
    def folders(self) -> tuple[str, ...]:
        """Data folders, without a slash at the end, each once."""
        said = [self.data] if isinstance(self.data, str) else self.data
        return tuple(dict.fromkeys(_plain(url) for url in said))

    @property
    def meta_place(self) -> str:
        """Where the metadata is."""
        return self.meta or join_url(above(self.folders[0]), "meta.sqlite")

    @property
    def files(self) -> Mapping[str, JsonValue]:
        """Options of the file system of the data."""
        return stored(self.storage)

    @property
    def meta_files(self) -> Mapping[str, JsonValue]:
        """Options of the file system of the metadata."""
        return stored(self.meta_storage) or self.files

    @property
    def far(self) -> bool:
        """Whether looking at a segment waits for a network."""
        return not all(is_local(url) for url in self.folders)

    @property
    def log_folder(self) -> str:
        """Where the log is by the spec, or by the layout of `storage.path`: `wal` beside `db`."""
        return self.wal_path or join_url(above(above(self.folders[0])), "wal")


def _plain(url: str) -> str:
    return str(local_path(url)) if is_local(url) else url.rstrip("/")
