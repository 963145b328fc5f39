"""What a collection that is replaced hands on to the new one, and what is lost.

What is there stays as it is, as far as the spec does not say otherwise and mmc can make it. The
rest is named, and stops the plan unless `load.allow_loss` says that it may go. Indexes are handed
on by `indexes`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mmc.compile.draft import CollectionDraft, Draft
from mmc.diagnostics import Diagnostic, Severity
from mmc.facts import TargetCollection
from mmc.plan.ddl import Loss
from mmc.plan.mapping import Mapping
from mmc.plan.model import Mode
from mmc.types import Collection, Field, TypeKind

_KEYS = frozenset({TypeKind.INT64, TypeKind.VARCHAR})
"""Types of a partition key."""


def replaced(draft: Draft, collection: CollectionDraft) -> TargetCollection | None:
    """The collection that is dropped to make this one, where it has more than files."""
    if draft.spec.model.load.mode is not Mode.REPLACE or draft.able(collection).whole_files:
        return None
    return collection.existing


def carry_over(
    draft: Draft, collection: CollectionDraft, findings: list[Diagnostic]
) -> CollectionDraft:
    """The collection with what the old one has and the spec does not speak of."""
    old, made = replaced(draft, collection), collection.collection
    if old is None or made is None:
        return collection
    said = collection.spec
    mappings = _with_partition_key(draft, collection, old.schema)
    keyed = any(mapping.field.partition_key for mapping in mappings)
    partitions = () if keyed else tuple(sorted({*made.partitions, *old.schema.partitions}))
    made = replace(
        made,
        fields=tuple(mapping.field for mapping in mappings),
        dynamic=old.schema.dynamic or made.dynamic if said.dynamic is None else made.dynamic,
        shards=old.schema.shards if said.shards is None else made.shards,
        partitions=partitions,
        description=said.description or old.schema.description,
        properties=tuple(sorted({**dict(old.schema.properties), **dict(made.properties)}.items())),
    )
    carried = replace(
        collection, collection=made, mappings=mappings, lost=tuple(_fields(old, made))
    )
    for loss, what in _lost(old, made):
        findings.append(loses(draft, carried, loss, what))
        carried = replace(carried, lost=(*carried.lost, what))
    return carried


def loses(draft: Draft, collection: CollectionDraft, loss: Loss, what: str) -> Diagnostic:
    """MMC376: something of the collection that is replaced will not be there again."""
    allowed = loss in draft.spec.model.load.allow_loss
    return draft.finding(
        "MMC376",
        f"`{collection.to}` is replaced, and loses {what}: mmc cannot make it again",
        ("load", "mode"),
        severity=Severity.WARNING if allowed else Severity.ERROR,
        hint=""
        if allowed
        else f"say load.allow_loss: [{loss}] if it may go, or load.mode: upsert, or another `to:`",
    )


def _fields(old: TargetCollection, made: Collection) -> Iterator[str]:
    """Fields that the new collection does not have, or has otherwise: not for mmc to judge, but
    drawn.
    """
    new = {field.name: field for field in made.fields}
    for field in old.schema.fields:
        if field.name not in new:
            yield f"field {field.name}"
        elif others := ", ".join(_otherwise(field, new[field.name])):
            yield f"field {field.name} as {others}"
    yield from (f"field {name} ({type_})" for name, type_ in old.unknown_fields)
    if old.schema.dynamic and not made.dynamic:
        yield "dynamic field"


def _otherwise(old: Field, new: Field) -> Iterator[str]:
    if old.type != new.type:
        yield str(old.type)
    if old.nullable and not new.nullable:
        yield "nullable"
    if old.default is not None and old.default != new.default:
        yield f"with default {old.default}"
    for name in ("primary_key", "auto_id"):
        if getattr(old, name) and not getattr(new, name):
            yield name.replace("_", " ")


def _lost(old: TargetCollection, made: Collection) -> Iterator[tuple[Loss, str]]:
    for name in old.functions:
        yield Loss.FUNCTIONS, f"function {name}"
    kept = {field.name for field in made.fields}
    for option in old.field_options:
        field, _, what = option.partition(": ")
        if field in kept:
            yield Loss.FIELD_OPTIONS, f"{what} of field {field}"
    key = _partition_key(old.schema.fields)
    if key is not None and _partition_key(made.fields) is None:
        yield Loss.PARTITION_KEY, f"partition key {key.name}"
    for name in sorted(set(old.schema.partitions) - set(made.partitions)):
        yield Loss.PARTITIONS, f"partition {name}"


def _with_partition_key(
    draft: Draft, collection: CollectionDraft, old: Collection
) -> tuple[Mapping, ...]:
    """The mappings, with the partition key of the old collection where the new one can have it."""
    key = _partition_key(old.fields)
    made = collection.collection
    own = [mapping.field for mapping in collection.mappings]
    if key is None or made is None or _partition_key(own) or made.partitions:
        return collection.mappings
    if not draft.able(collection).partition_key or _spoken_of(collection, key.name):
        return collection.mappings
    return tuple(
        replace(mapping, field=replace(mapping.field, partition_key=True))
        if mapping.field.name == key.name and _fits_key(mapping.field)
        else mapping
        for mapping in collection.mappings
    )


def _spoken_of(collection: CollectionDraft, field: str) -> bool:
    """Whether the spec says of a field whether it is a partition key."""
    said = next((one.spec for one in collection.fields if one.to == field), None)
    return said is not None and "partition_key" in said.model_fields_set


def _fits_key(field: Field) -> bool:
    return field.type.kind in _KEYS and not field.primary_key and not field.nullable


def _partition_key(fields: tuple[Field, ...] | list[Field]) -> Field | None:
    return next((field for field in fields if field.partition_key), None)
