"""Which source collection goes to which target collection, and if that exists. An alias
gives way to the collection behind it here: every later pass, and every step, has the real name. A
collection that the source found damaged goes no further.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from mmc.compile.draft import CollectionDraft, Draft, Path
from mmc.diagnostics import Diagnostic, Severity
from mmc.facts import SourceCollection, TargetCollection
from mmc.plan.model import Mode
from mmc.spec.models import CollectionSpec
from mmc.types import nearest


def milvus_name(name: str) -> str:
    """The name with what Milvus refuses replaced by `_`."""
    safe = re.sub(r"[^A-Za-z0-9_]", "_", name) or "_"
    return ("_" + safe if safe[0].isdigit() else safe)[:255]


def resolve_collections(draft: Draft) -> Draft:
    findings: list[Diagnostic] = []
    found: list[CollectionDraft] = []
    listed = draft.spec.model.collections
    wanted: list[tuple[Path, CollectionSpec]] = [
        (("collections", number), entry) for number, entry in enumerate(listed)
    ] or [(("source",), CollectionSpec(from_=c.name)) for c in draft.facts.source.collections]
    for at, entry in wanted:
        source = _source_of(draft, at, entry, findings)
        if source is None:
            continue
        findings += _problems(draft, source)
        if any(problem.is_error for problem in source.problems):
            continue
        to = entry.to or milvus_name(source.name)
        if to != source.name and entry.to is None:
            findings.append(
                draft.finding(
                    "MMC330",
                    f"collection `{source.name}` is named `{to}` in the target",
                    at,
                    severity=Severity.NOTE,
                    hint="say `to:` to choose another name",
                )
            )
        existing = draft.facts.target.collection(to)
        if existing is not None:
            findings += _refuse_alias(draft, at, entry, existing)
            findings += _warn_of_run(draft, at, existing)
            to = existing.schema.name
        found.append(CollectionDraft(at=at, spec=entry, source=source, to=to, existing=existing))
    seen: dict[str, CollectionDraft] = {}
    for collection in found:
        if collection.to in seen:
            other = seen[collection.to]
            aliases = {one.existing.asked for one in (other, collection) if one.existing} - {""}
            behind = "".join(f"; `{name}` is an alias of it" for name in sorted(aliases))
            findings.append(
                draft.finding(
                    "MMC331",
                    f"`{other.source.name}` and `{collection.source.name}` would both go to"
                    f" `{collection.to}`{behind}",
                    (*collection.at, "to"),
                    hint="give one of them another `to:`",
                )
            )
        seen[collection.to] = collection
    if not wanted:
        findings.append(draft.finding("MMC332", "the source has no collections", ("source",)))
    return replace(draft, collections=tuple(seen.values())).say(findings)


def _refuse_alias(
    draft: Draft, at: Path, entry: CollectionSpec, existing: TargetCollection
) -> Iterator[Diagnostic]:
    """A collection cannot be made under an alias, and one that is dropped takes its aliases along,
    or is not dropped because of them.
    """
    mode, name = draft.spec.model.load.mode, existing.schema.name
    if not existing.asked or mode in (Mode.APPEND, Mode.UPSERT):
        return
    yield draft.finding(
        "MMC367",
        f"`{existing.asked}` is an alias of the collection `{name}`, which has"
        f" {existing.rows:,} rows",
        (*at, "to") if entry.to else at,
        hint=f"say `to: {name}` to replace that collection, or another `to:`"
        if mode is Mode.REPLACE
        else f"say load.mode: append or upsert to write into `{name}`, or another `to:`",
    )


def _warn_of_run(draft: Draft, at: Path, existing: TargetCollection) -> Iterator[Diagnostic]:
    if existing.run and draft.spec.model.load.mode is not Mode.FAIL:
        yield draft.finding(
            "MMC369",
            f"run {existing.run} of mmc is filling `{existing.schema.name}`, or was stopped before"
            " its end",
            at,
            severity=Severity.WARNING,
            hint="wait for it, or apply its plan again; an apply of this plan goes on without it",
        )


def _problems(draft: Draft, source: SourceCollection) -> list[Diagnostic]:
    """What the source found wrong with a collection, each under its own code."""
    return [
        draft.finding(
            problem.code, problem.message, ("source",), severity=problem.severity, hint=problem.hint
        )
        for problem in source.problems
    ]


def _source_of(
    draft: Draft, at: Path, entry: CollectionSpec, findings: list[Diagnostic]
) -> SourceCollection | None:
    collections = draft.facts.source.collections
    names = [collection.name for collection in collections]
    if entry.from_ is None:
        if len(collections) == 1:
            return collections[0]
        findings.append(
            draft.finding(
                "MMC333",
                f"`from` is missing, and the source has {len(names)} collections",
                at,
                hint="from: one of " + ", ".join(names[:8]),
            )
        )
        return None
    if entry.from_ not in names:
        close = nearest(entry.from_, names)
        findings.append(
            draft.finding(
                "MMC334",
                f"the source has no collection `{entry.from_}`",
                (*at, "from"),
                hint=f"did you mean `{close}`?" if close else "it has " + ", ".join(names[:8]),
            )
        )
        return None
    return draft.facts.source.collection(entry.from_)
