"""Arrow types of mmc: the canonical batch of a collection, type texts, and the place of a row.

Canonical columns, one a field, in the collection's order:
    bool int8..int64 float double     the Arrow type of that name
    varchar, json                     string (json: the text of one document)
    array<T>                          list<T>
    float_vector(d)                   fixed_size_list<float>[d]
    float16_vector(d)                 fixed_size_list<halffloat>[d]
    int8_vector(d)                    fixed_size_list<int8>[d]
    bfloat16_vector(d)                fixed_size_binary[2*d], little-endian
    binary_vector(d)                  fixed_size_binary[d/8]
    sparse_float_vector               map<uint32, float>, indices ascending
and, last, `$meta` (string, JSON text of an object) when the collection is dynamic. Auto-id fields
are not in a batch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmc.types import DYNAMIC_FIELD, ArrowType, Collection, Field, FieldType, TypeKind

_SCALARS: dict[TypeKind, pa.DataType] = {
    TypeKind.BOOL: pa.bool_(),
    TypeKind.INT8: pa.int8(),
    TypeKind.INT16: pa.int16(),
    TypeKind.INT32: pa.int32(),
    TypeKind.INT64: pa.int64(),
    TypeKind.FLOAT: pa.float32(),
    TypeKind.DOUBLE: pa.float64(),
    TypeKind.VARCHAR: pa.string(),
    TypeKind.JSON: pa.string(),
    TypeKind.SPARSE_FLOAT_VECTOR: pa.map_(pa.uint32(), pa.float32()),
}


def canonical_type(type_: FieldType) -> pa.DataType:
    """The Arrow type in which values of a Milvus type travel inside mmc."""
    dim = type_.dim or 0
    match type_.kind:
        case TypeKind.ARRAY:
            assert type_.element is not None
            return pa.list_(canonical_type(type_.element))
        case TypeKind.FLOAT_VECTOR:
            return pa.list_(pa.float32(), dim)
        case TypeKind.FLOAT16_VECTOR:
            return pa.list_(pa.float16(), dim)
        case TypeKind.INT8_VECTOR:
            return pa.list_(pa.int8(), dim)
        case TypeKind.BFLOAT16_VECTOR:
            return pa.binary(2 * dim)
        case TypeKind.BINARY_VECTOR:
            return pa.binary(dim // 8)
        case kind:
            return _SCALARS[kind]


_TYPE = b"mmc.type"
"""Field metadata: tells the strings of a json field from those of a varchar field."""


def canonical_field(field: Field) -> pa.Field:
    metadata = {_TYPE: b"json"} if field.type.kind is TypeKind.JSON else None
    type_ = canonical_type(field.type)
    return pa.field(field.name, type_, nullable=field.nullable, metadata=metadata)


def is_json(field: pa.Field) -> bool:
    """Whether the strings of a column of a canonical schema are JSON documents."""
    return field.name == DYNAMIC_FIELD or (field.metadata or {}).get(_TYPE) == b"json"


def canonical_schema(collection: Collection) -> pa.Schema:
    """Schema of the batches a sink takes and `read_back` gives."""
    fields = [canonical_field(field) for field in collection.fields if not field.auto_id]
    if collection.dynamic:
        fields.append(pa.field(DYNAMIC_FIELD, pa.string(), nullable=False))
    return pa.schema(fields)


def arrow_text(type_: pa.DataType) -> str:
    """The `ArrowType` text of an Arrow type: Arrow's own, without the item names of lists."""
    if pa.types.is_fixed_size_list(type_):
        return f"fixed_size_list<{arrow_text(type_.value_type)}>[{type_.list_size}]"
    if pa.types.is_list(type_):
        return f"list<{arrow_text(type_.value_type)}>"
    if pa.types.is_large_list(type_):
        return f"large_list<{arrow_text(type_.value_type)}>"
    if pa.types.is_dictionary(type_):
        return f"dictionary<{arrow_text(type_.value_type)}>"
    if pa.types.is_struct(type_):
        members = ", ".join(f"{member.name}: {arrow_text(member.type)}" for member in type_)
        return f"struct<{members}>"
    if pa.types.is_map(type_):
        return f"map<{arrow_text(type_.key_type)}, {arrow_text(type_.item_type)}>"
    return str(type_)


