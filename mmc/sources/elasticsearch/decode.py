"""An answer of a search into Arrow columns: simdjson walks it, numpy and Arrow take the numbers.

A page that simdjson refuses (integers beyond 64 bits) goes through Python's own decoder, with the
same result. What a column cannot hold is a flaw, never a null nobody told of.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import simdjson

from mmc.io.arrow import Flaw
from mmc.sources.elasticsearch.builders import Misfit, build
from mmc.sources.elasticsearch.column import ID, INDEX, METADATA, ROUTING, Column, Kind
from mmc.sources.elasticsearch.sample import values
from mmc.sources.elasticsearch.vectorcolumn import VECTORS, vectors

_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Decoded:
    """Documents of a page.

    Attributes:
        batch: columns named by `Column.path`, typed by `Column.arrow`.
        places: int64 `_seq_no` of each document, or its number in the page.
        flaws: values that their column cannot hold; the batch has null or zeros there.
    """

    batch: pa.RecordBatch
    places: npt.NDArray[np.int64]
    flaws: tuple[Flaw, ...]


class Page:
    """The parsed body of a `_search` or `_search/scroll` answer."""

    def __init__(self, hits: Any) -> None:
        self._hits = hits

    @classmethod
    def parse(cls, body: bytes) -> Page:
        """Raises ValueError for what is no JSON."""
        try:
            document = simdjson.Parser().parse(body)
        except (RuntimeError, ValueError):
            document = json.loads(body)
        return cls(document["hits"]["hits"])

    @property
    def count(self) -> int:
        return len(self._hits)

    def decode(self, columns: Sequence[Column], tokens: Mapping[str, int] | None) -> Decoded:
        """The documents as columns. `tokens` numbers those of sparse vectors; None: they are
        numbers.
        """
        found: list[list[Any]] = [[] for _ in columns]
        wanted = [(column, column.path.split("."), found[n]) for n, column in enumerate(columns)]
        inside = any(column.path not in METADATA for column in columns)
        numbers: list[int] = []
        for n, hit in enumerate(self._hits):
            numbers.append(hit.get("_seq_no", n))
            source = hit.get("_source") if inside else None
            dotted = source is not None and any("." in name for name in source.keys())  # noqa: SIM118
            plain = _plain(source) if dotted else None
            for column, parts, into in wanted:
                if column.path in METADATA:
                    into.append(hit.get(column.path))
                elif source is None:
                    into.append(None)
                else:
                    into.append(_value(source, plain, column, parts))
        arrays: list[pa.Array] = []
        flaws: list[Flaw] = []
        for column, listed in zip(columns, found, strict=True):
            if column.constant is not None:
                listed = [column.constant if value is None else value for value in listed]
            array, misfits = _column(column, listed, tokens)
            arrays.append(array)
            flaws += [
                Flaw(misfit.row, column.path, misfit.reason, _shown(misfit.value))
                for misfit in misfits
            ]
        names = [column.path for column in columns]
        if not columns:
            raise ValueError("no column is wanted")
        batch = pa.RecordBatch.from_arrays(arrays, names=names)
        return Decoded(batch, np.array(numbers, np.int64), tuple(flaws))


def _column(
    column: Column, listed: list[Any], tokens: Mapping[str, int] | None
) -> tuple[pa.Array, list[Misfit]]:
    if column.path in (ROUTING, INDEX, ID):
        return pa.array(listed, pa.string()), []
    if column.kind in VECTORS:
        return vectors(column, listed)
    return build(column, listed, tokens)


def _value(source: Any, plain: Any, column: Column, parts: Sequence[str]) -> Any:
    """What a document has at the path of a column: proxies for vectors, JSON bytes for JSON."""
    if plain is not None:
        return _gathered(plain, column)
    at = source
    for part in parts:
        if isinstance(at, (simdjson.Object, dict)):
            at = at.get(part)
        elif at is None:
            return None
        else:
            return _gathered(_plain(source), column)
    if column.kind is Kind.JSON:
        return bytes(at.mini) if isinstance(at, (simdjson.Object, simdjson.Array)) else at
    if column.kind in VECTORS:
        return at
    return _plain(at)


def _gathered(plain: Any, column: Column) -> Any:
    """The value from a document that writes names with dots, or objects in lists."""
    path = column.path
    found = [value for value in values(plain, path) if value is not None]
    if column.kind is Kind.JSON:
        prefix = f"{path}."
        members = {
            key[len(prefix) :]: value for key, value in plain.items() if key.startswith(prefix)
        }
        if members:
            whole = dict(found[0]) if found and isinstance(found[0], dict) else {}
            return {**whole, **_nested(members)}
    if len(found) <= 1:
        return found[0] if found else None
    return [item for value in found for item in (value if isinstance(value, list) else [value])]


def _nested(members: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted names as objects."""
    made: dict[str, Any] = {}
    for name, value in members.items():
        *above, last = name.split(".")
        at = made
        for part in above:
            at = at.setdefault(part, {})
        at[last] = value
    return made


def _plain(value: Any) -> Any:
    if isinstance(value, simdjson.Object):
        return value.as_dict()
    if isinstance(value, simdjson.Array):
        return value.as_list()
    return value


def _shown(value: Any) -> str:
    value = _plain(value)
    text = value.decode() if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
