"""Names and format of the files that a files target or a staging place gets."""

from __future__ import annotations

from dataclasses import replace

from mmc.compile.draft import CollectionDraft, Draft
from mmc.compile.takes import formats_for, may_be_null
from mmc.diagnostics import Diagnostic
from mmc.plan.model import FileFormat, Layout, Mode, Staging
from mmc.types import freeze


def lay_out(draft: Draft) -> Draft:
    findings: list[Diagnostic] = []
    collections = tuple(_lay_out(draft, one, findings) for one in draft.collections)
    return replace(draft, collections=collections).say(findings)


def _lay_out(
    draft: Draft, collection: CollectionDraft, findings: list[Diagnostic]
) -> CollectionDraft:
    able = draft.able(collection)
    if able.whole_files:
        return replace(collection, layout=Layout(FileFormat(able.formats[0]), collection.to))
    said = draft.spec.model.load.staging
    if not able.imports or said is None:
        return collection
    format_ = _format_for(draft, collection) if said.format == "auto" else said.format
    if format_ not in able.formats:
        assert draft.facts.bulk is not None
        findings.append(
            draft.finding(
                "MMC529",
                f"Milvus {draft.facts.bulk.version} imports no {format_} files",
                ("load", "staging", "format"),
                hint="it imports " + ", ".join(able.formats),
            )
        )
        format_ = able.formats[0]
    storage = freeze(said.model_dump(mode="json", by_alias=True)["storage"])
    staging = Staging(said.url.rstrip("/") or "/", storage, "", said.keep)
    return replace(collection, layout=Layout(FileFormat(format_), collection.to), staging=staging)


def _format_for(draft: Draft, collection: CollectionDraft) -> str:
    """The first format that carries every field, of an existing collection too; where none does,
    the first: the fields that it does not carry are refused one by one.
    """
    able = draft.able(collection)
    fields = [
        (field.type, may_be_null(field)) for field in collection.fields if field.type is not None
    ]
    joins = draft.spec.model.load.mode in (Mode.APPEND, Mode.UPSERT)
    if joins and collection.existing is not None:
        there = collection.existing.schema.fields
        fields += [(field.type, field.nullable) for field in there]
    fitting = (
        one
        for one in able.formats
        if all(one in formats_for(able, type_, nullable=null) for type_, null in fields)
    )
    return next(fitting, able.formats[0])
