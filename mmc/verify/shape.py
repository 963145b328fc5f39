"""A collection as planned beside the one that is there: schema, indexes, aliases, properties. Pure.

Targets drop what they do not know without a word, and people change what is there: every
difference is a line.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence

from mmc.facts import TargetCollection
from mmc.types import Collection, Field, FieldType, Index, JsonValue, TypeKind
from mmc.verify.planned import Planned


def shape_problems(
    wanted: Planned, found: TargetCollection, own_properties: Mapping[str, str]
) -> Iterator[str]:
    """What is not as planned, a line each, with its code.

    Args:
        own_properties: that the target gave the collection by itself when it was made.
    """
    schema = found.schema
    for line in schema_differences(wanted.schema, schema, found.unknown_fields, wanted.left_out):
        yield f"MMC711: {line}"
    for what, planned, is_ in (
        ("shards", str(wanted.schema.shards), str(schema.shards)),
        ("description", repr(wanted.schema.description), repr(schema.description)),
        ("consistency level", wanted.consistency, found.consistency),
        ("partitions by key", _number(wanted.key_partitions), _number(found.key_partitions)),
    ):
        if planned and planned != is_:
            yield f"MMC711: {what}: {planned} planned, {is_ or 'nothing'} found"
    yield from _indexes(wanted, found)
    yield from _properties(dict(wanted.schema.properties), dict(schema.properties), own_properties)
    for alias in wanted.aliases:
        if alias not in found.aliases:
            yield f"MMC714: the alias {alias} does not lead to {schema.name}"


def shape_notes(wanted: Planned, found: TargetCollection) -> Iterator[str]:
    """What is there beside what is planned, and takes nothing from it."""
    planned = {field for field, _ in wanted.indexes}
    for field, index in found.indexes:
        if field not in planned:
            yield f"the plan does not know the index {shown(index)} on {field}"
    for alias in sorted(set(found.aliases) - set(wanted.aliases)):
        yield f"the plan does not know the alias {alias}"
    for name in sorted(set(found.schema.partitions) - set(wanted.schema.partitions)):
        yield f"the plan does not know the partition {name}"


def _indexes(wanted: Planned, found: TargetCollection) -> Iterator[str]:
    for field, index in wanted.indexes:
        there = [one for name, one in found.indexes if name == field]
        if not there:
            yield f"MMC712: the index on {field} is missing, {shown(index)} was planned"
        elif not any(same_index(index, one) for one in there):
            yield (f"MMC712: the index on {field} is {shown(there[0])}, {shown(index)} was planned")


def _properties(
    wanted: Mapping[str, str], found: Mapping[str, str], own: Mapping[str, str]
) -> Iterator[str]:
    for name in sorted(wanted.keys() | found.keys()):
        is_, planned = found.get(name), wanted.get(name, own.get(name))
        if is_ != planned:
            yield (
                f"MMC713: property {name}: {planned or 'nothing'} planned, {is_ or 'nothing'} found"
            )


def same_index(wanted: Index, found: Index) -> bool:
    """Whether an index is as wanted: type, metric, and the parameters that are said."""
    have = dict(found.params)
    return (
        wanted.type == found.type
        and wanted.metric in (None, found.metric)
        and all(name in have and _same(value, have[name]) for name, value in wanted.params)
    )


def shown(index: Index) -> str:
    """`HNSW COSINE M=16`"""
    params = " ".join(f"{key}={value}" for key, value in index.params)
    return " ".join(part for part in (index.type, index.metric or "", params) if part)


def _same(one: JsonValue, other: JsonValue) -> bool:
    """Targets give parameters back as texts; those that look like numbers are read as such."""
    return one == other or str(one) == str(other)


def _number(count: int) -> str:
    return str(count) if count else ""


def schema_differences(
    wanted: Collection,
    found: Collection,
    unknown: Sequence[tuple[str, str]] = (),
    left_out: Sequence[str] = (),
) -> tuple[str, ...]:
    """What a target's collection has otherwise than wanted, one line each; () when they agree.
    Compared are fields, dynamic field and the wanted partitions.

    Args:
        unknown: names and types of its fields that mmc has no type for.
        left_out: fields that may be there besides.
    """
    lines = []
    there = {field.name: field for field in found.fields}
    for field in wanted.fields:
        other = there.pop(field.name, None)
        if other is None:
            lines.append(f"field {field.name} is missing")
            continue
        lines += [f"field {field.name}: {line}" for line in _field_differences(field, other)]
    more = [*((name, "") for name in there), *((name, f" ({type_})") for name, type_ in unknown)]
    lines += [f"field {name}{type_} is not wanted" for name, type_ in more if name not in left_out]
    if wanted.dynamic != found.dynamic:
        lines.append(
            f"dynamic field {_onoff(wanted.dynamic)} wanted, {_onoff(found.dynamic)} found"
        )
    lines += [f"partition {p} is missing" for p in wanted.partitions if p not in found.partitions]
    return tuple(lines)


def _field_differences(wanted: Field, found: Field) -> list[str]:
    lines = []
    if not _same_type(wanted.type, found.type):
        lines.append(f"{wanted.type} wanted, {found.type} found")
    for name in ("primary_key", "auto_id", "nullable", "partition_key"):
        if getattr(wanted, name) != getattr(found, name):
            words = name.replace("_", " ")
            lines.append(f"{words} {_onoff(getattr(wanted, name))} wanted, not so found")
    if not _same_default(wanted, found):
        lines.append(f"default {wanted.default!r} wanted, {found.default!r} found")
    return lines


def _same_type(wanted: FieldType, found: FieldType) -> bool:
    if wanted.element is not None and found.element is not None:
        longer = (found.element.length or 0) >= (wanted.element.length or 0)
        return (
            wanted.element.kind is found.element.kind
            and longer
            and wanted.capacity == found.capacity
        )
    return wanted == found


def _same_default(wanted: Field, found: Field) -> bool:
    if wanted.type.kind is TypeKind.FLOAT and isinstance(wanted.default, (int, float)):
        if not isinstance(found.default, (int, float)):
            return False
        return struct.pack("<f", wanted.default) == struct.pack("<f", found.default)
    return wanted.default == found.default


def _onoff(value: bool) -> str:
    return "on" if value else "off"
