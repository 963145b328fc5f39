"""Expressions and conditions at plan time."""

from __future__ import annotations

import pyarrow as pa
import pytest

from mmc.arrow.schema import data_type
from mmc.compile import expressions
from mmc.compile.expressions import Expressions, Problem
from mmc.sql.engine import Engine
from mmc.types import ArrowType

COLUMNS = {
    "id": "int64",
    "Title": "string",
    "price": "double",
    "half": "halffloat",
    "v": "fixed_size_list<halffloat>[3]",
    "tag": "dictionary<string>",
    "seen": "timestamp[us, tz=UTC]",
    "day": "date32[day]",
    "list": "list<int64>",
    "part": "struct<x: int64, y: list<string>>",
    "m": "map<string, int64>",
    "amount": "decimal128(10, 2)",
    "_id": "string",
    "größe": "int32",
}


SQL = Expressions()


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("id + 1", "int64"),
        ("lower(trim(title))", "string"),
        ("price * 2", "double"),
        ("half", "float"),
        ("v[1]", "float"),
        ("tag || 'x'", "string"),
        ("seen", "timestamp[us, tz=UTC]"),
        ("CAST(seen AS DATE)", "date32[day]"),
        ("year(day)", "int64"),
        ("seen + INTERVAL 1 DAY", "timestamp[us, tz=UTC]"),
        ("date_trunc('month', seen)", "timestamp[us, tz=UTC]"),
        ("split_part(title, '-', 1)", "string"),
        ("array_append(list, id)", "list<int64>"),
        ("[x * 2 for x in list if x > id]", "list<int64>"),
        ("list_transform(list, lambda x: x + id)", "list<int64>"),
        ("part.x", "int64"),
        ("part.y[1]", "string"),
        ("m['a']", "int64"),
        ("amount", "decimal128(10, 2)"),
        ('"_id"', "string"),
        ("größe + 1", "int32"),
        ("CASE WHEN id > 1 THEN 'a' END", "string"),
        ("id IN (1, 2) AND title LIKE 'a%' OR price BETWEEN 1 AND 2", "bool"),
        ("id -- a remark", "int64"),
        ("id /* a remark */", "int64"),
        ("TRY_CAST(title AS BIGINT)", "int64"),
        ("{'a': id}", "struct<a: int64>"),
        ("md5(title)", "string"),
        ("coalesce(title, '-')", "string"),
        ("list_sum(list)", "decimal128(38, 0)"),
        ("age(seen, seen) IS NULL", "bool"),
    ],
)
def test_the_type_of_an_expression(text: str, type_: str) -> None:
    assert SQL.type(text, COLUMNS) == type_


@pytest.mark.parametrize("text", ["id + 1", "half", "v", "tag", "seen", "part", "m", "amount"])
def test_the_type_at_run_time_is_the_one_announced(text: str) -> None:
    fields = {}
    for name, arrow in COLUMNS.items():
        type_ = data_type(ArrowType.parse(arrow))
        fields[name] = pa.dictionary(pa.int8(), type_) if name == "tag" else type_
    batch = pa.RecordBatch.from_pylist([{}, {}], schema=pa.schema(fields))
    announced = SQL.type(text, COLUMNS)
    assert isinstance(announced, str)
    wanted = data_type(ArrowType.parse(announced))
    (column,) = Engine().evaluate(batch, [text]).columns
    assert column.type == wanted and column.null_count == 2


@pytest.mark.parametrize(
    ("text", "message", "hint", "position"),
    [
        ("titel", "no column `titel`", "`Title`", 0),
        ("größe + nothing", "no column `nothing`", "columns: id", 8),
        ("id +", "not SQL", "", None),
        ("id; DROP TABLE t", "not SQL", "", 2),
        ("id) FROM t; SELECT (1", "not one SQL expression", "", None),
        ("id) FROM t UNION ALL SELECT (1", "not one SQL expression", "", None),
        ("id), (price", "not one SQL expression", "", None),
        ("id) AS v, * FROM t; DROP TABLE t; SELECT (1", "not SQL", "", None),
        ("id /* open", "not SQL", "", 3),
        ("", "not one SQL expression", "", None),
        (" -- nothing", "gives nothing", "", None),
        ("(SELECT 1)", "subquery", "join", 0),
        ("id IN (SELECT 1)", "subquery", "join", 6),
        ("EXISTS (SELECT 1)", "subquery", "join", None),
        ("sum(price)", "an aggregate", "one row", 0),
        ("1 + max(price)", "an aggregate", "one row", 4),
        ("row_number() OVER ()", "a window function", "one row", 0),
        ("sum(id) OVER ()", "a window function", "one row", 0),
        ("random()", "another value each time", "vars", 0),
        ("uuid()", "another value each time", "vars", 0),
        ("now()", "another value each time", "vars", 0),
        ("current_timestamp", "another value each time", "vars", 0),
        ("current_date", "another value each time", "vars", 0),
        ("localtime", "another value each time", "vars", 0),
        ("current_localtimestamp()", "another value each time", "vars", 0),
        ("pg_postmaster_start_time()", "another value each time", "vars", 0),
        ("age(seen)", "another value each time", "vars", 0),
        ("nextval('s')", "another value each time", "vars", 0),
        ("current_setting('threads')", "another value each time", "vars", 0),
        ("getvariable('x')", "another value each time", "vars", 0),
        ("lower(title || random())", "another value each time", "vars", 15),
        ("getenv('HOME')", "no function `getenv`", "", 0),
        ("lowr(title)", "no function `lowr`", "`lower`", 0),
        ("read_text('/etc/hostname')", "a table function", "one row", 0),
        ("unnest(list)", "a table function", "one row", 0),
        ("query('SELECT 1')", "a table function", "one row", 0),
        ("*", "`*`", "name the column", 0),
        ("COLUMNS(*)", "`*`", "name the column", None),
        ("$1", "a parameter", "vars", 0),
        ("#1", "by its number", "name the column", 0),
        ("rowid", "no column `rowid`", "", 0),
        ("mmc_row_number", "no column `mmc_row_number`", "", 0),
        ("title + id", "", "", None),
        ("INTERVAL 1 DAY", "an interval", "CAST", None),
        ("NULL", "null in every row", "CAST", None),
        ("CAST('x' AS INTEGER)", "fails for every row: Conversion Error", "", None),
    ],
)
def test_what_is_no_expression_over_one_row(
    text: str, message: str, hint: str, position: int | None
) -> None:
    found = SQL.type(text, COLUMNS)
    assert isinstance(found, Problem), found
    assert message in found.message and hint in found.hint
    if position is not None:
        assert found.position == position


