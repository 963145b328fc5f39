"""Several concrete indices (an alias, a pattern, a data stream) as one collection: the union of
their columns, types widened where that is exact, else MMC458.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mmc.diagnostics import Diagnostic
from mmc.sources.elasticsearch.mapping.column import DEFAULT_FORMATS, Column
from mmc.sources.elasticsearch.mapping.index import read_mapping
from mmc.sources.elasticsearch.mapping.kinds import widened
from mmc.sources.elasticsearch.mapping.mapped import Mapped, MappedField
from mmc.sources.elasticsearch.mapping.stored import listed
from mmc.sources.elasticsearch.mapping.vectors import KnnSettings
from mmc.types import Index


def read_mappings(
    mappings: Sequence[tuple[str, Mapping[str, Any]]],
    *,
    flatten: Collection[str],
    engine: str,
    source_modes: Mapping[str, str] | None = None,
    dims: Mapping[str, int] | None = None,
    knn: Mapping[str, KnnSettings] | None = None,
) -> tuple[Mapped, tuple[Mapped, ...]]:
    """Columns of several indices as one, and of each.

    An object that is opened in one index is opened in all, so that its members are the same
    columns everywhere. Arguments as of `read_mapping`; `source_modes` and `knn` by name of the
    index.
    """
    modes = source_modes or {}

    def read(opened: Collection[str]) -> list[Mapped]:
        return [
            read_mapping(
                mapping,
                flatten=opened,
                engine=engine,
                source_mode=modes.get(name, ""),
                dims=dims,
                knn=(knn or {}).get(name),
            )
            for name, mapping in mappings
        ]

    first = read(flatten)
    opened = [*flatten, *(path for mapped in first for path in mapped.opened)]
    each = read(list(dict.fromkeys(opened)))
    names = [name for name, _ in mappings]
    return merge(list(zip(names, each, strict=True))), tuple(each)


def own_columns(columns: Sequence[Column], own: Mapped) -> tuple[Column, ...]:
    """Merged columns as documents of one of the indices are decoded: with its own date formats and
    its own constants.
    """
    by_path = {field.column.path: field.column for field in own.fields}
    made = []
    for column in columns:
        mine = by_path.get(column.path)
        if mine is not None and mine.kind is column.kind:
            column = replace(column, formats=mine.formats, constant=mine.constant)
        made.append(column)
    return tuple(made)


def merge(mapped: Sequence[tuple[str, Mapped]]) -> Mapped:
    """Union of the columns, in the order in which the indices, given by name, have them first.

    A constant that differs is none of the merged column: `own_columns` has each index's.
    """
    fields: dict[str, MappedField] = {}
    holders: dict[str, list[tuple[str, str]]] = {}
    misfits: dict[str, list[tuple[str, str]]] = {}
    for name, one in mapped:
        for field in one.fields:
            path = field.column.path
            known = fields.get(path)
            both = field if known is None else _union(known, field)
            if both is None:
                misfits.setdefault(path, []).append((name, _type(field)))
                continue
            fields[path] = both
            holders.setdefault(path, []).append((name, _type(field)))
    clashes = [_clash(path, holders[path], others) for path, others in misfits.items()]
    return Mapped(
        fields=tuple(fields.values()),
        notes=tuple(_notes(mapped)),
        problems=(*_named(mapped), *clashes, *_overlaps(holders)),
        opened=tuple(dict.fromkeys(path for _, one in mapped for path in one.opened)),
        objects=tuple(dict.fromkeys(path for _, one in mapped for path in one.objects)),
    )


def _union(one: MappedField, other: MappedField) -> MappedField | None:
    a, b = one.column, other.column
    kind = widened(a.kind, b.kind)
    formats = _formats(a.formats, b.formats)
    if kind is None or a.dim != b.dim or formats is None:
        return None
    index, note = _index(one, other)
    constant = "" if a.constant == b.constant else "null where a document relies on the constant"
    notes = (*one.note.split("; "), *other.note.split("; "), note, constant)
    types = (*one.es_type.split(", "), *other.es_type.split(", "))
    column = replace(
        a,
        kind=kind,
        many=a.many or b.many,
        formats=formats,
        constant=a.constant if a.constant == b.constant else None,
    )
    return MappedField(
        column=column,
        es_type=", ".join(dict.fromkeys(types)),
        vector=one.vector,
        index=index,
        note="; ".join(text for text in dict.fromkeys(notes) if text),
        copied=one.copied and other.copied,
    )


def _formats(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...] | None:
    """Date formats that read the values of both alike: the first that fits decides, so one list
    has to begin with the other. `2024` is a year to one format and an epoch to the next.
    """
    if one == other:
        return one
    short, long = sorted((one or DEFAULT_FORMATS, other or DEFAULT_FORMATS), key=len)
    return long if long[: len(short)] == short else None


def _index(one: MappedField, other: MappedField) -> tuple[Index | None, str]:
    """The index of the first that has one. Without a metric where they rank by different ones, so
    that the spec has to say.
    """
    if one.index is None or other.index is None or one.index == other.index:
        return one.index or other.index, ""
    if one.index.metric is not other.index.metric:
        return replace(one.index, metric=None), "the indices rank by different metrics"
    return one.index, "the indices differ in their index options: those of the first are taken"


def _type(field: MappedField) -> str:
    column = field.column
    if column.dim:
        return f"{field.es_type} of {column.dim} dimensions"
    return field.es_type + (f" ({'||'.join(column.formats)})" if column.formats else "")


def _clash(path: str, held: list[tuple[str, str]], others: list[tuple[str, str]]) -> Diagnostic:
    index, es_type = held[0]
    told = listed(f"{found} in {name}" for name, found in others)
    return Diagnostic(
        "MMC458",
        f"`{path}` is {es_type} in {index}, but {told}",
        hint="no type holds both exactly: list the indices as collections of their own",
    )


def _overlaps(holders: Mapping[str, list[tuple[str, str]]]) -> list[Diagnostic]:
    """A path that is a value in one index and an object with members in another."""
    found = []
    for path, held in holders.items():
        for below in holders:
            if below.startswith(f"{path}.") and held[0][0] != holders[below][0][0]:
                found.append(_clash(path, held, [(holders[below][0][0], f"an object (`{below}`)")]))
                break
    return found


def _notes(mapped: Sequence[tuple[str, Mapped]]) -> Iterator[str]:
    """Notes of all as they are; others with the indices that they are of."""
    names: dict[str, list[str]] = {}
    for name, one in mapped:
        for note in one.notes:
            names.setdefault(note, []).append(name)
    for note, of in names.items():
        yield note if len(of) == len(mapped) else f"in {listed(of)}: {note}"


def _named(mapped: Sequence[tuple[str, Mapped]]) -> list[Diagnostic]:
    """Findings of each index with its name; the same of several in one line."""
    names: dict[Diagnostic, list[str]] = {}
    for name, one in mapped:
        for problem in one.problems:
            names.setdefault(problem, []).append(name)
    return [
        replace(problem, message=f"{listed(of)}: {problem.message}")
        for problem, of in names.items()
    ]
