"""Looks at a collection: its schema, indexes and rows. Changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mmc.facts import TargetCollection
from mmc.sinks.milvus.connect import Connection
from mmc.sinks.milvus.errors import translated
from mmc.sinks.milvus.pages import among
from mmc.sinks.milvus.schema import filled, from_description, omittable, to_index
from mmc.types import Collection, Index, TypeKind


def look(connection: Connection, names: Sequence[str]) -> tuple[TargetCollection, ...]:
    """Those of the named collections that are there; none where the database is not."""
    if not connection.has_database:
        return ()
    found = []
    for name in names:
        with translated(f"look for collection {name}"):
            there = connection.client.has_collection(name, timeout=connection.timeout)
        if there:
            described = describe(connection, name)
            schema = described.schema
            open_ = connection.dialect.capabilities.embedded or loaded(connection, name)
            held = count(connection, schema) if open_ else stored(connection, name)
            found.append(
                TargetCollection(
                    schema,
                    held,
                    indexes(connection, name),
                    open_,
                    unknown_fields=described.unknown_fields,
                    omittable=described.omittable,
                    filled=described.filled,
                )
            )
    return tuple(found)


def indexes(connection: Connection, name: str) -> tuple[tuple[str, Index], ...]:
    """The indexes of a collection, by field."""
    client, timeout = connection.client, connection.timeout
    with translated(f"look at the indexes of {name}"):
        described = [
            client.describe_index(name, index, timeout=timeout)
            for index in client.list_indexes(name, timeout=timeout)
        ]
    return tuple(sorted((one["field_name"], to_index(one)) for one in described if one))


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A collection as the target describes it; the rest as in `mmc.facts.TargetCollection`."""

    schema: Collection
    unknown_fields: tuple[tuple[str, str], ...]
    omittable: tuple[str, ...]
    filled: tuple[tuple[str, str], ...]


def describe(connection: Connection, name: str) -> Described:
    """The collection as it is."""
    with translated(f"describe {name}"):
        description = connection.client.describe_collection(name, timeout=connection.timeout)
        partitions = connection.client.list_partitions(name, timeout=connection.timeout)
    schema, unknown = from_description(description, partitions)
    return Described(
        schema=schema,
        unknown_fields=unknown,
        omittable=omittable(description),
        filled=filled(description),
    )


def stored(connection: Connection, name: str) -> int:
    """Rows that the server has stored, for a collection that is not loaded: an apply that was
    killed before its load, or a collection that is only kept.

    It has deleted rows and repeats too, and lacks what was not flushed yet.
    """
    with translated(f"look at {name}"):
        stats = connection.client.get_collection_stats(name, timeout=connection.timeout)
    return int(stats["row_count"])


def loaded(connection: Connection, name: str) -> bool:
    with translated(f"look at {name}"):
        state = connection.client.get_load_state(name, timeout=connection.timeout)["state"]
    return str(state.name) == "Loaded"


def count(connection: Connection, collection: Collection, partition: str = "") -> int:
    """Exact count(*) at strong consistency, of the whole collection or of one partition."""
    name = collection.name
    where: dict[str, Any] = {"partition_names": [partition]} if partition else {}
    with translated(f"count {name}{f' ({partition})' if partition else ''}"):
        answer = connection.client.query(
            name,
            filter=_every_row(connection, collection) if partition else "",
            output_fields=["count(*)"],
            consistency_level="Strong",
            timeout=connection.timeout,
            **where,
        )
    return int(answer[0]["count(*)"])


def count_keys(connection: Connection, collection: Collection, keys: Sequence[Any]) -> int:
    """count(*) of the rows with one of these keys, each of several rows of one key."""
    with translated(f"count keys of {collection.name}"):
        answer = connection.client.query(
            collection.name,
            filter=among(collection.primary, keys),
            output_fields=["count(*)"],
            consistency_level="Strong",
            timeout=connection.timeout,
        )
    return int(answer[0]["count(*)"])


def _every_row(connection: Connection, collection: Collection) -> str:
    """A filter that every row passes. Milvus Lite counts the whole collection where a partition is
    named without a filter; Milvus 2.3 does not read the least int64.
    """
    if not connection.dialect.capabilities.embedded:
        return ""
    key = collection.primary
    least = '""' if key.type.kind is TypeKind.VARCHAR else str(-(2**63))
    return f"{key.name} >= {least}"
