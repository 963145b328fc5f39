"""CSV and TSV after RFC 4180: byte ranges cut between records, parsed as texts, converted.

Every column is read as text first, because a parser that converts by itself makes 7 of `007`.
"""

from __future__ import annotations

import csv
import io
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
from pyarrow import csv as arrow_csv

from mmc.arrow.column import Column
from mmc.diagnostics import Diagnostic, Severity
from mmc.documents.arrays import SHOWN, Misfit
from mmc.errors import SourceError
from mmc.facts import Extent
from mmc.sources.files.csvtypes import convert, infer
from mmc.sources.files.formats import (
    Look,
    Reading,
    Rows,
    number_of,
    only_one,
    text_of,
)
from mmc.sources.files.records import BLOCK, Block, blocks, quoted_lines, survey
from mmc.sources.files.sample import choose
from mmc.sources.files.textrows import LEAST_SAMPLE, in_batches, misfit, planned, typed_look
from mmc.storage.blobs import Blob
from mmc.text import cut

_POINTER = b"version https://git-lfs.github.com/spec/"
_MARK = b"\xef\xbb\xbf"
"""What some programs begin a UTF-8 file with."""


@dataclass(frozen=True, slots=True)
class _Dialect:
    delimiter: str
    quote: str
    header: bool
    null_values: tuple[str, ...]


def _dialect(file: str, options: Reading) -> _Dialect:
    given = options.csv
    delimiter = given.delimiter
    if delimiter == "," and file.lower().endswith(".tsv"):
        delimiter = "\t"
    for mark in (delimiter, given.quote):
        if ord(mark) > 0x7F:
            raise SourceError(
                f"{file}: `{mark}` cannot be a delimiter or quote: it is not ASCII", code="MMC437"
            )
    return _Dialect(delimiter, given.quote, given.header, tuple(given.null_values))


def look(files: Sequence[str], options: Reading) -> Look:
    """Scans every file once to find and count its records, then tells types from the sample."""
    extents: list[Extent] = []
    windows: list[Extent] = []
    names: list[str] = []
    number = 0
    for file in files:
        dialect = _dialect(file, options)
        with options.files.open(file) as blob:
            found, start, line = _head(blob, dialect)
            if names and found != names:
                raise _other_columns(files[0], names, file, found)
            names = found
            bounds = (start, blob.size, line)
            scan = quoted_lines(dialect.delimiter, dialect.quote)
            some, spread, rows = survey(blob, bounds, scan, number, (("path", file),))
        extents += some
        windows += spread
        number += rows
    columns = _infer(names, windows, options)
    looked = typed_look(columns, extents, windows, number)
    return replace(looked, problems=tuple(_strange_names(files[0], names)))


def _strange_names(file: str, names: Sequence[str]) -> Iterator[Diagnostic]:
    """A first line of values is taken for names where a file was written without a header."""
    values = [name for name in names if _is_value(name)]
    if values:
        shown = ", ".join(f"`{cut(name, 40)}`" for name in values[:3])
        yield Diagnostic(
            "MMC448",
            f"{file}: the first line names the columns, and looks like a row: {shown}",
            severity=Severity.WARNING,
            hint="if it is a row, say csv: {header: false}; the columns are then f0, f1, ...",
        )


def _is_value(name: str) -> bool:
    """Whether a name of a column reads like a number, a list or an object."""
    text = name.strip()
    if text[:1] in ("[", "{"):
        return True
    return re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text) is not None


def _other_columns(first: str, names: list[str], other: str, found: list[str]) -> SourceError:
    differing = next(
        (ours, theirs)
        for ours, theirs in zip([*names, "absent"], [*found, "absent"], strict=False)
        if ours != theirs
    )
    return SourceError(
        f"files disagree about their columns: `{differing[0]}` in {first}, "
        f"`{differing[1]}` in the same place of {other}",
        hint="narrow the path, or migrate them with two specs",
        code="MMC434",
    )


