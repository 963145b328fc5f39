"""A seeded sample of documents: which fields hold lists, what no mapping names, and evidence."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmc.sources.elasticsearch.decoding.documents import LISTS, plain
from mmc.sources.elasticsearch.decoding.page import Page, without_objects
from mmc.sources.elasticsearch.decoding.sparse import is_dimension
from mmc.sources.elasticsearch.mapping.column import METADATA, Kind
from mmc.sources.elasticsearch.mapping.mapped import MappedField
from mmc.sources.elasticsearch.reading.heads import weight

_WINDOWS = 12
"""Places that are looked at: each is a request."""
_WHOLE = frozenset(
    {Kind.JSON, Kind.POINT, Kind.VECTOR, Kind.BYTE_VECTOR, Kind.BIT_VECTOR, Kind.SPARSE}
)
"""Kinds whose own values may be written as lists or objects."""


@dataclass(slots=True)
class Seen:
    """What the sampled documents showed.

    Attributes:
        worded: paths of sparse vectors with a token that is no number of a dimension.
    """

    docs: int = 0
    size: int = 0
    lists: set[str] = field(default_factory=set)
    present: set[str] = field(default_factory=set)
    worded: set[str] = field(default_factory=set)
    unmapped: dict[str, None] = field(default_factory=dict)
    pages: list[bytes] = field(default_factory=list)

    def add(self, page: bytes, fields: Sequence[MappedField], known: Collection[str]) -> None:
        """Looks at the documents of an answer. `known`: the names of the mapping's own properties,
        with dots where they have some (`subobjects: false`).
        """
        parsed = Page.parse(page)
        self.pages.append(page)
        self.docs += parsed.count
        self.size += weight(page)
        wanted = {one.column.path: one for one in fields if one.column.path not in METADATA}
        single = without_objects(one.column for one in fields)
        found, outside = parsed.cells(wanted, single, known)
        self.unmapped.update(dict.fromkeys(outside))
        for path, cells in found.items():
            values = [value for value in cells if value is not None]
            if values:
                self._look(wanted[path], values)

    def _look(self, mapped: MappedField, values: list[Any]) -> None:
        path, kind = mapped.column.path, mapped.column.kind
        self.present.add(path)
        if kind is Kind.SPARSE and not all(_is_numbered(plain(value)) for value in values):
            self.worded.add(path)
        if kind not in _WHOLE and any(isinstance(value, LISTS) for value in values):
            self.lists.add(path)


def _is_numbered(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_numbered, value))
    return value is None or (isinstance(value, dict) and all(map(is_dimension, value)))


def windows(
    extents: Sequence[tuple[int, int, int]], rows: int, seed: int
) -> list[tuple[int, int, int, int]]:
    """(number of the extent, start, stop, documents wanted) to look at: all where the sample is
    large enough, else parts of some, spread by the seed.

    Args:
        extents: start, stop and documents of each.
    """
    total = sum(docs for _, _, docs in extents)
    if total <= rows:
        return [(n, start, stop, docs) for n, (start, stop, docs) in enumerate(extents) if docs]
    pick = random.Random(seed)
    count = max(1, min(_WINDOWS, rows))
    weights = [docs for _, _, docs in extents]
    chosen = []
    share = max(1, rows // count)
    for number in sorted(pick.choices(range(len(extents)), weights, k=count)):
        start, stop, docs = extents[number]
        width = min(stop - start, max(1, (stop - start) * share // docs))
        begin = pick.randrange(start, stop - width + 1)
        chosen.append((number, begin, begin + width, min(share, docs)))
    return chosen
