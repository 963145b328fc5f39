"""May this login do all of that? Asked before anything is made, and told all at once.

Milvus does not tell a user its own grants in a form that a program could go by, so each privilege
is tried, by a request of its kind that can do nothing: of an empty name, of no rows, of no files. A
server looks at privileges before it looks at a request, and says which one is missing (2.3.5).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mmc.errors import TargetError
from mmc.milvus.connect import Connection
from mmc.milvus.dialect import Dialect
from mmc.milvus.errors import NotAllowed
from mmc.milvus.lite import DEFAULT_DATABASE
from mmc.plan.ddl import AlterCollection, CreateAlias, DropAlias, DropCollection
from mmc.plan.model import (
    AwaitIndexes,
    BuildIndex,
    CopySplits,
    CreateCollection,
    ImportFiles,
    LoadCollection,
    Step,
    Verify,
    Write,
)

_NAMED = re.compile(r"Privilege(\w+): permission deny")

_READ = (
    *("DescribeCollection", "ShowPartitions", "GetCollectionStatistics", "GetLoadState"),
    *("DescribeIndex", "Query"),
)
"""What looking at a collection takes."""

_EVERYWHERE = frozenset(
    {"CreateCollection", "DropCollection", "CreateDatabase", "CreateAlias", "DropAlias"}
)
"""Calls whose privilege is not one of a collection."""

Asked = tuple[str, str]
"""A call and the collection that it is about; "" for a call of _EVERYWHERE."""


@dataclass(frozen=True, slots=True, order=True)
class Missing:
    """A privilege that the login lacks. `collection`: "" where it is none of a collection."""

    collection: str
    privilege: str


def check_access(connection: Connection, steps: Sequence[Step]) -> None:
    """Whether the login may do all of these steps.

    Without a login a server allows everything, or has let nobody in.

    Raises:
        TargetError: it lacks privileges, all of which are named (MMC570).
    """
    if not connection.has_login or connection.dialect.capabilities.embedded:
        return
    wanted = {asked: None for step in steps for asked in _asked_by(step)}
    if not connection.has_database:
        wanted["CreateDatabase", ""] = None
    if missing := sorted(set(_missing(connection, wanted))):
        raise _denied(connection, missing)


@contextmanager
def looking(connection: Connection, collections: Sequence[str]) -> Iterator[None]:
    """Around a look at collections: where one call of it is not allowed, all are tried.

    Raises:
        TargetError: as `check_access`.
    """
    try:
        yield
    except NotAllowed as error:
        there = [name for name in collections if _is_there(connection, name)]
        wanted = [(call, name) for name in there for call in _READ]
        if missing := sorted(set(_missing(connection, wanted))):
            raise _denied(connection, missing) from None
        raise error from None


def _is_there(connection: Connection, collection: str) -> bool:
    """Whether a collection may be there: a login that may not look may not know."""
    try:
        connection.attempt("DescribeCollection", _request("DescribeCollection", collection))
    except NotAllowed:
        return True
    except TargetError:
        return False
    return True


def _asked_by(step: Step) -> Iterator[Asked]:
    match step:
        case CreateCollection(collection=collection):
            name = collection.name
            if step.makes:
                yield "CreateCollection", ""
                # The property that names the run is taken off at its end.
                yield "AlterCollection", name
            if step.makes and collection.partitions:
                yield "CreatePartition", name
            yield "ShowPartitions", name
        case DropAlias():
            yield "DropAlias", ""
        case DropCollection():
            yield "DropCollection", ""
        case CreateAlias():
            yield "CreateAlias", ""
        case AlterCollection(collection=name):
            yield "AlterCollection", name
        case CopySplits(collection=collection, write=write):
            if write is Write.INSERT:
                yield "Insert", collection.name
            if write in (Write.INSERT, Write.UPSERT):
                # An insert that is done again is an upsert.
                yield "Upsert", collection.name
        case ImportFiles(collection=name):
            yield "Import", name
        case BuildIndex(collection=name):
            yield "CreateIndex", name
            yield "DescribeIndex", name
        case LoadCollection(collection=name):
            yield from ((call, name) for call in ("LoadPartitions", "GetLoadState"))
            yield "GetLoadingProgress", name
        case AwaitIndexes(collection=name):
            yield from ((call, name) for call in ("Flush", "GetFlushState", "DescribeIndex"))
        case Verify(collection=name):
            yield from ((call, name) for call in ("GetLoadState", "ShowPartitions", "Query"))
        case _:
            return


def _missing(connection: Connection, wanted: Iterable[Asked]) -> Iterator[Missing]:
    for call, collection in wanted:
        if call == "Import" and not connection.dialect.imports_refused_at_once:
            if not _import_granted(connection, collection):
                yield Missing(collection, "Import")
            continue
        try:
            database = DEFAULT_DATABASE if call == "CreateDatabase" else None
            connection.attempt(call, _request(call, collection), database)
        except NotAllowed as error:
            named = _NAMED.search(str(error))
            privilege = named[1] if named else call
            # 2.3 wants CreateCollection of who alters one.
            yield Missing("" if privilege in _EVERYWHERE else collection, privilege)
        except TargetError:
            continue  # what else is wrong with such a request says that it was allowed


def _import_granted(connection: Connection, collection: str) -> bool:
    """Whether a role of the user has the grant, by the list of them: 2.3 tries an import into a
    collection that is not there for 13 s. It has no groups of privileges. Where the server does not
    tell, the import itself will.
    """
    from pymilvus.grpc_gen import milvus_pb2

    user = milvus_pb2.UserEntity(name=connection.user)
    try:
        about = connection.attempt(
            "SelectUser", milvus_pb2.SelectUserRequest(user=user, include_role_info=True)
        )
        roles = {role.name for result in about.results for role in result.roles}
        if connection.user == "root" or "admin" in roles:
            return True
        told = [
            connection.attempt(
                "SelectGrant",
                milvus_pb2.SelectGrantRequest(
                    entity=milvus_pb2.GrantEntity(role=milvus_pb2.RoleEntity(name=role))
                ),
            )
            for role in sorted(roles | {"public"})
        ]
    except TargetError:
        return True
    return any(
        grant.grantor.privilege.name in ("Import", "*")
        and grant.object_name in (collection, "*")
        and grant.db_name in (connection.address.database or DEFAULT_DATABASE, "*")
        for answer in told
        for grant in answer.entities
    )


def _request(call: str, collection: str) -> Any:
    """A request that the server refuses, or that only looks."""
    from pymilvus.grpc_gen import milvus_pb2

    made: Callable[..., Any] = getattr(milvus_pb2, f"{call}Request")
    if call in _EVERYWHERE:
        return made()
    if call == "Flush":
        # The one that does something: what is in memory of the collection, if it is there, goes to
        # the disk, as after the copy.
        return made(collection_names=[collection])
    return made(collection_name=collection)


def _denied(connection: Connection, missing: Sequence[Missing]) -> TargetError:
    told = [
        ", ".join(names) + (f" on collection {collection}" if collection else "")
        for collection, names in _by_collection(missing).items()
    ]
    grants = _grants(connection.dialect, connection.address.database, missing)
    return TargetError(
        f"{connection.address.shown}: the login of target.token lacks privileges:"
        f" {'; '.join(told)}",
        hint=f"as an administrator, with pymilvus: {grants}",
        code="MMC570",
    )


def _by_collection(missing: Sequence[Missing]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in missing:
        found.setdefault(one.collection, []).append(one.privilege)
    return found


def _grants(dialect: Dialect, database: str, missing: Sequence[Missing]) -> str:
    """Statements that give a role what is missing. A database is made from inside another."""
    in_database = f", db_name={database!r}" if database else ""
    outside = [one for one in missing if one.privilege == "CreateDatabase"]
    inside = [one for one in missing if one.privilege != "CreateDatabase"]
    return "; ".join(
        f"for p in {names}: {_grant(dialect, collection, where)}"
        for some, where in ((outside, ""), (inside, in_database))
        for collection, names in _by_collection(some).items()
    )


def _grant(dialect: Dialect, collection: str, in_database: str) -> str:
    name = collection or "*"
    if dialect.grants_by_name:
        return f"client.grant_privilege_v2(ROLE, p, {name!r}{in_database})"
    kind = "Collection" if collection else "Global"
    return f"client.grant_privilege(ROLE, {kind!r}, p, {name!r}{in_database})"
