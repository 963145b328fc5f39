"""What the spec says of a collection beside its fields: dynamic field, shards,
description, properties. One that exists keeps what cannot be changed, and the plan says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mmc.compile.draft import CollectionDraft, Draft
from mmc.diagnostics import Diagnostic, Severity
from mmc.plan.ddl import Change
from mmc.plan.model import Mode
from mmc.types import Collection, JsonValue


def properties_of(collection: CollectionDraft) -> tuple[tuple[str, str], ...]:
    """Those that the spec says, as texts: a target knows nothing else."""
    said = collection.spec.properties
    return tuple(sorted((name, _text(value)) for name, value in said.items()))


def settle(
    draft: Draft, collection: CollectionDraft, findings: list[Diagnostic]
) -> CollectionDraft:
    """The collection with what is changed about an existing one, and without what the target does
    not keep.
    """
    findings += _own_properties(draft, collection)
    joins = draft.spec.model.load.mode in (Mode.APPEND, Mode.UPSERT)
    if collection.existing is None or not joins:
        return _kept(draft, collection, findings)
    there, able = collection.existing.schema, draft.able(collection)
    if able.whole_files:
        return collection
    findings += _stays(draft, collection, there)
    have = dict(there.properties)
    changes = tuple(
        Change(name, have.get(name), value)
        for name, value in properties_of(collection)
        if have.get(name) != value
    )
    description = None
    if able.alters_description and _describes_anew(collection, there):
        description = Change("description", there.description, collection.spec.description)
    return replace(collection, changes=changes, new_description=description)


def _stays(draft: Draft, collection: CollectionDraft, there: Collection) -> Iterator[Diagnostic]:
    """MMC375: what the spec says, and the existing collection keeps otherwise."""
    said = collection.spec
    if said.dynamic is not None and said.dynamic != there.dynamic:
        wanted, found = (str(one).lower() for one in (said.dynamic, there.dynamic))
        yield _stay(draft, collection, "dynamic", wanted, found)
    if said.shards is not None and said.shards != there.shards:
        yield _stay(draft, collection, "shards", str(said.shards), str(there.shards))
    if not draft.able(collection).alters_description and _describes_anew(collection, there):
        wanted, found = repr(said.description), repr(there.description)
        yield _stay(draft, collection, "description", wanted, found)


def _stay(
    draft: Draft, collection: CollectionDraft, key: str, wanted: str, found: str
) -> Diagnostic:
    return draft.finding(
        "MMC375",
        f"the spec says `{key}: {wanted}`, the existing collection `{collection.to}` has {found},"
        " and keeps it",
        (*collection.at, key),
        severity=Severity.WARNING,
        hint=f"remove {key}; only load.mode: replace makes it anew",
    )


def _describes_anew(collection: CollectionDraft, there: Collection) -> bool:
    said = collection.spec.description
    return bool(said) and said != there.description


def _kept(draft: Draft, collection: CollectionDraft, findings: list[Diagnostic]) -> CollectionDraft:
    """A new collection, without what the target forgets: it could not be compared later."""
    able, made = draft.able(collection), collection.collection
    assert made is not None
    for key, said, keeps in (
        ("shards", (collection.spec.shards or 1) > 1, able.keeps_shards),
        ("description", bool(collection.spec.description), able.keeps_description),
    ):
        if said and not keeps:
            findings.append(
                draft.finding(
                    "MMC375",
                    f"`{collection.to}`: the target keeps no {key}",
                    (*collection.at, key),
                    severity=Severity.NOTE,
                )
            )
    made = replace(
        made,
        shards=made.shards if able.keeps_shards else 1,
        description=made.description if able.keeps_description else "",
    )
    return replace(collection, collection=made)


def _own_properties(draft: Draft, collection: CollectionDraft) -> Iterator[Diagnostic]:
    own = draft.able(collection).own_properties
    for name in sorted(set(collection.spec.properties) & set(own)):
        yield draft.finding(
            "MMC379",
            f"the property `{name}` is not one that a spec can set",
            (*collection.at, "properties", name),
            hint="say `description:`" if name.endswith("description") else "remove it",
        )


def _text(value: JsonValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
