"""What the names and patterns of a spec match on a cluster: names of indices, aliases and data
streams.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mmc.diagnostics import Diagnostic, Severity
from mmc.errors import SourceMissing
from mmc.sources.elasticsearch.client.answers import Misshapen, as_objects, as_text, as_texts
from mmc.sources.elasticsearch.client.connect import Connection, path_of
from mmc.sources.elasticsearch.mapping.stored import listed
from mmc.types import nearest


@dataclass(frozen=True, slots=True)
class Wanted:
    """A name or pattern, and what is left out of it: names and patterns behind their dashes."""

    pattern: str
    without: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        return ",".join([self.pattern, *(f"-{name}" for name in self.without)])


def wanted_by(connection: Connection, patterns: Sequence[str]) -> list[Wanted]:
    """As the server reads a list: a dash means what stands behind it only once there was a pattern.
    A name before both is left out too.

    Raises:
        SourceMissing: a dash, and no pattern before it (MMC452).
    """
    found: list[Wanted] = []
    is_pattern = False
    for text in patterns:
        if not text.startswith("-"):
            is_pattern = is_pattern or "*" in text
            found.append(Wanted(text))
            continue
        if not is_pattern:
            raise SourceMissing(
                f"no index {text} at {connection.shown}: a name with a dash leaves something out of"
                " the patterns before it, and there is none",
                hint=f'write index: ["*", "{text}"]',
                code="MMC452",
            )
        out = text.removeprefix("-")
        matches = re.compile(".*".join(map(re.escape, out.split("*"))))
        found = [
            replace(one, without=(*one.without, out))
            for one in found
            if "*" in one.pattern or not matches.fullmatch(one.pattern)
        ]
    return found


def matching(connection: Connection, wanted: Wanted) -> tuple[list[str], tuple[Diagnostic, ...]]:
    """Names, and what is left out: closed indices, and aliases, whose indices are matched by their
    own names, if they are.
    """
    pattern = wanted.pattern

    def is_meant(one: Mapping[str, Any]) -> bool:
        return pattern.startswith(".") or not str(one["name"]).startswith(".")

    there = connection.get(
        path_of("_resolve", "index", wanted.shown), _resolved, {"expand_wildcards": "open,closed"}
    )
    indices = [one for one in there["indices"] if is_meant(one) and "data_stream" not in one]
    streams = [str(one["name"]) for one in there["data_streams"] if is_meant(one)]
    closed = sorted(str(one["name"]) for one in indices if "closed" in one["attributes"])
    names = [str(one["name"]) for one in indices if one["name"] not in closed] + streams
    reached = {*names, *closed, *(name for one in there["data_streams"] for name in _backing(one))}
    aliases = sorted(
        str(one["name"])
        for one in there["aliases"]
        if is_meant(one) and not set(_backing(one)) <= reached
    )
    left_out = []
    if closed:
        left_out.append(_left_out(pattern, closed, "closed", "open what is wanted"))
    if aliases and pattern != "*":
        what = "an alias of other indices"
        left_out.append(_left_out(pattern, aliases, what, "name it in source.index to have it"))
    return sorted(names), tuple(left_out)


def _resolved(answer: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Indices, data streams and aliases of `_resolve/index`."""
    kinds = ("indices", "data_streams", "aliases")
    found = {kind: as_objects(answer, kind) for kind in kinds}
    for kind in kinds:
        for one in found[kind]:
            as_text(one, "name")
            if kind == "indices":
                as_texts(one, "attributes")
            elif not all(_backing(one)):
                raise Misshapen(f"{kind} of no index")
    return found


def _backing(one: Mapping[str, Any]) -> list[str]:
    """Indices of an alias or a data stream: one is told as a text."""
    said = one.get("indices", one.get("backing_indices", []))
    return [said] if isinstance(said, str) else as_texts(said)


def _left_out(pattern: str, names: list[str], what: str, hint: str) -> Diagnostic:
    return Diagnostic(
        "MMC462",
        f"`{pattern}` matches {listed(names)} too, {what}: left out",
        severity=Severity.WARNING,
        hint=hint,
    )


def missing(connection: Connection, name: str) -> SourceMissing:
    there = connection.get(path_of("_resolve", "index", "*"), _resolved)
    known = [str(one["name"]) for kind in there.values() for one in kind]
    known = [one for one in known if not one.startswith(".")]
    close = nearest(name, known)
    shown = ", ".join(sorted(known)[:10]) or "none that this user may see"
    return SourceMissing(
        f"no index, alias or data stream {name} at {connection.shown}",
        hint=f"did you mean {close}?" if close else f"there are: {shown}",
        code="MMC452",
    )
