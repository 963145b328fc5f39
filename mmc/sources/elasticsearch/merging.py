"""Several concrete indices (an alias, a pattern, a data stream) as one collection: the union of
their columns, types widened where that is exact, else MMC458.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mmc.diagnostics import Diagnostic
from mmc.sources.elasticsearch.column import Column
from mmc.sources.elasticsearch.kinds import widened, width
from mmc.sources.elasticsearch.mapped import Mapped, MappedField
from mmc.sources.elasticsearch.mapping import read_mapping
from mmc.sources.elasticsearch.stored import listed
from mmc.types import Index


def read_mappings(
    mappings: Sequence[tuple[str, Mapping[str, Any]]],
    *,
    flatten: Collection[str],
    engine: str,
    source_modes: Mapping[str, str] | None = None,
    dims: Mapping[str, int] | None = None,
) -> tuple[Mapped, tuple[Mapped, ...]]:
    """Columns of several indices as one, and of each.

    An object that is opened in one index is opened in all, so that its members are the same
    columns everywhere. Arguments as of `read_mapping`; `source_modes` by name of the index.
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
            )
            for name, mapping in mappings
        ]

    first = read(flatten)
    opened = [*flatten, *(path for mapped in first for path in mapped.opened)]
    each = read(list(dict.fromkeys(opened)))
    names = [name for name, _ in mappings]
    return merge(list(zip(names, each, strict=True))), tuple(each)


def own_columns(merged: Mapped, own: Mapped) -> tuple[Column, ...]:
    """The merged columns as documents of one of the indices are decoded: with its own date
    formats and its own constants.
    """
    by_path = {field.column.path: field.column for field in own.fields}
    made = []
    for field in merged.fields:
        mine = by_path.get(field.column.path)
        formats = mine.formats if mine is not None else ()
        constant = mine.constant if mine is not None else None
        made.append(replace(field.column, formats=formats, constant=constant))
    return tuple(made)


def merge(mapped: Sequence[tuple[str, Mapped]]) -> Mapped:
    """Union of the columns, in the order in which the indices, given by name, have them first.

    Where two have date formats or constants that differ, `own_columns` has each one's.
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
        notes=tuple(dict.fromkeys(note for _, one in mapped for note in one.notes)),
        problems=(*_named(mapped), *clashes, *_overlaps(holders)),
        opened=tuple(dict.fromkeys(path for _, one in mapped for path in one.opened)),
    )


def _union(one: MappedField, other: MappedField) -> MappedField | None:
    a, b = one.column, other.column
    kind = widened(a.kind, b.kind)
    if kind is None or a.dim != b.dim:
        return None
    index, note = _index(one, other)
    notes = (*one.note.split("; "), *other.note.split("; "), note)
    types = (*one.es_type.split(", "), *other.es_type.split(", "))
    column = replace(
        a,
        kind=kind,
        many=a.many or b.many,
        formats=tuple(dict.fromkeys((*a.formats, *b.formats))),
        constant=a.constant if a.constant == b.constant else None,
    )
    return MappedField(
        column,
        es_type=", ".join(dict.fromkeys(types)),
        vector=one.vector,
        index=index,
        note="; ".join(text for text in dict.fromkeys(notes) if text),
        bytes_hint=width(kind, a.dim),
        copied=one.copied and other.copied,
    )


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
    return field.es_type + (f" of {field.column.dim} dimensions" if field.column.dim else "")


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
