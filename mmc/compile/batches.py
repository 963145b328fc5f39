"""How large the batches are, and what copies splits side by side."""

from __future__ import annotations

from dataclasses import replace

from mmc.compile.draft import CollectionDraft, Draft
from mmc.facts import Decoding
from mmc.plan.model import ExecutorKind, FileFormat
from mmc.types import FieldType, TypeKind

BATCH_BYTES = 8 * 2**20
"""Default size of a batch: large enough for vector kernels, small enough that a few of them are
nothing.
"""
MAX_BATCH_ROWS = 65_536
"""Parquet reading is slower below and no faster above (measured on 500k x 128)."""
_PARALLEL_BYTES = 512 * 2**20
"""Below this a second process costs more to start than it saves."""


def size_batches(draft: Draft) -> Draft:
    findings = [
        draft.finding(
            "MMC527",
            f"`{key}` of `{collection.source.name}` is to be kept where it stands in several rows;"
            " a Milvus collection shows one row of a key",
            collection.at,
            hint="keep one row of each id, make another field the key, or write files",
        )
        for collection in draft.collections
        if (key := _repeated_key(collection)) and not draft.able(collection).whole_files
    ]
    executor = _executor(draft)
    collections = tuple(_sized(draft, collection) for collection in draft.collections)
    return _with(draft, collections, executor).say(findings)


def _with(draft: Draft, collections: tuple[CollectionDraft, ...], executor: ExecutorKind) -> Draft:
    return replace(
        draft, collections=collections, executor=executor, workers=_workers(draft, executor)
    )


def _sized(draft: Draft, collection: CollectionDraft) -> CollectionDraft:
    load = draft.spec.model.load
    wanted = min(load.batch_bytes or BATCH_BYTES, draft.able(collection).max_batch_bytes)
    width = sum(_width(mapping.field.type) for mapping in collection.mappings)
    seen = collection.source.bytes // collection.source.rows if collection.source.rows else 0
    rows = max(1, min(MAX_BATCH_ROWS, wanted // max(width, seen, 1)))
    return replace(collection, batch_rows=rows, batch_bytes=wanted)


def _repeated_key(collection: CollectionDraft) -> str:
    """The source column of the primary key, if its values repeat; else ""."""
    repeated = {field.name for field in collection.source.fields if field.repeated}
    return next(
        (m.column for m in collection.mappings if m.field.primary_key and m.column in repeated), ""
    )


def _width(type_: FieldType) -> int:
    """Bytes of a typical value, for sizing batches."""
    match type_.kind:
        case TypeKind.VARCHAR:
            return min(type_.length or 64, 64)
        case TypeKind.JSON | TypeKind.ARRAY:
            return 128
        case TypeKind.SPARSE_FLOAT_VECTOR:
            return 1024
        case _ if type_.is_vector:
            return type_.bytes_per_vector
        case _:
            return 8


def _executor(draft: Draft) -> ExecutorKind:
    """Processes where Python decodes what is read, or encodes what is written."""
    decoded = {collection.source.decodes for collection in draft.collections}
    formats = {c.layout.format for c in draft.collections if c.layout is not None}
    python = Decoding.PYTHON in decoded or FileFormat.JSON in formats
    return ExecutorKind.PROCESSES if python else ExecutorKind.THREADS


def _workers(draft: Draft, executor: ExecutorKind) -> int:
    said = draft.spec.model.load.workers
    if draft.facts.target.capabilities.embedded:
        return 1
    if said is not None:
        return said
    total = sum(collection.source.bytes for collection in draft.collections)
    small = executor is ExecutorKind.PROCESSES and total < _PARALLEL_BYTES
    return 1 if small else 2
