"""Looks at a collection: its schema, names, indexes, load and rows. Changes nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from mmc.errors import TargetError
from mmc.facts import TargetCollection
from mmc.milvus.connect import Connection
from mmc.milvus.errors import translated
from mmc.milvus.pages import among
from mmc.milvus.schema import (
    CLAIM,
    field_options,
    filled,
    from_description,
    key_partitions,
    omittable,
    to_index,
)
from mmc.spi import NOT_COUNTED
from mmc.types import Collection, Index, TypeKind

LOOK_SECONDS = 2.0
"""Between two looks at how a collection is loaded."""
NAMED = 8
"""Partitions that an error names at most."""
CALLS_IN_FLIGHT = 16
"""A strong read waits half a second for the server's clock, whatever it reads (2.3.5)."""


def look(connection: Connection, names: Sequence[str]) -> tuple[TargetCollection, ...]:
    """Those of the named collections that are there; none where the database is not."""
    if not connection.has_database:
        return ()
    return tuple(_collection(connection, name) for name in names if has(connection, name))


def _collection(connection: Connection, asked: str) -> TargetCollection:
    found = look_at(connection, asked)
    schema = found.schema
    load = load_of(connection, schema.name)
    whole = connection.dialect.capabilities.embedded or load.whole
    return replace(
        found,
        rows=count(connection, schema) if whole else stored(connection, schema.name),
        loaded=whole,
        unloaded=load.unloaded,
        asked="" if schema.name == asked else asked,
    )


def look_at(connection: Connection, name: str) -> TargetCollection:
    """A collection without its rows and its load: four calls, and one an index."""
    found = describe(connection, name)
    return TargetCollection(
        schema=found.schema,
        rows=NOT_COUNTED,
        indexes=indexes(connection, found.schema.name),
        aliases=found.aliases,
        functions=found.functions,
        unknown_fields=found.unknown_fields,
        omittable=found.omittable,
        filled=found.filled,
        field_options=found.field_options,
        key_partitions=found.key_partitions,
        consistency=found.consistency,
        run=found.run,
    )


def has(connection: Connection, name: str) -> bool:
    """Whether a collection has this name, or this alias."""
    with translated(f"look for collection {name}"):
        return bool(connection.client.has_collection(name, timeout=connection.timeout))


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
    field_options: tuple[str, ...]
    key_partitions: int
    aliases: tuple[str, ...]
    functions: tuple[str, ...]
    consistency: str
    run: str


def describe(connection: Connection, name: str) -> Described:
    """The collection as it is, under its own name, whatever alias it was asked for by."""
    client, timeout = connection.client, connection.timeout
    with translated(f"describe {name}"):
        description = client.describe_collection(name, timeout=timeout)
        # A login has its privileges on the collection, not on an alias.
        name = description["collection_name"]
        partitions = client.list_partitions(name, timeout=timeout)
        aliases = description.get("aliases") or ()
        if connection.dialect.capabilities.embedded:
            # Milvus Lite describes a collection without its aliases.
            aliases = client.list_aliases(name, timeout=timeout)["aliases"]
    schema, unknown = from_description(description, partitions)
    return Described(
        schema=schema,
        unknown_fields=unknown,
        omittable=omittable(description),
        filled=filled(description),
        field_options=field_options(description),
        key_partitions=key_partitions(description),
        aliases=tuple(sorted(aliases)),
        functions=tuple(sorted(one["name"] for one in description.get("functions") or ())),
        consistency=str(description.get("consistency_level_name") or ""),
        run=str((description.get("properties") or {}).get(CLAIM) or ""),
    )


def stored(connection: Connection, name: str) -> int:
    """Rows that the server has stored, for a collection that is not loaded: an apply that was
    killed before its load, or a collection that is only kept.

    It has deleted rows and repeats too, and lacks what was not flushed yet.
    """
    with translated(f"look at {name}"):
        stats = connection.client.get_collection_stats(name, timeout=connection.timeout)
    return int(stats["row_count"])


@dataclass(frozen=True, slots=True)
class Load:
    """Which partitions of a collection are loaded, each list sorted."""

    loaded: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether every row can be asked for."""
        return bool(self.loaded) and not self.missing

    @property
    def unloaded(self) -> tuple[str, ...]:
        """Partitions that are not loaded while others are."""
        return self.missing if self.loaded else ()


def load_of(connection: Connection, name: str) -> Load:
    """How a collection is loaded, partition by partition.

    The state of the collection alone does not tell: it is Loaded where only one partition is, and
    its progress 100 (2.3.5).
    """
    client, timeout = connection.client, connection.timeout
    with translated(f"look at {name}"):
        partitions = sorted(client.list_partitions(name, timeout=timeout))
        if not _is_loaded(client.get_load_state(name, timeout=timeout)):
            return Load((), tuple(partitions))

        def ask(partition: str) -> bool:
            return _is_loaded(client.get_load_state(name, partition, timeout=timeout))

        with ThreadPoolExecutor(CALLS_IN_FLIGHT) as pool:
            loaded = dict(zip(partitions, pool.map(ask, partitions), strict=True))
    return Load(
        tuple(one for one in partitions if loaded[one]),
        tuple(one for one in partitions if not loaded[one]),
    )


def _is_loaded(answer: Any) -> bool:
    return str(answer["state"].name) == "Loaded"


class WholeLoad:
    """Asks whether every partition of a collection is loaded, before what the others hold is
    believed. Asks again after LOOK_SECONDS: keys are looked for in thousands of calls.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._asked: dict[str, float] = {}

    def require(self, name: str) -> None:
        """Raises TargetError (MMC582) where partitions are not loaded while others are."""
        if self._connection.dialect.capabilities.embedded:
            return
        now = time.monotonic()
        if now - self._asked.get(name, -LOOK_SECONDS) < LOOK_SECONDS:
            return
        if unloaded := load_of(self._connection, name).unloaded:
            shown = ", ".join(unloaded[:NAMED]) + (", ..." if len(unloaded) > NAMED else "")
            raise TargetError(
                f"{name}: partitions that are not loaded: {shown}; their rows would be neither"
                " counted nor found",
                hint="load the whole collection, or plan again: an append or upsert loads it first",
                code="MMC582",
            )
        self._asked[name] = now


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
