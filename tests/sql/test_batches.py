"""Expressions over batches in a process with limits: parts, limits, and what is said of them."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mmc.errors import ExpressionFailed, WorkerLost
from mmc.sql import batches as sqlbatches
from mmc.sql import process as sqlprocess
from mmc.sql.batches import RowExpressions
from mmc.sql.engine import Engine, Evaluated
from mmc.sql.process import Evaluate, Limit, Request

MINUTES = f"list_sum(list_transform(range(1000000), lambda x: levenshtein('{'x' * 1000}', t)))"


def _batch(rows: int) -> pa.RecordBatch:
    texts = [None if n % 7 == 0 else "x" if n % 5 == 0 else str(n) for n in range(rows)]
    return pa.record_batch({"n": pa.array(range(rows)), "t": pa.array(texts, pa.string())})


def _whole(sql: RowExpressions, batch: pa.RecordBatch) -> Evaluated:
    return sqlbatches._joined([part.found for part in sql.parts(batch)])


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
    found = _whole(RowExpressions(texts, where, types), batch)
    whole = Engine().evaluate(batch, texts, where, types)
    assert found.columns == whole.columns
    assert (found.rows is None) == (whole.rows is None)
    assert found.rows is None or whole.rows is None or found.rows.tolist() == whole.rows.tolist()
    assert {(f.row, f.expression) for f in found.failures} == {
        (f.row, f.expression) for f in whole.failures
    }


@pytest.mark.parametrize("rows", [0, 1])
def test_batches_without_rows_or_columns(rows: int) -> None:
    found = _whole(RowExpressions(("1",), "", [pa.int64()]), _batch(rows))
    assert found.columns[0].to_pylist() == [1] * rows


TEXTS = [
    pa.array(["x" * 30_000 + str(n) for n in range(900)]),
    pa.array(["x" * 30_000 + str(n) for n in range(900)], pa.large_string()),
    pa.array(["x" * 30_000 + str(n) for n in range(900)], pa.string_view()),
    pa.array(["x" * 30_000 + str(n % 3) for n in range(900)]).dictionary_encode(),
    pa.array(["x" * 30_000 + str(n) for n in range(900)]).dictionary_encode(),
    pa.array([["x" * 30_000 + str(n)] for n in range(900)]),
    pa.array([{"t": "x" * 30_000 + str(n)} for n in range(900)]),
    pa.array(["short"] * 600 + ["x" * 80_000] * 300),
]


@pytest.mark.parametrize("texts", TEXTS, ids=lambda array: str(array.type)[:20])
def test_a_part_is_sent_alone_and_is_small(
    texts: pa.Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(sqlbatches, "PART", 1 << 20)
    ask = sqlprocess.ask

    def asked(request: Request, seconds: float) -> Any:
        if isinstance(request, Evaluate):
            sent.append((request.batch.num_rows, len(pickle.dumps(request))))
        return ask(request, seconds)

    monkeypatch.setattr(sqlprocess, "ask", asked)
    batch = pa.record_batch({"t": texts, "other": texts}).slice(50, 800)
    found = _whole(RowExpressions(("len(t::varchar)",), "", [pa.int64()]), batch)
    assert len(found.columns[0]) == sum(rows for rows, _ in sent) == 800
    assert max(size for _, size in sent) < 1.1 * (1 << 20)
    assert len(sent) < 1.5 * 800 * 30_000 / (1 << 20) + 30


def test_large_values_are_handed_on_before_the_batch_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sqlbatches, "HANDED", 1 << 20)
    monkeypatch.setattr(sqlbatches, "PART", 1 << 18)
    batch = pa.record_batch({"n": range(400), "t": ["x" * 10_000] * 400})
    sql = RowExpressions(("upper(t)", "n"), "n % 2 = 0", [pa.string(), pa.int64()])
    parts = list(sql.parts(batch))
    assert len(parts) >= 2
    assert [part.start for part in parts[1:]] == [part.start + part.rows for part in parts[:-1]]
    assert sum(part.rows for part in parts) == 400
    kept = [row for part in parts if part.found.rows is not None for row in part.found.rows]
    assert kept == list(range(0, 400, 2))
    assert [n for part in parts for n in part.found.columns[1].to_pylist()] == kept
    assert all(sum(c.nbytes for c in part.found.columns) < 1.2 * (1 << 20) for part in parts)


def test_an_answer_that_is_too_large_does_not_end_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _whole(RowExpressions(("1",), "", [pa.int64()]), _batch(1))
    pid = sqlprocess._idle[-1]._process.pid
    batch = pa.record_batch({"t": ["ab"] * 200})
    sql = RowExpressions(("repeat(t, 300000)",), "", [pa.string()])
    assert {len(text) for text in _whole(sql, batch).columns[0].to_pylist()} == {600_000}
    assert sqlprocess._idle[-1]._process.pid == pid


def test_parts_grow_again_and_less_often_when_that_fails() -> None:
    sql = RowExpressions(("t",), "", [pa.string()])
    sql._smaller(Limit.MEMORY, 4096, 5000)
    assert sql._rows == 256

    def well_until_larger() -> int:
        rows, times = sql._rows, 0
        while sql._rows == rows:
            sql._larger()
            times += 1
        return times

    first = well_until_larger()
    assert sql._rows == 512
    sql._smaller(Limit.MEMORY, 512, 5000)
    assert well_until_larger() == 2 * first
    for _ in range(400):
        sql._larger()
    assert sql._rows == sqlbatches.ROWS


def test_a_part_that_takes_too_much_memory_is_made_smaller() -> None:
    # 400 rows of 2 MB each are more than the process may take, and a part of them is not.
    sql = RowExpressions(("len(repeat(t, 1000000))", "left(repeat(t, 1000000), 9)"), "", ())
    found = _whole(sql, pa.record_batch({"t": ["ab"] * 400}))
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
        (f"repeat('{'x' * 100}', 1000000)", "MMC592", "would make over 64 MiB of one row"),
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
        _whole(sql, batch)
    assert caught.value.code == code and caught.value.hint


def test_what_takes_too_long_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    _whole(RowExpressions(("n",), "", [pa.int64()]), _batch(3))  # the process is there
    monkeypatch.setattr(sqlbatches, "SECONDS", 0.2)
    with pytest.raises(ExpressionFailed, match="for 3 rows, and was stopped") as caught:
        _whole(
            RowExpressions((MINUTES,), "", [pa.int64()]),
            pa.record_batch({"t": ["y" * 1000] * 3}),
        )
    assert caught.value.code == "MMC593"


def test_a_process_that_does_not_start_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    sqlprocess._end_all()
    monkeypatch.setattr("mmc.child._COMMAND", "raise SystemExit(1)")
    with pytest.raises(WorkerLost, match="does not start"):
        _whole(RowExpressions(("1",), "", [pa.int64()]), _batch(1))
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
