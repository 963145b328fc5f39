"""An answer of a search into Arrow columns: simdjson walks it, numpy and Arrow take the numbers.

A page that simdjson refuses (integers beyond 64 bits) goes through Python's own decoder, with the
same result. What a column cannot hold is a flaw, never a null nobody told of.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import simdjson

from mmc.arrow.schema import Flaw
from mmc.documents.arrays import Misfit, shown
from mmc.sources.elasticsearch.client.answers import Misshapen
from mmc.sources.elasticsearch.decoding.builders import build
from mmc.sources.elasticsearch.decoding.dense import VECTORS, vectors
from mmc.sources.elasticsearch.decoding.documents import (
    DigitsLost,
    Outside,
    Reader,
    Several,
    Written,
    members,
    plain,
)
from mmc.sources.elasticsearch.decoding.sparse import sparse
from mmc.sources.elasticsearch.decoding.tokens import TokenTable
from mmc.sources.elasticsearch.mapping.column import ID, METADATA, Column, Kind

_OBJECTS = frozenset({Kind.JSON, Kind.POINT, Kind.SPARSE})
"""Kinds whose values may be objects."""
_BARE = "a document without `_source`"


@dataclass(frozen=True, slots=True)
class Decoded:
    """Documents of a page.

    Attributes:
        batch: columns named by `Column.path`, typed by `Column.arrow`.
        places: int64 `_seq_no` of each document, or its number in the page.
        flaws: values that their column cannot hold; the batch has null or zeros there.
        outside: what documents have that is in no known column, by row and path.
    """

    batch: pa.RecordBatch
    places: npt.NDArray[np.int64]
    flaws: tuple[Flaw, ...]
    outside: dict[int, dict[str, Any]]


class Page:
    """The parsed body of a `_search` or `_search/scroll` answer."""

    def __init__(self, body: bytes, hits: Any) -> None:
        self._body = body
        self._hits = hits

    @classmethod
    def parse(cls, body: bytes) -> Page:
        """Raises ValueError for what is no JSON, or has no list of documents."""
        document: Any
        try:
            document = simdjson.Parser().parse(body)
        except (RuntimeError, ValueError):
            document = json.loads(body)
        try:
            found = document["hits"]["hits"]
        except (KeyError, TypeError):
            found = None
        if not isinstance(found, list | simdjson.Array):
            raise Misshapen("no list: hits.hits")
        return cls(body, found)

    @property
    def count(self) -> int:
        return len(self._hits)

    def keys(self) -> list[tuple[str, str | None]]:
        """`_id` and `_routing` of each document. Raises Misshapen where one is no document."""
        made = []
        for hit in self._hits:
            key = _checked(hit).get("_id")
            if not isinstance(key, str):
                raise Misshapen("no text: _id")
            if (source := hit.get("_source")) is not None:
                _checked(source)
            _number(hit.get("_seq_no", 0))
            routing = hit.get("_routing")
            made.append((key, None if routing is None else str(routing)))
        return made

    def decode(
        self,
        columns: Sequence[Column],
        tokens: TokenTable | None,
        known: Collection[Column] | None = None,
    ) -> Decoded:
        """The documents as columns. Raises Misshapen where one is no document.

        Args:
            tokens: numbers those of sparse vectors; None: they are numbers.
            known: all columns that there are; None: nobody asks for what is outside them.
        """
        if not columns:
            raise ValueError("no column is wanted")
        try:
            return self._decode(columns, tokens, known)
        except DigitsLost:
            # Seldom, and slower: only Python's decoder tells how a number was written.
            document = json.loads(self._body, parse_float=Written)
            return Page(self._body, document["hits"]["hits"])._decode(columns, tokens, known)

    def _decode(
        self,
        columns: Sequence[Column],
        tokens: TokenTable | None,
        known: Collection[Column] | None,
    ) -> Decoded:
        count = self.count
        found: dict[str, list[Any]] = {column.path: [None] * count for column in columns}
        inner = {path: cells for path, cells in found.items() if path not in METADATA}
        paths = [column.path for column in known or () if column.path not in METADATA]
        outside: dict[int, Outside] | None = None if known is None else {}
        reader = Reader(inner, without_objects((*columns, *(known or ()))), paths)
        places, bare = self._fill(found, reader, outside)
        arrays: list[pa.Array] = []
        flaws: list[Flaw] = []
        for column in columns:
            array, misfits = _column(column, found[column.path], tokens)
            arrays.append(array)
            flaws += [
                Flaw(misfit.row, column.path, misfit.reason, shown(plain(misfit.value)))
                for misfit in misfits
            ]
            if column.path not in METADATA:
                flaws += [
                    Flaw(row, column.path, "a document without `_source`", "") for row in bare
                ]
        batch = pa.RecordBatch.from_arrays(arrays, names=list(found))
        beyond = {row: _plainly(members) for row, members in (outside or {}).items()}
        return Decoded(batch, places, tuple(flaws), beyond)

    def cells(
        self, paths: Iterable[str], single: Collection[str] = (), known: Collection[str] = ()
    ) -> tuple[dict[str, list[Any]], list[str]]:
        """What each document has at these paths, and the paths outside them and outside `known`.

        Args:
            single: paths of columns that take no objects.
        """
        found: dict[str, list[Any]] = {path: [None] * self.count for path in paths}
        outside: dict[int, Outside] = {}
        self._fill(found, Reader(found, single, known), outside)
        return found, [path for members in outside.values() for path in members]

    def tokens(self, paths: Sequence[str]) -> set[str]:
        """Names of all members of the objects at these paths: the tokens of sparse vectors."""
        found, _ = self.cells(paths)
        return {token for cells in found.values() for value in cells for token in members(value)}

    def _fill(
        self, found: dict[str, list[Any]], reader: Reader, outside: dict[int, Outside] | None = None
    ) -> tuple[npt.NDArray[np.int64], list[int]]:
        """Fills the cells of each path; gives the places, and the rows that have no `_source`."""
        above = {path: found[path] for path in METADATA if path in found}
        inside = len(above) < len(found) or outside is not None
        places = np.arange(self.count, dtype=np.int64)
        bare: list[int] = []
        for row, hit in enumerate(self._hits):
            source = None
            for name in _checked(hit):
                if name == "_source":
                    source = hit[name] if inside else None
                elif name == "_seq_no":
                    places[row] = _number(hit[name])
                elif name in above:
                    above[name][row] = hit[name]
            if source is not None:
                members: Outside | None = None if outside is None else {}
                reader.read(_checked(source), row, members)
                if outside is not None and members:
                    outside[row] = members
            elif inside:
                bare.append(row)
        if not all(isinstance(key, str) for key in above.get(ID, ())):
            raise Misshapen("no text: _id")
        return places, bare


def _plainly(members: Outside) -> dict[str, Any]:
    """Without proxies; what several objects of a list have is a list."""
    return {
        path: plain(values[0] if len(values) == 1 else Several(values))
        for path, values in members.items()
    }


def without_objects(columns: Iterable[Column]) -> set[str]:
    """Paths of the columns that take no objects."""
    return {column.path for column in columns if column.kind not in _OBJECTS}


def _checked(value: Any) -> Any:
    """A document, or its `_source`: an object of either parser. Raises Misshapen."""
    if not isinstance(value, dict | simdjson.Object):
        raise Misshapen("no document")
    return value


def _number(value: Any) -> int:
    """A `_seq_no`, which is negative where a document has none. Raises Misshapen."""
    if not isinstance(value, int):
        raise Misshapen("no number: _seq_no")
    return value


def _column(
    column: Column, cells: list[Any], tokens: TokenTable | None
) -> tuple[pa.Array, list[Misfit]]:
    if column.constant is not None:
        cells = [column.constant if value is None else value for value in cells]
    if column.kind in VECTORS:
        return vectors(column, cells)
    if column.kind is Kind.SPARSE:
        return sparse(cells, tokens)
    return build(column, cells)
