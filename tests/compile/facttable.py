"""Facts of a golden case as a short table, `facts.txt`: one line a thing, defaults left out.

    # A line that starts with a sharp sign is a remark.
    source files 1 sample_rows=10000 sample_seed=7
    collection articles
      field _id string key rows=10000 max_bytes=91
      field vec fixed_size_list<float>[8] not_nullable vector=float_vector(8) index="FLAT L2"
      extent 0..5000 row bytes=90000 cuttable at path=articles.data
      extents 4 x 64 list rows=12500 bytes=2600000 at path=words.data
      fingerprint articles.data 90000:1700000000000000000
      note "a line for the plan"
      problem MMC418 "the file is cut short" hint="copy it again"
    target milvus insert 2.3.5
      capabilities load_first=false
      existing known rows=10 not_loaded
        field id varchar(64) primary_key
        index embedding FLAT IP
      problem MMC574 "the certificate is not checked" severity=warning
      no_import MMC575 "files go in by another way"

A line is a word, what that word needs, then attributes of its dataclass (`tests.compile.tableline`
says how). A `field` of a source has those of its evidence too. `extents 4 x 64` are four of 64
each, from 0; what follows `at` is their locator. The rows of an extent of unit `row` are its
length, and those and the bytes of a collection are those of its extents together, unless its line
says others. Other targets: `milvus insert "milvus-lite 3.2.2"`, `files numpy 1`; the other route to
the same one is a line `bulk milvus bulk 2.3.5`. What a target can take is what mmc knows of that
version or format today, unless a line `capabilities` says another thing. Indentation is for the
eye.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

from mmc.diagnostics import Diagnostic
from mmc.errors import TargetError
from mmc.facts import (
    Capabilities,
    Evidence,
    Extent,
    Facts,
    SourceCollection,
    SourceFacts,
    SourceField,
    TargetCollection,
    TargetFacts,
)
from mmc.milvus.dialect import version_of
from mmc.milvus.importable import import_capabilities
from mmc.plan.codec import to_json
from mmc.sinks.files import sink as files
from mmc.types import Collection
from tests.compile.tableline import Line, read_field, read_index, valid

T = TypeVar("T")


class TableError(ValueError):
    """A table that cannot be read; the text names file and line."""


def read_case(case: Path) -> Facts:
    """The facts of a case's folder. Raises TableError."""
    return read_table((case / "facts.txt").read_text(encoding="utf-8"), f"{case.name}/facts.txt")


def read_table(text: str, file: str = "facts.txt") -> Facts:
    """Raises TableError."""
    table = _Table()
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                table.add(Line(line))
            except ValueError as error:
                raise TableError(f"{file}:{number}: {error}: {line.strip()}") from None
    try:
        return table.facts()
    except ValueError as error:
        raise TableError(f"{file}: {error}") from None


class _Table:
    """The facts so far. A line belongs to the last collection or target before it."""

    def __init__(self) -> None:
        self.source: SourceFacts | None = None
        self.collections: list[tuple[SourceCollection, frozenset[str]]] = []
        self.targets: dict[str, TargetFacts] = {}

    def facts(self) -> Facts:
        """Raises ValueError."""
        if self.source is None or "target" not in self.targets:
            raise ValueError("a table needs a `source` line and a `target` line")
        collections = tuple(_summed(*one) for one in self.collections)
        source = replace(self.source, collections=collections)
        return Facts(source=source, target=self.targets["target"], bulk=self.targets.get("bulk"))

    def add(self, line: Line) -> None:
        """Raises ValueError."""
        match word := line.take("first word"):
            case "source":
                type_, version = line.take("type"), line.take("version")
                self.source = _made(SourceFacts, line, type=type_, version=version, collections=())
            case "collection":
                said = frozenset(one.name for one in line.words)
                empty = {"fields": (), "extents": (), "rows": None, "bytes": 0}
                made = _made(SourceCollection, line, name=line.take("name"), **empty)
                self.collections.append((made, said))
            case "target" | "bulk":
                self.targets[word] = _target(line)
            case _ if self.targets:
                *_, (name, target) = self.targets.items()
                self.targets[name] = _of_target(target, word, line)
            case _ if self.collections:
                collection, said = self.collections[-1]
                self.collections[-1] = _of_collection(collection, word, line), said
            case _:
                raise ValueError(f"no `{word}` before a `collection` or a `target`")