def test_columns_that_differ_in_case_only() -> None:
    columns = {"A": "int64", "a": "string", "bB": "int64", "Bb": "int64"}
    assert SQL.type("a", columns) == "string"
    assert SQL.type("A", columns) == "int64"
    both = SQL.type('"A" || "a"', columns)
    assert isinstance(both, Problem) and "differ in case only" in both.message
    unsure = SQL.type("bb", columns)
    assert isinstance(unsure, Problem) and "`bB`, `Bb`" in unsure.message


def test_conditions() -> None:
    assert SQL.condition("price > 0 AND title = 'x'", COLUMNS) is None
    assert SQL.condition("TRUE", COLUMNS) is None
    number = SQL.condition("price", COLUMNS)
    assert number is not None and "this gives double" in number.message
    unknown = SQL.condition("prise > 0", COLUMNS)
    assert unknown is not None and "`price`" in unknown.hint
    text = SQL.condition("price > 'x", COLUMNS)
    assert text is not None and text.message.startswith("not SQL")


def test_columns_used() -> None:
    assert SQL.columns("title || id || part.x", COLUMNS) == ("id", "Title", "part")
    assert SQL.columns("list_transform(list, lambda id: id + 1)", COLUMNS) == ("list",)
    assert SQL.columns("list_transform(list, lambda x: x + id)", COLUMNS) == ("id", "list")
    assert SQL.columns("1 + 1", COLUMNS) == ()
    assert SQL.columns("nothing", COLUMNS) == ()


@pytest.mark.parametrize(
    "text",
    [
        f"list_transform(range(1000000), lambda x: '{'x' * 5000}')::varchar",
        "CAST(NULL AS STRUCT(a INT[1000][1000][1000]))::varchar",
    ],
    ids=["long", "wide"],
)
def test_what_takes_too_much_memory_is_said(text: str) -> None:
    found = Expressions().type(text, COLUMNS)
    assert isinstance(found, Problem) and "over 768 MiB of memory" in found.message


@pytest.mark.parametrize(
    "text",
    [
        f"CAST(NULL AS {'STRUCT(a ' * 500}INT{')' * 500})::varchar",
        "lower(" * 700 + "title" + ")" * 700,
        " || ".join(["title"] * 1500),
    ],
    ids=["type", "functions", "operators"],
)
def test_what_is_nested_too_deeply_is_said(text: str) -> None:
    found = Expressions().type(text, COLUMNS)
    assert isinstance(found, Problem) and found.message == "it is nested too deeply"
    assert "max_expression_depth" not in found.message + found.hint


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("title -> '$.b.c'", "string"),
        ("title::json -> 'b'", "string"),
        ("(title -> 'b') ->> 'c'", "string"),
        ("list_reduce(list, lambda a, b: a + b)", "int64"),
    ],
)
def test_arrows_are_planned(text: str, type_: str) -> None:
    assert Expressions().type(text, COLUMNS) == type_


def test_what_takes_too_long_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    assert SQL.type("id", COLUMNS) == "int64"  # the process is there
    monkeypatch.setattr(expressions, "SECONDS", 0.2)
    minutes = (
        f"list_transform(range(1000000), lambda x: levenshtein('{'x' * 1000}', '{'y' * 999}'))"
    )
    found = Expressions().type(minutes, COLUMNS)
    assert isinstance(found, Problem) and "was not known within" in found.message
    monkeypatch.undo()
    assert SQL.type("id + 3", COLUMNS) == "int64"  # by another process


def test_all_expressions_have_a_time_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expressions, "ALL_SECONDS", 0.0)
    monkeypatch.setattr(expressions, "EACH_SECONDS", 0.0)
    found = Expressions().type("id", COLUMNS)
    assert isinstance(found, Problem) and "not looked at" in found.message
