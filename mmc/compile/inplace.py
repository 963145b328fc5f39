"""Files that a files target wrote, and that lie in the staging place already in a layout
that the import takes: they are imported as they are. Their rows are still read and digested.
"""

from __future__ import annotations

import posixpath
from dataclasses import replace
from itertools import groupby

from mmc.compile.draft import CollectionDraft, Draft
from mmc.facts import Extent
from mmc.plan.mapping import Mapping
from mmc.plan.model import (
    OnError,
    Split,
    Write,
)
from mmc.spec.options import Options
from mmc.types import DYNAMIC_FIELD, Field


def import_in_place(draft: Draft) -> Draft:
    return replace(draft, collections=tuple(_placed(draft, one) for one in draft.collections))


def _placed(draft: Draft, collection: CollectionDraft) -> CollectionDraft:
    source = draft.spec.model.source
    manifest = source.layout_manifest if isinstance(source, Options) else ""
    if collection.staging is None or not manifest:
        return collection
    if _normal(posixpath.dirname(manifest)) != _normal(collection.staging.url):
        return collection
    if why := _misfit(draft, collection):
        reason = f"{collection.reason}; not the files that lie there: {why}"
        return replace(collection, reason=reason)
    return _in_place(collection)


def _misfit(draft: Draft, collection: CollectionDraft) -> str:
    """Why the files that lie there cannot be imported as they are; "" where they can."""
    if collection.spec.where:
        return "`where` leaves rows out"
    if draft.spec.model.rows.on_error is not OnError.FAIL:
        return "a row in quarantine would be imported all the same"
    assert collection.layout is not None and collection.collection is not None
    formats = {dict(extent.locator).get("format") for extent in collection.source.extents}
    if formats != {collection.layout.format}:
        return f"they are not {collection.layout.format}"
    declared = {field.name: field.declared for field in collection.source.fields}
    made = [mapping for mapping in collection.mappings if not mapping.generated]
    for mapping in made:
        if not _unchanged(mapping, declared):
            return f"`{mapping.field.name}` is not as they have it"
    names = [field.name for field in collection.source.fields if field.name != DYNAMIC_FIELD]
    if sorted(names) != sorted(mapping.column for mapping in made):
        return "they have other fields"
    dynamic = any(field.name == DYNAMIC_FIELD for field in collection.source.fields)
    if dynamic != collection.collection.dynamic:
        return "their dynamic field is not as that of the collection"
    return ""


def _unchanged(mapping: Mapping, declared: dict[str, Field | None]) -> bool:
    """Whether the values go as the file has them: of the type that the manifest declares."""
    of_file = declared.get(mapping.column)
    return (
        not mapping.normalize
        and mapping.default is None
        and mapping.column == mapping.field.name
        and of_file is not None
        and of_file.type == mapping.field.type
    )


def _normal(url: str) -> str:
    scheme, mark, path = url.rpartition("://")
    return scheme + mark + posixpath.normpath(path or ".")


def _in_place(collection: CollectionDraft) -> CollectionDraft:
    """One split a part: a part is imported whole."""
    assert collection.staging is not None
    parts = groupby(collection.source.extents, key=_path)
    splits = tuple(_split(number, tuple(pieces)) for number, (_, pieces) in enumerate(parts))
    return replace(
        collection,
        splits=splits,
        write=Write.IN_PLACE,
        reason=f"{collection.reason}; the files lie there already",
        staging=replace(collection.staging, key="", keep=True),
    )


def _path(extent: Extent) -> str:
    return str(dict(extent.locator)["path"])


def _split(number: int, pieces: tuple[Extent, ...]) -> Split:
    return Split(
        id=f"{number:05d}",
        pieces=pieces,
        rows=sum(piece.rows or 0 for piece in pieces),
        bytes=sum(piece.bytes for piece in pieces),
        partition=pieces[0].partition,
    )
