"""What the user's privileges hide: documents and fields that a search does not show, and that no
count has. Only the privileges tell that they are there.

Elasticsearch: a search under document-level security cannot be profiled (400), whoever asks;
`field_security` stands in the privileges of the user, or of the API key, which may look at itself
but not at what its owner may (tried on 8.19 with a trial licence). OpenSearch, by the source of its
security plug-in: profiling is refused there, too; `authinfo` names the user's roles, and only an
administrator may read what they say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import orjson

from mmc.diagnostics import Diagnostic, Severity
from mmc.sources.elasticsearch.client.answers import (
    Misshapen,
    as_object,
    as_objects,
    as_text,
    as_texts,
)
from mmc.sources.elasticsearch.client.connect import ASKING, Answer, Connection, path_of
from mmc.sources.elasticsearch.client.server import Server
from mmc.sources.elasticsearch.errors import garbled, kinds_of, refusal
from mmc.sources.elasticsearch.mapping.stored import listed
from mmc.sources.elasticsearch.reading.indices import Group
from mmc.sources.elasticsearch.reading.shards import shards_of

T = TypeVar("T")

_BUSY = (429, 502, 503, 504)
_LONGEST = 2000
"""Characters of names in one request: servers take lines of 4,096 bytes."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a role allows on indices whose names match.

    Attributes:
        fields: how it leaves fields out, for messages; "" where it shows all.
        masked: fields whose values come as hashes (OpenSearch).
    """

    patterns: tuple[str, ...]
    fields: str = ""
    masked: tuple[str, ...] = ()

    def matches(self, names: Sequence[str]) -> bool:
        return any(_matches(pattern, name) for pattern in self.patterns for name in names)


@dataclass(frozen=True, slots=True)
class Access:
    """What is known of the user's privileges.

    Attributes:
        unknown: why fields may be hidden that nobody tells of, or "".
        overridden: a role that shows all fields of an index lifts what others hide.
    """

    grants: tuple[Grant, ...] = ()
    unknown: str = ""
    overridden: bool = True

    @property
    def notes(self) -> tuple[str, ...]:
        """For the plan."""
        if not self.unknown:
            return ()
        return (
            f"whether fields are hidden from this user cannot be asked: {self.unknown}; a hidden"
            " field is in no column, and nothing tells",
        )

    def hidden_fields(self, names: Sequence[str]) -> Iterator[str]:
        """How fields of the index with these names are hidden, for messages."""
        grants = [grant for grant in self.grants if grant.matches(names)]
        if not (self.overridden and any(not grant.fields for grant in grants)):
            yield from dict.fromkeys(grant.fields for grant in grants if grant.fields)
        for grant in grants:
            if grant.masked:
                yield f"masked: {listed(grant.masked)}"


def access_of(connection: Connection, server: Server) -> Access:
    """Asks for the privileges of the user. Raises SourceError."""
    ask = _opensearch if server.engine == "opensearch" else _elasticsearch
    return connection.again(ASKING, lambda: ask(connection))


def hidden(connection: Connection, access: Access, group: Group) -> tuple[Diagnostic, ...]:
    """Findings on documents and fields of a group that are not shown. Raises SourceError."""
    return (*_documents(connection, group), *_fields(access, group))


def _fields(access: Access, group: Group) -> Iterator[Diagnostic]:
    found: dict[str, list[str]] = {}
    for index in group.indices:
        for how in access.hidden_fields([index.name, group.name]):
            found.setdefault(how, []).append(index.name)
    for how, names in found.items():
        yield Diagnostic(
            "MMC470",
            f"{listed(names)}: field-level security hides fields from this user ({how}): no column"
            " has them as they are",
            severity=Severity.WARNING,
            hint="read with a user or key whose privileges on these indices name no fields",
        )


def _documents(connection: Connection, group: Group) -> Iterator[Diagnostic]:
    names = list(_hiding(connection, [index.name for index in group.indices]))
    if names:
        yield Diagnostic(
            "MMC469",
            f"{listed(names)}: document-level security hides documents from this user: they are in"
            " no count, and are not migrated",
            severity=Severity.WARNING,
            hint="read with a user or key whose privileges on these indices have no query",
        )


def _hiding(connection: Connection, names: Sequence[str]) -> Iterator[str]:
    """Those of the indices that are not shown whole."""
    some: list[str] = []
    for name in (*names, ""):
        if name and sum(map(len, some)) + len(name) < _LONGEST:
            some.append(name)
            continue
        if _is_hiding(connection, some):
            yield from (
                some if len(some) == 1 else (one for one in some if _is_hiding(connection, [one]))
            )
        some = [name]


def _is_hiding(connection: Connection, names: Sequence[str]) -> bool:
    body = {"size": 0, "profile": True, "query": {"match_none": {}}}
    target = path_of(",".join(names), "_search")

    def attempt() -> bool:
        answer = connection.ask("POST", target, body)
        # 403 says that the user may not search, which the next request tells.
        refused = answer.status >= 400 and answer.status not in (401, 403)
        if refused and "security_exception" in kinds_of(answer.body):
            return True
        _ensure_answered(connection, "POST", target, answer)
        _read(connection, answer, shards_of)
        return False

    return connection.again(ASKING, attempt)


def _elasticsearch(connection: Connection) -> Access:
    answer = _asked(connection, "/_security/user/_privileges")
    if answer.status == 200:
        return Access(_read(connection, answer, lambda told: _grants(as_objects(told, "indices"))))
    if answer.status == 400 and "illegal_argument_exception" in kinds_of(answer.body):
        return _own_key(connection)
    return Access(unknown=_unless_off(answer))


def _own_key(connection: Connection) -> Access:
    """An API key with privileges of its own sees these, and no more than its owner may see."""
    who = _asked(connection, "/_security/_authenticate")
    unseen = "the owner of the API key may see less than the key"
    if who.status != 200:
        return Access(unknown=unseen)
    id_ = _read(connection, who, lambda told: as_text(told, "api_key", "id"))
    key = _asked(connection, f"/_security/api_key?id={id_}")
    if key.status != 200:
        return Access(unknown="the server does not tell what the API key may see")
    return Access(_read(connection, key, _key_grants), unknown=unseen)


def _key_grants(answer: Any) -> tuple[Grant, ...]:
    return tuple(
        grant
        for key in as_objects(answer, "api_keys")
        for role in as_object(key, "role_descriptors").values()
        for grant in _grants(as_objects(role, "indices"))
    )


def _grants(entries: Sequence[Mapping[str, Any]]) -> tuple[Grant, ...]:
    made = []
    for entry in entries:
        privileges = as_texts(entry, "privileges")
        if not any(name in ("all", "read") or name.startswith("indices:") for name in privileges):
            continue
        said = entry.get("field_security", [])
        ways = [_way(as_object(way)) for way in (said if isinstance(said, list) else [said])]
        how = "; or ".join(ways) if all(ways) else ""
        made.append(Grant(tuple(as_texts(entry, "names")), how))
    return tuple(made)


def _way(said: Mapping[str, Any]) -> str:
    """How a `field_security` leaves fields out; "" where it does not."""
    only = as_texts(said, "grant") if said.get("grant") is not None else ["*"]
    without = as_texts(said, "except") if said.get("except") else []
    shown = [] if "*" in only else [f"only {listed(only) or 'none'} shown"]
    return ", ".join([*shown, *([f"without {listed(without)}"] if without else [])])


def _opensearch(connection: Connection) -> Access:
    answer = _asked(connection, "/_plugins/_security/authinfo")
    if answer.status != 200:
        return Access(unknown=_unless_off(answer))
    names = _read(connection, answer, lambda told: as_texts(told, "roles"))
    grants: list[Grant] = []
    unread: list[str] = []
    for name in names:
        role = _asked(connection, path_of("_plugins", "_security", "api", "roles", name))
        if role.status == 200:
            grants += _read(connection, role, partial(_permissions, name=name))
        else:
            unread.append(name)
    unknown = f"it may not read its roles {listed(unread)}" if unread else ""
    return Access(tuple(grants), unknown, overridden=False)


def _permissions(answer: Any, name: str) -> list[Grant]:
    made = []
    for entry in as_objects(answer, name, "index_permissions"):
        fields = as_texts(entry, "fls") if entry.get("fls") else []
        masked = as_texts(entry, "masked_fields") if entry.get("masked_fields") else []
        how = f"role {name}: {listed(fields)}" if fields else ""
        made.append(Grant(tuple(as_texts(entry, "index_patterns")), how, tuple(masked)))
    return made


def _asked(connection: Connection, target: str) -> Answer:
    answer = connection.ask("GET", target)
    if answer.status in (401, *_BUSY):
        _ensure_answered(connection, "GET", target, answer)
    return answer


def _ensure_answered(connection: Connection, method: str, target: str, answer: Answer) -> None:
    if answer.status >= 400:
        place = connection.place(method, target.partition("?")[0])
        signed = connection.options.auth.signs_in
        raise refusal(answer.status, answer.body, place, signed=signed)


def _read(connection: Connection, answer: Answer, read: Callable[[Any], T]) -> T:
    try:
        return read(orjson.loads(answer.body))
    except (orjson.JSONDecodeError, Misshapen):
        raise garbled(f"the privileges at {connection.shown}", answer.body) from None


def _unless_off(answer: Answer) -> str:
    """Why nothing is known; "" where the server has no security, and no such path."""
    try:
        error = orjson.loads(answer.body)["error"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        error = None
    if answer.status in (400, 405) and isinstance(error, str):
        return ""
    return f"the server answers with status {answer.status}"


def _matches(pattern: str, name: str) -> bool:
    if len(pattern) > 1 and pattern[0] == pattern[-1] == "/":
        try:
            return re.fullmatch(pattern[1:-1], name) is not None
        except re.error:
            return True
    written = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(written, name) is not None
