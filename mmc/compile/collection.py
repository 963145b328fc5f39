"""The collection's DDL and the mappings, checked against what the target can take and what
is there already.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mmc.compile.carry import carry_over
from mmc.compile.casts import KEY_NAMES
from mmc.compile.draft import CollectionDraft, Draft, FieldDraft
from mmc.compile.existing import join_existing
from mmc.compile.settings import properties_of, settle
from mmc.compile.takes import (
    can_be_null,
    may_be_null,
    no_nulls,
    refuse_existing,
    refuse_type,
)
from mmc.diagnostics import Diagnostic, Severity
from mmc.facts import Capabilities
from mmc.plan.mapping import Mapping
from mmc.plan.model import Mode
from mmc.types import Collection, Field, TypeKind

_KEY_TYPES = frozenset({TypeKind.INT64, TypeKind.VARCHAR})


def build_collections(draft: Draft) -> Draft:
    findings: list[Diagnostic] = []
    collections = tuple(_build(draft, collection, findings) for collection in draft.collections)
    return replace(draft, collections=collections).say(findings)


def _build(
    draft: Draft, collection: CollectionDraft, findings: list[Diagnostic]
) -> CollectionDraft:
    able = draft.able(collection)
    key = _choose_key(draft, collection, findings)
    mappings = [
        _mapping(draft, collection, field, field is key, findings) for field in collection.fields
    ]
    mappings.sort(key=lambda mapping: not mapping.field.primary_key)
    schema = Collection(
        name=collection.to,
        fields=tuple(mapping.field for mapping in mappings),
        dynamic=_dynamic(draft, collection, able, findings),
        shards=collection.spec.shards or 1,
        partitions=_partitions(collection),
        description=collection.spec.description,
        properties=properties_of(collection),
    )
    built = replace(collection, collection=schema, mappings=tuple(mappings))
    built = carry_over(draft, built, findings)
    _check_vectors(draft, built, able, findings)
    _check_partitions(draft, built, able, findings)
    findings += _limits(draft, built, able)
    joined = settle(draft, join_existing(draft, built, findings), findings)
    findings += refuse_existing(draft, joined)
    return joined


def _partitions(collection: CollectionDraft) -> tuple[str, ...]:
    """Those that hold rows, and those that the source has without rows."""
    held = {extent.partition for extent in collection.source.extents} - {""}
    return tuple(sorted(held | set(collection.source.partitions)))


def _choose_key(
    draft: Draft, collection: CollectionDraft, findings: list[Diagnostic]
) -> FieldDraft | None:
    fields = collection.fields
    said = [f for f in fields if f.spec and (f.spec.primary_key or f.spec.auto_id)]
    offered = [f for f in fields if f.source is not None and f.source.key and f not in said]
    named = [f for word in KEY_NAMES for f in fields if f.to == word]
    refused = [f for f in fields if f.spec and f.spec.primary_key is False]
    for candidate in [*said, *offered, *named]:
        if candidate in refused:
            continue
        if candidate.type is not None and candidate.type.kind in _KEY_TYPES:
            return candidate
        if candidate in said:
            findings.append(
                draft.finding(
                    "MMC350",
                    f"primary key `{candidate.to}` is {candidate.type}; "
                    "Milvus takes int64 or varchar",
                    candidate.place("type"),
                    hint="say `type: int64` or `type: varchar(64)`",
                )
            )
            return candidate
    findings.append(
        draft.finding(
            "MMC351",
            f"`{collection.to}` has no primary key",
            collection.at,
            hint="mark a field with `primary_key: true`; its values must be unique",
        )
    )
    return None


def _mapping(
    draft: Draft,
    collection: CollectionDraft,
    field: FieldDraft,
    is_key: bool,
    findings: list[Diagnostic],
) -> Mapping:
    assert field.type is not None
    able = draft.able(collection)
    spec = field.spec
    declared = field.declared
    default = spec.default if spec else None
    if default is None and declared is not None:
        default = declared.default
    made = Field(
        name=field.to,
        type=field.type,
        primary_key=is_key,
        auto_id=field.auto_id,
        nullable=_nullable(draft, collection, field, is_key, findings),
        default=default if able.defaults else None,
        partition_key=bool((spec and spec.partition_key) or (declared and declared.partition_key)),
    )
    findings += refuse_type(draft, collection, field)
    return Mapping(
        field=made,
        origin=field.made_of,
        default=default,
        normalize=bool(spec and spec.normalize),
        note=field.note,
    )


def _nullable(
    draft: Draft,
    collection: CollectionDraft,
    field: FieldDraft,
    is_key: bool,
    findings: list[Diagnostic],
) -> bool:
    able = draft.able(collection)
    said = field.spec.nullable if field.spec else None
    vector = field.type is not None and field.type.is_vector
    storable = can_be_null(able, field.type) and not is_key
    if said and not storable:
        findings.append(
            no_nulls(
                draft,
                collection,
                field.to,
                "a primary key" if is_key else "a vector here" if vector else "a field here",
                field.place("nullable"),
                field.type,
            )
        )
    return may_be_null(field) and storable


def _dynamic(
    draft: Draft, collection: CollectionDraft, able: Capabilities, findings: list[Diagnostic]
) -> bool:
    said = collection.spec.dynamic
    dynamic = bool(collection.rest) if said is None else said
    if collection.rest and not dynamic:
        findings.append(
            draft.finding(
                "MMC353",
                "the dynamic field is off, but columns go into it: "
                + ", ".join(column.source for column in collection.rest[:8]),
                (*collection.at, "dynamic"),
                hint=f"leave `dynamic` out, or say `{collection.instead_of_dynamic}`",
            )
        )
    if dynamic and not able.dynamic:
        findings.append(
            draft.finding(
                "MMC512",
                "the target has no dynamic field",
                collection.dynamic_at,
            )
        )
    return dynamic


def _check_vectors(
    draft: Draft, collection: CollectionDraft, able: Capabilities, findings: list[Diagnostic]
) -> None:
    assert collection.collection is not None
    if collection.existing is not None and draft.spec.model.load.mode in (Mode.APPEND, Mode.UPSERT):
        return  # It has the vectors that it has, some perhaps made by its functions.
    vectors = [field.name for field in collection.collection.fields if field.type.is_vector]
    if not vectors and able.needs_vector:
        findings.append(
            draft.finding(
                "MMC354",
                f"`{collection.to}` has no vector field; Milvus needs one",
                collection.at,
                hint="give a list column the type `float_vector(DIM)`",
            )
        )
    if len(vectors) > able.vector_fields:
        findings.append(
            draft.finding(
                "MMC513",
                f"{len(vectors)} vector fields ({', '.join(vectors)}); "
                f"the target takes {able.vector_fields}",
                collection.at,
            )
        )


def _limits(draft: Draft, collection: CollectionDraft, able: Capabilities) -> Iterator[Diagnostic]:
    """MMC549, a warning: servers can be configured otherwise, and do not tell."""
    schema, joins = collection.collection, draft.spec.model.load.mode in (Mode.APPEND, Mode.UPSERT)
    assert schema is not None
    if joins and collection.existing is not None:
        return
    fields, partitions = len(schema.fields), len(schema.partitions) + 1
    if able.max_fields and fields > able.max_fields:
        yield draft.finding(
            "MMC549",
            f"`{schema.name}` has {fields:,} fields; a server takes {able.max_fields:,} unless its"
            " proxy.maxFieldNum says otherwise",
            collection.at,
            severity=Severity.WARNING,
            hint="name the fields that are needed, and say `rest: dynamic` or `rest: drop`",
        )
    vectors = sum(field.type.is_vector for field in schema.fields)
    if able.max_vector_fields and able.max_vector_fields < vectors <= able.vector_fields:
        yield draft.finding(
            "MMC549",
            f"`{schema.name}` has {vectors:,} vector fields; a server takes"
            f" {able.max_vector_fields:,} unless its proxy.maxVectorFieldNum says otherwise",
            collection.at,
            severity=Severity.WARNING,
            hint=f"raise it on the server (to {able.vector_fields} at most), or map fewer vectors",
        )
    if able.max_shards and schema.shards > able.max_shards:
        yield draft.finding(
            "MMC549",
            f"`{schema.name}` has {schema.shards:,} shards; a server takes {able.max_shards:,}"
            " unless its proxy.maxShardNum says otherwise",
            (*collection.at, "shards"),
            severity=Severity.WARNING,
            hint=f"say shards: {able.max_shards} or fewer, or raise it on the server",
        )
    if schema.partitions and able.max_partitions and partitions > able.max_partitions:
        yield draft.finding(
            "MMC549",
            f"`{schema.name}` has {partitions:,} partitions with the default one; a server takes"
            f" {able.max_partitions:,} unless its rootCoord.maxPartitionNum says otherwise",
            collection.at,
            severity=Severity.WARNING,
            hint="raise it on the server, or migrate several collections of fewer partitions",
        )


def _check_partitions(
    draft: Draft, collection: CollectionDraft, able: Capabilities, findings: list[Diagnostic]
) -> None:
    assert collection.collection is not None
    schema = collection.collection
    keys = [field for field in schema.fields if field.partition_key]
    if schema.partitions and keys:
        findings.append(
            draft.finding(
                "MMC355",
                f"`{keys[0].name}` is a partition key, but the source's rows lie in named "
                "partitions",
                collection.at,
                hint="leave partition_key out",
            )
        )
    if (schema.partitions and not able.partitions) or (keys and not able.partition_key):
        findings.append(draft.finding("MMC514", "the target has no partitions", collection.at))
    there = collection.existing
    if draft.spec.model.load.mode is Mode.FAIL and there is not None and not there.asked:
        findings.append(
            draft.finding(
                "MMC515",
                f"collection `{there.schema.name}` exists already, with {there.rows:,} rows",
                (*collection.at, "to") if collection.spec.to else ("target",),
                hint="say load.mode: append, upsert or replace, or another `to:`",
            )
        )
