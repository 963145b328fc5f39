"""Collections to and from pymilvus, and how two of them differ. Sends nothing.

Milvus drops what it does not know without a word (nullability in 2.3, struct fields in Lite), so
what was asked is always compared with what `describe_collection` says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmc.types import (
    DENSE_VECTORS,
    MAX_VARCHAR,
    Collection,
    Field,
    FieldType,
    Index,
    JsonValue,
    Metric,
    TypeKind,
    freeze,
)
from mmc.verify.shape import schema_differences

DEFAULT_PARTITION = "_default"
CLAIM = "mmc.run"
"""Property of a collection that a run of mmc is filling: whose it is. No part of what mmc compares,
plans or carries over.
"""
DESCRIPTION = "collection.description"
"""Property by which newer servers change the description; no property of the collection."""
OWN_PROPERTIES = (CLAIM, DESCRIPTION, "max_field_id")
"""Those that we or servers use for something else: no part of a collection."""

_PYMILVUS = {
    TypeKind.BOOL: "BOOL",
    TypeKind.INT8: "INT8",
    TypeKind.INT16: "INT16",
    TypeKind.INT32: "INT32",
    TypeKind.INT64: "INT64",
    TypeKind.FLOAT: "FLOAT",
    TypeKind.DOUBLE: "DOUBLE",
    TypeKind.VARCHAR: "VARCHAR",
    TypeKind.JSON: "JSON",
    TypeKind.ARRAY: "ARRAY",
    TypeKind.FLOAT_VECTOR: "FLOAT_VECTOR",
    TypeKind.BINARY_VECTOR: "BINARY_VECTOR",
    TypeKind.FLOAT16_VECTOR: "FLOAT16_VECTOR",
    TypeKind.BFLOAT16_VECTOR: "BFLOAT16_VECTOR",
    TypeKind.INT8_VECTOR: "INT8_VECTOR",
    TypeKind.SPARSE_FLOAT_VECTOR: "SPARSE_FLOAT_VECTOR",
}
_PARAMS = frozenset({"dim", "max_length", "max_capacity"})
"""Parameters of a field that its type says."""
_KINDS = {name: kind for kind, name in _PYMILVUS.items()}


def to_schema(collection: Collection) -> Any:
    """The `pymilvus.CollectionSchema` of a collection."""
    from pymilvus import DataType, MilvusClient

    schema = MilvusClient.create_schema(
        auto_id=False,
        enable_dynamic_field=collection.dynamic,
        description=collection.description,
    )
    for field in collection.fields:
        schema.add_field(field.name, DataType[_PYMILVUS[field.type.kind]], **_options(field))
    return schema


def _options(field: Field) -> dict[str, Any]:
    from pymilvus import DataType

    options: dict[str, Any] = {}
    if field.primary_key:
        options |= {"is_primary": True, "auto_id": field.auto_id}
    if field.partition_key:
        options["is_partition_key"] = True
    if field.nullable:
        options["nullable"] = True
    if field.default is not None:
        options["default_value"] = field.default
    match field.type.kind:
        case TypeKind.VARCHAR:
            options["max_length"] = field.type.length
        case TypeKind.ARRAY:
            element = field.type.element
            assert element is not None
            options["element_type"] = DataType[_PYMILVUS[element.kind]]
            options["max_capacity"] = field.type.capacity
            if element.kind is TypeKind.VARCHAR:
                options["max_length"] = element.length
        case kind if kind in DENSE_VECTORS:
            options["dim"] = field.type.dim
    return options


def from_description(
    description: Mapping[str, Any], partitions: Sequence[str]
) -> tuple[Collection, tuple[tuple[str, str], ...]]:
    """A collection as the target describes it, and the names and types of the fields of it that mmc
    has no type for.

    `description` is what `MilvusClient.describe_collection` gives.
    """
    fields, unknown = [], []
    for one in description["fields"]:
        if one.get("is_dynamic"):
            continue
        kind = _known(one)
        if kind is None:
            unknown.append((one["name"], one["type"].name.lower()))
            continue
        fields.append(_field(one, kind, bool(description.get("auto_id"))))
    unknown += [(one["name"], "array of struct") for one in _structs(description)]
    keyed = any(field.partition_key for field in fields)
    properties = description.get("properties") or {}
    collection = Collection(
        name=description["collection_name"],
        fields=tuple(fields),
        dynamic=bool(description.get("enable_dynamic_field")),
        shards=int(description.get("num_shards") or 1),
        # Partitions of a partition key are the target's own.
        partitions=() if keyed else tuple(p for p in partitions if p != DEFAULT_PARTITION),
        description=description.get("description", ""),
        properties=tuple(
            sorted((key, str(properties[key])) for key in properties if key not in OWN_PROPERTIES)
        ),
    )
    return collection, tuple(unknown)


def omittable(description: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields without a type of mmc's that a row may come without."""
    unknown = [one for one in description["fields"] if _known(one) is None]
    return tuple(
        one["name"]
        for one in (*unknown, *_structs(description))
        if not one.get("is_dynamic") and (one.get("nullable") or one.get("default_value"))
    )


