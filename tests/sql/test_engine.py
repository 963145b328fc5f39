"""The SQL engine: what it computes, what it must not reach, and rows that fail."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmc.sql.engine import Engine, connect
from mmc.sql.tree import parse


def test_expressions_and_condition_in_one_statement() -> None:
    batch = pa.record_batch({"a": pa.array([1, 2, None, 4]), "t": [" X", "y ", "z", None]})
    found = Engine().evaluate(batch, ["a + 1", "lower(trim(t))"], "a > 1 OR a IS NULL")
    assert found.rows is not None and found.rows.tolist() == [1, 2, 3]
    assert [c.to_pylist() for c in found.columns] == [[3, None, 5], ["y", "z", None]]
    assert not found.failures


def test_order_is_kept_over_many_rows() -> None:
    count = 300_000
    batch = pa.record_batch({"a": np.arange(count)})
    found = Engine().evaluate(batch, ["a"], "a % 3 = 0")
    assert found.rows is not None and (found.rows == np.arange(0, count, 3)).all()
    assert (found.columns[0].to_numpy() == found.rows).all()


def test_announced_types_hold() -> None:
    batch = pa.record_batch({"a": pa.array([1, 2], pa.int8())})
    found = Engine().evaluate(batch, ["a", "CAST(a AS HUGEINT)"], types=[pa.int32(), pa.int64()])
    assert [column.type for column in found.columns] == [pa.int32(), pa.int64()]


@pytest.mark.parametrize(
    "array",
    [
        pa.array([1.5, None], pa.float16()),
        pa.array([[1.5], None], pa.list_(pa.float16())),
        pa.array(["a", None]).dictionary_encode(),
        pa.array(["a", None], pa.large_string()),
        pa.array(["a", None], pa.string_view()),
        pa.array([[1.0, 2.0], None], pa.list_(pa.float32(), 2)),
        pa.array([{"x": 1}, None]),
        pa.array([2**64 - 1, None], pa.uint64()),
    ],
)
def test_columns_of_every_sort_are_read(array: pa.Array) -> None:
    batch = pa.record_batch({"x": pa.concat_arrays([array, array]).slice(2)})
    assert Engine().evaluate(batch, ["x"]).columns[0].to_pylist() == array.to_pylist()


def test_columns_that_are_not_named_need_not_be_readable() -> None:
    odd = pa.array([None, None], pa.decimal256(60, 2))
    batch = pa.record_batch({"a": pa.array([1, 2]), "odd": odd})
    assert Engine().evaluate(batch, ["a"]).columns[0].to_pylist() == [1, 2]


def test_names_match_exactly_before_they_match_without_case() -> None:
    batch = pa.record_batch([pa.array([1]), pa.array([2])], names=["A", "a"])
    assert Engine().evaluate(batch, ["a"]).columns[0].to_pylist() == [2]
    assert Engine().evaluate(batch, ["A"]).columns[0].to_pylist() == [1]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.none() | st.sampled_from(["1", "22", "x", "", "-7"]), max_size=40))
def test_only_the_rows_that_fail_fail(texts: list[str | None]) -> None:
    batch = pa.record_batch({"t": pa.array(texts, pa.string())})
    found = Engine().evaluate(
        batch, ["CAST(t AS INTEGER)", "length(t)"], types=[pa.int32(), pa.int64()]
    )
    wrong = {row for row, text in enumerate(texts) if text in ("x", "")}
    assert {failure.row for failure in found.failures} == wrong
    assert all(failure.expression == 0 for failure in found.failures)
    numbers = [None if t in ("x", "", None) else int(str(t)) for t in texts]
    assert found.columns[0].to_pylist() == numbers
    assert found.columns[1].to_pylist() == [None if t is None else len(t) for t in texts]


def test_failures_of_condition_and_expressions_are_told_apart() -> None:
    batch = pa.record_batch({"t": ["1", "x", "3", "y"], "n": pa.array([1, 1, 2**63 - 1, 1])})
    found = Engine().evaluate(batch, ["n + 1"], "CAST(t AS INTEGER) > 0")
    assert found.rows is not None and found.rows.tolist() == [0, 2]
    assert [(f.row, f.expression) for f in found.failures] == [(1, -1), (3, -1), (2, 0)]
    assert found.columns[0].to_pylist() == [2, None]


def test_an_expression_does_not_fail_for_rows_that_the_condition_leaves_out() -> None:
    batch = pa.record_batch({"t": ["1", "x"]})
    found = Engine().evaluate(batch, ["CAST(t AS INTEGER)"], "t <> 'x'")
    assert found.columns[0].to_pylist() == [1] and not found.failures


def test_reasons_do_not_hold_values() -> None:
    batch = pa.record_batch({"t": ["secret-1", "secret-2"], "n": pa.array([2**62, 2**62 + 1])})
    found = Engine().evaluate(batch, ["CAST(t AS INTEGER)", "n * 4"])
    assert {failure.row for failure in found.failures} == {0, 1} and len(found.failures) == 4
    first = {failure.reason for failure in found.failures if failure.expression == 0}
    second = {failure.reason for failure in found.failures if failure.expression == 1}
    assert len(first) == len(second) == 1
    assert not any(
        char.isdigit() for char in "".join(first | second).replace("INT32", "").replace("INT64", "")
    )


def test_many_failures_are_found_without_a_statement_each() -> None:
    batch = pa.record_batch({"t": ["x"] * 20_000})
    found = Engine().evaluate(batch, ["CAST(t AS INTEGER)"])
    assert len(found.failures) == 20_000


def test_errors_that_are_not_a_row_s_are_raised() -> None:
    with pytest.raises(duckdb.BinderException):
        Engine().evaluate(pa.record_batch({"t": ["x"]}), ["t + 1"])


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_csv('{path}')",
        "SELECT * FROM read_text('{path}')",
        "SELECT * FROM read_blob('{path}')",
        "SELECT * FROM read_json('{path}')",
        "SELECT * FROM read_parquet('{path}')",
        "SELECT * FROM '{path}'",
        "SELECT * FROM glob('{path}*')",
        "SELECT * FROM sniff_csv('{path}')",
        "SELECT getenv('HOME')",
        "SELECT * FROM local_variable",
        "COPY (SELECT 1) TO '{path}.out'",
        "COPY (SELECT 1) TO '/dev/stdout'",
        "EXPORT DATABASE '{path}.out'",
        "IMPORT DATABASE '{path}'",
        "ATTACH '{path}.db'",
        "INSTALL httpfs",
        "FORCE INSTALL httpfs",
        "LOAD httpfs",
        "LOAD '{path}'",
        "CREATE SECRET s (TYPE s3)",
        "SET enable_external_access = true",
        "SET threads = 8",
        "SET lock_configuration = false",
        "RESET lock_configuration",
        "SET GLOBAL memory_limit = '1TB'",
        "SET temp_directory = '{path}.tmp'",
        "SET python_enable_replacements = true",
        "PRAGMA enable_external_access",
        "PRAGMA enable_profiling",
        "PRAGMA threads = 8",
        "SELECT * FROM read_csv('http://localhost/x')",
        "SELECT * FROM read_parquet('s3://bucket/x')",
    ],
)
def test_the_engine_reaches_nothing(statement: str, tmp_path: Path) -> None:
    path = tmp_path / "secret.csv"
    path.write_text("a,b\n1,2\n")
    local_variable = pa.table({"x": [1]})
    with pytest.raises(duckdb.Error):
        connect().sql(statement.format(path=path)).fetchall()
    assert [child.name for child in tmp_path.iterdir()] == ["secret.csv"]
    assert local_variable.num_rows == 1


def test_threads_read_expressions_at_the_same_time() -> None:
    # Splits into files are copied in threads, each with the plan's expressions.
    texts = [f"c{n} + 1" for n in range(240)]
    parse.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        trees = list(pool.map(parse, texts))
    parse.cache_clear()
    assert trees == [parse(text) for text in texts]