def _head(blob: Blob, dialect: _Dialect) -> tuple[list[str], int, int]:
    """(column names, byte and line where the rows begin)."""
    first = blob.read_at(0, min(len(_POINTER), blob.size))
    if first == _POINTER:
        raise SourceError(
            f"{blob.url}: is a pointer of git-lfs, not the file itself",
            hint="bring the file: git lfs pull",
            code="MMC437",
        )
    mark = first[:3]
    if mark[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise SourceError(f"{blob.url}: is UTF-16", hint="convert it to UTF-8", code="MMC437")
    start = len(_MARK) if mark == _MARK else 0
    scan = quoted_lines(dialect.delimiter, dialect.quote)
    for block in blocks(blob, start, blob.size, 1, scan, 1 << 16):
        if not len(block.starts):
            continue
        text = block.data[int(block.starts[0]) : int(block.ends[0])]
        try:
            record = next(
                csv.reader(
                    io.StringIO(text.decode("utf-8"), newline=""),
                    delimiter=dialect.delimiter,
                    quotechar=dialect.quote,
                )
            )
        except UnicodeDecodeError:
            line = block.line_of(int(block.starts[0]))
            raise SourceError(
                f"{blob.url}:{line}: is not UTF-8", hint="convert it to UTF-8", code="MMC437"
            ) from None
        if not dialect.header:
            return [f"f{place}" for place in range(len(record))], start, 1
        _check_names(record, blob.url)
        end = min(int(block.ends[0]) + 1, len(block.data))
        return record, block.start + end, block.line_of(end)
    raise SourceError(f"{blob.url}: is empty; not even a header is there", code="MMC437")


def _check_names(names: Sequence[str], file: str) -> None:
    try:
        only_one(names, file)
    except SourceError as error:
        raise SourceError(
            str(error),
            hint=f"{error.hint}; if the first line is a row, say csv: {{header: false}}",
            code=error.code,
        ) from None


def _infer(names: Sequence[str], windows: Sequence[Extent], options: Reading) -> list[Column]:
    texts: dict[str, list[str]] = {name: [] for name in names}
    for window, wanted in choose(windows, options.sample, LEAST_SAMPLE):
        left = wanted
        for block in _blocks(window, options):
            dialect = _dialect(text_of(window.place, "path"), options)
            table = _parsed(block, names, dialect, text_of(window.place, "path"))
            for name in names:
                texts[name].extend(table[name][:left].drop_null().to_pylist())
            left -= min(left, table.num_rows)
            if not left:
                break
    return infer(texts)


def _blocks(extent: Extent, options: Reading) -> Iterator[Block]:
    locator = extent.place
    file = text_of(locator, "path")
    dialect = _dialect(file, options)
    scan = quoted_lines(dialect.delimiter, dialect.quote)
    with options.files.open(file) as blob:
        line = number_of(locator, "line")
        yield from blocks(blob, extent.start, extent.stop, line, scan, BLOCK)


def _parsed(block: Block, names: Sequence[str], dialect: _Dialect, file: str) -> pa.RecordBatch:
    """The block's records as texts. Raises SourceError that names the line."""
    if not len(block.starts):
        return pa.record_batch([pa.array([], pa.string()) for _ in names], names=list(names))
    wrong: list[arrow_csv.InvalidRow] = []

    def refuse(row: arrow_csv.InvalidRow) -> str:
        wrong.append(row)
        return "error"

    data = pa.py_buffer(block.data).slice(0, block.used)
    if block.data.startswith(_MARK):
        # Arrow takes the mark off whatever it parses; in a value it is a character like others.
        data = pa.py_buffer(_MARK + block.data[: block.used])
    if not _is_utf8(data):
        # Before it is parsed: a row of the wrong length is handed over as text.
        line = next(
            (
                block.line_of(start)
                for start, end in zip(block.starts.tolist(), block.ends.tolist(), strict=True)
                if not _is_utf8(pa.py_buffer(block.data).slice(start, end - start))
            ),
            block.line,
        )
        raise SourceError(
            f"{file}:{line}: is not UTF-8", hint="the file must be UTF-8", code="MMC437"
        )
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(data),
            arrow_csv.ReadOptions(
                use_threads=False, column_names=list(names), block_size=max(block.used, 1) + 1
            ),
            arrow_csv.ParseOptions(
                delimiter=dialect.delimiter,
                quote_char=dialect.quote,
                newlines_in_values=True,
                invalid_row_handler=refuse,
            ),
            arrow_csv.ConvertOptions(
                column_types={name: pa.string() for name in names},
                null_values=list(dialect.null_values),
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        if wrong:
            place = (wrong[0].number or 1) - 1
            line = block.line_of(int(block.starts[min(place, len(block.starts) - 1)]))
            raise SourceError(
                f"{file}:{line}: {wrong[0].actual_columns} fields where the file has "
                f"{len(names)} columns",
                hint="quote fields that hold the delimiter; check csv.delimiter",
                code="MMC439",
            ) from None
        raise SourceError(
            f"{file}:{block.line}: {str(error).splitlines()[0]}", code="MMC437"
        ) from None
    if table.num_rows != len(block.starts):
        raise SourceError(
            f"{file}: lines {block.line}..{block.line_of(block.used)}: {len(block.starts):,} "
            f"records by their quotes, {table.num_rows:,} when parsed",
            hint="lone carriage returns, or quotes inside fields that are not quoted",
            code="MMC437",
        )
    batches = table.combine_chunks().to_batches()
    return batches[0]


def _is_utf8(data: pa.Buffer) -> bool:
    bounds = pa.py_buffer(struct.pack("=2q", 0, data.size))
    text = pa.Array.from_buffers(pa.large_string(), 1, [None, bounds, data])
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def read(
    extent: Extent, columns: Sequence[str], batch_rows: int, options: Reading
) -> Iterator[Rows]:
    file = text_of(extent.place, "path")
    known, wanted = planned(extent, columns)
    dialect = _dialect(file, options)
    number = number_of(extent.place, "row")
    for block in _blocks(extent, options):
        table = _parsed(block, list(known), dialect, file)
        arrays = [_column(table[column.name], column, block, file) for column in wanted]
        yield from in_batches(block, arrays, extent, number, batch_rows)
        number += table.num_rows


def _column(texts: pa.Array, column: Column, block: Block, file: str) -> pa.Array:
    try:
        return convert(texts, column.type)
    except Misfit as one:
        raise misfit(file, block, one.row, column, f"`{cut(str(one.value), SHOWN)}`") from None
