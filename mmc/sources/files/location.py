"""What a person types for files -> options of the source, for `mmc init`."""

from __future__ import annotations

from mmc.sources.files.formats import has_known_name
from mmc.storage.filesystems import is_local, local_path
from mmc.types import JsonValue

MANIFEST = "manifest.json"


def locate(location: str) -> tuple[dict[str, JsonValue], bool]:
    """Options that say these files, and whether their names are of a known format: a file, a glob,
    or a local folder of them; `manifest.json`, or a folder that has one, is what a files target
    wrote.
    """
    if location.rpartition("/")[2] == MANIFEST:
        return {"manifest": location}, True
    if is_local(location) and (folder := local_path(location)).is_dir():
        if (folder / MANIFEST).is_file():
            return {"manifest": f"{location.rstrip('/')}/{MANIFEST}"}, True
        return {"path": location}, any(has_known_name(found.name) for found in folder.iterdir())
    return {"path": location}, has_known_name(location)
