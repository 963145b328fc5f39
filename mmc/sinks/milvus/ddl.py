"""Drops and alters collections, drops and makes aliases. Each may be done again: what is as wanted
already is left alone, and what somebody else changed meanwhile is refused.
"""

from __future__ import annotations

from mmc.errors import TargetError
from mmc.milvus.connect import Connection
from mmc.milvus.errors import translated
from mmc.milvus.look import describe, has
from mmc.milvus.schema import DESCRIPTION
from mmc.plan.ddl import AlterCollection, CreateAlias, DropAlias, DropCollection
from mmc.sinks.milvus.ensure import found, refuse_others


def drop_alias(connection: Connection, step: DropAlias) -> None:
    """Drops an alias, if it is there.

    Raises:
        TargetError: it leads to another collection by now (MMC590).
    """
    there = leads_to(connection, step.alias)
    if there is None:
        return
    _refuse_moved(step, there)
    with translated(f"drop alias {step.alias}"):
        connection.client.drop_alias(step.alias, timeout=connection.write_timeout())


def drop_collection(connection: Connection, step: DropCollection) -> None:
    """Drops a collection, if it is there.

    Raises:
        TargetError: it has an alias that the plan does not know (MMC591): newer servers refuse to
            drop it, older ones leave an alias that leads nowhere. Or the name is an alias by now
            (MMC580), or a run that the plan does not know is filling it (MMC581).
    """
    name = step.collection
    there = found(connection, name)
    if there is None:
        return
    refuse_others(step.claimed, there)
    if there.aliases:
        raise TargetError(
            f"collection {name} got the alias {', '.join(there.aliases)} after the plan was made:"
            " it is not dropped",
            hint="drop that alias or let it lead elsewhere, then apply again; or plan again",
            code="MMC591",
        )
    with translated(f"drop collection {name}"):
        connection.client.drop_collection(name, timeout=connection.write_timeout())


def create_alias(connection: Connection, step: CreateAlias) -> None:
    """Makes an alias lead to the collection, unless it does.

    Raises:
        TargetError: it leads to another collection (MMC590).
    """
    there = leads_to(connection, step.alias)
    if there == step.collection:
        return
    if there is not None:
        _refuse_moved(step, there)
    client, timeout = connection.client, connection.write_timeout()
    try:
        with translated(f"create alias {step.alias}"):
            client.create_alias(step.collection, step.alias, timeout=timeout)
    except TargetError as error:
        if error.retryable or leads_to(connection, step.alias) is not None:
            raise
        # 2.3 keeps an alias whose collection was dropped: it leads nowhere, and can only be moved.
        with translated(f"create alias {step.alias}"):
            client.alter_alias(step.collection, step.alias, timeout=timeout)


def alter_collection(connection: Connection, step: AlterCollection) -> None:
    """Sets properties and description; the server keeps the others."""
    wanted = {change.name: change.after for change in step.properties}
    if step.description is not None:
        wanted[DESCRIPTION] = step.description.after
    with translated(f"alter collection {step.collection}"):
        connection.client.alter_collection_properties(
            step.collection, wanted, timeout=connection.write_timeout()
        )


def leads_to(connection: Connection, name: str) -> str | None:
    """The collection that a name or an alias stands for; None where there is none."""
    return describe(connection, name).schema.name if has(connection, name) else None


def _refuse_moved(step: DropAlias | CreateAlias, there: str) -> None:
    if there != step.collection:
        raise TargetError(
            f"alias {step.alias} leads to {there} by now, not to {step.collection}: it is left so",
            hint=f"drop it, or let it lead to {step.collection}; then apply again",
            code="MMC590",
        )
