"""Beside a clear vector, coordinates and boxes stay lists; alone, a short list is the vector."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.sources.files.reading import config, field, look, rows_of


@pytest.mark.parametrize("format_", ["jsonl", "parquet", "csv"])
def test_coordinates_beside_an_embedding(tmp_path: Path, format_: str) -> None:
    rows = [{"place": [1.1, 2.2], "box": [1, 2, 3, 4], "e": [0.5] * 8} for _ in range(9)]
    path = tmp_path / f"rows.{format_}"
    if format_ == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif format_ == "csv":
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([rows[0], *([*row.values()] for row in rows)])
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    fields = look(config(path)).fields
    hints = {field.name: (field.vector, field.arrow) for field in fields}
    assert hints["e"][0] == "float_vector(8)"
    assert hints["place"] == ("", "list<double>")
    assert hints["box"] == ("", "list<int64>")


def test_a_short_list_alone_is_the_vector(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": 1, "v": [1.5, 2.5]}\n')
    fields = look(config(path)).fields
    assert [field.vector for field in fields] == ["", "float_vector(2)"]


def test_lists_of_csv_are_read_as_those_of_json(tmp_path: Path) -> None:
    values = {
        "tags": ["[1,2]", "[16777217,2]"],
        "open": ["[1]", "[1,2,3]"],
        "mixed": ["[1, 2.5]", "[-0.0]"],
        "wide": ["[9223372036854775808]", "[1]"],
        "none": ["[]", "[]"],
        "e": ["[0,1,2,3,4,5,6,7]"] * 2,
    }
    with (tmp_path / "x.csv").open("w", newline="") as file:
        csv.writer(file).writerows([values, *zip(*values.values(), strict=True)])
    lines = [{name: json.loads(texts[row]) for name, texts in values.items()} for row in range(2)]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = [look(config(tmp_path / name)) for name in ("x.csv", "x.jsonl")]
    for name in values:
        ours, theirs = (field(collection, name) for collection in found)
        assert (ours.arrow, ours.vector, ours.json_text) == (
            theirs.arrow,
            theirs.vector,
            theirs.json_text,
        ), name
    rows, others = rows_of(tmp_path / "x.csv"), rows_of(tmp_path / "x.jsonl")
    for name in ("tags", "open", "mixed", "e"):
        assert [str(row[name]) for row in rows] == [str(row[name]) for row in others]
    assert [row["wide"] for row in rows] == ["[9223372036854775808]", "[1]"]


def _parquet(path: Path, lists: list[list[float]]) -> None:
    pq.write_table(pa.table({"v": pa.array(lists, pa.list_(pa.float32()))}), path)


def _lines(path: Path, lists: list[list[float]]) -> None:
    path.write_text("".join(json.dumps({"v": one}) + "\n" for one in lists))


def _csv(path: Path, lists: list[list[float]]) -> None:
    path.write_text("n,v\n" + "".join(f'1,"{one}"\n' for one in lists))


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ([[0.5] * 2] * 3, [[0.5] * 3] * 2, "2 numbers in {a}, 3 numbers in {b}"),
        (
            [[0.5] * 9] * 30,
            [[0.5] * 9] * 9 + [[0.5] * 8],
            "9 numbers in 39 sampled lists, 8 in {b}",
        ),
        ([[0.5] * 2, [0.5] * 3], [[0.5] * 4], ""),
        ([[0.5] * 9] * 3, [[0.5] * 9], ""),
        ([[0.5]], [[0.5] * 2], ""),
    ],
)
@pytest.mark.parametrize("write", [_parquet, _lines, _csv])
def test_vectors_of_two_dimensions_are_told(
    tmp_path: Path,
    write: Callable[[Path, list[list[float]]], None],
    first: list[list[float]],
    second: list[list[float]],
    told: str,
) -> None:
    """In two shards, or in a row or two: an array is made of them, and a warning says so."""
    ending = {_parquet: "parquet", _lines: "jsonl", _csv: "csv"}[write]
    a, b = tmp_path / f"a.{ending}", tmp_path / f"b.{ending}"
    write(a, first)
    write(b, second)
    problems = look(config(tmp_path)).problems
    assert [one.code for one in problems] == (["MMC482"] if told else [])
    assert all(f"`v`: {told.format(a=a, b=b)}: " in one.message for one in problems)
    assert not any(one.is_error for one in problems)
