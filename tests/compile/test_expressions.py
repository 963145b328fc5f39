"""Expressions and conditions at plan time."""

from __future__ import annotations

import pyarrow as pa
import pytest

from mmc.compile.expressions import Problem, check_condition, columns_used, expression_type
from mmc.io.arrow import data_type
from mmc.io.sql import Engine
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
    assert expression_type(text, COLUMNS) == type_


@pytest.mark.parametrize("text", ["id + 1", "half", "v", "tag", "seen", "part", "m", "amount"])
def test_the_type_at_run_time_is_the_one_announced(text: str) -> None:
    fields = {}
    for name, arrow in COLUMNS.items():
        type_ = data_type(ArrowType.parse(arrow))
        fields[name] = pa.dictionary(pa.int8(), type_) if name == "tag" else type_
    batch = pa.RecordBatch.from_pylist([{}, {}], schema=pa.schema(fields))
    announced = expression_type(text, COLUMNS)
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
    found = expression_type(text, COLUMNS)
    assert isinstance(found, Problem), found
    assert message in found.message and hint in found.hint
    if position is not None:
        assert found.position == position


def test_columns_that_differ_in_case_only() -> None:
    columns = {"A": "int64", "a": "string", "bB": "int64", "Bb": "int64"}
    assert expression_type("a", columns) == "string"
    assert expression_type("A", columns) == "int64"
    both = expression_type('"A" || "a"', columns)
    assert isinstance(both, Problem) and "differ in case only" in both.message
    unsure = expression_type("bb", columns)
    assert isinstance(unsure, Problem) and "`bB`, `Bb`" in unsure.message


def test_conditions() -> None:
    assert check_condition("price > 0 AND title = 'x'", COLUMNS) is None
    assert check_condition("TRUE", COLUMNS) is None
    number = check_condition("price", COLUMNS)
    assert number is not None and "this gives double" in number.message
    unknown = check_condition("prise > 0", COLUMNS)
    assert unknown is not None and "`price`" in unknown.hint
    text = check_condition("price > 'x", COLUMNS)
    assert text is not None and text.message.startswith("not SQL")


def test_columns_used() -> None:
    assert columns_used("title || id || part.x", COLUMNS) == ("id", "Title", "part")
    assert columns_used("list_transform(list, lambda id: id + 1)", COLUMNS) == ("list",)
    assert columns_used("list_transform(list, lambda x: x + id)", COLUMNS) == ("id", "list")
    assert columns_used("1 + 1", COLUMNS) == ()
    assert columns_used("nothing", COLUMNS) == ()
