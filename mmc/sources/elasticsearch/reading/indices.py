"""What the names in a spec stand for: concrete indices, with the UUIDs and shards to be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

from mmc.diagnostics import Diagnostic
from mmc.errors import SourceBusy, SourceChanged, SourceError, SourceMissing
from mmc.sources.elasticsearch.client.answers import (
    Misshapen,
    as_count,
    as_list,
    as_object,
    as_objects,
    as_text,
)
from mmc.sources.elasticsearch.client.connect import Connection, path_of
from mmc.sources.elasticsearch.reading.names import matching, missing, wanted_by
from mmc.types import JsonValue

WINDOW = 10_000
"""The server's own default of `index.max_result_window`."""

_FLAT = {"flat_settings": True, "expand_wildcards": "open,hidden"}


@dataclass(frozen=True, slots=True)
class Index:
    """A concrete index.

    Attributes:
        uuid: changes when an index is made anew under the same name.
        shards: numbers of those that hold what is wanted; fewer than there are where an alias has a
            routing.
        filter: query of the alias that led here, or None.
        window: most documents of one answer.
        routed: an alias leads to these of its shards only.
    """

    name: str
    _: KW_ONLY
    uuid: str
    shards: tuple[int, ...]
    filter: Mapping[str, JsonValue] | None = None
    window: int = WINDOW
    routed: bool = False


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
    that it matches; without patterns, all that are neither hidden nor begin with a dot. What begins
    with a dash behind a pattern is left out of what stands before it.

    Raises:
        SourceError: a name or a pattern stands for nothing (MMC452), or for a closed index
            (MMC462).
    """
    found: dict[str, Group] = {}
    for wanted in wanted_by(connection, patterns or ("*",)):
        names, left_out = (
            matching(connection, wanted) if "*" in wanted.pattern else ([wanted.pattern], ())
        )
        if not names and left_out:
            raise SourceError(left_out[0].message, hint=left_out[0].hint, code="MMC462")
        if not names and patterns:
            raise missing(connection, wanted.shown)
        for number, name in enumerate(names):
            if name not in found:
                found[name] = _group(connection, name)
            if not number:
                found[name] = replace(found[name], left_out=left_out)
    return list(found.values())


def uuid_of(connection: Connection, index: str) -> str:
    """The UUID of a concrete index. Raises SourceError (MMC452)."""
    return connection.get(
        path_of(index, "_settings"),
        lambda answer: as_text(answer, index, "settings", "index.uuid"),
        _FLAT,
    )


def ensure_same(connection: Connection, index: str, uuid: str) -> None:
    """Numbers of an index mean nothing in another one of the same name.

    Raises:
        SourceChanged: the index is gone, or was made anew (MMC460).
    """
    try:
        now = uuid_of(connection, index)
    except SourceMissing:
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
        path = path_of(name, "_search_shards")
        shards = connection.get(path, lambda answer: _shards(answer, name, settings))
    except SourceMissing:
        raise missing(connection, name) from None
    return Group(
        name, tuple(_index(index, settings[index], *shards[index]) for index in sorted(settings))
    )


_Shards = tuple[tuple[int, ...], Mapping[str, JsonValue] | None, bool]
"""Numbers of those that are searched, the filter, whether they are some of all."""


def _shards(
    answer: Any, name: str, settings: Mapping[str, Mapping[str, Any]]
) -> dict[str, _Shards]:
    """By index, what a search by this name would ask.

    Raises:
        SourceBusy: a shard has no copy (MMC459): what is in it would be left out of every search.
    """
    numbers: dict[str, set[int]] = {index: set() for index in settings}
    lost = False
    for copies in as_list(answer, "shards"):
        # Of a shard that no node has the list of copies is empty, and does not say which one it is.
        lost = lost or not as_list(copies)
        for copy in as_objects(copies):
            index = as_text(copy, "index")
            if index not in numbers:
                raise _changing(name)
            numbers[index].add(as_count(copy, "shard"))
    made: dict[str, _Shards] = {}
    absent: dict[str, list[int]] = {}
    for index, known in numbers.items():
        total = set(range(_number(settings[index], "number_of_shards", 0)))
        if not known <= total:
            raise Misshapen("a shard that the index does not have")
        filters = as_object(answer, "indices")
        if index not in filters:
            raise _changing(name)
        filter_ = as_object(filters, index).get("filter")
        made[index] = (
            tuple(sorted(known)),
            None if filter_ is None else as_object(filter_),
            known != total,
        )
        # Only an alias may lead to a part of the shards.
        if known != total and (lost or index == name or not known):
            absent[index] = sorted(total - known)
    if absent or lost:
        raise _unassigned(name, absent)
    return made


def _unassigned(name: str, absent: Mapping[str, list[int]]) -> SourceBusy:
    shown = "; ".join(
        f"index {index}, shard {' or '.join(map(str, numbers))}"
        for index, numbers in absent.items()
    )
    return SourceBusy(
        f"{shown or name}: no node has this shard now, so its documents cannot be read",
        hint="see GET _cluster/allocation/explain; plan again when the cluster is not red",
        code="MMC459",
    )


def _changing(name: str) -> SourceBusy:
    return SourceBusy(
        f"the indices behind {name} changed while they were looked at",
        hint="plan again",
        code="MMC464",
    )


def _index(
    name: str,
    settings: Mapping[str, Any],
    shards: tuple[int, ...],
    filter_: Mapping[str, JsonValue] | None,
    routed: bool,
) -> Index:
    window = _number(settings, "max_result_window", WINDOW)
    return Index(
        name,
        uuid=as_text(settings, "index.uuid"),
        shards=shards,
        filter=filter_,
        window=window,
        routed=routed,
    )


def _settings(connection: Connection, name: str) -> dict[str, dict[str, Any]]:
    """The settings of each index behind a name, flat.

    Raises:
        SourceError: there is none (MMC452), or one is closed (MMC462).
    """
    found = connection.get(path_of(name, "_settings"), _flat, _FLAT)
    for index, settings in found.items():
        if settings.get("index.verified_before_close") == "true":
            raise SourceError(
                f"index {index} is closed",
                hint="open it, or leave it out of source.index",
                code="MMC462",
            )
    return found


def _flat(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = {index: as_object(answer, index, "settings") for index in answer}
    for settings in found.values():
        as_text(settings, "index.uuid")
        _number(settings, "number_of_shards")
        _number(settings, "max_result_window", WINDOW)
    if not found:
        raise Misshapen("settings of no index")
    return found


def _number(settings: Mapping[str, Any], setting: str, default: int = 0) -> int:
    """The number in a setting, which servers answer as text. Raises Misshapen."""
    said = settings.get(f"index.{setting}", default)
    if not str(said).isdecimal() or int(said) < 1:
        raise Misshapen(f"no number: index.{setting}")
    return int(said)
