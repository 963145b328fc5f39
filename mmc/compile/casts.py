"""The type of every field, and the cast that brings its values there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mmc.casts import Refused, choose, infer
from mmc.compile.adapt import instead
from mmc.compile.draft import CollectionDraft, Draft, FieldDraft, RefusedField
from mmc.diagnostics import Diagnostic, Severity
from mmc.plan.model import Mode
from mmc.spec.checks import with_type
from mmc.spec.models import field_type
from mmc.types import INTEGERS, MAX_VARCHAR, ArrowType, FieldType, JsonValue, TypeKind

KEY_NAMES = ("id", "_id", "pk", "key")
"""Field names that are taken for the primary key when nothing else says which it is."""


def assign_casts(draft: Draft) -> Draft:
    findings: list[Diagnostic] = []
    collections = []
    for collection in draft.collections:
        fields: list[FieldDraft] = []
        refused: list[RefusedField] = []
        for field in collection.fields:
            made, notes = _assign(draft, collection, field)
            findings += notes
            if isinstance(made, RefusedField):
                refused.append(made)
                findings.append(made.finding)
            else:
                fields.append(made)
        for field in fields:
            findings += _misfits(draft, field)
        collections.append(replace(collection.with_fields(fields), refused=tuple(refused)))
    return replace(draft, collections=tuple(collections)).say(findings)


def _assign(
    draft: Draft, collection: CollectionDraft, field: FieldDraft
) -> tuple[FieldDraft | RefusedField, Sequence[Diagnostic]]:
    """The field with its type and cast, and what is to be said of them."""
    wanted = _wanted_type(draft, collection, field)
    if field.auto_id:
        return replace(field, type=wanted or FieldType(TypeKind.INT64)), ()
    if field.constant is not None:
        return replace(field, type=wanted or _type_of_constant(field.constant.value)), ()
    source = ArrowType.parse(field.arrow)
    json_text = bool(field.source and field.source.json_text)
    notes: list[Diagnostic] = []
    if wanted is None:
        inferred = _inferred(field, source, json_text=json_text)
        if isinstance(inferred, Refused):
            return _refused(draft, field, inferred, "MMC342", "type"), ()
        other = instead(field, inferred, draft.able(collection))
        if other is not None:
            notes.append(
                draft.finding(
                    "MMC345",
                    f"`{field.to}` becomes {other.type}: {other.reason}",
                    field.place("type"),
                    severity=Severity.NOTE,
                    hint=other.hint,
                )
            )
            field = replace(field, note="; ".join(filter(None, (field.note, other.note))))
            inferred = other.type
        wanted = _wide_key(field, inferred)
    named = (field.spec.cast or "") if field.spec else ""
    cast = choose(source, wanted, wanted=named, json_text=json_text)
    if isinstance(cast, Refused):
        return _refused(draft, field, cast, "MMC343", "cast" if named else "type"), notes
    note = "; ".join(filter(None, (field.note, cast.note)))
    return replace(field, type=wanted, cast=cast.name, note=note), notes


def _inferred(field: FieldDraft, source: ArrowType, *, json_text: bool) -> FieldType | Refused:
    evidence = field.source.evidence if field.source else None
    return infer(
        source,
        vector=field.source.vector if field.source else "",
        json_text=json_text,
        max_bytes=evidence.max_bytes if evidence else None,
        max_items=evidence.max_items if evidence else None,
    )


def _misfits(draft: Draft, field: FieldDraft) -> list[Diagnostic]:
    """What the spec says of the field that its type, which was not said, does not allow."""
    if field.spec is None or field.spec.type is not None or field.type is None:
        return []
    return [
        draft.finding(found.code, found.message, found.path, hint=found.hint)
        for found in with_type(field.at, field.spec, field.type)
    ]


def _wide_key(field: FieldDraft, inferred: FieldType) -> FieldType:
    """int64 for a key that the source stores in a narrower integer: Milvus takes no other
    integer key.
    """
    key = (field.source is not None and field.source.key) or field.to in KEY_NAMES
    if (key or (field.spec and field.spec.primary_key)) and inferred.kind in INTEGERS:
        return FieldType(TypeKind.INT64)
    return inferred


def _wanted_type(draft: Draft, collection: CollectionDraft, field: FieldDraft) -> FieldType | None:
    said = field.spec.type if field.spec else None
    if said is not None:
        return field_type(said)
    joins = draft.spec.model.load.mode in (Mode.APPEND, Mode.UPSERT)
    if joins and collection.existing is not None:
        for existing in collection.existing.schema.fields:
            if existing.name == field.to:
                return existing.type
    return field.declared.type if field.declared is not None else None


def _type_of_constant(value: JsonValue) -> FieldType:
    match value:
        case bool():
            return FieldType(TypeKind.BOOL)
        case int():
            return FieldType(TypeKind.INT64)
        case float():
            return FieldType(TypeKind.DOUBLE)
        case str():
            return FieldType(
                TypeKind.VARCHAR, length=min(max(16, len(value.encode())), MAX_VARCHAR)
            )
        case _:
            return FieldType(TypeKind.JSON)


def _refused(
    draft: Draft, field: FieldDraft, refused: Refused, code: str, key: str
) -> RefusedField:
    message = f"`{field.to}` from {field.origin}: {refused.reason}"
    finding = draft.finding(code, message, field.place(key), hint=refused.hint)
    column = field.source.name if field.source is not None else ""
    return RefusedField(column, refused.reason, finding)
