"""Where the records of a text file begin and end, found by vectorised scans over blocks of bytes.

Three kinds: lines (JSON lines), quoted lines (CSV), elements of one JSON array. Parses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mmc.errors import SourceError
from mmc.facts import Extent
from mmc.storage.blobs import Blob
from mmc.types import JsonValue

Places: TypeAlias = npt.NDArray[np.int64]
Found: TypeAlias = tuple[Places, Places, int]
Scan: TypeAlias = Callable[[bytes, bool], Found]
"""(bytes that begin at a record, nothing follows them) -> starts, ends of records, bytes used."""

BLOCK = 4 << 20
"""Bytes scanned and parsed at once."""
_SMALLEST = 64 << 10
_BLOCKS_WANTED = 64
EXTENT = 64 << 20
"""Bytes of an extent, about."""
_LONGEST = 1 << 30

_NONE: Places = np.empty(0, np.int64)


class Unreadable(ValueError):
    """A scan met what cannot be; `offset` is inside the bytes it was given."""

    def __init__(self, message: str, offset: int, hint: str) -> None:
        super().__init__(message)
        self.offset, self.hint = offset, hint


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Whole records: bytes from `start` on; where records begin and end, blank ones left out."""

    start: int
    data: bytes
    starts: Places
    ends: Places
    used: int
    line: int

    @property
    def one_a_line(self) -> bool:
        """Whether each record begins one line after the one before."""
        newlines = np.flatnonzero(np.frombuffer(self.data, np.uint8) == 0x0A)
        begun = np.searchsorted(newlines, self.starts)
        return bool(not begun.size or (begun == np.arange(len(begun))).all())

    def line_of(self, offset: int) -> int:
        """Line of a byte of the block, counted from 1 in the file."""
        return self.line + self.data.count(b"\n", 0, offset)


def blocks(blob: Blob, start: int, stop: int, line: int, scan: Scan, size: int) -> Iterator[Block]:
    """The records between two bytes; a record that is longer than a block makes the block longer.

    Raises:
        SourceError: a record does not end, or cannot be told apart; names file and line.
    """
    offset, wanted = start, size
    while offset < stop:
        data = blob.read_at(offset, min(wanted, stop - offset))
        last = offset + len(data) == stop
        try:
            starts, ends, used = scan(data, last)
        except Unreadable as error:
            at = line + data.count(b"\n", 0, error.offset)
            raise SourceError(f"{blob.url}:{at}: {error}", hint=error.hint, code="MMC437") from None
        if not used:
            if wanted >= _LONGEST:
                raise SourceError(
                    f"{blob.url}:{line}: the record that begins here is longer than 1 GiB",
                    hint="a quote or bracket that is never closed?",
                    code="MMC437",
                )
            wanted *= 2
            continue
        yield Block(start=offset, data=data, starts=starts, ends=ends, used=used, line=line)
        line += data.count(b"\n", 0, used)
        offset, wanted = offset + used, size


