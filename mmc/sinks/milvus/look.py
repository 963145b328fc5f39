"""Looks at a collection: its schema, indexes and rows. Changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from mmc.facts import TargetCollection
from mmc.sinks.milvus.connect import Connection
from mmc.sinks.milvus.errors import translated
from mmc.sinks.milvus.schema import from_description, to_index
from mmc.types import Collection, Index


def look(connection: Connection, names: Sequence[str]) -> tuple[TargetCollection, ...]:
    """Those of the named collections that are there; none where the database is not."""
    if not connection.has_database:
        return ()
    found = []
    for name in names:
        with translated(f"look for collection {name}"):
            there = connection.client.has_collection(name, timeout=connection.timeout)
        if there:
            schema, _ = describe(connection, name)
            held = rows(connection, name)
            found.append(TargetCollection(schema, held, indexes(connection, name)))
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


def describe(connection: Connection, name: str) -> tuple[Collection, tuple[str, ...]]:
    """The collection as it is, and the fields mmc has no type for."""
    with translated(f"describe {name}"):
        description = connection.client.describe_collection(name, timeout=connection.timeout)
        partitions = connection.client.list_partitions(name, timeout=connection.timeout)
    return from_description(description, partitions)


def rows(connection: Connection, name: str) -> int:
    """Exact where the collection can be asked; what the server has stored of it where it is not
    loaded: an apply that was killed before its load, or a collection that is only kept.

    What is stored has deleted rows and repeats too, and lacks what was not flushed yet.
    """
    if connection.dialect.capabilities.embedded or loaded(connection, name):
        return count(connection, name)
    with translated(f"look at {name}"):
        stored = connection.client.get_collection_stats(name, timeout=connection.timeout)
    return int(stored["row_count"])


def loaded(connection: Connection, name: str) -> bool:
    with translated(f"look at {name}"):
        state = connection.client.get_load_state(name, timeout=connection.timeout)["state"]
    return str(state.name) == "Loaded"


def count(connection: Connection, name: str) -> int:
    """Exact count(*) at strong consistency.

    Never per partition: with a partition and no filter, Milvus Lite counts the whole collection.
    """
    with translated(f"count {name}"):
        answer = connection.client.query(
            name,
            filter="",
            output_fields=["count(*)"],
            consistency_level="Strong",
            timeout=connection.timeout,
        )
    return int(answer[0]["count(*)"])
