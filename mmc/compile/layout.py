"""Pass 3: names and format of the files that a files target or a staging place gets."""

from __future__ import annotations

from dataclasses import replace

from mmc.compile.draft import CollectionDraft, Draft
from mmc.diagnostics import Diagnostic
from mmc.plan.model import Layout, Staging
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
        format_ = str(draft.spec.target.options.get("format", "parquet"))
        return replace(collection, layout=Layout(format_, collection.to))
    said = draft.spec.model.load.staging
    if not able.imports or said is None:
        return collection
    format_ = able.formats[0] if said.format == "auto" else said.format
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
    return replace(collection, layout=Layout(format_, collection.to), staging=staging)