def arrow_type(type_: pa.DataType) -> ArrowType:
    return ArrowType.parse(arrow_text(type_))


def data_type(type_: ArrowType) -> pa.DataType:
    """Inverse of `arrow_type`, but for dictionaries, which become their value type.

    Raises:
        ValueError: Arrow has no such type.
    """
    match type_.kind:
        case "list":
            return pa.list_(_element(type_))
        case "large_list":
            return pa.large_list(_element(type_))
        case "fixed_size_list":
            return pa.list_(_element(type_), type_.size)
        case "fixed_size_binary":
            return pa.binary(type_.size)
        case "dictionary":
            return _element(type_)
        case "struct":
            return pa.struct([pa.field(name, data_type(member)) for name, member in type_.members])
        case "map":
            (_, key), (_, value) = type_.members
            return pa.map_(data_type(key), data_type(value))
        case "timestamp":
            unit, _, zone = type_.detail.strip("[]").partition(", tz=")
            return pa.timestamp(unit, zone or None)
        case "decimal32" | "decimal64" | "decimal128" | "decimal256":
            precision, _, scale = type_.detail.strip("()").partition(", ")
            return getattr(pa, type_.kind)(int(precision), int(scale))
        case _:
            return pa.type_for_alias(str(type_))


def _element(type_: ArrowType) -> pa.DataType:
    if type_.element is None:
        raise ValueError(f"{type_} has no type of its items")
    return data_type(type_.element)


@dataclass(frozen=True, slots=True)
class Origin:
    """Places of the rows of a batch.

    Attributes:
        path: the file, or whatever else they come from.
        row: place of the first row; the next ones follow one by one, unless `rows` is given.
        unit: what is counted: row, line, byte, list:N.
        rows: int64 place of each row, where they do not follow each other.
    """

    path: str
    row: int
    unit: str = "row"
    rows: NDArray[np.int64] | None = None

    def place(self, row: int) -> int:
        """Place of a row of the batch."""
        return self.row + row if self.rows is None else int(self.rows[row])


@dataclass(frozen=True, slots=True)
class Flaw:
    """A value in the source that its column cannot hold; the batch has null, or anything, there.

    The row is a bad row wherever the column is used.

    Attributes:
        row: in the batch.
        column: source column.
        reason: in words, without the row's value, so that equal reasons can be counted.
        shown: the value, shortened.
    """

    row: int
    column: str
    reason: str
    shown: str


_FLAWS = b"mmc.flaws"


def with_flaws(batch: pa.RecordBatch, flaws: Sequence[Flaw]) -> pa.RecordBatch:
    """The batch with its flaws in the schema metadata."""
    if not flaws:
        return batch
    told = [(flaw.row, flaw.column, flaw.reason, flaw.shown) for flaw in flaws]
    metadata = dict(batch.schema.metadata or {})
    return batch.replace_schema_metadata({**metadata, _FLAWS: json.dumps(told).encode()})


def flaws_of(batch: pa.RecordBatch) -> list[Flaw]:
    """The flaws that `with_flaws` noted."""
    told = (batch.schema.metadata or {}).get(_FLAWS)
    return [] if told is None else [Flaw(*one) for one in json.loads(told)]


_ORIGIN = b"mmc.origin"
_PLACES = b"mmc.places"


def with_origin(batch: pa.RecordBatch, origin: Origin) -> pa.RecordBatch:
    """The batch with its places in the schema metadata."""
    metadata = {_ORIGIN: json.dumps([origin.path, origin.row, origin.unit]).encode()}
    if origin.rows is not None:
        metadata[_PLACES] = origin.rows.astype("<i8").tobytes()
    return batch.replace_schema_metadata(metadata)


def origin_of(batch: pa.RecordBatch) -> Origin:
    """The places that `with_origin` noted; an empty path when none was."""
    metadata = batch.schema.metadata or {}
    if _ORIGIN not in metadata:
        return Origin("", 0)
    path, row, unit = json.loads(metadata[_ORIGIN])
    places = metadata.get(_PLACES)
    return Origin(path, row, unit, None if places is None else np.frombuffer(places, "<i8"))
