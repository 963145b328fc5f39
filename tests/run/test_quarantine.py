"""The quarantine file of a split."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmc.run.quarantine import Quarantine
from mmc.transform.badrow import BadRow


def bad(row: int, reason: str = "null", **values: object) -> BadRow:
    return BadRow("x.parquet", row, "row", "MMC600", "id", reason, values)


def test_a_row_a_line(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path / "new", "copy-1", "00003")
    quarantine.add([bad(1, t="é\n")])
    quarantine.add([])
    quarantine.add([bad(2), bad(5, "other")])
    assert not (tmp_path / "new" / "copy-1-00003.jsonl").exists()
    path = quarantine.commit()
    assert path == tmp_path / "new" / "copy-1-00003.jsonl"
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [line["row"] for line in lines] == [1, 2, 5] and lines[0]["values"] == {"t": "é\n"}
    assert quarantine.reasons() == (("MMC600", "id", "null", 2), ("MMC600", "id", "other", 1))
    assert [child.name for child in path.parent.iterdir()] == [path.name]


def test_no_file_without_bad_rows(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path, "copy", "0")
    quarantine.add([])
    assert quarantine.commit() is None
    assert quarantine.reasons() == () and not list(tmp_path.iterdir())


@pytest.mark.parametrize("again", [[bad(7)], []])
def test_a_replay_replaces_the_file(tmp_path: Path, again: list[BadRow]) -> None:
    first = Quarantine(tmp_path, "copy", "0")
    first.add([bad(1), bad(2)])
    first.commit()
    second = Quarantine(tmp_path, "copy", "0")
    second.add(again)
    second.commit()
    found = [json.loads(t)["row"] for p in tmp_path.iterdir() for t in p.read_text().splitlines()]
    assert found == [one.row for one in again]


def test_what_a_killed_attempt_left_is_gone_after_the_next(tmp_path: Path) -> None:
    killed = Quarantine(tmp_path, "copy", "0")
    killed.add([bad(1)])
    assert Quarantine(tmp_path, "copy", "0").commit() is None
    assert not list(tmp_path.iterdir())
    killed.abort()


def test_abort_leaves_nothing(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path, "copy", "0")
    quarantine.add([bad(1)])
    quarantine.abort()
    quarantine.abort()
    assert not list(tmp_path.iterdir())


def test_values_must_be_json(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path, "copy", "0")
    with pytest.raises(ValueError, match="JSON"):
        quarantine.add([bad(1, x=float("nan"))])
    quarantine.abort()
