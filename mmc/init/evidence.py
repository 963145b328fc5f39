"""Why a field is as it is, in words: what the source says of it and what the sample showed."""

from __future__ import annotations

from mmc.casts import CASTS
from mmc.compile.draft import CollectionDraft, FieldDraft
from mmc.compile.resolve import milvus_name
from mmc.facts import SourceField
from mmc.plan.tree import CHANGING
from mmc.text import many
from mmc.types import ArrowType, Field


def why(field: FieldDraft, made: Field, index: str) -> str:
    """One line about a field that comes from a source column.

    Args:
        made: the field of the target.
        index: where its index comes from, "" without one.
    """
    source = field.source
    assert source is not None
    parts = [_native(field, source)]
    if (plain := milvus_name(source.name)) != field.to:
        parts.append(f"another column is {plain}")
    if made.primary_key:
        parts.append(_key(source))
    note = _note(field)
    parts += [note, _seen(source)]
    if index and not (note and index == "from the source"):
        parts.append(
            "index and metric are a guess: the source has none"
            if index == "the source has no index"
            else f"index: {index}"
        )
    return "; ".join(filter(None, parts)) or f"{source.vector or source.arrow} in the source"


def about(collection: CollectionDraft) -> list[str]:
    """Lines about a whole collection: its size, its name, what is left out."""
    source = collection.source
    size = "rows are counted as they are read" if source.rows is None else many(source.rows, "row")
    lines = [size, *source.notes]
    if collection.to != source.name:
        lines.append("`to` has only letters, digits and _: Milvus takes no others in a name")
    asked = [field.name for field in source.fields if field.on_request]
    taken = {field.source.name for field in collection.fields if field.source}
    if left := [name for name in asked if name not in taken]:
        lines.append(f"not taken unless `fields` names them: {', '.join(left)}")
    if collection.rest:
        names = ", ".join(column.source for column in collection.rest)
        lines.append(f"into the dynamic field: {names}")
    return lines


def _native(field: FieldDraft, source: SourceField) -> str:
    if source.declared is not None:
        return "as the source declares it"
    if source.source_type:
        told = source.note.startswith(source.source_type) or source.name == source.source_type
        return "" if told else source.source_type
    return "" if field.note.removesuffix(_cast(field)) or source.vector else source.arrow


def _key(source: SourceField) -> str:
    if not source.key:
        return "the key, by its name; checked for values that occur twice"
    if source.unique:
        return "the source's own key, each value once"
    return "the source's own key; checked for values that occur twice"


def _note(field: FieldDraft) -> str:
    """Without what is said of every value of a type: only of casts that change how it looks."""
    if field.cast in CHANGING:
        return field.note
    return field.note.removesuffix(_cast(field)).removesuffix("; ")


def _cast(field: FieldDraft) -> str:
    return CASTS[field.cast].note if field.cast else ""


def _seen(source: SourceField) -> str:
    evidence = source.evidence
    if not evidence.rows:
        return "" if source.vector or source.unique else "no value was looked at"
    parts = []
    if evidence.max_items is not None and not source.vector:
        parts.append(f"at most {many(evidence.max_items, 'item')}")
    if evidence.max_bytes is not None and not source.json_text:
        inside = ArrowType.parse(source.arrow).element is not None
        parts.append(f"longest {'item ' if inside else ''}{many(evidence.max_bytes, 'byte')}")
    if evidence.min_value is not None and evidence.max_value is not None:
        parts.append(f"{evidence.min_value} to {evidence.max_value}")
    if evidence.non_objects:
        parts.append(f"{evidence.non_objects:,} not an object")
    if source.nullable:
        parts.append(_missing(evidence.nulls, evidence.rows))
    return f"{', '.join(parts)} of {evidence.rows:,} sampled" if parts else ""


def _missing(nulls: int, rows: int) -> str:
    if not nulls:
        return "none missing"
    share = 100 * nulls / rows
    return (
        "all missing"
        if nulls == rows
        else f"{share:.2g} % missing"
        if share < 99
        else (f"{nulls:,} missing")
    )
