"""JSON files: lines of objects, one array of objects, or Milvus's `{"rows": [...]}`.

Byte ranges cut between rows; orjson decodes blocks, which become columns of the sampled types.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from mmc.arrow.column import Column
from mmc.documents.arrays import shown
from mmc.documents.exact import DEEPEST, build
from mmc.documents.kinds import infer
from mmc.documents.unmapped import as_column, without
from mmc.errors import SourceError
from mmc.facts import Extent
from mmc.sources.files.formats import Look, Reading, Rows, number_of, text_of
from mmc.sources.files.records import (
    BLOCK,
    Block,
    Scan,
    blocks,
    elements,
    lines,
    some_elements,
    survey,
)
from mmc.sources.files.sample import choose
from mmc.sources.files.textrows import LEAST_SAMPLE, in_batches, misfit, planned, typed_look
from mmc.storage.blobs import Blob
from mmc.types import UNMAPPED

_MANY_DIGITS = 19
"""Integers of so many digits may lie beyond 64 bits: orjson would make floats of them."""
_FRACTION = np.frombuffer(b".", np.uint8)
_ROWS = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"rows"[ \t\r\n]*:[ \t\r\n]*\[')
_ROWS_END = re.compile(rb"\][ \t\r\n]*\}[ \t\r\n]*\Z")
_ARRAY = re.compile(rb"[ \t\r\n]*\[")
_ARRAY_END = re.compile(rb"\][ \t\r\n]*\Z")
_EDGE = 1 << 16


@dataclass(frozen=True, slots=True)
class _Shape:
    """Where the rows of a file are: bytes start..stop-1, found by `kind` of scan."""

    kind: str
    start: int
    stop: int
    line: int


_SCANS: Mapping[str, Scan] = {"lines": lines, "array": elements}
"""Scans of a whole file."""
_SCANS_OF_PIECES: Mapping[str, Scan] = {"lines": lines, "array": some_elements}


def look(files: Sequence[str], options: Reading) -> Look:
    """Scans every file once to find and count its rows, then tells types from the sample."""
    extents: list[Extent] = []
    windows: list[Extent] = []
    number = 0
    for file in files:
        with options.files.open(file) as blob:
            shape = _shape(blob)
            pairs = (("kind", shape.kind), ("path", file))
            bounds = (shape.start, shape.stop, shape.line)
            some, spread, rows = survey(blob, bounds, _SCANS[shape.kind], number, pairs)
        extents += some
        windows += spread
        number += rows
    columns = infer(_sampled(windows, options))
    return replace(typed_look(columns, extents, windows, number), open=True)


def _shape(blob: Blob) -> _Shape:
    head = blob.read_at(0, min(blob.size, _EDGE))
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise SourceError(f"{blob.url}: is UTF-16", hint="convert it to UTF-8", code="MMC437")
    start = 3 if head[:3] == b"\xef\xbb\xbf" else 0
    if blob.url.lower().endswith(".json"):
        for begin, end in ((_ROWS, _ROWS_END), (_ARRAY, _ARRAY_END)):
            if found := begin.match(head, start):
                tail_at = max(found.end(), blob.size - _EDGE)
                tail = end.search(blob.read_at(tail_at, blob.size - tail_at))
                if tail is None:
                    raise SourceError(
                        f"{blob.url}: the array of rows does not end where the file ends",
                        hint="the file is cut short, or more follows the array",
                        code="MMC437",
                    )
                line = 1 + head.count(b"\n", 0, found.end())
                return _Shape("array", found.end(), tail_at + tail.start(), line)
    return _Shape("lines", start, blob.size, 1)


def _sampled(windows: Sequence[Extent], options: Reading) -> Iterator[dict[str, Any]]:
    """Sampled rows by Python's own decoder: exact integers, and repeated keys are seen."""
    for window, wanted in choose(windows, options.sample, LEAST_SAMPLE):
        left = wanted
        for blob, block in _blocks(window, options):
            for start, end in zip(block.starts[:left], block.ends[:left], strict=True):
                yield _exact(block, int(start), int(end), blob.url)
            left -= min(left, len(block.starts))
            if not left:
                break


