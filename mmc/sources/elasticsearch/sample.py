"""A seeded sample of documents: which fields hold lists, what no mapping names, and evidence."""

from __future__ import annotations

import json
import random
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from mmc.sources.elasticsearch.decoding.sparse import is_dimension
from mmc.sources.elasticsearch.mapping.column import METADATA, Kind
from mmc.sources.elasticsearch.mapping.mapped import MappedField
from mmc.sources.elasticsearch.reading.pages import weight

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

    def add(self, page: bytes, fields: Sequence[MappedField], known: Iterable[str]) -> None:
        """Looks at the documents of an answer. `known`: the names of the mapping's own properties,
        with dots where they have some (`subobjects: false`).
        """
        hits = _parsed(page)["hits"]["hits"]
        self.pages.append(page)
        self.docs += len(hits)
        self.size += weight(page)
        names = set(known)
        wanted = {one.column.path: one for one in fields if one.column.path not in METADATA}
        above = {head for path in wanted for head in _above(path) if head != path}
        for hit in hits:
            source = hit.get("_source") or {}
            self.unmapped.update(dict.fromkeys(_outside(names, source, "")))
            found: dict[str, list[Any]] = {}
            _gather(source, "", wanted, above, found)
            for path, values in found.items():
                self._look(wanted[path], values)

    def _look(self, mapped: MappedField, found: list[Any]) -> None:
        path = mapped.column.path
        if any(value is not None for value in found):
            self.present.add(path)
        if mapped.column.kind is Kind.SPARSE and not all(map(_is_numbered, found)):
            self.worded.add(path)
        if mapped.column.kind in _WHOLE:
            return
        if len(found) > 1 or any(isinstance(value, list) for value in found):
            self.lists.add(path)


def _outside(names: Collection[str], source: Mapping[str, Any], at: str) -> Iterator[str]:
    """Paths with values that no property has, nor any of those above."""
    for key, value in source.items():
        path = f"{at}.{key}" if at else key
        if value in (None, []) or any(above in names for above in _above(path)):
            continue
        if not any(name.startswith(f"{path}.") for name in names):
            yield path
            continue
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict):
                yield from _outside(names, inner, path)


def _above(path: str) -> Iterator[str]:
    """`a`, `a.b` and `a.b.c` of `a.b.c`."""
    parts = path.split(".")
    return (".".join(parts[: n + 1]) for n in range(len(parts)))


def _parsed(page: bytes) -> Any:
    try:
        return orjson.loads(page)
    except orjson.JSONDecodeError:
        # Half a character (`\ud800`) and numbers beyond a double are no JSON to orjson; the server
        # answers what it was sent.
        return json.loads(page)


def _is_numbered(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_numbered, value))
    return value is None or (isinstance(value, dict) and all(map(is_dimension, value)))


def _gather(
    value: Any,
    at: str,
    wanted: Collection[str],
    above: Collection[str],
    found: dict[str, list[Any]],
) -> None:
    """What stands at the wanted paths below `at`, in any of the ways in which a document may write
    them. One walk of the document: of 800 fields it has 30.
    """
    if isinstance(value, list):
        for item in value:
            _gather(item, at, wanted, above, found)
    elif isinstance(value, dict):
        for key, member in value.items():
            path = f"{at}.{key}" if at else key
            if path in wanted:
                found.setdefault(path, []).append(member)
            if path in above:
                _gather(member, path, wanted, above, found)


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
