"""JSON lines with keys that no sampled row has, by the commands: each of the answers of a spec."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.e2e.mmc_command import mmc

ROWS = 9_000
RARE: dict[int, dict[str, Any]] = {
    7_000: {"hidden": [1]},
    7_001: {"hidden": None, "empty": []},
    8_500: {"hidden": {"deep": 2**70}, "note": "x"},
}
SPEC = """
version: 1
name: rare
source: {type: files, path: rows.jsonl}
target: {type: files, url: out/}
sample: {rows: 100}
lint: {MMC371: off}
collections:
  - from: rows
"""
COUNTED = "`hidden` in 2 rows, `note` in 1 row"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("unmapped")
    with (made / "rows.jsonl").open("w") as file:
        for n in range(ROWS):
            row = {"id": n, "v": [0.5, n / 7], "pad": "x" * 100, **RARE.get(n, {})}
            file.write(json.dumps(row) + "\n")
    return made


def applied(folder: Path, name: str, *keys: str, code: int) -> tuple[Any, Path]:
    """Plans and applies the spec with more keys, in a target and a state of its own."""
    spec = SPEC.replace("out/", f"{name}/") + "".join(f"    {key}\n" for key in keys)
    (folder / f"{name}.yaml").write_text(spec)
    mmc(folder, "plan", f"{name}.yaml", "-o", f"{name}.json")
    state = ("--state", f"sqlite:///{name}.db")
    done = mmc(folder, "apply", f"{name}.json", "--report", f"{name}.md", *state, code=code)
    return done, folder / name / "rows"


def columns_of(folder: Path) -> set[str]:
    (file,) = folder.glob("*.parquet")
    return set(pq.read_schema(file).names)


def test_report_counts_them_and_ends_with_3(folder: Path) -> None:
    done, written = applied(folder, "report", code=3)
    line = f"2 rows had values that no column took: {COUNTED}"
    assert f"warning[MMC637]: rows: {line}" in done.err
    assert "2 rows with values that no column took" in done.out
    assert columns_of(written) == {"id", "v", "pad"}
    state = ("--state", "sqlite:///report.db")
    assert f"copy.rows: {line}" in mmc(folder, "status", *state).out
    told = next(it for it in mmc(folder, "status", "--json", *state).events if "copies" in it)
    assert told["copies"][0]["unmapped"] == {"rows": 2, "names": [["hidden", 2], ["note", 1]]}
    assert line in mmc(folder, "verify", "report.json", *state).err
    again = mmc(folder, "apply", "report.json", *state, code=3)
    assert "Nothing to do" in again.out and line in again.err
    report = (folder / "report.md").read_text()
    assert "| rows | hidden | 2 |\n| rows | note | 1 |\n" in report


def test_fail_names_them_before_success_is_said(folder: Path) -> None:
    done, written = applied(folder, "fail", "unmapped: fail", code=1)
    assert "error[MMC638]: split copy.rows/00000 has values" in done.err and COUNTED in done.err
    assert "verified" not in done.out and not list(written.glob("*.parquet"))


def test_dynamic_keeps_them(folder: Path) -> None:
    _, written = applied(folder, "dynamic", "unmapped: dynamic", code=0)
    (file,) = written.glob("*.parquet")
    kept = pq.read_table(file, columns=["id", "$meta"]).to_pylist()
    more = {row["id"]: json.loads(row["$meta"]) for row in kept if row["$meta"] != "{}"}
    assert more == {7_000: {"hidden": [1]}, 8_500: RARE[8_500]}


@pytest.mark.parametrize(
    ("name", "keys", "code", "kept"),
    [
        ("rest", ["rest: drop", "fields: [{from: v, to: v}]"], 0, {"id", "v"}),
        ("both", ["rest: drop", "fields: [{from: v, to: v}]", "unmapped: report"], 3, {"id", "v"}),
        (
            "named",
            ["fields: [{from: hidden, drop: true}, {from: note, drop: true}]"],
            0,
            {"id", "v", "pad"},
        ),
        ("some", ["fields: [{from: hidden, drop: true}]"], 3, {"id", "v", "pad"}),
        (
            "column",
            ["fields: [{from: $unmapped, to: more, type: json}]"],
            0,
            {"id", "v", "pad", "more"},
        ),
    ],
)
def test_what_the_spec_says_yes_to(
    folder: Path, name: str, keys: list[str], code: int, kept: set[str]
) -> None:
    _, written = applied(folder, name, *keys, code=code)
    assert columns_of(written) == kept


def test_a_dropped_name_is_left_out_of_the_dynamic_field(folder: Path) -> None:
    drop = "fields: [{from: hidden, drop: true}]"
    _, written = applied(folder, "less", drop, "unmapped: dynamic", code=0)
    (file,) = written.glob("*.parquet")
    assert set(pq.read_table(file, columns=["$meta"])["$meta"].to_pylist()) == {
        "{}",
        '{"note":"x"}',
    }
