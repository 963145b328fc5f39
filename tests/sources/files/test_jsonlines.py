"""JSON files: exact values in every shape of file, and bad lines named by their number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmc.arrow.schema import origin_of
from mmc.errors import SourceError
from mmc.plan.model import Split
from mmc.sources.files import records
from mmc.spi import Sample
from tests.sources.files.reading import SOURCE, config, field, look, read, rows_of

AWKWARD: list[dict[str, Any]] = [
    {"id": -(2**63), "s": "", "f": -0.0, "tags": [], "obj": {"b": [1, {"a": None}], "a": ""}},
    {"id": 2**63 - 1, "s": 'häß "𝄞"\\\n\u2028', "f": 5e-324, "tags": ["a"], "obj": {}},
    {"id": 0, "s": None, "f": 3, "tags": ["x", "y", ""], "mixed": "2020-01-01", "huge": 2**70},
    {"id": 1, "f": None, "tags": None, "mixed": 5, "huge": -1, "v": [1, -0.0, 0.1]},
    {"id": 2, "mixed": [True], "v": [16777216, 2, 1e-42], "flag": True, "n": None},
]
EXPECTED_TYPES = {
    "id": "int64",
    "s": "string",
    "f": "double",
    "tags": "list<string>",
    "obj": "json",
    "mixed": "json",
    "huge": "json",
    "v": "fixed_size_list<float>[3]",
    "flag": "bool",
    "n": "json",
}


def check_awkward(path: Path) -> None:
    options = config(path)
    collection = look(options)
    types = {field.name: "json" if field.json_text else field.arrow for field in collection.fields}
    assert types == EXPECTED_TYPES
    assert field(collection, "v").vector == "float_vector(3)"
    assert field(collection, "id").key
    assert collection.rows == len(AWKWARD)
    for found, row in zip(
        read(options, collection, batch_rows=2).to_pylist(), AWKWARD, strict=True
    ):
        for name, type_ in EXPECTED_TYPES.items():
            value, expected = found[name], row.get(name)
            if type_ == "json" and value is not None:
                value = json.loads(value)
                assert type(value) is type(expected)
            if name == "v" and expected is not None:
                expected = [float(np.float32(item)) for item in expected]
            assert value == expected, name
            assert str(value) == str(
                float(expected) if type_ == "double" and expected else expected
            )


def write(path: Path, shape: str, rows: list[Any]) -> None:
    texts = [json.dumps(row, ensure_ascii=False) for row in rows]
    text = {
        "lines": "\n".join(texts) + "\n",
        "no final newline": "\n".join(texts),
        "crlf, blank lines, bom": "\ufeff\r\n" + "\r\n \r\n\r\n".join(texts) + "\r\n\t\r\n",
        "array": json.dumps(rows),
        "indented array": "\n " + json.dumps(rows, indent=2, ensure_ascii=False) + "\n",
        "milvus rows": json.dumps({"rows": rows}, indent=1),
    }[shape]
    path.write_bytes(text.encode())


@pytest.mark.parametrize(
    ("shape", "ending"),
    [
        ("lines", "jsonl"),
        ("lines", "json"),
        ("no final newline", "ndjson"),
        ("crlf, blank lines, bom", "jsonl"),
        ("array", "json"),
        ("indented array", "json"),
        ("milvus rows", "json"),
    ],
)
def test_awkward_values_are_exact(tmp_path: Path, shape: str, ending: str) -> None:
    path = tmp_path / f"x.{ending}"
    write(path, shape, AWKWARD)
    check_awkward(path)


SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "int": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "text": st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    "bool": st.booleans(),
    "any": st.recursive(
        st.none() | st.integers() | st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=4,
    ),
}


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.fixed_dictionaries({}, optional={name: st.none() | s for name, s in SCALARS.items()}),
        min_size=1,
        max_size=30,
    ),
    st.sampled_from(["lines", "indented array", "milvus rows"]),
)
def test_any_rows_come_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], shape: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    write(path, shape, rows)
    options = config(path)
    collection = look(options)
    names = [field.name for field in collection.fields]
    for found, row in zip(read(options, collection, batch_rows=4).to_pylist(), rows, strict=True):
        for name in names:
            value = found[name]
            if field(collection, name).json_text and value is not None:
                value = json.loads(value)
            if name not in ("id", "row_id"):
                assert value == row.get(name)
                assert value is None or name != "float" or str(value) == str(row[name])


def test_extents_cover_all_rows_and_lines_are_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "EXTENT", 200_000)
    rows = [{"id": n, "text": "x" * (n % 700)} for n in range(3000)]
    write(tmp_path / "a.jsonl", "lines", rows[:2000])
    write(tmp_path / "b.jsonl", "no final newline", rows[2000:])
    options = config(tmp_path)
    collection = look(options)
    assert len(collection.extents) > 4
    assert all(not extent.cuttable and extent.unit == "byte" for extent in collection.extents)
    assert sum(extent.rows or 0 for extent in collection.extents) == 3000
    assert read(options, collection, batch_rows=100).to_pylist() == rows
    alone = read(options, collection, pieces=collection.extents[3:4], batch_rows=10_000)
    split = Split(id="0", pieces=collection.extents[3:4], rows=None, bytes=0)
    (batch,) = SOURCE.read(options, collection.name, split, ["id"], 10_000)
    assert origin_of(batch).unit == "line"
    assert origin_of(batch).row == alone["id"][0].as_py() + 1


@pytest.mark.parametrize("shape", ["[{}]", ' {{"rows":\n[{}\n] }}\n'])
@pytest.mark.parametrize("between", [",", ", ", "\n,\n"])
def test_arrays_of_many_windows_and_extents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: str, between: str
) -> None:
    """Each window and each extent but the last ends in the comma before the next row."""
    rows = [{"id": n, "v": [n + 0.5, 1.0], "t": "a,[{" * (n % 3)} for n in range(6_000)]
    path = tmp_path / "x.json"
    path.write_text(shape.format(between.join(map(json.dumps, rows))))
    assert path.stat().st_size > 3 * records._SMALLEST
    assert rows_of(path) == rows
    monkeypatch.setattr(records, "EXTENT", 1 << 16)
    assert len(look(config(path)).extents) > 2
    assert rows_of(path) == rows
    path.write_text(shape.format(between.join(map(json.dumps, rows)) + ","))
    with pytest.raises(SourceError, match="not the one comma"):
        look(config(path))


def test_row_numbers_where_no_key_is(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", "lines", [{"x": 1}, {"x": 2}])
    write(tmp_path / "b.jsonl", "crlf, blank lines, bom", [{"x": 3}])
    assert rows_of(tmp_path) == [{"id": 0, "x": 1}, {"id": 1, "x": 2}, {"id": 2, "x": 3}]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"id": 1', "x.jsonl:6: is not JSON"),
        (b'{"id": NaN}', "x.jsonl:6: is not JSON"),
        (b'{"id": 1} {"id": 2}', "x.jsonl:6: is not JSON"),
        (b'{"id": 1, "id": 2}', "x.jsonl:6: the key `id` stands twice"),
        (b"[1]", "x.jsonl:6: a row is a JSON object, this is a list"),
        (b"null", "x.jsonl:6: a row is a JSON object, this is null"),
        (b'{"s": "\xff"}', "x.jsonl:6: is not JSON"),
        (b'{"s": "\\ud800"}', "x.jsonl:6: is not JSON"),
    ],
)
def test_malformed_lines_in_the_sample_are_named(tmp_path: Path, line: bytes, message: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"id": 1}\n' * 4 + b"\n" + line + b"\n")
    with pytest.raises(SourceError, match=message) as info:
        look(config(path))
    assert info.value.code == "MMC437"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": 1', "is not JSON"),
        ("5", "a row is a JSON object, this is a number"),
        ('{"id": "x"}', r'column `id`: "x" does not fit int64'),
        ('{"id": true}', "column `id`: true does not fit int64"),
        ('{"id": 1.0}', "column `id`: 1.0 does not fit int64"),
        ('{"id": 9223372036854775808}', "column `id`: 9223372036854775808 does not fit int64"),
        ('{"id": 99999999999999999999}', "`id`: 99999999999999999999 does not fit int64"),
        ('{"f": 9007199254740993}', "column `f`: 9007199254740993 does not fit double"),
        ('{"f": "1"}', 'column `f`: "1" does not fit double'),
        ('{"s": 5}', "column `s`: 5 does not fit string"),
        ('{"b": 1}', "column `b`: 1 does not fit bool"),
        ('{"v": [1, 2, 3]}', r"column `v`: \[1, 2, 3\] does not fit fixed_size_list<float>\[2\]"),
        ('{"v": [1, null]}', r"column `v`: \[1, null\] does not fit"),
        ('{"v": [1, "2"]}', r"column `v`: .* does not fit"),
        ('{"v": [1, 16777217]}', r"column `v`: .* does not fit"),
        ('{"v": [1, 1e39]}', r"column `v`: .* does not fit"),
        ('{"l": [1]}', r"column `l`: \[1\] does not fit list<string>"),
        ('{"l": "a"}', r"column `l`: \"a\" does not fit list<string>"),
    ],
)
def test_values_that_do_not_fit_are_named(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "x.jsonl"
    row = '{"id": 1, "f": 0.5, "s": "t", "b": true, "v": [1.5, 2], "l": ["a"], "pad": "%s"}\n'
    lines = [row % ("x" * 100) for _ in range(20_000)]
    bad = 12_346
    lines[bad - 1] = line + "\n"
    path.write_text("".join(lines), encoding="utf-8")
    options = config(path)
    collection = look(options, Sample(10, 7))
    with pytest.raises(SourceError, match=rf"x\.jsonl:{bad}: .*{message}") as info:
        read(options, collection, batch_rows=1000)
    assert info.value.code in ("MMC437", "MMC438")


def test_a_larger_sample_makes_room(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    lines = [json.dumps({"id": n, "pad": "x" * 100}) + "\n" for n in range(20_000)]
    lines[12_345] = '{"id": 12345, "new": "seen"}\n'
    path.write_text("".join(lines), encoding="utf-8")
    options = config(path)
    collection = look(options, Sample(20_000, 7))
    assert read(options, collection, ["new"], batch_rows=5000)["new"][12_345].as_py() == "seen"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"id": 1}, {"id": 2}', "does not end where the file ends"),
        ('[{"id": 1},\n {"id": 2]', r"x\.json:2"),
        ('{"rows": [{"id": 1}], "more": 1}', "does not end where the file ends"),
        ("[1, 2]", "not the one comma"),
        ('[{"id": 1}, 5, null, "x", {"id": 2}]', r"x\.json:1: .*not the one comma"),
        ('[{"id": 1},\n oops "id":2 , {"id": 3}]', r"x\.json:2: .*not the one comma"),
        ('{"rows": [{"id": 1}, 5, {"id": 2}]}', "not the one comma"),
        ('{"rows": [{"id": 1},]}', "not the one comma"),
        ('{"rows": [{"id": 1}], "rows": [{"id": 2}]}', "closes what was not opened"),
        ('[,{"id": 1}]', "not the one comma"),
        ('[{"id": 1}] [{"id": 2}]', "closes what was not opened"),
        ('\ufeff[\ufeff{"id": 1}]', "not the one comma"),
        ("[[1], [2]]", "a row is a JSON object, this is a list"),
    ],
)
def test_malformed_arrays_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(SourceError, match=message):
        look(config(tmp_path / "x.json"))


def test_utf16_and_empty_files(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"id": 1}\n', encoding="utf-16")
    with pytest.raises(SourceError, match="is UTF-16"):
        look(config(tmp_path / "x.jsonl"))
    (tmp_path / "x.jsonl").write_bytes(b"")
    assert look(config(tmp_path / "x.jsonl")).rows == 0


@pytest.mark.parametrize("wide", ["", ',"y":123456789012345678901234'])
@pytest.mark.parametrize(
    ("depth", "message"),
    [
        (254, ""),
        (255, ""),
        (500, ""),
        (501, r"x\.jsonl:2: column `x` is nested more than 500 deep"),
        (985, r"x\.jsonl:2: (is nested too deeply|column `x` is nested)"),
        (1_023, r"x\.jsonl:2: (is nested too deeply|column `x` is nested)"),
        (1_024, r"x\.jsonl:2: is not JSON: depth limit exceeded"),
    ],
)
def test_values_that_are_nested_deeply(tmp_path: Path, depth: int, message: str, wide: str) -> None:
    """orjson reads 1,024 levels and writes 254; Python's own does some 900."""
    nested = "[" * depth + "]" * depth
    lines = ['{"id":1}', f'{{"id":2,"x":{nested}{wide}}}']
    (tmp_path / "x.jsonl").write_text("\n".join(lines))
    if not message:
        assert rows_of(tmp_path / "x.jsonl")[1]["x"] == nested
        return
    with pytest.raises(SourceError, match=message) as caught:
        look(config(tmp_path / "x.jsonl"))
    assert caught.value.code == "MMC437"
