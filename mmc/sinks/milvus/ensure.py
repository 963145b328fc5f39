"""Makes a collection, or checks the one that is there; takes no other's for this run's own.

Two equal requests to create a collection both succeed on a server, so its name alone does not tell
who made it. A collection that is made gets a property that names the run (`CLAIM`); a server
refuses a second request whose properties differ, and Milvus Lite any second one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmc.errors import TargetError, refused_untouched
from mmc.milvus.connect import Connection
from mmc.milvus.errors import translated
from mmc.milvus.lite import remove_remnant
from mmc.milvus.look import Described, describe, has
from mmc.milvus.pages import KEYWORDS
from mmc.milvus.schema import CLAIM, differences, to_schema
from mmc.plan.model import CreateCollection, Mode
from mmc.spi import Claim
from mmc.types import Collection


def ensure(connection: Connection, step: CreateCollection, claim: Claim) -> dict[str, str]:
    """Brings the collection to what the step says, checks that it is so, and gives the properties
    that it has beside those.

    Raises:
        TargetError: it appeared since the plan (MMC520), differs from the plan (MMC522), is an
            alias, of another one or of none (MMC580), or another run is filling it (MMC581).
            TargetUntouched where nothing was changed before.
    """
    wanted = step.collection
    with refused_untouched():
        there = _allowed(connection, step, claim)
    if step.makes:
        if there is None:
            with refused_untouched():
                there = _create(connection, step, claim)
            if there is None:
                raise _hidden(wanted.name)
        _create_partitions(connection, wanted)
    return _compare(connection, wanted, step.left_out)


def _allowed(connection: Connection, step: CreateCollection, claim: Claim) -> Described | None:
    """The collection that is there, where the step may go on with it. Raises TargetError."""
    wanted = step.collection
    if wanted.primary.name.lower() in KEYWORDS:
        raise TargetError(
            f"`{wanted.primary.name}` is a word of Milvus's filter language: rows could not "
            "be asked for by that key",
            hint="give the primary key another name",
            code="MMC523",
        )
    connection.ensure_database()
    there = found(connection, wanted.name)
    if not step.makes:
        if there is None:
            raise TargetError(f"collection {wanted.name} is not there any more", code="MMC522")
        refuse_others(step.claimed, there, claim.run)
        _refuse_moved_alias(connection, step)
    elif there is not None:
        # What a replace found there was dropped by an earlier step.
        stands_in_the_way = step.exists and step.mode is not Mode.REPLACE
        if stands_in_the_way or not _is_ours(there, claim):
            raise _appeared(step, there)
    return there


def _is_ours(there: Described, claim: Claim) -> bool:
    """What has our claim is ours; what has none can be told only by whom it knows to be alone."""
    return there.run == claim.run and (bool(claim.run) or claim.begun)


def found(connection: Connection, name: str) -> Described | None:
    """The collection of that very name; None where there is none.

    Raises:
        TargetError: the name is an alias (MMC580).
    """
    if not has(connection, name):
        return None
    described = describe(connection, name)
    if described.schema.name != name:
        raise TargetError(
            f"{name} is an alias of the collection {described.schema.name} by now",
            hint="plan again; to replace or fill that collection, name it in `to:`",
            code="MMC580",
        )
    return described


def refuse_others(claimed: str, there: Described, run: str = "") -> None:
    """Raises TargetError (MMC581) where another run than ours is filling it, and than the one that
    the plan knows.
    """
    if there.run not in ("", claimed, run):
        raise _claimed(there)


def release(connection: Connection, step: CreateCollection, claim: Claim) -> None:
    """Takes the claim off a collection that this run made. Harmless when done already.

    Raises:
        TargetError: by now the collection is one of another run (MMC581).
    """
    name = step.collection.name
    there = found(connection, name)
    if there is None or not there.run:
        return
    if there.run != claim.run:
        raise _claimed(there)
    client, timeout = connection.client, connection.write_timeout()
    try:
        with translated(f"alter {name}"):
            client.drop_collection_properties(name, [CLAIM], timeout=timeout)
    except TargetError as error:
        if error.retryable:
            raise
        # 2.3 cannot take a property off again; one without a value says the same.
        with translated(f"alter {name}"):
            client.alter_collection_properties(name, {CLAIM: ""}, timeout=timeout)


def _create(connection: Connection, step: CreateCollection, claim: Claim) -> Described | None:
    """What the name leads to afterwards."""
    wanted, address = step.collection, connection.address
    if address.path is not None:
        remove_remnant(address.path, address.database, wanted.name)
    properties = dict(wanted.properties) | ({CLAIM: claim.run} if claim.run else {})
    try:
        with translated(f"create collection {wanted.name}"):
            connection.client.create_collection(
                wanted.name,
                schema=to_schema(wanted),
                num_shards=wanted.shards,
                properties=properties or None,
                timeout=connection.write_timeout(),
                **_settings(step),
            )
    except TargetError as error:
        # "Create duplicate collection with different parameters" of a server, "already exists" of
        # Milvus Lite: somebody was faster.
        there = None if error.retryable else found(connection, wanted.name)
        if there is None:
            raise
        raise _appeared(step, there) from None
    there = found(connection, wanted.name)
    if there is not None and there.run != claim.run:
        raise _appeared(step, there)
    return there


def _settings(step: CreateCollection) -> dict[str, Any]:
    """Options of CREATE COLLECTION that the plan says; the target chooses the others."""
    said = {"consistency_level": step.consistency, "num_partitions": step.key_partitions}
    return {name: value for name, value in said.items() if value}


def _create_partitions(connection: Connection, wanted: Collection) -> None:
    """Makes those that are missing: an attempt may have been killed half way."""
    client, timeout = connection.client, connection.timeout
    with translated(f"create partitions of {wanted.name}"):
        present = client.list_partitions(wanted.name, timeout=timeout)
        for partition in wanted.partitions:
            if partition not in present:
                client.create_partition(wanted.name, partition, timeout=connection.write_timeout())


def _compare(connection: Connection, wanted: Collection, left_out: Sequence[str]) -> dict[str, str]:
    there = describe(connection, wanted.name)
    lines = differences(wanted, there.schema, there.unknown_fields, left_out)
    if lines:
        raise TargetError(
            f"collection {wanted.name} is not as planned: {'; '.join(lines)}",
            hint="plan again, or set load.mode to replace",
            code="MMC522",
        )
    named = dict(wanted.properties)
    return {name: value for name, value in there.schema.properties if name not in named}


def _refuse_moved_alias(connection: Connection, step: CreateCollection) -> None:
    if not step.asked:
        return
    leads_to = describe(connection, step.asked).schema.name if has(connection, step.asked) else ""
    if leads_to != step.collection.name:
        raise TargetError(
            f"{step.asked} leads to {leads_to or 'no collection'} by now, and to"
            f" {step.collection.name} when planned",
            hint="plan again",
            code="MMC580",
        )


def _hidden(name: str) -> TargetError:
    """2.3 keeps an alias whose collection was dropped. Nothing tells of it beforehand: it is in no
    list, and a collection of its name can be made, but not reached.
    """
    return TargetError(
        f"collection {name} was made and cannot be reached: {name} is also an alias whose"
        " collection was dropped",
        hint=f"drop that alias (drop_alias of {name}), then apply again",
        code="MMC580",
    )


def _appeared(step: CreateCollection, there: Described) -> TargetError:
    by = f", made by run {there.run}" if there.run else ""
    return TargetError(
        f"collection {step.collection.name} exists{by}; this run did not make it",
        hint="nothing was written into it: plan again, with another `to:`, or with load.mode"
        " append, upsert or replace",
        code="MMC520",
    )


def _claimed(there: Described) -> TargetError:
    return TargetError(
        f"run {there.run} is filling collection {there.schema.name}, or was stopped while it did",
        hint="wait for that run, or apply its plan again to finish it; to go on without it, plan"
        " again",
        code="MMC581",
    )