def _exact(block: Block, start: int, end: int, url: str) -> dict[str, Any]:
    _decoded(block, start, end, url)

    def single(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise SourceError(
                f"{url}:{block.line_of(start)}: the key `{twice}` stands twice in one object",
                hint="a JSON object has each key once",
                code="MMC437",
            )
        return made

    with _not_too_deep(url, block, start):
        row: dict[str, Any] = json.loads(block.data[start:end], object_pairs_hook=single)
    return row


@contextlib.contextmanager
def _not_too_deep(url: str, block: Block, start: int) -> Iterator[None]:
    """Around Python's decoder, which gives up before orjson does. Raises SourceError."""
    try:
        yield
    except RecursionError:
        raise SourceError(
            f"{url}:{block.line_of(start)}: is nested too deeply",
            hint=f"at most {DEEPEST} lists and objects may be inside of one another",
            code="MMC437",
        ) from None


def _decoded(block: Block, start: int, end: int, url: str) -> dict[str, Any]:
    try:
        row = orjson.loads(block.data[start:end])
    except orjson.JSONDecodeError as error:
        place = f"{url}:{block.line_of(start)}"
        hint = "one JSON object a line; NaN and Infinity are not JSON"
        message = str(error).partition(": line ")[0]
        raise SourceError(
            f"{place}: is not JSON: {message} at byte {error.pos + 1} of the row",
            hint=hint,
            code="MMC437",
        ) from None
    if not isinstance(row, dict):
        place = f"{url}:{block.line_of(start)}"
        raise SourceError(
            f"{place}: a row is a JSON object, this is {_kind(row)}",
            hint='{"id": 1, "vector": [0.1, 0.2]}',
            code="MMC437",
        )
    return row


def _kind(value: Any) -> str:
    names = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _blocks(extent: Extent, options: Reading) -> Iterator[tuple[Blob, Block]]:
    locator = extent.place
    scan = _SCANS_OF_PIECES[text_of(locator, "kind")]
    line = number_of(locator, "line")
    with options.files.open(text_of(locator, "path")) as blob:
        for block in blocks(blob, extent.start, extent.stop, line, scan, BLOCK):
            yield blob, block


def read(
    extent: Extent, columns: Sequence[str], batch_rows: int, options: Reading
) -> Iterator[Rows]:
    file = text_of(extent.place, "path")
    known, wanted = planned(extent, columns)
    number = number_of(extent.place, "row")
    for _, block in _blocks(extent, options):
        rows = _rows(block, file)
        arrays = [_column(rows, column, block, file) for column in wanted]
        outside = {
            place: members
            for place, row in enumerate(rows)
            if not row.keys() <= known.keys() and (members := without(row, known))
        }
        if UNMAPPED in columns and UNMAPPED not in known:
            arrays.insert(columns.index(UNMAPPED), as_column(outside, len(rows)))
            outside = {}
        yield from in_batches(block, arrays, extent, number, batch_rows, outside)
        number += len(rows)


def _rows(block: Block, file: str) -> list[dict[str, Any]]:
    data = block.data
    spans = list(zip(block.starts.tolist(), block.ends.tolist(), strict=True))
    try:
        rows = [orjson.loads(data[start:end]) for start, end in spans]
        whole = set(map(type, rows)) <= {dict}
    except orjson.JSONDecodeError:
        whole = False
    if not whole:
        rows = [_decoded(block, start, end, file) for start, end in spans]
    _restore_integers(data, block, rows, file)
    return rows


def _restore_integers(data: bytes, block: Block, rows: list[dict[str, Any]], file: str) -> None:
    """Decodes rows that may hold integers beyond 64 bits again, by Python's exact decoder."""
    codes = np.frombuffer(data, np.uint8)[: block.used]
    others = np.flatnonzero((codes < 0x30) | (codes > 0x39))
    longer = np.flatnonzero(np.diff(others) > _MANY_DIGITS)
    found = others[longer[~np.isin(codes[others[longer]], _FRACTION)]]
    for place in set((block.starts.searchsorted(found, "right") - 1).tolist()):
        start, end = int(block.starts[place]), int(block.ends[place])
        with _not_too_deep(file, block, start):
            rows[place] = json.loads(data[start:end])


def _column(rows: Sequence[dict[str, Any]], column: Column, block: Block, file: str) -> pa.Array:
    array, misfits = build([row.get(column.name) for row in rows], column)
    if misfits and column.json_text:
        line = block.line_of(int(block.starts[misfits[0].row]))
        raise SourceError(
            f"{file}:{line}: column `{column.name}` {misfits[0].reason}",
            hint="make it flatter, or a text",
            code="MMC437",
        )
    if misfits:
        raise misfit(file, block, misfits[0].row, column, shown(misfits[0].value))
    return array
