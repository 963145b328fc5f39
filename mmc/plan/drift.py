"""Facts -> Seen, and Seen against Seen: what of the facts a plan rests on, and what differs when it
is applied.

Pure. `compile` writes `Seen` into the plan; `run` gathers the facts again and asks `compare`. What
a sample showed (lengths, null counts) is no part of it: the content is pinned by fingerprints and
counted by rows.
"""

from __future__ import annotations

from collections.abc import Collection as Names
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

from mmc.diagnostics import Severity
from mmc.facts import Capabilities, SourceCollection, SourceFacts, TargetCollection, TargetFacts
from mmc.plan.canonical import canonical, digest
from mmc.plan.model import OnDrift, Seen
from mmc.plan.seen import FILE, quoted
from mmc.types import Field, Index

LONGEST_LIMIT = 2000
"""Characters of a limit that a plan shows; of a longer one, such as the rules of all types of
index, it has the digest.
"""

ABSENT = "absent"
"""Value of a place that is on one side only."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where the facts are not what the plan was made from.

    Attributes:
        place: `articles/field title`, `articles/rows`, `version`.
        planned, now: the values, or ABSENT.
        severity: ERROR makes the plan stale; WARNING (row counts with `on_drift: warn`) is only
            told.
    """

    place: str
    planned: str
    now: str
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        return f"{self.place}: {self.planned} when planned, {self.now} now"


def seen_source(facts: SourceFacts) -> Seen:
    """What of a source must still hold: version, and of each collection fields, index,
    fingerprints, partitions.
    """
    details = [("type", facts.type), ("version", facts.version)]
    for collection in facts.collections:
        details += _source_collection(collection)
    rows = tuple(sorted((found.name, found.rows) for found in facts.collections))
    return replace(
        _seen(details, rows), sample_rows=facts.sample_rows, sample_seed=facts.sample_seed
    )


def seen_target(facts: TargetFacts) -> Seen:
    """What of a target must still hold: version, limits, and of each collection that exists its
    schema, indexes, names and functions, and which run is filling it.
    """
    details = [("type", facts.type), ("version", facts.version)]
    details += _capabilities(facts.capabilities)
    for collection in facts.collections:
        details += _target_collection(collection)
        if collection.asked:
            details.append((f"{quoted(collection.asked)}/alias of", collection.schema.name))
    # A collection that was asked for by its name and by an alias is there twice.
    rows = tuple(sorted({(found.schema.name, found.rows) for found in facts.collections}))
    return _seen(list(dict.fromkeys(details)), rows)


def without(seen: Seen, collections: Names[str]) -> Seen:
    """`seen` as if these collections had not been looked at: what a run made itself is no drift."""
    owners = {quoted(name) for name in collections}
    details = [pair for pair in seen.details if _owner(pair[0]) not in owners]
    rows = tuple(pair for pair in seen.rows if pair[0] not in collections)
    return replace(_seen(details, rows), sample_rows=seen.sample_rows, sample_seed=seen.sample_seed)


def compare(planned: Seen, now: Seen, on_drift: OnDrift) -> list[Difference]:
    """Every difference, in order of place; empty when the plan still fits.

    Schema, index, limits and fingerprints are always errors. Row counts follow `on_drift`: an
    error, a warning, or nothing. A collection that is there on one side only is one difference, not
    one a field.
    """
    differences: list[Difference] = []
    if planned.schema != now.schema:
        differences += _details(dict(planned.details), dict(now.details))
    if on_drift is not OnDrift.IGNORE:
        severity = Severity.ERROR if on_drift is OnDrift.FAIL else Severity.WARNING
        before, after = dict(planned.rows), dict(now.rows)
        differences += [
            Difference(f"{name}/rows", _count(before[name]), _count(after[name]), severity)
            for name in sorted(before.keys() & after.keys())
            if before[name] != after[name]
        ]
    return differences


