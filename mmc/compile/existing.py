"""Fitting into a collection that exists (load.mode append or upsert)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mmc.compile.adapt import not_only_objects
from mmc.compile.draft import CollectionDraft, Draft
from mmc.diagnostics import Diagnostic, Severity
from mmc.facts import TargetCollection
from mmc.plan.mapping import Constant, Generated, Mapping
from mmc.plan.model import Mode
from mmc.types import Collection, Field, TypeKind


def join_existing(
    draft: Draft, collection: CollectionDraft, findings: list[Diagnostic]
) -> CollectionDraft:
    """The collection as it exists, with one mapping for each of its fields; every misfit is a
    finding.
    """
    existing = collection.existing
    if existing is None or draft.spec.model.load.mode not in (Mode.APPEND, Mode.UPSERT):
        return collection
    by_name = {mapping.field.name: mapping for mapping in collection.mappings}
    mappings = []
    filled = dict(existing.filled)
    schema = replace(
        existing.schema,
        fields=tuple(field for field in existing.schema.fields if field.name not in filled),
    )
    findings += _emptied(draft, collection, existing)
    findings += _unknown(draft, collection, existing)
    for name in filled.keys() & by_name.keys():
        findings.append(_made_there(draft, collection, by_name.pop(name), filled[name]))
    findings += _unloadable(draft, collection, existing)
    findings += _in_partitions(draft, collection, existing)
    findings += _no_objects(draft, collection, existing.schema)
    for field in schema.fields:
        if field.auto_id:
            findings.append(_refuse_auto_id(draft, collection, field))
        mapping = by_name.pop(field.name, None)
        if mapping is None:
            mapping = _filled(draft, collection, field, findings)
        else:
            _check_same(draft, collection, field, mapping, findings)
        if mapping is not None:
            mappings.append(replace(mapping, field=field))
    or_dynamic = ", or say `rest: dynamic`" if existing.schema.dynamic else ""
    findings += [
        draft.finding(
            "MMC360",
            f"the existing collection `{existing.schema.name}` has no field `{name}`",
            collection.at,
            hint=f"drop the column{or_dynamic}",
        )
        for name in by_name
    ]
    if collection.rest and not existing.schema.dynamic:
        findings.append(
            draft.finding(
                "MMC361",
                f"the existing collection `{existing.schema.name}` has no dynamic field",
                collection.dynamic_at,
                hint=f"say `{collection.instead_of_dynamic}`",
            )
        )
    missing = set(collection.collection.partitions if collection.collection else ()) - set(
        existing.schema.partitions
    )
    findings += [
        draft.finding(
            "MMC365",
            f"the existing collection `{existing.schema.name}` has no partition `{name}`",
            collection.at,
            hint="make the partition there first",
        )
        for name in sorted(missing)
    ]
    return replace(collection, collection=schema, mappings=tuple(mappings))


def left_out(existing: TargetCollection) -> tuple[str, ...]:
    """The fields that rows come without: those that functions fill, and of unknown types."""
    names = [name for name, _ in (*existing.filled, *existing.unknown_fields)]
    return tuple(sorted(names))


def _made_there(
    draft: Draft, collection: CollectionDraft, mapping: Mapping, function: str
) -> Diagnostic:
    name = mapping.field.name
    field = next((one for one in collection.fields if one.to == name), None)
    source = mapping.column or "..."
    return draft.finding(
        "MMC387",
        f"`{name}` of the existing collection is filled by its function `{function}`: rows come"
        " without it",
        field.at if field is not None else collection.at,
        hint=f"leave the column out: {{from: {source}, drop: true}}",
    )


def _unknown(
    draft: Draft, collection: CollectionDraft, existing: TargetCollection
) -> Iterator[Diagnostic]:
    """MMC388: fields of types that mmc does not have. Rows may come without a nullable one by
    insert; whether files may, the versions of Milvus do not agree.
    """
    imports = collection.staging is not None
    for name, type_ in existing.unknown_fields:
        leave = name in existing.omittable
        fits = leave and not imports
        yield draft.finding(
            "MMC388",
            f"the existing collection `{existing.schema.name}` has the field `{name}` of type"
            f" {type_}, which mmc does not write: "
            + ("rows come without it" if fits else "rows cannot come without it"),
            collection.at,
            severity=Severity.NOTE if fits else Severity.ERROR,
            hint="its value will be null, or the default of the field"
            if fits
            else "say load.route: insert"
            if leave
            else "copy into another collection, or make the field nullable there",
        )


def _unloadable(
    draft: Draft, collection: CollectionDraft, existing: TargetCollection
) -> Iterator[Diagnostic]:
    """What is there has to be counted, so it has to be loaded, which takes an index on each
    vector.
    """
    indexed = {name for name, _ in existing.indexes}
    bare = [f.name for f in existing.schema.fields if f.type.is_vector and f.name not in indexed]
    if bare and not existing.loaded:
        yield draft.finding(
            "MMC366",
            f"the existing collection `{existing.schema.name}` is not loaded, and cannot be: there"
            f" is no index on {', '.join(f'`{name}`' for name in bare)}",
            collection.at,
            hint="make the index there first, or say load.mode: replace",
        )


def _in_partitions(
    draft: Draft, collection: CollectionDraft, existing: TargetCollection
) -> Iterator[Diagnostic]:
    """An upsert replaces the row of a key only in the partition that it writes to: one that lies in
    another stays beside the new one, and is moved by Milvus Lite. Which partition a key lies in is
    known to nobody before all are asked. A partition key puts equal rows into one partition.
    """
    schema = existing.schema
    if draft.spec.model.load.mode is Mode.UPSERT and schema.partitions:
        # A replace takes the name of the collection, never an alias of it (MMC367).
        named = f" with `to: {schema.name}`" if existing.asked else ""
        some = ", ".join(schema.partitions[:8]) + (", ..." if len(schema.partitions) > 8 else "")
        yield draft.finding(
            "MMC368",
            f"rows of the existing collection `{schema.name}` lie in partitions ({some}): a row of"
            " the same key in another partition would not be replaced",
            (*collection.at, "to"),
            hint=f"say load.mode: replace{named}; or delete the rows of these keys there, and say"
            " load.mode: append",
        )


def _no_objects(
    draft: Draft, collection: CollectionDraft, schema: Collection
) -> Iterator[Diagnostic]:
    """Values that a JSON field got by import, and does not get by insert."""
    if not draft.able(collection).json_objects:
        return
    documents = {field.name for field in schema.fields if field.type.kind is TypeKind.JSON}
    for field in collection.fields:
        if field.to in documents and not_only_objects(field):
            yield draft.finding(
                "MMC363",
                f"`{field.to}` is json in the existing collection, and by insert the target takes"
                f" only objects there; {field.origin} has lists or plain values",
                collection.at,
                hint="leave the column out with drop: true, or say load.mode: replace",
            )


def _filled(
    draft: Draft, collection: CollectionDraft, field: Field, findings: list[Diagnostic]
) -> Mapping | None:
    """A field that the source does not have: null or its default, or auto-id; otherwise a
    finding.
    """
    if field.auto_id:
        return Mapping(field=field, origin=Generated())
    if field.nullable or field.default is not None:
        return Mapping(field=field, origin=Constant(field.default))
    findings.append(
        draft.finding(
            "MMC362",
            f"the existing field `{field.name}` ({field.type}) gets no value",
            collection.at,
            hint=f"add {{to: {field.name}, from: ...}} to `fields`",
        )
    )
    return None


def _refuse_auto_id(draft: Draft, collection: CollectionDraft, field: Field) -> Diagnostic:
    """Whatever is mapped to it, the target makes its keys: a split written again doubles its
    rows.
    """
    return draft.finding(
        "MMC511",
        f"the existing collection makes the keys of `{field.name}` itself, so a split that is"
        " written again would double its rows",
        collection.at,
        hint="copy into a collection whose key comes from the source",
    )


def _emptied(
    draft: Draft, collection: CollectionDraft, existing: TargetCollection
) -> Iterator[Diagnostic]:
    """An upsert replaces rows as a whole, also what the source knows nothing of."""
    if draft.spec.model.load.mode is not Mode.UPSERT:
        return
    schema = existing.schema
    mapped = {mapping.field.name for mapping in collection.mappings} | dict(existing.filled).keys()
    names = [f"`{f.name}`" for f in schema.fields if f.name not in mapped and not f.auto_id]
    names += [f"`{name}`" for name in existing.omittable]
    if schema.dynamic and not collection.rest:
        names.append("the dynamic field")
    if names:
        yield draft.finding(
            "MMC364",
            f"rows of `{schema.name}` that are replaced lose their values of {', '.join(names)}",
            collection.at,
            severity=Severity.WARNING,
            hint="the source has no values for them; map them, or say load.mode: append",
        )


def _check_same(
    draft: Draft,
    collection: CollectionDraft,
    field: Field,
    mapping: Mapping,
    findings: list[Diagnostic],
) -> None:
    made = mapping.field
    if made.type != field.type or made.primary_key != field.primary_key:
        is_, was = _describe(made), _describe(field)
        findings.append(
            draft.finding(
                "MMC363",
                f"`{field.name}` is {was} in the existing collection; the plan makes it {is_}",
                collection.at,
                hint=f"say `type: {field.type}` for it",
            )
        )


def _describe(field: Field) -> str:
    return f"{field.type}{' primary key' if field.primary_key else ''}"
