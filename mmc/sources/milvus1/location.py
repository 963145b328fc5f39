"""What a person types for a Milvus 1.x server's files -> options of the source, for `mmc init`."""

from __future__ import annotations

from mmc.storage.filesystems import above, is_local, join_url, local_path
from mmc.types import JsonValue

_DATABASES = (".sqlite", ".sqlite3")
_SERVERS = ("mysql:", "mysql+pymysql:", "sqlite:")


def locate(location: str) -> tuple[dict[str, JsonValue], bool]:
    """Options that say this place, and whether it looks like one.

    A folder is `<storage.path>/db/tables`, or one of the two above it. Metadata are a file beside
    that folder; where they are told by the URL of a database, `data` is not known.
    """
    if location.startswith(_SERVERS):
        return {"meta": location}, True
    if location.endswith((*_DATABASES, ".json")):
        data = join_url(above(location), "tables")
        beside = is_local(data) and local_path(data).is_dir()
        return {"data": data, "meta": location}, location.endswith(_DATABASES) or beside
    folder = location.rstrip("/")
    if is_local(location):
        for name in (folder, f"{folder}/tables", f"{folder}/db/tables"):
            if name.rpartition("/")[2] == "tables" and local_path(name).is_dir():
                return {"data": name}, True
    return {"data": location}, folder.endswith("/db/tables")