def _details(planned: dict[str, str], now: dict[str, str]) -> Iterator[Difference]:
    ours, theirs = {_owner(place) for place in planned}, {_owner(place) for place in now}
    for name in sorted(ours ^ theirs):
        before, after = ("there", ABSENT) if name in ours else (ABSENT, "there")
        yield Difference(name, before, after)
    found = [
        Difference(place, planned.get(place, ABSENT), now.get(place, ABSENT))
        for place in sorted(planned.keys() | now.keys())
        if _owner(place) in ours & theirs and planned.get(place) != now.get(place)
    ]
    named = {_owner(one.place) for one in found if "/field " in one.place}
    for one in found:
        # The list of all fields tells their order only, where those that differ are named.
        if not (one.place.endswith("/fields") and _owner(one.place) in named):
            yield one


def _owner(place: str) -> str:
    """The collection that a place belongs to; "" for what is about the whole endpoint."""
    head, slash, _ = place.partition("/")
    return head if slash else ""


def _source_collection(collection: SourceCollection) -> Iterator[tuple[str, str]]:
    name = quoted(collection.name)
    yield f"{name}/fields", ", ".join(field.name for field in collection.fields)
    for field in collection.fields:
        marks = [field.vector or field.arrow]
        flags = ("key", "unique", "repeated", "nullable", "json_text")
        marks += [flag for flag in flags if getattr(field, flag)]
        yield f"{name}/field {field.name}", " ".join(marks)
        if field.index is not None:
            yield f"{name}/index {field.name}", _index(field.index)
    for file, mark in collection.fingerprint:
        yield f"{name}/{FILE}{file}", mark
    yield f"{name}/partitions", ", ".join(collection.partitions)
    yield f"{name}/lossy", collection.lossy
    yield f"{name}/lost rows", str(collection.lost)


def _target_collection(collection: TargetCollection) -> Iterator[tuple[str, str]]:
    schema = collection.schema
    name = quoted(schema.name)
    yield f"{name}/fields", ", ".join(field.name for field in schema.fields)
    for field in schema.fields:
        yield f"{name}/field {field.name}", _field(field)
    for field_name, type_ in collection.unknown_fields:
        omittable = " omittable" if field_name in collection.omittable else ""
        yield f"{name}/field {field_name}", f"{type_}, not a type of mmc{omittable}"
    for field_name, function in collection.filled:
        yield f"{name}/filled {field_name}", function
    for field_name, index in collection.indexes:
        yield f"{name}/index {field_name}", _index(index)
    yield f"{name}/dynamic", str(schema.dynamic).lower()
    yield f"{name}/shards", str(schema.shards)
    yield f"{name}/partitions", ", ".join(schema.partitions)
    yield f"{name}/properties", canonical(schema.properties).decode()
    more = {
        "description": schema.description,
        "aliases": ", ".join(collection.aliases),
        "functions": ", ".join(collection.functions),
        "options of fields": ", ".join(collection.field_options),
        "consistency": collection.consistency,
        "partitions by key": str(collection.key_partitions or ""),
        "run of mmc": collection.run,
    }
    yield from ((f"{name}/{what}", value) for what, value in more.items() if value)


def _capabilities(capabilities: Capabilities) -> Iterator[tuple[str, str]]:
    for field in fields(capabilities):
        value = getattr(capabilities, field.name)
        text = value if isinstance(value, str) else canonical(value).decode()
        if len(text) > LONGEST_LIMIT:
            text = f"sha256 {digest(value)[:16]}"
        yield f"limit {field.name}", text


def _field(field: Field) -> str:
    marks = [str(field.type)]
    marks += [
        mark
        for mark in ("primary_key", "auto_id", "nullable", "partition_key")
        if getattr(field, mark)
    ]
    if field.default is not None:
        marks.append(f"default {canonical(field.default).decode()}")
    return " ".join(marks)


def _index(index: Index) -> str:
    params = " ".join(f"{name}={canonical(value).decode()}" for name, value in index.params)
    return " ".join(filter(None, (index.type, index.metric, params)))


def _count(rows: int | None) -> str:
    return "unknown" if rows is None else f"{rows:,} rows"


def _seen(details: list[tuple[str, str]], rows: tuple[tuple[str, int | None], ...]) -> Seen:
    ordered = tuple(sorted(details))
    return Seen(schema=digest(ordered), details=ordered, rows=rows)
