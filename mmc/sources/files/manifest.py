"""The manifest of a files target as a source: collections with their types, indexes and checksums.

Reads what `mmc.layouts.layout` wrote, but knows no sink. The split that begins a part checks its
sha256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from mmc.arrow.evidence import Observed
from mmc.arrow.schema import Origin, arrow_text, canonical_schema, with_origin
from mmc.errors import SourceChanged, SourceError
from mmc.facts import Extent, SourceCollection, SourceFacts, SourceField
from mmc.layouts import layout
from mmc.layouts.manifest import Manifest, ManifestEntry, ManifestError, ManifestPart, parse
from mmc.plan.model import Split
from mmc.sources.files.options import FilesOptions
from mmc.sources.files.sample import choose
from mmc.spi import Sample
from mmc.storage import urls
from mmc.storage.hashed import sha256_of
from mmc.types import DYNAMIC_FIELD, Collection, Index, JsonValue, nearest

_WINDOW_ROWS = 4096


def inspect_manifest(
    options: FilesOptions, collections: Sequence[str], sample: Sample
) -> SourceFacts:
    """What `options.manifest` says, checked against the sizes of its files, and a seeded sample.

    `collections` names those wanted; empty means all.

    Raises:
        SourceError: no manifest, an unknown collection, a file missing or of another size.
    """
    url, storage = str(options.manifest), options.files
    manifest = _manifest(url, storage)
    known = [entry.name for entry in manifest.collections]
    for wanted in collections:
        if wanted not in known:
            near = nearest(wanted, known)
            raise SourceError(
                f"{url}: there is no collection `{wanted}`",
                hint=f"did you mean `{near}`?" if near else "it has: " + ", ".join(known),
                code="MMC539",
            )
    return SourceFacts(
        type="files",
        version="manifest 1",
        collections=tuple(
            _collection(url, storage, entry, manifest.parts(entry.name), sample)
            for entry in manifest.collections
            if not collections or entry.name in collections
        ),
        sample_rows=sample.rows,
        sample_seed=sample.seed,
    )


def read_manifest(
    options: FilesOptions, collection: str, split: Split, columns: Sequence[str], batch_rows: int
) -> Iterator[pa.RecordBatch]:
    """The split's rows as canonical batches of `columns`.

    Raises:
        SourceChanged: a file is not the one that was planned, or that the manifest records.
    """
    url, storage = str(options.manifest), options.files
    manifest = _manifest(url, storage)
    entry = manifest.entry(collection)
    if entry is None:
        raise SourceChanged(f"{url}: collection {collection} is not there any more", code="MMC533")
    parts = {part.path: part for part in manifest.parts(collection)}
    for piece in split.pieces:
        locator = piece.place
        path = str(locator["path"])
        part = parts.get(path)
        if part is None or _identity(part) != locator["sha256"]:
            raise _changed(_beside(url, path), "the manifest records another one now")
        _check_stamp(url, storage, part, locator)
        if piece.start == 0:
            _check_content(url, storage, part)
        done = 0
        batches = layout.read_rows(
            entry.format,
            _beside(url, path),
            storage,
            entry.schema,
            columns,
            piece.start,
            piece.stop,
            batch_rows,
        )
        try:
            for batch in batches:
                yield with_origin(batch, Origin(path, piece.start + done))
                done += len(batch)
        except SourceError:
            # A file that is replaced while it is read may look like a damaged one.
            _check_stamp(url, storage, part, locator)
            raise
        # Again at the end: what was read while the file was replaced is a mixture.
        _check_stamp(url, storage, part, locator)
        if done != (planned := piece.stop - piece.start):
            raise SourceError(
                f"{_beside(url, path)}: {done:,} rows where {planned:,} were planned",
                code="MMC533",
            )


def _beside(manifest_url: str, path: str) -> str:
    """The URL of a path that the manifest names."""
    folder, slash, _ = manifest_url.rpartition("/")
    return urls.join_url(folder or slash or ".", path)


def _manifest(url: str, storage: Mapping[str, JsonValue]) -> Manifest:
    try:
        return parse(urls.read_text(url, storage))
    except ManifestError as error:
        raise SourceError(f"{url}: {error}", hint=error.hint, code="MMC532") from None


def _collection(
    url: str,
    storage: Mapping[str, JsonValue],
    entry: ManifestEntry,
    parts: tuple[ManifestPart, ...],
    sample: Sample,
) -> SourceCollection:
    for part in parts:
        _check_sizes(url, storage, part)
    extents = tuple(
        extent for part in parts for extent in _extents(url, storage, entry.format, part)
    )
    observed = _observe(url, storage, entry, extents, sample)
    return SourceCollection(
        name=entry.name,
        fields=tuple(
            replace(field, evidence=observed[field.name].evidence)
            for field in _fields(entry.schema, dict(entry.indexes))
        ),
        extents=extents,
        rows=entry.rows,
        bytes=sum(part.bytes for part in parts),
        fingerprint=tuple(
            sorted((file.path, f"sha256:{file.sha256}") for part in parts for file in part.stored)
        ),
        partitions=entry.schema.partitions,
        notes=(f"types, key and indexes as plan {entry.plan[:8]} declared them",),
    )


def _fields(schema: Collection, indexes: Mapping[str, Index]) -> Iterator[SourceField]:
    columns = canonical_schema(schema)
    for field in schema.fields:
        if field.auto_id:
            continue
        yield SourceField(
            name=field.name,
            arrow=arrow_text(columns.field(field.name).type),
            vector=str(field.type) if field.type.is_vector else "",
            key=field.primary_key,
            nullable=field.nullable,
            json_text=str(field.type) == "json",
            index=indexes.get(field.name),
            declared=field,
        )
    if schema.dynamic:
        yield SourceField(
            name=DYNAMIC_FIELD,
            arrow="string",
            nullable=False,
            json_text=True,
            note="the dynamic field",
        )


def _extents(
    url: str, storage: Mapping[str, JsonValue], format_: str, part: ManifestPart
) -> Iterator[Extent]:
    locator: dict[str, JsonValue] = {
        "format": format_,
        "path": part.path,
        "sha256": _identity(part),
        "stamp": _stamp(url, storage, part),
    }
    place = _beside(url, part.path)
    for piece in layout.pieces(format_, place, storage, part.rows, part.bytes):
        yield Extent(
            locator=tuple(sorted(locator.items())),
            start=piece.start,
            stop=piece.stop,
            unit="row",
            rows=piece.stop - piece.start,
            bytes=piece.bytes,
            cuttable=format_ != "json",
            partition=part.partition,
        )


def _identity(part: ManifestPart) -> str:
    """sha256 of the part; for a folder, of the list of its files with theirs."""
    if part.sha256:
        return part.sha256
    listed = "\n".join(f"{file.sha256}  {file.path}" for file in part.files)
    return hashlib.sha256(listed.encode()).hexdigest()


def _stamp(url: str, storage: Mapping[str, JsonValue], part: ManifestPart) -> str:
    """Sizes and times (or etags) of the part's files."""
    found = [urls.fingerprint(_beside(url, file.path), storage) for file in part.stored]
    if len(found) == 1:
        return found[0]
    return hashlib.sha256("\n".join(found).encode()).hexdigest()[:16]


