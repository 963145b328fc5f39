"""What takes the place of an inferred type that the target does not store. A type
that the spec says is never changed.
"""

from __future__ import annotations

from dataclasses import dataclass

from mmc.casts import Refused, infer
from mmc.casts.kinds import LISTS
from mmc.compile.draft import FieldDraft
from mmc.facts import Capabilities
from mmc.types import MAX_VARCHAR, ArrowType, FieldType, TypeKind


@dataclass(frozen=True, slots=True)
class Instead:
    """Another type that holds the same values. `note` stands beside the field in the plan."""

    type: FieldType
    reason: str
    hint: str
    note: str


def instead(field: FieldDraft, inferred: FieldType, able: Capabilities) -> Instead | None:
    """None where the inferred type is stored, or where no other holds its values."""
    if inferred.kind is TypeKind.INT8_VECTOR and str(inferred.kind) not in able.types:
        floats = FieldType(TypeKind.FLOAT_VECTOR, dim=inferred.dim)
        return Instead(
            floats,
            f"the target stores no {inferred.kind}; the values are exact, in 4 times the memory",
            f"say type: {floats} to settle it",
            f"{inferred} in the source: exact, in 4 times the memory",
        )
    if inferred.kind is TypeKind.SPARSE_FLOAT_VECTOR and str(inferred.kind) not in able.types:
        json = FieldType(TypeKind.JSON)
        return Instead(
            json,
            f"the target stores no {inferred.kind}; an object of dimension and weight is kept",
            f"say type: {json} to settle it, or leave the field out with drop: true",
            "a sparse vector in the source, kept as JSON",
        )
    if inferred.kind is TypeKind.JSON and able.json_objects and not_only_objects(field):
        text = _text(field)
        return Instead(
            text,
            "the target's JSON fields take only objects, and its values are not always one",
            f"say type: {text} to settle it; type: json makes bad rows of lists and plain values",
            "JSON text, since JSON here takes only objects",
        )
    return None


def not_only_objects(field: FieldDraft) -> bool:
    """Whether the sample showed JSON values that are lists or plain."""
    if ArrowType.parse(field.arrow).kind in LISTS:
        return True
    return field.source is not None and field.source.evidence.non_objects > 0


def _text(field: FieldDraft) -> FieldType:
    """A varchar for the JSON text of the values: by the sample where their texts were seen."""
    longest = FieldType(TypeKind.VARCHAR, length=MAX_VARCHAR)
    source = ArrowType.parse(field.arrow)
    if source.kind in LISTS or field.source is None:
        return longest
    found = infer(source, max_bytes=field.source.evidence.max_bytes)
    return longest if isinstance(found, Refused) else found
