"""`manifest.json`: what a files target wrote, and what a files source reads again.

The model and its text. Untrusted text enters here, so it is checked whole. Knows no target.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from mmc.paths import stays_below
from mmc.storage.names import is_text
from mmc.types import Collection, Index

FORMAT = "mmc-manifest"
VERSION = 1
"""A reader refuses a newer one."""
NAME = "manifest.json"
FORMATS = frozenset({"parquet", "numpy", "json"})


class ManifestError(ValueError):
    """Text that is no manifest; `hint` says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """One file of a NumPy part. `path` is relative to the manifest."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestPart:
    """One split: a file, or for NumPy a folder with `files`, and then `sha256` is "".

    Attributes:
        path: relative to the manifest, parts joined by `/`.
        collection: name of one of the manifest's collections.
        partition: Milvus partition of all its rows, or "".
        split: id of the split in the plan.
    """

    path: str
    collection: str
    partition: str
    split: str
    rows: int
    bytes: int
    sha256: str
    files: tuple[ManifestFile, ...] = ()

    @property
    def stored(self) -> tuple[ManifestFile, ...]:
        """The files on disk."""
        return self.files or (ManifestFile(self.path, self.bytes, self.sha256),)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestEntry:
    """One collection: how to create it, and the sum of its parts.

    Attributes:
        plan: digest of the plan that wrote it.
        format: parquet | numpy | json.
        directory: folder of its parts, relative to the manifest.
        schema: what CREATE COLLECTION says.
        indexes: (field, index) pairs to build after the import.
    """

    name: str
    plan: str
    format: str
    directory: str
    rows: int
    bytes: int
    schema: Collection
    indexes: tuple[tuple[str, Index], ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """A whole manifest. `plan` is the digest of the plan that wrote it last."""

    plan: str
    collections: tuple[ManifestEntry, ...] = ()
    files: tuple[ManifestPart, ...] = ()

    def entry(self, collection: str) -> ManifestEntry | None:
        return next((found for found in self.collections if found.name == collection), None)

    def parts(self, collection: str) -> tuple[ManifestPart, ...]:
        return tuple(part for part in self.files if part.collection == collection)

    def without(self, collection: str) -> Manifest:
        return replace(
            self,
            collections=tuple(entry for entry in self.collections if entry.name != collection),
            files=tuple(part for part in self.files if part.collection != collection),
        )

    def adding(self, entry: ManifestEntry, parts: tuple[ManifestPart, ...]) -> Manifest:
        """With this collection in the place of one of that name; collections sorted by name."""
        rest = self.without(entry.name)
        entries = sorted((*rest.collections, entry), key=lambda found: found.name)
        files = sorted((*rest.files, *parts), key=lambda part: (part.collection, part.path))
        return replace(self, collections=tuple(entries), files=tuple(files))


@lru_cache(maxsize=1)
def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(Manifest)


def dump(manifest: Manifest) -> str:
    """The text of the file: JSON, indented, keys in the order of the model, a part a line."""
    body = _adapter().dump_python(manifest, mode="json")
    lines = [json.dumps(part, ensure_ascii=False) for part in body.pop("files")]
    head = json.dumps(
        {"format": FORMAT, "version": VERSION, **body},
        indent=1,
        ensure_ascii=False,
        allow_nan=False,
    )
    files = ",".join(f"\n  {line}" for line in lines)
    return f'{head[:-2]},\n "files": [{files}\n ]\n}}\n'


def parse(text: str) -> Manifest:
    """Inverse of `dump`.

    Raises:
        ManifestError: not JSON, no manifest, of a newer version, malformed, or with a path that
            leads out of its folder.
    """
    from pydantic import ValidationError

    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"not JSON: {error}") from None
    if not isinstance(body, dict) or body.pop("format", None) != FORMAT:
        raise ManifestError(f"no manifest: `format` is not {FORMAT!r}")
    version = body.pop("version", None)
    if version != VERSION:
        raise ManifestError(
            f"format version {version!r}; this mmc reads version {VERSION}",
            "use the mmc that wrote it, or a newer one",
        )
    if "\\ud" in text.lower() and not is_text(json.dumps(body, ensure_ascii=False)):
        raise ManifestError("it has half of a surrogate pair, which is no text")
    try:
        made: Manifest = _adapter().validate_python(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ManifestError(f"{place}: {first['msg']}") from None
    _check(made)
    return made


def _check(manifest: Manifest) -> None:
    names = {entry.name for entry in manifest.collections}
    for entry in manifest.collections:
        _check_path(entry.directory)
        if entry.format not in FORMATS:
            raise ManifestError(f"collection {entry.name} has the unknown format {entry.format!r}")
        found = sum(part.rows for part in manifest.parts(entry.name))
        if found != entry.rows:
            raise ManifestError(
                f"collection {entry.name} has {entry.rows:,} rows, its files have {found:,}"
            )
    for part in manifest.files:
        if part.collection not in names:
            raise ManifestError(f"{part.path} belongs to collection {part.collection}, not listed")
        for path in (part.path, *(file.path for file in part.files)):
            _check_path(path)


def _check_path(path: str) -> None:
    """A manifest may come from anywhere, and its paths are read and removed: they stay below it."""
    if not stays_below(path):
        raise ManifestError(f"path {path!r} leads out of the manifest's folder")
