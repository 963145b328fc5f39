"""Pass 6: by which sink rows go in, how a split is written, and in what batches."""

from __future__ import annotations

from dataclasses import replace

from mmc.compile.draft import CollectionDraft, Draft
from mmc.diagnostics import Diagnostic
from mmc.facts import TargetFacts
from mmc.plan.model import Executor, Mode
from mmc.types import FieldType, TypeKind

BATCH_BYTES = 8 * 2**20
"""Default size of a batch: large enough for vector kernels, small enough that a few of them are
nothing.
"""
MAX_BATCH_ROWS = 65_536
"""Parquet reading is slower below and no faster above (measured on 500k x 128)."""
_PARALLEL_BYTES = 512 * 2**20
"""Below this a second process costs more to start than it saves."""


def choose_route(draft: Draft) -> Draft:
    findings: list[Diagnostic] = []
    target = draft.facts.target
    able = target.capabilities
    mode = draft.spec.model.load.mode
    if able.whole_files and mode in (Mode.APPEND, Mode.UPSERT):
        findings.append(
            draft.finding(
                "MMC517",
                f"load.mode {mode} has no meaning for a {target.type} target",
                ("load", "mode"),
                hint="use replace, or another folder",
            )
        )
    if able.whole_files and draft.spec.model.load.route == "insert":
        findings.append(
            draft.finding("MMC518", "a files target has no insert route", ("load", "route"))
        )
    if not able.whole_files and not able.keyed_replay:
        findings.append(
            draft.finding(
                "MMC519",
                f"a split written again to {target.type} {target.version} would double its rows",
                ("target",),
            )
        )
    for collection in draft.collections:
        key = _repeated_key(collection)
        if key and not able.whole_files:
            findings.append(
                draft.finding(
                    "MMC527",
                    f"`{key}` of `{collection.source.name}` is to be kept where it stands in"
                    " several rows; inserting a split again would replace them",
                    collection.at,
                    hint="keep one row of each id, or write files and import them",
                )
            )
    collections = tuple(_route(draft, collection, target) for collection in draft.collections)
    executor = _executor(draft)
    return replace(
        draft, collections=collections, executor=executor, workers=_workers(draft, executor)
    ).say(findings)


def _repeated_key(collection: CollectionDraft) -> str:
    """The source column of the primary key, if its values repeat; else ""."""
    repeated = {field.name for field in collection.source.fields if field.repeated}
    return next(
        (m.source for m in collection.mappings if m.field.primary_key and m.source in repeated), ""
    )


def _route(draft: Draft, collection: CollectionDraft, target: TargetFacts) -> CollectionDraft:
    able = target.capabilities
    load = draft.spec.model.load
    wanted = min(load.batch_bytes or BATCH_BYTES, able.max_batch_bytes)
    if able.whole_files:
        reason, write = "files: the target is a folder", "file"
    else:
        write = "upsert" if load.mode is Mode.UPSERT else "insert"
        said = load.route == "insert"
        reason = "insert: as the spec says" if said else f"insert: {_why_insert(target)}"
    width = sum(_width(mapping.field.type) for mapping in collection.mappings)
    seen = collection.source.bytes // collection.source.rows if collection.source.rows else 0
    rows = max(1, min(MAX_BATCH_ROWS, wanted // max(width, seen, 1)))
    return replace(
        collection,
        route=f"{target.type}.{target.route}",
        reason=reason,
        write=write,
        batch_rows=rows,
        batch_bytes=wanted,
    )


def _why_insert(target: TargetFacts) -> str:
    return "Milvus Lite" if target.capabilities.embedded else "the route this version has"


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


def _executor(draft: Draft) -> Executor:
    """Text is decoded by Python, which one process does on one core; all else is native code."""
    units = {e.unit for collection in draft.collections for e in collection.source.extents}
    text = "byte" in units or draft.spec.target.options.get("format") == "json"
    return Executor.PROCESSES if text else Executor.THREADS


def _workers(draft: Draft, executor: Executor) -> int:
    said = draft.spec.model.load.workers
    if draft.facts.target.capabilities.embedded:
        return 1
    if said is not None:
        return said
    total = sum(collection.source.bytes for collection in draft.collections)
    small = executor is Executor.PROCESSES and total < _PARALLEL_BYTES
    return 1 if small else 2
