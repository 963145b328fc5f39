"""What the names in a spec stand for: concrete indices, with the UUIDs and shards to be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mmc.diagnostics import Diagnostic, Severity
from mmc.errors import SourceChanged, SourceError, SourceMissing
from mmc.sources.elasticsearch.client.connect import Connection, path_of
from mmc.sources.elasticsearch.mapping.stored import listed
from mmc.types import JsonValue, nearest

WINDOW = 10_000
"""The server's own default of `index.max_result_window`."""


@dataclass(frozen=True, slots=True)
class Index:
    """A concrete index.

    Attributes:
        uuid: changes when an index is made anew under the same name.
        shards: numbers of those that hold what is wanted; fewer than there are where an alias has a
            routing.
        filter: query of the alias that led here, or None.
        window: most documents of one answer.
    """

    name: str
    uuid: str
    shards: tuple[int, ...]
    filter: Mapping[str, JsonValue] | None = None
    window: int = WINDOW


@dataclass(frozen=True, slots=True)
class Group:
    """What becomes one collection: an index, or all indices of an alias or a data stream.

    Attributes:
        left_out: findings on what the pattern matches too, and no collection has; of the first
            group of the pattern.
    """

    name: str
    indices: tuple[Index, ...]
    left_out: tuple[Diagnostic, ...] = ()


def resolve(connection: Connection, patterns: Sequence[str]) -> list[Group]:
    """Groups in the order of `patterns`, each once. A pattern gives every index and data stream
    that it matches; without patterns, all that are neither hidden nor begin with a dot.

    Raises:
        SourceError: a name or a pattern stands for nothing (MMC452), or for a closed index
            (MMC462).
    """
    found: dict[str, Group] = {}
    for pattern in patterns or ("*",):
        names, left_out = _matching(connection, pattern) if "*" in pattern else ([pattern], ())
        if not names and left_out:
            raise SourceError(left_out[0].message, hint=left_out[0].hint, code="MMC462")
        if not names and patterns:
            raise _missing(connection, pattern)
        for number, name in enumerate(names):
            if name not in found:
                found[name] = _group(connection, name)
            if not number:
                found[name] = replace(found[name], left_out=left_out)
    return list(found.values())


def uuid_of(connection: Connection, index: str) -> str:
    """The UUID of a concrete index. Raises SourceError (MMC452)."""
    return _text(_settings(connection, index)[index], "uuid")


def ensure_same(connection: Connection, index: str, uuid: str) -> None:
    """Numbers of an index mean nothing in another one of the same name.

    Raises:
        SourceChanged: the index is gone, or was made anew (MMC460).
    """
    try:
        now = uuid_of(connection, index)
    except SourceError as error:
        if error.code != "MMC452":
            raise
        raise gone(index) from None
    if now != uuid:
        raise SourceChanged(
            f"index {index} was made anew since the plan: its UUID was {uuid} and is {now}",
            hint="plan again",
            code="MMC460",
        )


def gone(index: str) -> SourceChanged:
    return SourceChanged(f"index {index} is gone since the plan", hint="plan again", code="MMC460")


def _group(connection: Connection, name: str) -> Group:
    try:
        settings = _settings(connection, name)
        # Says which shards a search would ask, and with which filter: an alias may have both.
        told = connection.get(path_of(name, "_search_shards"))
    except SourceError as error:
        if error.code == "MMC452":
            raise _missing(connection, name) from None
        raise
    shards: dict[str, set[int]] = {}
    for copies in told["shards"]:
        for copy in copies:
            shards.setdefault(copy["index"], set()).add(int(copy["shard"]))
    return Group(
        name,
        tuple(
            _index(index, settings[index], shards.get(index, set()), told["indices"].get(index, {}))
            for index in sorted(settings)
        ),
    )


def _index(name: str, said: Mapping[str, Any], shards: set[int], told: Mapping[str, Any]) -> Index:
    if _text(said, "verified_before_close") == "true":
        raise SourceError(
            f"index {name} is closed",
            hint="open it, or leave it out of source.index",
            code="MMC462",
        )
    window = int(_text(said, "max_result_window") or WINDOW)
    return Index(name, _text(said, "uuid"), tuple(sorted(shards)), told.get("filter"), window)


def _settings(connection: Connection, name: str) -> dict[str, Any]:
    told: dict[str, Any] = connection.get(
        path_of(name, "_settings"), {"flat_settings": True, "expand_wildcards": "open,hidden"}
    )
    return told


def _text(said: Mapping[str, Any], setting: str) -> str:
    return str(said["settings"].get(f"index.{setting}") or "")


def _matching(connection: Connection, pattern: str) -> tuple[list[str], tuple[Diagnostic, ...]]:
    """Names, and what is left out: closed indices, and aliases, whose indices are matched by their
    own names, if they are.
    """

    def is_meant(one: Mapping[str, Any]) -> bool:
        return pattern.startswith(".") or not str(one["name"]).startswith(".")

    told = connection.get(
        path_of("_resolve", "index", pattern), {"expand_wildcards": "open,closed"}
    )
    indices = [one for one in told["indices"] if is_meant(one) and "data_stream" not in one]
    streams = [str(one["name"]) for one in told["data_streams"] if is_meant(one)]
    closed = sorted(str(one["name"]) for one in indices if "closed" in one["attributes"])
    names = [str(one["name"]) for one in indices if one["name"] not in closed] + streams
    reached = {*names, *closed, *(name for one in told["data_streams"] for name in _backing(one))}
    aliases = sorted(
        str(one["name"])
        for one in told["aliases"]
        if is_meant(one) and not set(_backing(one)) <= reached
    )
    left_out = []
    if closed:
        left_out.append(_left_out(pattern, closed, "closed", "open what is wanted"))
    if aliases and pattern != "*":
        what = "an alias of other indices"
        left_out.append(_left_out(pattern, aliases, what, "name it in source.index to have it"))
    return sorted(names), tuple(left_out)


def _backing(one: Mapping[str, Any]) -> list[str]:
    """Indices of an alias or a data stream: one is told as a text."""
    said = one.get("indices", one.get("backing_indices", ()))
    return [said] if isinstance(said, str) else [str(name) for name in said]


def _left_out(pattern: str, names: list[str], what: str, hint: str) -> Diagnostic:
    return Diagnostic(
        "MMC462",
        f"`{pattern}` matches {listed(names)} too, {what}: left out",
        Severity.WARNING,
        hint=hint,
    )


def _missing(connection: Connection, name: str) -> SourceMissing:
    told = connection.get(path_of("_resolve", "index", "*"))
    known = [str(one["name"]) for kind in told.values() for one in kind]
    known = [one for one in known if not one.startswith(".")]
    close = nearest(name, known)
    shown = ", ".join(sorted(known)[:10]) or "none that this user may see"
    return SourceMissing(
        f"no index, alias or data stream {name} at {connection.shown}",
        hint=f"did you mean {close}?" if close else f"there are: {shown}",
        code="MMC452",
    )
