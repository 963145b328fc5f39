"""Looks at a collection: its schema, indexes and rows. Changes nothing."""

from __future__ import annotations

from mmc.sinks.milvus.connect import Connection
from mmc.sinks.milvus.errors import translated
from mmc.sinks.milvus.schema import from_description, to_index
from mmc.types import Collection, Index


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
