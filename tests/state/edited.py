"""A folder with two runs of real plans, one complete and one half done, whose state is edited."""

from __future__ import annotations

import hashlib
import shutil
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mmc.cli.main import run as command
from mmc.progress import Reading

SPEC = """
version: 1
source: {{type: files, path: {source}}}
target: {{type: files, url: {target}, format: {layout}}}
collections: [{{to: rows}}]
load: {{split_bytes: 65536, workers: 1, mode: replace}}
rows: {{on_error: {on_error}}}
"""
ROWS = 1200
"""In four splits."""
SECONDS = 60
"""More than any command here takes."""


@dataclass
class Answer:
    """What a command came to, with all that it printed."""

    args: tuple[str, ...]
    code: int
    text: str = ""


@dataclass
class Edited:
    """The folder, which is the current one.

    Attributes:
        runs: ids by plan file.
        outside: content of all files that no command here may touch.
    """

    folder: Path
    runs: dict[str, str] = field(default_factory=dict)
    outside: dict[str, str] = field(default_factory=dict)

    @property
    def database(self) -> Path:
        return self.folder / ".mmc" / "state.db"

    def rows(self, table: str) -> list[dict[str, Any]]:
        with closing(sqlite3.connect(self.database)) as base:
            base.row_factory = sqlite3.Row
            found = base.execute(f"SELECT rowid AS rowid, * FROM {table} ORDER BY rowid")
            return [dict(row) for row in found]

    def edit(self, table: str, column: str, value: Any, row: int) -> None:
        """Sets one value, as a person with a database tool does. `row`: its rowid."""
        with closing(sqlite3.connect(self.database)) as base, base:
            base.execute("PRAGMA synchronous=OFF")
            base.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (value, row))

    def add_lease(self, name: str) -> None:
        """As a process of another host left it on the target of a plan."""
        key = next(it["target_key"] for it in self.rows("mmc_runs") if it["run"] == self.runs[name])
        with closing(sqlite3.connect(self.database)) as base, base:
            base.execute(
                "INSERT INTO mmc_leases VALUES (?, 'files', '1-1-a', 'far', 7, ?, ?)",
                (key, "2020-01-01 00:00:00.000000", "2020-01-02 00:00:00.000000"),
            )

    def check_outside(self) -> None:
        assert contents(self.folder) == self.outside, "something outside was changed"


def contents(folder: Path) -> dict[str, str]:
    """Digests of all files but those of targets and of mmc itself."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).parts[0] not in ("out", "half", ".mmc")
    }


def make(folder: Path) -> Edited:
    """Applies both plans. The current folder must be this one."""
    made = Edited(folder)
    for name, bad, layout, on_error in (
        ("out", 9, "parquet", "quarantine"),
        ("half", 1000, "numpy", "fail"),
    ):
        vectors = np.random.default_rng(3).normal(size=(ROWS, 64)).astype("f4")
        vectors[bad, 3] = np.nan
        values = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 64)
        table = pa.table({"id": pa.array(range(ROWS), pa.int64()), "vector": values})
        pq.write_table(table, folder / f"{name}.parquet", row_group_size=300)
        spec = SPEC.format(source=f"{name}.parquet", target=name, layout=layout, on_error=on_error)
        (folder / f"{name}.yaml").write_text(spec)
        assert command(["plan", f"{name}.yaml", "-o", f"{name}.json"]) == 0
        assert command(["apply", f"{name}.json"]) == (3 if name == "out" else 1)
    (folder / "victim").mkdir()
    for path in ("victim/part-00000.parquet", "victim.parquet"):
        (folder / path).write_text("not ours")
    for run in made.rows("mmc_runs"):
        made.runs["out" if run["status"] == "partial" else "half"] = run["run"]
    assert sorted(made.runs) == ["half", "out"]
    _say_how_far(made)
    made.outside = contents(folder)
    return made


def _say_how_far(made: Edited) -> None:
    """Runs as short as these may end before they record how far they are."""
    reading = asdict(Reading(label="copy", seconds=0.5, rows=3, total_rows=ROWS))
    with closing(sqlite3.connect(made.database)) as base, base:
        base.execute("DELETE FROM mmc_progress")
        for run in made.runs.values():
            row = {"run": run, "step": "copy.rows", "attempt": 1, **reading}
            row["updated_at"] = "2026-01-01 00:00:00.000000"
            marks = ", ".join(f":{name}" for name in row)
            base.execute(f"INSERT INTO mmc_progress ({', '.join(row)}) VALUES ({marks})", row)


def restore(base: Edited, kept: Path) -> None:
    """Makes targets and state as they were. The state knows targets by their paths, so the folder
    stays where it is.
    """
    for name in ("out", "half", ".mmc"):
        shutil.rmtree(base.folder / name, ignore_errors=True)
        shutil.copytree(kept / name, base.folder / name)


class Hung(Exception):
    pass


@contextmanager
def no_longer_than(seconds: int) -> Iterator[None]:
    """Raises Hung in what takes longer."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise Hung(f"it took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
