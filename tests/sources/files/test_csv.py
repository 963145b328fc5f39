"""CSV: RFC 4180 against Python's own writer, exact numbers, bad records named by their line."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmc.errors import SourceError
from mmc.sources.files import records
from mmc.spi import Sample
from tests.sources.files.reading import config, field, look, read, rows_of


def test_types_are_told_and_nothing_is_changed(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(
        "\ufeffid,zip,big,price,flag,text,v,obj,mixed,none\r\n"
        '-9223372036854775808,007,9223372036854775808,-0.5,true,"","[0.5, -0.0]",{},1,\r\n'
        '9223372036854775807,123,1,1e3,FALSE,"a ""b""\n,c","[1,2]","{""a"": [1]}",x,\r\n'
        "0,-0,-0,3,,  häß 𝄞 ,,,,".encode()
    )
    options = config(tmp_path / "x.csv")
    collection = look(options)
    types = {found.name: found.arrow for found in collection.fields}
    assert types == {
        "id": "int64",
        "zip": "string",
        "big": "string",
        "price": "double",
        "flag": "bool",
        "text": "string",
        "v": "fixed_size_list<float>[2]",
        "obj": "string",
        "mixed": "string",
        "none": "string",
    }
    assert field(collection, "v").vector == "float_vector(2)"
    assert field(collection, "obj").json_text
    assert field(collection, "id").key
    rows = [list(row.values()) for row in read(options, collection).to_pylist()]
    assert str(rows) == str(
        [
            [-(2**63), "007", str(2**63), -0.5, True, "", [0.5, -0.0], "{}", "1", None],
            [
                2**63 - 1,
                "123",
                "1",
                1000.0,
                False,
                'a "b"\n,c',
                [1.0, 2.0],
                '{"a": [1]}',
                "x",
                None,
            ],
            [0, "-0", "-0", 3.0, None, "  häß 𝄞 ", None, None, None, None],
        ]
    )


def test_null_values_count_only_without_quotes(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text('id;t\n1;NULL\n2;"NULL"\n3;""\n4;\n')
    rows = rows_of(tmp_path / "x.csv", csv={"delimiter": ";", "null_values": ["NULL"]})
    assert [row["t"] for row in rows] == [None, "NULL", "", ""]


def test_without_a_header_and_other_marks(tmp_path: Path) -> None:
    (tmp_path / "x.tsv").write_text("1\t'a\tb'\n2\t'it''s'\n")
    rows = rows_of(tmp_path / "x.tsv", csv={"header": False, "quote": "'"})
    assert rows == [{"id": 0, "f0": 1, "f1": "a\tb"}, {"id": 1, "f0": 2, "f1": "it's"}]


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text('\n\nid\n1\n\n2\n""\n\n')
    assert look(config(tmp_path / "x.csv")).rows == 3


@pytest.mark.parametrize("quoted", ['"\ufeffa"', "\ufeffa"])
def test_a_mark_inside_a_value_stays(tmp_path: Path, quoted: str) -> None:
    """As `cat a.csv b.csv` leaves one; Arrow's parser takes it off what it is given."""
    (tmp_path / "x.csv").write_text(f"\ufeffid,t\n{quoted},b\n\ufeffc,d\n", encoding="utf-8")
    assert [row["id"] for row in rows_of(tmp_path / "x.csv")] == ["\ufeffa", "\ufeffc"]


@pytest.mark.parametrize(
    ("text", "header", "shown"),
    [
        ('1,"[0.1,0.2]"\n2,"[0.3,0.4]"\n', True, "`1`, `[0.1,0.2]`"),
        ("a, -1.5e3 ,b\nc,d,e\n", True, "` -1.5e3 `"),
        ('"{""a"": 1}",x\n', True, '`{"a": 1}`'),
        ("id,v1,2d,nan,-,e5\n", True, ""),
        ('1,"[0.1,0.2]"\n', False, ""),
    ],
)
def test_a_first_line_that_looks_like_a_row(
    tmp_path: Path, text: str, header: bool, shown: str
) -> None:
    """What PostgreSQL's COPY writes has no header unless one is asked for."""
    (tmp_path / "x.csv").write_text(text)
    problems = look(config(tmp_path / "x.csv", csv={"header": header})).problems
    assert [found.code for found in problems] == (["MMC448"] if shown else [])
    assert all(found.message.endswith(f"looks like a row: {shown}") for found in problems)
    assert not any(found.is_error for found in problems)


@pytest.mark.parametrize("end", ["\r", "\n"])
@pytest.mark.parametrize("name", ["x.csv", "x.tsv"])
def test_lines_that_end_in_a_carriage_return_alone(tmp_path: Path, name: str, end: str) -> None:
    text = f'id,t\r1,"a"{end}2,"b"{end}'
    (tmp_path / name).write_bytes(text.replace(",", "\t" if name == "x.tsv" else ",").encode())
    with pytest.raises(SourceError, match=r"x\..sv:1: a line ends in a carriage return") as caught:
        look(config(tmp_path / name))
    assert caught.value.code == "MMC437"
    (tmp_path / name).write_bytes(b"id\n1\r")
    assert look(config(tmp_path / name)).rows == 1


TEXTS = st.text(st.sampled_from('ab",\n\r 01.-é𝄞'), max_size=6)


@settings(deadline=None, max_examples=80)
@given(
    st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=40),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_any_texts_come_back(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str, str]],
    ending: str,
    final: bool,
) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator=ending, quoting=csv.QUOTE_ALL).writerows(
        [("a", "b", "c"), *rows]
    )
    data = text.getvalue() if final else text.getvalue().removesuffix(ending)
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text(data, encoding="utf-8", newline="")
    options = config(path)
    collection = look(options)
    found = read(options, collection, ["a", "b", "c"], batch_rows=9).to_pylist()
    for name, place in (("a", 0), ("b", 1), ("c", 2)):
        expected: list[Any] = [row[place] for row in rows]
        match field(collection, name).arrow:
            case "int64":
                expected = [int(text) for text in expected]
            case "double":
                expected = [float(text) for text in expected]
        assert str([row[name] for row in found]) == str(expected)