def block_size(length: int) -> int:
    """Bytes of a block: small files have some blocks too, so that a sample can be spread."""
    return max(_SMALLEST, min(BLOCK, length // _BLOCKS_WANTED))


def survey(
    blob: Blob,
    bounds: tuple[int, int, int],
    scan: Scan,
    row: int,
    pairs: Sequence[tuple[str, JsonValue]],
) -> tuple[list[Extent], list[Extent], int]:
    """Counts the records between two bytes: (extents, windows for the sample, rows).

    `bounds` are first byte, last byte and line of the first; `row` is the number of the first row.
    """
    start, stop, line = bounds
    windows: list[Extent] = []
    first = row
    for block in blocks(blob, start, stop, line, scan, block_size(stop - start)):
        count = len(block.starts)
        locator = {**dict(pairs), "line": block.line, "row": row, "first_row": first}
        at, end = block.start, block.start + block.used
        windows.append(
            Extent(
                locator=tuple(sorted(locator.items())),
                start=at,
                stop=end,
                unit="byte",
                rows=count,
                bytes=block.used,
            )
        )
        row += count
    return _joined(windows), windows, row - first


def _joined(windows: Sequence[Extent]) -> list[Extent]:
    made: list[Extent] = []
    for window in windows:
        last = made[-1] if made else None
        if last is None or last.bytes + window.bytes > EXTENT:
            made.append(window)
            continue
        rows = (last.rows or 0) + (window.rows or 0)
        size = last.bytes + window.bytes
        made[-1] = Extent(
            locator=last.locator,
            start=last.start,
            stop=window.stop,
            unit="byte",
            rows=rows,
            bytes=size,
        )
    return [extent for extent in made if extent.rows]


def lines(data: bytes, last: bool) -> Found:
    """Lines with anything but white space on them."""
    codes = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(codes == 0x0A)
    if last and data and data[-1:] != b"\n":
        ends = np.append(ends, len(data))
    return _kept(data, codes, ends)


def _kept(data: bytes, codes: npt.NDArray[np.uint8], ends: Places) -> Found:
    """Records that end at `ends`, without those that are blank."""
    if not ends.size:
        return _NONE, _NONE, 0
    starts = np.concatenate(([0], ends[:-1] + 1))
    some = ends > starts
    suspects = np.flatnonzero(some & (codes[np.minimum(starts, len(data) - 1)] <= 0x20))
    for place in suspects:
        some[place] = bool(data[starts[place] : ends[place]].strip())
    return starts[some], ends[some], min(int(ends[-1]) + 1, len(data))


def quoted_lines(delimiter: str, quote: str) -> Scan:
    """A scan for CSV: a newline ends a record when the number of quotes before it is even. What
    stands before an opening quote or behind a closing one, other than a delimiter or the end of a
    line, is refused, and so is a carriage return without a newline.
    """
    mark = ord(quote)
    before = np.frombuffer((delimiter + "\r\n" + quote).encode("latin1"), np.uint8)

    def scan(data: bytes, last: bool) -> Found:
        codes = np.frombuffer(data, np.uint8)
        quotes = np.flatnonzero(codes == mark)
        newlines = np.flatnonzero(codes == 0x0A)
        opening = quotes[::2]
        opening = opening[opening > 0]
        stray = opening[~np.isin(codes[opening - 1], before)]
        if stray.size:
            raise Unreadable(
                "a quote inside a field that is not quoted",
                int(stray[0]),
                'quote the whole field and double the quote: "5"" disk"; or set csv.quote',
            )
        closing = quotes[1::2]
        closing = closing[closing < len(data) - 1]
        trailing = closing[~np.isin(codes[closing + 1], before)]
        if trailing.size:
            raise Unreadable(
                "text behind the quote that ends a field",
                int(trailing[0]),
                'a quoted field ends at its second quote; double a quote inside: "5"" disk"',
            )
        returns = np.flatnonzero(codes == 0x0D)
        returns = returns[returns < len(data) - 1]
        returns = returns[codes[returns + 1] != 0x0A]
        alone = returns[np.searchsorted(quotes, returns) % 2 == 0]
        if alone.size:
            raise Unreadable(
                "a line ends in a carriage return alone",
                int(alone[0]),
                "lines end in LF or CRLF: convert the file, for one with  tr '\\r' '\\n'",
            )
        ends = newlines[np.searchsorted(quotes, newlines) % 2 == 0]
        if last and len(quotes) % 2:
            raise Unreadable("this quote is never closed", int(quotes[-1]), "close the quote")
        if last and data and not (ends.size and ends[-1] == len(data) - 1):
            ends = np.append(ends, len(data))
        return _kept(data, codes, ends)

    return scan


_DEPTH = np.zeros(256, np.int8)
_DEPTH[[0x7B, 0x5B]] = 1
_DEPTH[[0x7D, 0x5D]] = -1


_SPACE = b" \t\r\n"
"""What JSON takes for white space."""
_BETWEEN = np.frombuffer(_SPACE + b",", np.uint8)


def elements(data: bytes, last: bool) -> Found:
    """Objects that are elements of a JSON array; the bytes begin at an element, or before the
    first. Between two of them is one comma, and white space; what stands there is seen before
    the first of the two is given.
    """
    return _elements(data, last, comma=False)


def some_elements(data: bytes, last: bool) -> Found:
    """As `elements`, of a part of an array that ends where the next element begins: the comma
    between the two is its last.
    """
    return _elements(data, last, comma=True)


def _elements(data: bytes, last: bool, *, comma: bool) -> Found:
    codes = np.frombuffer(data, np.uint8)
    quotes = np.flatnonzero(codes == 0x22)
    quotes = quotes[~_escaped(codes, quotes)]
    brackets = np.flatnonzero(_DEPTH[codes])
    brackets = brackets[np.searchsorted(quotes, brackets) % 2 == 0]
    steps = _DEPTH[codes[brackets]]
    depth = np.cumsum(steps, dtype=np.int64)
    if depth.size and depth.min() < 0:
        raise Unreadable(
            "a bracket closes what was not opened",
            int(brackets[np.argmax(depth < 0)]),
            "the file is no JSON array of rows",
        )
    starts = brackets[(depth == 1) & (steps > 0)]
    ends = brackets[(depth == 0) & (steps < 0)] + 1
    head = data[: int(starts[0])] if starts.size else data
    if head.strip(_SPACE) and (starts.size or last):
        raise _stray(len(head) - len(head.lstrip(_SPACE)))
    _check_between(codes, ends[: max(0, len(starts) - 1)], starts[1:])
    if not last:
        whole = max(0, len(starts) - 1)
        return starts[:whole], ends[:whole], int(starts[whole]) if whole else 0
    rest = data[int(ends[-1]) if ends.size else 0 :]
    if len(starts) > len(ends):
        raise Unreadable(
            "what begins here is no whole row", int(starts[-1]), "the file may be cut short"
        )
    more = rest.lstrip(_SPACE)
    if comma and ends.size and more.startswith(b","):
        more = more[1:].lstrip(_SPACE)
    if more:
        raise _stray(len(data) - len(more.removeprefix(b",").lstrip(_SPACE) or more))
    return starts, ends, len(data)


def _check_between(codes: npt.NDArray[np.uint8], ends: Places, starts: Places) -> None:
    """Refuses what is more, or less, than one comma between an element's end and the next start."""
    lengths = starts - ends
    if not lengths.size:
        return
    firsts = np.concatenate(([0], np.cumsum(lengths)[:-1]))
    places = np.repeat(ends - firsts, lengths) + np.arange(int(lengths.sum()))
    found = codes[places]
    strange = places[~np.isin(found, _BETWEEN)]
    if strange.size:
        raise _stray(int(strange[0]))
    commas = np.concatenate(([0], np.cumsum(found == 0x2C)))
    wrong = np.flatnonzero(commas[firsts + lengths] - commas[firsts] != 1)
    if wrong.size:
        raise _stray(int(ends[wrong[0]]))


def _stray(offset: int) -> Unreadable:
    return Unreadable(
        "this is no row, and not the one comma that stands between two rows of an array",
        offset,
        "a row is a JSON object; between two of them is one comma, and nothing else",
    )


def _escaped(codes: npt.NDArray[np.uint8], quotes: Places) -> npt.NDArray[np.bool_]:
    """Which quotes stand behind an odd number of backslashes."""
    marks = np.flatnonzero(codes == 0x5C)
    if not marks.size or not quotes.size:
        return np.zeros(len(quotes), np.bool_)
    begins = np.concatenate(([True], np.diff(marks) != 1))
    run_start = np.maximum.accumulate(np.where(begins, marks, 0))
    place = np.searchsorted(marks, quotes) - 1
    near = np.maximum(place, 0)
    touching = (place >= 0) & (marks[near] == quotes - 1)
    escaped: npt.NDArray[np.bool_] = touching & ((quotes - run_start[near]) % 2 == 1)
    return escaped
