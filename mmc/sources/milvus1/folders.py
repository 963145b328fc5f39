"""Where segments lie: the data folders, told from other folders, and the folder of each segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmc.errors import SourceError
from mmc.sources.milvus1.live import LiveCollection, LiveSegment
from mmc.sources.milvus1.segment import ids_url, vectors_url
from mmc.storage.filesystems import above, is_local, join_url, local_path
from mmc.storage.urls import exists
from mmc.types import JsonValue

_NEAR = ("tables", "db/tables", "..")
"""Where the data folder is when a folder near it was given instead."""


def check_folders(
    data: Sequence[str], collections: Sequence[LiveCollection], storage: Mapping[str, JsonValue]
) -> None:
    """One error in the place of one a segment, where a data folder is not what it should be.

    Raises:
        SourceError: MMC423, it is not there, or nothing of the metadata is in any of them.
    """
    tables = [
        partition.table_id
        for collection in collections
        for partition in collection.partitions
        if partition.segments
    ]
    for folder in data if tables else ():
        if is_local(folder) and local_path(folder).is_file():
            raise _wrong(f"{folder}: is a file, not a data folder", data, tables, storage)
        if is_local(folder) and not exists(folder):
            raise _wrong(f"{folder}: there is no such data folder", data, tables, storage)
    if tables and not any(_holds(folder, tables, storage) for folder in data):
        named = ", ".join(tables[:3]) + (", ..." if len(tables) > 3 else "")
        raise _wrong(
            f"{' and '.join(data)}: holds none of the folders that the metadata name ({named})",
            data,
            tables,
            storage,
        )


def _holds(folder: str, tables: Sequence[str], storage: Mapping[str, JsonValue]) -> bool:
    return any(exists(join_url(folder, table), storage) for table in tables)


def _wrong(
    message: str, data: Sequence[str], tables: Sequence[str], storage: Mapping[str, JsonValue]
) -> SourceError:
    hint = "give <storage.path>/db/tables of the server that the metadata are of"
    for folder in data:
        for step in _NEAR:
            near = above(folder) if step == ".." else join_url(folder, step)
            if _holds(near, tables[:1], storage):
                hint = f"did you mean {near}?"
    return SourceError(message, hint=hint, code="MMC423")


def find_folder(
    data: Sequence[str], live: LiveSegment, storage: Mapping[str, JsonValue]
) -> tuple[str, str]:
    """The folder of a segment among the data folders, or "" and what is wrong."""
    below = f"{live.table_id}/{live.segment_id}"
    if len(data) == 1:
        return join_url(data[0], below), ""
    # By a file in it: object stores have no folders.
    held = [
        folder
        for folder in (join_url(root, below) for root in data)
        if exists(ids_url(folder), storage) or exists(vectors_url(folder), storage)
    ]
    if len(held) == 1:
        return held[0], ""
    if held:
        return "", f"segment {below} lies in several data folders: {', '.join(held)}"
    return "", f"segment {below} lies in none of the {len(data)} data folders"
