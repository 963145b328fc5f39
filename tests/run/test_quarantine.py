"""The quarantine file of a split."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmc.errors import TargetError
from mmc.run.quarantine import Quarantine, QuarantineFile
from mmc.transform.badrow import BadRow


def bad(row: int, reason: str = "null", **values: object) -> BadRow:
    return BadRow(
        path="x.parquet",
        row=row,
        unit="row",
        code="MMC600",
        field="id",
        reason=reason,
        values=values,
    )


def test_a_row_a_line(tmp_path: Path) -> None:
    quarantine = QuarantineFile(tmp_path / "new", "copy-1", "00003")
    quarantine.add([bad(1, t="é\n")])
    quarantine.add([])
    quarantine.add([bad(2), bad(5, "other")])
    assert not (tmp_path / "new" / "copy-1-00003.jsonl").exists()
    quarantine.commit()
    path = quarantine.path
    assert path == tmp_path / "new" / "copy-1-00003.jsonl"
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [line["row"] for line in lines] == [1, 2, 5] and lines[0]["values"] == {"t": "é\n"}
    assert quarantine.rows == 3
    assert [child.name for child in path.parent.iterdir()] == [path.name]


def test_no_file_without_bad_rows(tmp_path: Path) -> None:
    quarantine = QuarantineFile(tmp_path, "copy", "0")
    quarantine.add([])
    quarantine.commit()
    assert quarantine.rows == 0 and not list(tmp_path.iterdir())


@pytest.mark.parametrize("again", [[bad(7)], []])
def test_a_replay_replaces_the_file(tmp_path: Path, again: list[BadRow]) -> None:
    first = QuarantineFile(tmp_path, "copy", "0")
    first.add([bad(1), bad(2)])
    first.commit()
    second = QuarantineFile(tmp_path, "copy", "0")
    second.add(again)
    second.commit()
    found = [json.loads(t)["row"] for p in tmp_path.iterdir() for t in p.read_text().splitlines()]
    assert found == [one.row for one in again]


def test_what_a_killed_attempt_left_is_gone_after_the_next(tmp_path: Path) -> None:
    killed = QuarantineFile(tmp_path, "copy", "0")
    killed.add([bad(1)])
    QuarantineFile(tmp_path, "copy", "0").commit()
    assert not list(tmp_path.iterdir())
    killed.drop()


def test_drop_leaves_nothing(tmp_path: Path) -> None:
    quarantine = QuarantineFile(tmp_path, "copy", "0")
    quarantine.add([bad(1)])
    quarantine.drop()
    quarantine.drop()
    assert not list(tmp_path.iterdir())


def test_values_must_be_json(tmp_path: Path) -> None:
    quarantine = QuarantineFile(tmp_path, "copy", "0")
    with pytest.raises(ValueError, match="JSON"):
        quarantine.add([bad(1, x=float("nan"))])
    quarantine.drop()


def test_rows_that_could_not_be_added_are_not_forgotten(tmp_path: Path) -> None:
    """Their split may come to its end, for whoever copies it may hear of it too late."""
    quarantine = Quarantine(tmp_path / "q")
    (tmp_path / "q").write_text("a file where the folder should be")
    with pytest.raises(TargetError, match="quarantine file cannot be written"):
        quarantine.of("copy", "0").add([bad(1)])
    (tmp_path / "q").unlink()
    with pytest.raises(TargetError, match="quarantine file cannot be written"):
        quarantine.commit("copy", "0")


def test_splits_side_by_side_have_a_file_each(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path)
    for row, split in ((1, "0"), (2, "1"), (3, "0"), (4, "2")):
        quarantine.of("copy", split).add([bad(row)])
    assert quarantine.commit("copy", "0").rows == 2
    quarantine.of("copy", "1").keep()
    quarantine.drop_rest()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["copy-0.jsonl", "copy-1.jsonl"]
    quarantine.commit("copy", "0")
    assert not (tmp_path / "copy-0.jsonl").exists(), "copied again, without a bad row"
