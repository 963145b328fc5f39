"""Scans for record bounds: against Python's own parsers, in blocks of any size."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmc.errors import SourceError
from mmc.sources.files.records import Scan, blocks, elements, lines, quoted_lines, some_elements
from mmc.storage.urls import open_blob

AWKWARD = st.text(st.sampled_from('ab",;\\\n\r{}[]: é𝄞'), max_size=12)


def records(path: Path, data: bytes, scan: Scan, size: int) -> list[tuple[int, bytes]]:
    """(line, bytes) of every record, scanned in blocks of `size` bytes."""
    path.write_bytes(data)
    found = []
    with open_blob(str(path)) as blob:
        for block in blocks(blob, 0, len(data), 1, scan, size):
            spans = zip(block.starts.tolist(), block.ends.tolist(), strict=True)
            found += [(block.line_of(start), block.data[start:end]) for start, end in spans]
    return found


@settings(deadline=None, max_examples=80)
@given(
    st.lists(st.sampled_from(["", " ", "\t\r", "{}", '{"a": 1}\r', "x" * 40])), st.integers(1, 50)
)
def test_lines(tmp_path_factory: pytest.TempPathFactory, texts: list[str], size: int) -> None:
    data = "\n".join(texts).encode()
    found = records(tmp_path_factory.getbasetemp() / "lines", data, lines, size)
    expected = [(n, line) for n, line in enumerate(data.split(b"\n"), 1) if line.strip()]
    assert found == expected


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.lists(AWKWARD, min_size=2, max_size=3), max_size=12),
    st.integers(1, 60),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_quoted_lines(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[list[str]],
    size: int,
    ending: str,
    final: bool,
) -> None:
    text = io.StringIO()
    quoting = csv.QUOTE_MINIMAL if ending == "\r\n" else csv.QUOTE_ALL
    csv.writer(text, lineterminator=ending, quoting=quoting).writerows(rows)
    data = text.getvalue().encode()
    data = data if final else data.removesuffix(ending.encode())
    path = tmp_path_factory.getbasetemp() / "quoted"
    found = records(path, data, quoted_lines(",", '"'), size)
    parsed = [next(csv.reader(io.StringIO(part.decode(), newline=""))) for _, part in found]
    assert parsed == rows
    assert [line for line, _ in found] == [
        1 + data[: data.index(part, at)].count(b"\n")
        for at, part in _places(data, [part for _, part in found])
    ]


def _places(data: bytes, parts: list[bytes]) -> list[tuple[int, bytes]]:
    made, at = [], 0
    for part in parts:
        at = data.index(part, at)
        made.append((at, part))
        at += len(part)
    return made


VALUES = st.recursive(
    st.none() | st.integers() | AWKWARD, lambda inner: st.lists(inner, max_size=3), max_leaves=5
)


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.dictionaries(AWKWARD, VALUES, max_size=3), max_size=10),
    st.integers(1, 80),
    st.sampled_from([None, 1]),
    st.booleans(),
)
def test_elements(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[dict[str, Any]],
    size: int,
    indent: int | None,
    ascii_: bool,
) -> None:
    data = json.dumps(rows, indent=indent, ensure_ascii=ascii_).encode()[1:-1]
    found = records(tmp_path_factory.getbasetemp() / "elements", data, elements, size)
    assert [json.loads(part) for _, part in found] == rows


@pytest.mark.parametrize("behind", ["", ",", " \n, \n"])
def test_a_part_of_an_array_ends_where_the_next_element_begins(behind: str) -> None:
    data = f'{{"a": 1}},\n{{"b": 2}}{behind}'.encode()
    starts, ends, used = some_elements(data, True)
    assert [data[start:end] for start, end in zip(starts, ends, strict=True)] == [
        b'{"a": 1}',
        b'{"b": 2}',
    ]
    assert used == len(data)


@pytest.mark.parametrize(
    ("scan", "text", "line", "message"),
    [
        (some_elements, '{"a": 1},,', 1, "not the one comma"),
        (some_elements, '{"a": 1}, 5', 1, "not the one comma"),
        (some_elements, ",", 1, "not the one comma"),
        (quoted_lines(",", '"'), 'a,b\nc,5" disk\n', 2, "not quoted"),
        (quoted_lines(",", '"'), 'a,b\nc,"d\ne,f\n', 2, "never closed"),
        (elements, '{"a": 1},\n{"b": [2}\n', 2, "no whole row"),
        (elements, '{"a": 1},\n}', 2, "closes what was not opened"),
        (elements, '{"a": 1},\n{"b": "x', 2, "no whole row"),
        (elements, '{"a": 1},\n5', 2, "not the one comma"),
        (elements, '{"a": 1},\n5, {"a": 2}', 2, "not the one comma"),
        (elements, '{"a": 1}, null,\n{"a": 2}', 1, "not the one comma"),
        (elements, '{"a": 1}\n{"a": 2}', 1, "not the one comma"),
        (elements, '{"a": 1}{"a": 2}', 1, "not the one comma"),
        (elements, '{"a": 1},\n,{"a": 2}', 1, "not the one comma"),
        (elements, '{"a": 1}, "x",\n{"a": 2}', 1, "not the one comma"),
        (elements, '{"a": 1},\n"{" , {"a": 2}', 2, "not the one comma"),
        (elements, '{"a": 1},\n " {"a": 2}', 2, "not the one comma"),
        (elements, ',{"a": 1}', 1, "not the one comma"),
        (elements, '5, {"a": 1}', 1, "not the one comma"),
        (elements, '{"a": 1},', 1, "not the one comma"),
        (elements, '{"a": 1}\n\x0b', 2, "not the one comma"),
        (elements, "true", 1, "not the one comma"),
        (elements, ",", 1, "not the one comma"),
        (quoted_lines(",", '"'), 'a,b\nc,"d"e\n', 2, "behind the quote"),
        (quoted_lines(",", '"'), 'a,b\nc,"d" ,e\n', 2, "behind the quote"),
        (quoted_lines(",", '"'), 'a,b\nc,"d"" "e\n', 2, "behind the quote"),
        (quoted_lines(",", '"'), "a,b\rc,d\ne,f\n", 1, "carriage return alone"),
        (quoted_lines(",", '"'), "a,b\nc,d\re,f\n", 2, "carriage return alone"),
        (quoted_lines(",", '"'), "a,b\rc,d\r", 1, "carriage return alone"),
        (quoted_lines(",", '"'), 'a,b\r\nc,"d"\re,f\r\n', 2, "carriage return alone"),
        (quoted_lines(",", '"'), "a,b\nc,d\r\r\ne,f\n", 2, "carriage return alone"),
    ],
)
def test_what_cannot_be_is_named(
    tmp_path: Path, scan: Scan, text: str, line: int, message: str
) -> None:
    for size in (1 << 16, 3):
        with pytest.raises(SourceError, match=rf"x:{line}: .*{message}"):
            records(tmp_path / "x", text.encode(), scan, size)