def _check_stamp(
    url: str, storage: Mapping[str, JsonValue], part: ManifestPart, locator: Mapping[str, JsonValue]
) -> None:
    if _stamp(url, storage, part) != locator["stamp"]:
        raise _changed(_beside(url, part.path), "its size or time is another one now")


def _check_sizes(url: str, storage: Mapping[str, JsonValue], part: ManifestPart) -> None:
    for file in part.stored:
        place = _beside(url, file.path)
        with urls.open_blob(place, storage) as blob:
            size = blob.size
        if size != file.bytes:
            raise SourceError(
                f"{place}: {size:,} bytes, but the manifest says {file.bytes:,}",
                hint="the file was changed or not copied whole; copy it again",
                code="MMC533",
            )


def _check_content(url: str, storage: Mapping[str, JsonValue], part: ManifestPart) -> None:
    for file in part.stored:
        place = _beside(url, file.path)
        if sha256_of(place, storage) != file.sha256:
            raise _changed(place, "its content is not what the manifest records")


def _changed(place: str, why: str) -> SourceChanged:
    return SourceChanged(f"{place}: {why}", hint="make a new plan", code="MMC533")


def _observe(
    url: str,
    storage: Mapping[str, JsonValue],
    entry: ManifestEntry,
    extents: Sequence[Extent],
    sample: Sample,
) -> dict[str, Observed]:
    names = layout.column_names(entry.schema)
    seen = {name: Observed() for name in names}
    for window, wanted in choose(_windows(extents), sample):
        place = _beside(url, str(window.place["path"]))
        stop = window.start + wanted
        for batch in layout.read_rows(
            entry.format, place, storage, entry.schema, names, window.start, stop, _WINDOW_ROWS
        ):
            for name in names:
                seen[name].add(batch.column(name))
    return seen


def _windows(extents: Sequence[Extent]) -> list[Extent]:
    """Places to sample from: several in a NumPy part, else the beginning of each extent."""
    windows = []
    for extent in extents:
        step = max(_WINDOW_ROWS, -(-(extent.rows or 0) // 8))
        if extent.place["format"] != "numpy":
            step = max(extent.rows or 0, 1)
        for start in range(extent.start, extent.stop, step):
            stop = min(start + step, extent.stop)
            windows.append(replace(extent, start=start, stop=stop, rows=stop - start))
    return windows
