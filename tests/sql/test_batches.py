"""Expressions over batches in a process with limits: parts, limits, and what is said of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

from mmc.errors import ExpressionFailed, WorkerLost
from mmc.sql import batches as sqlbatches
from mmc.sql import process as sqlprocess
from mmc.sql.batches import RowExpressions
from mmc.sql.engine import Engine

MINUTES = f"list_sum(list_transform(range(1000000), lambda x: levenshtein('{'x' * 1000}', t)))"


def _batch(rows: int) -> pa.RecordBatch:
    texts = [None if n % 7 == 0 else "x" if n % 5 == 0 else str(n) for n in range(rows)]
    return pa.record_batch({"n": pa.array(range(rows)), "t": pa.array(texts, pa.string())})


@pytest.mark.parametrize("part", [1, 3, 50, 4096])
@pytest.mark.parametrize("where", ["", "n % 2 = 0", "CAST(t AS INTEGER) < 60"])
@pytest.mark.parametrize(
    "texts", [("CAST(t AS INTEGER)", "n + 1"), ("1 + 1",)], ids=["columns", "constant"]
)
def test_parts_give_what_the_whole_gives(
    part: int, where: str, texts: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlbatches, "ROWS", part)
    types = [pa.int32(), pa.int64()][: len(texts)]
    batch = _batch(90)
    found = RowExpressions(texts, where, types).evaluate(batch)
    whole = Engine().evaluate(batch, texts, where, types)
    assert found.columns == whole.columns
    assert (found.rows is None) == (whole.rows is None)
    assert found.rows is None or whole.rows is None or found.rows.tolist() == whole.rows.tolist()
    assert {(f.row, f.expression) for f in found.failures} == {
        (f.row, f.expression) for f in whole.failures
    }


@pytest.mark.parametrize("rows", [0, 1])
def test_batches_without_rows_or_columns(rows: int) -> None:
    found = RowExpressions(("1",), "", [pa.int64()]).evaluate(_batch(rows))
    assert found.columns[0].to_pylist() == [1] * rows


def test_a_part_that_takes_too_much_memory_is_made_smaller() -> None:
    # 400 rows of 2 MB each are more than the process may take, and a part of them is not.
    sql = RowExpressions(("len(repeat(t, 1000000))", "left(repeat(t, 1000000), 9)"), "", ())
    found = sql.evaluate(pa.record_batch({"t": ["ab"] * 400}))
    assert set(found.columns[0].to_pylist()) == {2_000_000}
    assert set(found.columns[1].to_pylist()) == {"ababababa"}


@pytest.mark.parametrize(
    ("expr", "code", "message"),
    [
        (
            f"list_transform(range(1000000), lambda x: '{'x' * 5000}')::text",
            "MMC592",
            "for one row",
        ),
        ("repeat(t, 1000000)", "MMC592", "would make over 1 MiB of 2 rows"),
        ("repeat(t, 100000000)", "MMC594", "cannot be evaluated: with `repeat`"),
        ("getenv('HOME')", "MMC594", "no function `getenv`"),
        ("nothing", "MMC594", "no column `nothing`"),
        ("t + 1.5", "MMC594", "cannot be evaluated"),
        ("[n]", "MMC594", "cannot be evaluated: "),
    ],
)
def test_what_cannot_be_evaluated(
    expr: str, code: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlbatches, "TOTAL", 1 << 20)
    sql = RowExpressions((expr,), "", [pa.string()])
    batch = pa.record_batch({"t": ["a", "b"], "n": [[1], [2]]})
    with pytest.raises(ExpressionFailed, match=message) as caught:
        sql.evaluate(batch)
    assert caught.value.code == code and caught.value.hint


def test_what_takes_too_long_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    RowExpressions(("n",), "", [pa.int64()]).evaluate(_batch(3))  # the process is there
    monkeypatch.setattr(sqlbatches, "SECONDS", 0.2)
    with pytest.raises(ExpressionFailed, match="for 3 rows, and was stopped") as caught:
        RowExpressions((MINUTES,), "", [pa.int64()]).evaluate(
            pa.record_batch({"t": ["y" * 1000] * 3})
        )
    assert caught.value.code == "MMC593"


def test_a_process_that_does_not_start_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    sqlprocess._end_all()
    monkeypatch.setattr(sqlprocess, "_COMMAND", "raise SystemExit(1)")
    with pytest.raises(WorkerLost, match="does not start"):
        RowExpressions(("1",), "", [pa.int64()]).evaluate(_batch(1))
    sqlprocess._end_all()


def test_it_ends_with_the_process_that_asked(tmp_path: Path) -> None:
    code = (
        "import os, pyarrow as pa; from mmc.sql import process as s;"
        "s.ask(s.ColumnsOf(('1',), ()), 60); print(s._idle[0]._process.pid, flush=True);"
        f"s.ask(s.Evaluate(pa.record_batch({{'t': ['{'y' * 1000}']}}), [{MINUTES!r}], '', ()), 600)"
    )
    asking = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert asking.stdout is not None
    pid = int(asking.stdout.readline())
    os.kill(asking.pid, signal.SIGKILL)
    asking.wait()
    asking.stdout.close()
    deadline = time.monotonic() + 60
    while _runs(pid):
        assert time.monotonic() < deadline, "it outlives the process that asked"
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