def _of_collection(collection: SourceCollection, word: str, line: Line) -> SourceCollection:
    match word:
        case "field":
            one = {"name": line.take("name"), "arrow": line.take("Arrow type")}
            said, evidence = line.attributes(SourceField, Evidence)
            field = valid(SourceField, {"evidence": evidence, **said, **one})
            return replace(collection, fields=(*collection.fields, field))
        case "extent" | "extents":
            return replace(collection, extents=(*collection.extents, *_extents(line)))
        case "fingerprint":
            pair = (line.take("file"), line.take("value"))
            line.end()
            return replace(collection, fingerprint=(*collection.fingerprint, pair))
        case "note":
            note = line.take("text")
            line.end()
            return replace(collection, notes=(*collection.notes, note))
        case "problem":
            one = {"code": line.take("code"), "message": line.take("message")}
            problem = _made(Diagnostic, line, **one)
            return replace(collection, problems=(*collection.problems, problem))
    raise ValueError(
        f"`{word}` says nothing of a collection: field, extent, extents, fingerprint, note, problem"
    )


def _extents(line: Line) -> Iterator[Extent]:
    """`0..5000 row ... at path=x`, or `4 x 64 list ... at path=x`."""
    bounds = line.take("bounds")
    if match := re.fullmatch(r"(\d+)\.\.(\d+)", bounds):
        count, start, length = 1, int(match[1]), int(match[2]) - int(match[1])
    elif bounds.isdecimal() and line.take("x") == "x":
        count, start, length = int(bounds), 0, int(line.take("length"))
    else:
        raise ValueError(f"`{bounds}` is neither 0..64 nor 4 x 64")
    unit = line.take("unit")
    before = line.until("at")
    (said,) = before.attributes(Extent)
    one = {"unit": unit, "rows": length, "locator": line.pairs(), **said}
    if unit != "row" and "rows" not in said:
        raise ValueError(f"`rows` of an extent in units of {unit} is missing")
    for at in range(start, start + count * length, length):
        yield valid(Extent, {**one, "start": at, "stop": at + length})


def _summed(collection: SourceCollection, said: frozenset[str]) -> SourceCollection:
    """With the rows and bytes that its line left to its extents."""
    if "rows" not in said:
        rows = [extent.rows for extent in collection.extents]
        known = [one for one in rows if one is not None]
        collection = replace(collection, rows=sum(known) if len(known) == len(rows) else None)
    if "bytes" not in said:
        collection = replace(collection, bytes=sum(one.bytes for one in collection.extents))
    return collection


def _target(line: Line) -> TargetFacts:
    """`milvus insert 2.3.5`, `milvus bulk 2.5.8`, `files parquet 1`."""
    type_, route, version = line.take("type"), line.take("route or format"), line.take("version")
    line.end()
    match type_, route:
        case "files", "parquet" | "numpy" | "json":
            return TargetFacts(
                type=type_, route="files", version=version, capabilities=files.capabilities(route)
            )
        case "milvus", "insert" | "bulk":
            return TargetFacts(
                type=type_, route=route, version=version, capabilities=_server(route, version)
            )
    raise ValueError(f"`{type_} {route}` is no target")


def _server(route: str, version: str) -> Capabilities:
    try:
        dialect = version_of(version.replace(" ", "-")).dialect
    except TargetError as error:
        raise ValueError(str(error)) from None
    if route == "insert":
        return dialect.capabilities
    if dialect.imports is None:
        raise ValueError(f"{version} imports nothing")
    return import_capabilities(dialect.capabilities, dialect.imports)


def _of_target(target: TargetFacts, word: str, line: Line) -> TargetFacts:
    if word == "capabilities":
        (said,) = line.attributes(Capabilities)
        able = valid(Capabilities, {**cast("dict[str, Any]", to_json(target.capabilities)), **said})
        return replace(target, capabilities=able)
    if word == "existing":
        name = line.take("name")
        there, schema = line.attributes(TargetCollection, Collection)
        made = valid(Collection, {"fields": (), **schema, "name": name})
        new = valid(TargetCollection, {**there, "schema": made})
        return replace(target, collections=(*target.collections, new))
    if word in ("problem", "no_import"):
        one = {"code": line.take("code"), "message": line.take("message")}
        said = _made(Diagnostic, line, **one)
        if word == "no_import":
            return replace(target, no_import=said)
        return replace(target, problems=(*target.problems, said))
    if word not in ("field", "index"):
        raise ValueError(
            f"`{word}` says nothing of a target:"
            " capabilities, existing, field, index, problem, no_import"
        )
    if not target.collections:
        raise ValueError(f"no `{word}` of a target before an `existing`")
    *others, last = target.collections
    if word == "field":
        fields = (*last.schema.fields, read_field(line))
        last = replace(last, schema=replace(last.schema, fields=fields))
    else:
        last = replace(last, indexes=(*last.indexes, (line.take("field"), read_index(line))))
    return replace(target, collections=(*others, last))


def _made(cls: type[T], line: Line, **given: Any) -> T:
    (said,) = line.attributes(cls)
    return valid(cls, {**given, **said})