def test_numbers_keep_their_text_or_stay_text(tmp_path: Path) -> None:
    numbers = [
        "1.",
        ".5",
        "+1.5",
        "1e400",
        "1E-5",
        "-.5e+3",
        "9007199254740993",
        "0.1",
        "1_0",
        "0x1",
    ]
    for text in numbers:
        (tmp_path / "x.csv").write_text(f"x\n0.5\n{text}\n")
        options = config(tmp_path / "x.csv")
        collection = look(options)
        value = read(options, collection, ["x"])["x"][1].as_py()
        if field(collection, "x").arrow == "double":
            assert value == float(text) and abs(value) < float("inf")
        else:
            assert value == text and text in ("1e400", "9007199254740993", "1_0", "0x1")


def test_extents_join_to_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "EXTENT", 200_000)
    rows = [[n, 'text\n"quoted", ' * (n % 30)] for n in range(4000)]
    for name, some in (("a", rows[:2500]), ("b", rows[2500:])):
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([["id", "text"], *some])
    options = config(tmp_path, csv={"null_values": []})
    collection = look(options)
    assert len(collection.extents) > 4
    found = read(options, collection, batch_rows=100)
    assert [list(row.values()) for row in found.to_pylist()] == rows


@pytest.mark.parametrize(
    ("line", "message", "code"),
    [
        ("1,2,3", "3 fields where the file has 2 columns", "MMC439"),
        ("1", "1 fields where the file has 2 columns", "MMC439"),
        ('5" disk,1', "a quote inside a field that is not quoted", "MMC437"),
        ('"never,1', "this quote is never closed", "MMC437"),
        ("x,1", "column `id`: `x` does not fit int64", "MMC438"),
        ("007,1", "column `id`: `007` does not fit int64", "MMC438"),
        (" 7,1", "column `id`: ` 7` does not fit int64", "MMC438"),
        ("9223372036854775808,1", "`9223372036854775808` does not fit int64", "MMC438"),
        ('"7\n",1', "column `id`: `7\n` does not fit int64", "MMC438"),
        ("1,nan", "column `price`: `nan` does not fit double", "MMC438"),
        ("1,1e999", "column `price`: `1e999` does not fit double", "MMC438"),
        ("1,9007199254740993", "column `price`: `9007199254740993`", "MMC438"),
        ("\xff,1", "does not fit|UTF-8|UTF8", ""),
        ("1,2\r3,4", "a carriage return alone", "MMC437"),
        ('"1"x,4', "text behind the quote", "MMC437"),
    ],
)
def test_bad_records_are_named(tmp_path: Path, line: str, message: str, code: str) -> None:
    path = tmp_path / "x.csv"
    bad = 15_000
    lines = [f"{n},0.5\n" for n in range(30_000)]
    lines[bad - 2] = line + "\n"
    path.write_bytes(b"id,price\n" + "".join(lines).encode("latin1"))
    options = config(path)
    with pytest.raises(SourceError, match=rf"(?s)x\.csv:.*{message}") as info:
        read(options, look(options, Sample(10, 7)), batch_rows=1000)
    if code:
        assert f"x.csv:{bad}: " in str(info.value) or code == "MMC437"
        assert info.value.code == code


def test_a_pointer_of_git_lfs_is_no_table(tmp_path: Path) -> None:
    path = tmp_path / "words.csv"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    with pytest.raises(SourceError, match=r"words\.csv: is a pointer of git-lfs") as caught:
        look(config(path))
    assert caught.value.hint == "bring the file: git lfs pull"


def test_files_that_disagree_and_headers(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,x\n1,2\n")
    (tmp_path / "b.csv").write_text("id,y\n1,2\n")
    with pytest.raises(SourceError, match=r"`x` in .*a\.csv, `y` in the same place of .*b\.csv"):
        look(config(tmp_path))
    (tmp_path / "b.csv").write_text("")
    with pytest.raises(SourceError, match=r"b\.csv: is empty"):
        look(config(tmp_path))
    (tmp_path / "b.csv").write_text("id,id\n1,2\n")
    with pytest.raises(SourceError, match="two columns are named `id`"):
        look(config(tmp_path / "b.csv"))
    (tmp_path / "b.csv").write_text("1,1\n2,2\n")
    with pytest.raises(SourceError, match="two columns are named `1`") as caught:
        look(config(tmp_path / "b.csv"))
    assert "csv: {header: false}" in caught.value.hint
    (tmp_path / "b.csv").write_text("id\n1\n", encoding="utf-16")
    with pytest.raises(SourceError, match="is UTF-16"):
        look(config(tmp_path / "b.csv"))


@pytest.mark.parametrize(
    ("row", "line"), [(b"1,\xff,3,4", 3), (b"1,\xff", 3), (b'1,"a\n\xfe",3', 3)]
)
def test_a_row_that_is_not_utf8_and_too_long(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], row: bytes, line: int
) -> None:
    """It is handed over as text by the parser, which would print an error of its own."""
    (tmp_path / "x.csv").write_bytes(b"a,b,c\n1,2,3\n" + row + b"\n4,5,6\n")
    with pytest.raises(SourceError, match=rf"x\.csv:{line}: is not UTF-8") as caught:
        look(config(tmp_path / "x.csv"))
    assert caught.value.code == "MMC437"
    assert capfd.readouterr() == ("", "")
