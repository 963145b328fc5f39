"""Whether the target takes a field, by the route of its collection and in the
format of its files. A writer would say it only at apply.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmc.compile.draft import CollectionDraft, Draft, FieldDraft, Path
from mmc.diagnostics import Diagnostic
from mmc.facts import Capabilities
from mmc.plan.model import Mode
from mmc.types import FieldType, TypeKind

_FILES = {"parquet": "Parquet", "numpy": "NumPy", "json": "JSON"}


def formats_for(able: Capabilities, type_: FieldType, *, nullable: bool = False) -> tuple[str, ...]:
    """The formats whose files carry every value of a type, in order of preference; of an array that
    may be null, without those in which an empty one is the same.
    """
    lost = able.format_empty_is_null if nullable and type_.element is not None else ()
    types, elements = dict(able.format_types), dict(able.format_elements)
    return tuple(
        one
        for one in able.formats
        if one not in lost
        and type_.kind in types.get(one, ())
        and (type_.element is None or type_.element.kind in elements.get(one, able.elements))
    )


def refuse_type(
    draft: Draft, collection: CollectionDraft, field: FieldDraft
) -> Iterator[Diagnostic]:
    """MMC510 for a type that cannot be stored, MMC511 for a key that the target cannot make."""
    able, type_ = draft.able(collection), field.type
    assert type_ is not None
    if not _takes(able, type_):
        yield _refused(draft, collection, field.to, type_, field.place("type"))
    if field.auto_id and not able.auto_id:
        yield draft.finding(
            "MMC511",
            f"`{collection.to}.{field.to}`: auto-id by this route would double rows when a split is"
            " written again",
            field.place("auto_id"),
            hint="use a key of the source",
        )
    elif field.auto_id and type_.kind is TypeKind.VARCHAR and not able.auto_text_id:
        yield draft.finding(
            "MMC511",
            f"`{collection.to}.{field.to}`: an import makes no {type_} keys",
            field.place("type"),
            hint="say `type: int64`, or use a key of the source",
        )


def refuse_existing(draft: Draft, collection: CollectionDraft) -> Iterator[Diagnostic]:
    """The fields of a collection that exists, as they are there: the plan cannot change them."""
    joins = draft.spec.model.load.mode in (Mode.APPEND, Mode.UPSERT)
    if not joins or collection.existing is None or collection.layout is None:
        return
    able = draft.able(collection)
    said = {field.to for field in collection.fields} | dict(collection.existing.filled).keys()
    for field in collection.existing.schema.fields:
        if field.name not in said and not _takes(able, field.type):
            yield _refused(draft, collection, field.name, field.type, collection.at)
        elif field.nullable and not can_be_null(able, field.type):
            kind = "a field" if field.type.element is None else "an array"
            what = f"{kind} that is nullable in the existing collection"
            yield no_nulls(draft, collection, field.name, what, collection.at, field.type)


def may_be_null(field: FieldDraft) -> bool:
    """Whether the field is to be nullable, if the target can."""
    said = field.spec.nullable if field.spec else None
    if said is not None:
        return said
    if field.declared is not None:
        return field.declared.nullable
    if field.spec is not None and field.spec.default is not None:
        return False
    return field.nullable


def can_be_null(able: Capabilities, type_: FieldType | None) -> bool:
    """Whether a field of this type may be null, beside the primary key."""
    if type_ is not None and type_.is_vector:
        return able.nullable and able.nullable_vectors
    if type_ is not None and type_.element is not None:
        return able.nullable and able.nullable_arrays
    return able.nullable


def no_nulls(
    draft: Draft,
    collection: CollectionDraft,
    name: str,
    what: str,
    at: Path,
    type_: FieldType | None = None,
) -> Diagnostic:
    """MMC352: `what`, of this type, cannot be null here."""
    where, hint = "", ""
    bulk = draft.facts.bulk
    if collection.staging is not None and collection.layout is not None and bulk is not None:
        format_, others = collection.layout.format, bulk.capabilities.format_nulls
        if type_ is not None and type_.element is not None:
            lost = bulk.capabilities.format_empty_is_null
            others = tuple(one for one in others if one not in lost)
            if format_ in lost:
                where = f": Milvus {bulk.version} imports an empty one as null"
        if bulk.capabilities.nullable and others and format_ not in others:
            where = f" in {_FILES[format_]} files{where}"
            hint = _other_format(others)
    return draft.finding(
        "MMC352", f"`{collection.to}.{name}`: {what} cannot be null{where}", at, hint=hint
    )


def _takes(able: Capabilities, type_: FieldType) -> bool:
    element = type_.element
    return str(type_.kind) in able.types and (element is None or str(element.kind) in able.elements)


def _refused(
    draft: Draft, collection: CollectionDraft, name: str, type_: FieldType, at: Path
) -> Diagnostic:
    able, bulk = draft.able(collection), draft.facts.bulk
    if str(type_.kind) in able.types and type_.element is not None:
        what = f"arrays of {type_.element.kind}"
        hint = "arrays may hold " + ", ".join(sorted(able.elements))
    else:
        what, hint = str(type_.kind), "it takes " + ", ".join(sorted(able.types))
    if collection.layout is None:
        target = draft.facts.target
        does = f"{target.type} {target.version} cannot store {what}"
    elif collection.staging is None or bulk is None:
        does = f"{_FILES[collection.layout.format]} files cannot hold {what}"
        hint = "say target.format: parquet or json"
    else:
        files = _FILES[collection.layout.format]
        does = f"Milvus {bulk.version} imports no {what} from {files} files"
        hint = _elsewhere(bulk.capabilities, draft, type_) or hint
    return draft.finding("MMC510", f"`{collection.to}.{name}`: {does}", at, hint=hint)


def _elsewhere(imports: Capabilities, draft: Draft, type_: FieldType) -> str:
    """Which other format, or the other route, takes the type."""
    if others := formats_for(imports, type_):
        return _other_format(others)
    return "say load.route: insert" if _takes(draft.facts.target.capabilities, type_) else ""


def _other_format(formats: tuple[str, ...]) -> str:
    return f"say load.staging.format: {' or '.join(formats)}"