def filled(description: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """(Field, function) of the fields whose values a function of the collection makes."""
    return tuple(
        sorted(
            (name, one["name"])
            for one in description.get("functions") or ()
            for name in one["output_field_names"]
        )
    )


def _structs(description: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return description.get("struct_array_fields") or ()


def _known(one: Mapping[str, Any]) -> TypeKind | None:
    """The type of a field; None where mmc has none for it, or for its elements."""
    kind = _KINDS.get(one["type"].name)
    if kind is TypeKind.ARRAY and one["element_type"].name not in _KINDS:
        return None
    return kind


def field_options(description: Mapping[str, Any]) -> tuple[str, ...]:
    """What fields have that mmc does not make: `text: enable_analyzer`, `title: description`."""
    found = []
    for one in description["fields"]:
        if one.get("is_dynamic"):
            continue
        options = {key for key in one.get("params", {}) if key not in _PARAMS}
        options |= {key for key in ("is_clustering_key", "description") if one.get(key)}
        found += [f"{one['name']}: {option}" for option in sorted(options)]
    return tuple(found)


def key_partitions(description: Mapping[str, Any]) -> int:
    """Partitions that a partition key spreads rows over; 0 where there is no such key."""
    keyed = any(one.get("is_partition_key") for one in description["fields"])
    return int(description.get("num_partitions") or 0) if keyed else 0


def _field(one: Mapping[str, Any], kind: TypeKind, auto_id: bool) -> Field:
    primary = bool(one.get("is_primary"))
    return Field(
        name=one["name"],
        type=_type(one, kind),
        primary_key=primary,
        auto_id=primary and (auto_id or bool(one.get("auto_id"))),
        nullable=bool(one.get("nullable")),
        default=_default(one.get("default_value")),
        partition_key=bool(one.get("is_partition_key")),
    )


def _type(one: Mapping[str, Any], kind: TypeKind) -> FieldType:
    params = one.get("params", {})
    # Milvus Lite does not keep the length of array elements, and enforces none.
    length = int(params.get("max_length", MAX_VARCHAR))
    match kind:
        case TypeKind.VARCHAR:
            return FieldType(kind, length=length)
        case TypeKind.ARRAY:
            inner = _KINDS[one["element_type"].name]
            element = FieldType(inner, length=length if inner is TypeKind.VARCHAR else None)
            return FieldType(kind, element=element, capacity=int(params["max_capacity"]))
        case _ if kind in DENSE_VECTORS:
            return FieldType(kind, dim=int(params["dim"]))
        case _:
            return FieldType(kind)


def _default(value: Any) -> JsonValue:
    """The value inside a `schema_pb2.ValueField`; plain values pass."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    which = value.WhichOneof("data")
    found: JsonValue = getattr(value, which) if which else None
    return found


def to_index(described: Mapping[str, Any]) -> Index:
    """An index as `MilvusClient.describe_index` gives it."""
    skip = {"index_type", "metric_type", "field_name", "index_name", "params"}
    skip |= {"total_rows", "indexed_rows", "pending_index_rows", "state", "min_schema_version"}
    params: dict[str, JsonValue] = {
        key: _number(value) for key, value in described.items() if key not in skip
    }
    inner = described.get("params")
    if isinstance(inner, Mapping):
        params |= {key: _number(value) for key, value in inner.items()}
    metric = next((one for one in Metric if one == described.get("metric_type")), None)
    return Index(described["index_type"], metric, freeze(params))


def _number(value: Any) -> JsonValue:
    """Index parameters come back as text."""
    if isinstance(value, str):
        for read in (int, float):
            try:
                return read(value)
            except ValueError:
                continue
    found: JsonValue = value
    return found


def differences(
    wanted: Collection,
    found: Collection,
    unknown: Sequence[tuple[str, str]] = (),
    left_out: Sequence[str] = (),
) -> tuple[str, ...]:
    """What a collection has otherwise than wanted, one line each; () when they agree. `unknown` and
    `left_out` as in `schema_differences`.

    Not compared: description and shards (Milvus Lite keeps neither; they hold no data), properties
    and partitions beyond the wanted ones.
    """
    properties = dict(found.properties)
    return schema_differences(wanted, found, unknown, left_out) + tuple(
        f"property {key}: {value} wanted, {properties.get(key, 'nothing')} found"
        for key, value in wanted.properties
        if properties.get(key) != value
    )
