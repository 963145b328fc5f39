"""The mapping of an index as columns. Pure: knows no cluster and no document."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mmc.diagnostics import Diagnostic, Severity
from mmc.sources.elasticsearch.column import Column, Kind
from mmc.sources.elasticsearch.dates import DEFAULT, unreadable
from mmc.sources.elasticsearch.kinds import NESTED, OBJECTS, SPARSE, kind_of, note_of, widened
from mmc.sources.elasticsearch.vectors import DENSE, dimension, read_vector
from mmc.types import Index


@dataclass(frozen=True, slots=True)
class MappedField:
    """A column with what the mapping says of it.

    Attributes:
        es_type: as the mapping names it.
        vector: Milvus type text of a vector, or "".
        index: in Milvus's terms; None where there is none to carry over.
        note: a line for the plan, or "".
    """

    column: Column
    es_type: str
    vector: str = ""
    index: Index | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Mapped:
    """All columns of an index, in mapping order, and what is to be said about it."""

    fields: tuple[MappedField, ...]
    notes: tuple[str, ...] = ()
    problems: tuple[Diagnostic, ...] = ()


@dataclass(slots=True)
class _Left:
    """Fields that are other views of values, by kind of view."""

    multi: list[str] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)
    copies: set[str] = field(default_factory=set)
    empty: list[str] = field(default_factory=list)
    counts: list[str] = field(default_factory=list)


def read_mapping(
    mappings: Mapping[str, Any], *, flatten: Collection[str], engine: str, source_mode: str = ""
) -> Mapped:
    """Columns of one concrete index.

    Args:
        mappings: of `GET index/_mapping`.
        flatten: dotted paths of the objects whose members become columns.
        engine: elasticsearch or opensearch.
        source_mode: `index.mapping.source.mode`, in small letters.
    """
    left = _Left()
    properties = mappings.get("properties") or {}
    left.copies.update(_copied(properties))
    fields = tuple(_fields(properties, "", frozenset(flatten), left))
    notes = [
        _named(left.multi, "other indexings of the same values: not copied"),
        _named(left.aliases, "field aliases: not copied"),
        _named(sorted(left.copies), "filled by copy_to: not copied"),
        _named(left.empty, "vectors of unknown dimension, as no document has one: left out"),
        _named(left.counts, "numbers that the server counts: not in the documents"),
        _named(list(mappings.get("runtime") or {}), "runtime fields: not copied"),
    ]
    return Mapped(
        fields,
        tuple(note for note in notes if note),
        tuple(_problems(mappings, fields, source_mode)),
    )


def merge(mapped: Sequence[tuple[str, Mapped]]) -> Mapped:
    """Several indices as one: all their columns, of the type that holds both."""
    found: dict[str, tuple[str, MappedField]] = {}
    problems: dict[tuple[str, str], Diagnostic] = {}
    notes: dict[str, None] = {}
    for index, one in mapped:
        notes.update(dict.fromkeys(one.notes))
        problems.update({(problem.code, problem.message): problem for problem in one.problems})
        for here in one.fields:
            path = here.column.path
            first, there = found.setdefault(path, (index, here))
            made = _both(there, here)
            if made is None:
                problem = Diagnostic(
                    "MMC458",
                    f"`{path}` is {there.es_type} in {first} and {here.es_type} in {index}",
                    hint="name the indices in source.index one by one: a collection each",
                )
                problems[problem.code, problem.message] = problem
            else:
                found[path] = (first, made)
    fields = tuple(made for _, made in found.values())
    return Mapped(fields, tuple(notes), tuple(problems.values()))


def _both(one: MappedField, other: MappedField) -> MappedField | None:
    """A field that holds the values of both; None where none does."""
    if one.column == other.column:
        return one if one.index == other.index else replace(one, index=None)
    if one.vector or other.vector:
        return None
    kind = widened(one.column.kind, other.column.kind)
    if kind is None:
        return None
    formats = tuple(dict.fromkeys(one.column.formats + other.column.formats))
    return replace(one, column=replace(one.column, kind=kind, formats=formats, constant=None))


def _fields(
    properties: Mapping[str, Any], prefix: str, flatten: frozenset[str], left: _Left
) -> Iterator[MappedField]:
    for name, said in properties.items():
        path = f"{prefix}{name}"
        type_ = str(said.get("type", "object"))
        if "fields" in said:
            left.multi.append(path)
        if type_ == "alias":
            left.aliases.append(path)
        elif path in left.copies:
            continue
        elif type_ == "token_count":
            left.counts.append(path)
        elif type_ in OBJECTS and _opened(said, path, flatten):
            yield from _fields(said.get("properties") or {}, f"{path}.", flatten, left)
        elif type_ in OBJECTS or type_ == NESTED:
            note = "nested documents kept as a JSON list" if type_ == NESTED else ""
            yield MappedField(Column(path, Kind.JSON), type_, note=note)
        elif type_ in DENSE:
            if made := _vector(said, path, type_, left):
                yield made
        else:
            yield _scalar(said, path, type_)


def _opened(said: Mapping[str, Any], path: str, flatten: frozenset[str]) -> bool:
    """Whether the members of an object become columns: it is named, or there is a vector in it."""
    if said.get("enabled") is False:
        return False
    if path in flatten or any(name.startswith(f"{path}.") for name in flatten):
        return True
    return any(_has_vector(member) for member in (said.get("properties") or {}).values())


def _has_vector(said: Mapping[str, Any]) -> bool:
    if said.get("type") in DENSE or said.get("type") in SPARSE:
        return True
    if said.get("type", "object") not in OBJECTS:
        return False
    return any(_has_vector(member) for member in (said.get("properties") or {}).values())


def _vector(said: Mapping[str, Any], path: str, type_: str, left: _Left) -> MappedField | None:
    dim = dimension(said)
    made = read_vector(said, dim) if dim else None
    if made is None:
        if not dim:
            left.empty.append(path)
            return None
        note = f"{type_} of unknown elements: kept as JSON"
        return MappedField(Column(path, Kind.JSON), type_, note=note)
    column = Column(path, made.kind, dim=dim)
    return MappedField(column, type_, made.text, made.index, made.note)


def _scalar(said: Mapping[str, Any], path: str, type_: str) -> MappedField:
    kind = kind_of(type_)
    note = note_of(type_)
    formats: tuple[str, ...] = ()
    if kind in (Kind.DATE, Kind.DATE_NANOS):
        formats = tuple(str(said.get("format") or "||".join(DEFAULT)).split("||"))
        if unknown := unreadable(formats):
            kind, formats = Kind.TEXT, ()
            note = f"date format {', '.join(unknown)} is not read: kept as text"
    constant = said.get("value") if type_ == "constant_keyword" else None
    vector = "sparse_float_vector" if kind is Kind.SPARSE else ""
    return MappedField(
        Column(path, kind, formats=formats, constant=constant), type_, vector, None, note
    )


def _copied(properties: Mapping[str, Any]) -> Iterator[str]:
    for said in properties.values():
        targets = said.get("copy_to") or []
        yield from [targets] if isinstance(targets, str) else targets
        yield from _copied(said.get("properties") or {})


def _named(names: Sequence[str], what: str) -> str:
    return f"{', '.join(names)}: {what}" if names else ""


def _problems(
    mappings: Mapping[str, Any], fields: Sequence[MappedField], source_mode: str
) -> Iterator[Diagnostic]:
    source = mappings.get("_source") or {}
    mode = str(source.get("mode") or source_mode)
    if source.get("enabled") is False or mode == "disabled":
        yield Diagnostic(
            "MMC455",
            "the index keeps no `_source`: the values of its documents are not there",
            hint="migrate from where the index was filled from",
        )
    elif left_out := source.get("excludes") or source.get("includes") or ():
        shown = ", ".join(left_out)
        yield Diagnostic(
            "MMC455",
            f"`_source` leaves fields out of the documents ({shown})",
            Severity.WARNING,
            hint="values that it leaves out cannot be read, and are null",
        )
    if mode == "synthetic":
        yield Diagnostic(
            "MMC456",
            "`_source` is synthetic: values come back as the index has them, not as they were sent",
            Severity.WARNING,
            hint="lists come sorted and without repeats; vectors as float32",
        )
    if mappings.get("dynamic") in (False, "false"):
        yield Diagnostic(
            "MMC457",
            "the mapping has dynamic: false: documents may hold fields that it does not name",
            Severity.WARNING,
            hint="those that the sample shows become columns; raise sample.rows to see more",
        )
