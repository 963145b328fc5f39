"""`mmc status` beside an apply: what runs, what was killed, what it said."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.e2e.mmc_command import mmc, start

SPEC = """version: 1
name: slow
source: {type: files, path: rows.parquet}
target: {type: files, url: out, format: json}
load: {split_bytes: 65536}
verify: {count: off, digest: off}
"""
ROWS = 40_000


def _run(folder: Path) -> dict[str, Any]:
    return mmc(folder, "status", "--json").events[-1]


def test_a_run_that_goes_on_is_told_from_one_that_was_killed(tmp_path: Path) -> None:
    floats = np.random.default_rng(5).standard_normal(ROWS * 64, dtype=np.float32)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(floats), 64)
    table = pa.table({"id": list(range(ROWS)), "v": vectors})
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=200)
    (tmp_path / "spec.yaml").write_text(SPEC, encoding="utf-8")
    mmc(tmp_path, "plan", "spec.yaml", "-o", "plan.json")
    # Nobody reads what it says after its first split: it stands still when the pipe is full.
    process = start(tmp_path, "apply", "plan.json", "--json")
    try:
        assert process.stdout is not None
        while '"split_done"' not in process.stdout.readline():
            pass
        deadline, run = time.monotonic() + 60, _run(tmp_path)
        while not any(it["rows"] for it in run["running"]):
            assert time.monotonic() < deadline
            run = _run(tmp_path)
        assert (run["status"], run["process"]) == ("running", "alive")
        assert run["lease"]["pid"] == process.pid
        (step,) = run["running"]
        assert step["total_rows"] == ROWS and step["rows"] > 0
        assert step["seconds_left"] is not None
        text = mmc(tmp_path, "status").out
        assert "(slow): running, attempt 1" in text
        assert "rows/s" in text and " left" in text and f"run by process {process.pid}" in text
    finally:
        process.kill()
        process.communicate()
    assert _run(tmp_path)["process"] == "gone"
    text = mmc(tmp_path, "status").out
    assert "(slow): interrupted, attempt 1" in text and "rows/s" not in text
    assert f"its process is gone (process {process.pid} on " in text
    assert mmc(tmp_path, "status", "--watch").out == text, "there is nothing to wait for"
    assert "  interrupted  " in mmc(tmp_path, "state", "list").out
    mmc(tmp_path, "apply", "plan.json")
    run = _run(tmp_path)
    assert (run["status"], run["process"], run["lease"], run["running"]) == (
        "applied",
        None,
        None,
        [],
    )
    assert [it["status"] for it in run["attempts"]] == ["running", "applied"]
    shown = mmc(tmp_path, "state", "show", run["run"], "--events", "--json").events[1:]
    assert [it["attempt"] for it in shown if it["type"] == "run_started"] == [1, 2]
    assert shown[-1]["type"] == "run_finished" and shown[-1]["outcome"] == "applied"
    lines = mmc(tmp_path, "state", "show", run["run"], "--events").out.splitlines()
    assert len(lines) == len(shown) + 1
