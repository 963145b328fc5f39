"""By which sink the rows of each collection go in, and why. The passes after it ask what
that route can take.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mmc.compile.draft import CollectionDraft, Draft
from mmc.diagnostics import Diagnostic, Severity
from mmc.facts import TargetFacts
from mmc.plan.model import (
    Mode,
    Write,
)
from mmc.text import rows_text

FEW_ROWS = 200_000
"""Below this inserting is over sooner: an import and the load after it cost seconds whatever they
bring. Measured on 2.3.5, until 200,000 x 128 are loaded and counted: 6.3 s by insert, 9.3 s by
import. Above, an import spares the server's log and leaves whole segments.
"""


def choose_route(draft: Draft) -> Draft:
    target = draft.facts.target
    findings = [
        draft.finding(it.code, it.message, ("target",), severity=it.severity, hint=it.hint)
        for it in target.problems
    ]
    able = target.capabilities
    load = draft.spec.model.load
    if able.whole_files and load.mode in (Mode.APPEND, Mode.UPSERT):
        findings.append(
            draft.finding(
                "MMC517",
                f"load.mode {load.mode} has no meaning for a {target.type} target",
                ("load", "mode"),
                hint="use replace, or another folder",
            )
        )
    if able.whole_files and load.route != "auto":
        findings.append(
            draft.finding("MMC518", f"a files target has no {load.route} route", ("load", "route"))
        )
    if not able.whole_files and not able.keyed_replay:
        findings.append(
            draft.finding(
                "MMC519",
                f"a split written again to {target.type} {target.version} would double its rows",
                ("target",),
            )
        )
    if target.no_import is not None or load.staging is None:
        # Saved facts may know of a way that this spec does not give.
        draft = replace(draft, facts=replace(draft.facts, bulk=None))
    if target.no_import is not None:
        findings += _no_import(draft, target.no_import)
    elif load.route == "bulk" and draft.facts.bulk is None and not able.whole_files:
        findings.append(_no_bulk(draft, target))
    if load.route == "bulk" and load.mode is Mode.UPSERT:
        findings.append(
            draft.finding(
                "MMC528",
                "an import does not replace rows by their key",
                ("load", "mode"),
                hint="say load.route: insert, or load.mode: replace",
            )
        )
    collections = tuple(_route(draft, collection) for collection in draft.collections)
    for collection in collections:
        findings += _flaws(draft, collection)
    return replace(draft, collections=collections).say(findings)


def _no_import(draft: Draft, why: Diagnostic) -> Iterator[Diagnostic]:
    """The target takes no files: an error where the spec insists on it, else rows are inserted."""
    load = draft.spec.model.load
    if load.route == "bulk":
        yield draft.finding(why.code, why.message, ("load", "route"), hint=why.hint)
    elif load.route == "auto" and load.staging is not None:
        yield draft.finding(
            why.code,
            f"rows are inserted: {why.message}",
            ("load", "staging"),
            severity=Severity.WARNING,
            hint=why.hint,
        )


def _no_bulk(draft: Draft, target: TargetFacts) -> Diagnostic:
    if target.capabilities.embedded:
        return draft.finding(
            "MMC528",
            "Milvus Lite imports no files",
            ("load", "route"),
            hint="leave load.route out: rows are inserted",
        )
    return draft.finding(
        "MMC528",
        "a bulk import needs a place where Milvus sees the files",
        ("load", "route"),
        hint="say load.staging: {url: s3://BUCKET/PREFIX}, in Milvus's own bucket",
    )


def _flaws(draft: Draft, collection: CollectionDraft) -> Iterator[Diagnostic]:
    """What imports of this version of the target would spoil, in a collection that goes by them."""
    bulk = draft.facts.bulk
    if bulk is None or collection.route != f"{bulk.type}.{bulk.route}":
        return
    able = bulk.capabilities
    hint = "upgrade the server before, or say load.route: insert"
    if able.partition_key_flaw and _has_partition_key(draft, collection):
        yield draft.finding("MMC558", able.partition_key_flaw, ("load", "route"), hint=hint)
    if able.import_flaw:
        yield draft.finding(
            "MMC559", able.import_flaw, ("load", "route"), severity=Severity.WARNING, hint=hint
        )


def _has_partition_key(draft: Draft, collection: CollectionDraft) -> bool:
    joins = draft.spec.model.load.mode is Mode.APPEND and collection.existing is not None
    if joins and collection.existing is not None:
        return any(field.partition_key for field in collection.existing.schema.fields)
    declared = (field.declared for field in collection.source.fields)
    return any(entry.partition_key for entry in collection.spec.fields) or any(
        field.partition_key for field in declared if field is not None
    )


def _flaw(draft: Draft, collection: CollectionDraft) -> str:
    """Why rows are better not imported into this version, though they could be."""
    if draft.facts.bulk is None:
        return ""
    able = draft.facts.bulk.capabilities
    keyed = able.partition_key_flaw if _has_partition_key(draft, collection) else ""
    return keyed or able.import_flaw


def _makes_keys(collection: CollectionDraft) -> bool:
    return any(field.auto_id for field in collection.spec.fields)


def _route(draft: Draft, collection: CollectionDraft) -> CollectionDraft:
    target = draft.facts.target
    if target.capabilities.whole_files:
        return _by(collection, target, "files: the target is a folder", Write.FILE)
    mode = draft.spec.model.load.mode
    bulk = draft.facts.bulk
    why = _why_bulk(draft, collection)
    if bulk is not None and why:
        return _by(collection, bulk, f"bulk: {why}", Write.FILE)
    write = Write.UPSERT if mode is Mode.UPSERT else Write.INSERT
    return _by(collection, target, f"insert: {_why_insert(draft, collection)}", write)


def _by(
    collection: CollectionDraft, target: TargetFacts, reason: str, write: Write
) -> CollectionDraft:
    route = f"{target.type}.{target.route}"
    return replace(collection, route=route, reason=reason, write=write)


def _why_bulk(draft: Draft, collection: CollectionDraft) -> str:
    """Why to import files; "" where rows are better inserted."""
    load, bulk = draft.spec.model.load, draft.facts.bulk
    if bulk is None or load.route == "insert" or load.mode is Mode.UPSERT:
        return ""
    rows = collection.source.rows
    if load.route == "bulk":
        return f"as the spec says; server {bulk.version}"
    if _makes_keys(collection):
        return "the server makes the keys, so rows could not be inserted again"
    if _flaw(draft, collection):
        return ""
    if rows is None or rows >= FEW_ROWS:
        return f"{rows_text(rows)}, staging is given; server {bulk.version}"
    return ""


def _why_insert(draft: Draft, collection: CollectionDraft) -> str:
    load = draft.spec.model.load
    if load.route == "insert":
        return "as the spec says"
    if draft.facts.target.capabilities.embedded:
        return "Milvus Lite"
    if load.mode is Mode.UPSERT:
        return "an import does not replace rows by their key"
    if load.staging is not None and draft.facts.target.no_import is not None:
        return "this target imports no staged files"
    if draft.facts.bulk is None:
        return "no staging is given"
    return _flaw(draft, collection) or f"under {FEW_ROWS:,} rows"
