"""Folders of ours that are symbolic links to somebody's files: nothing there is written or removed,
whatever is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mmc.errors import TargetError
from mmc.layouts.staging import StagingPlace
from mmc.plan.model import (
    CopySplits,
    FileFormat,
    Layout,
    Mode,
    Staging,
)
from mmc.sinks.files.sink import FilesFolder
from mmc.sinks.parts import PartSplitWriter
from mmc.spi import Claim
from tests.layouts.batches import rows_of
from tests.sinks.test_files import (
    DROP,
    SCHEMA,
    copy_step,
    create,
    fill,
    finish,
    split,
    target,
    write_split,
)

OURS = Claim("r", begun=True)
KEY = "5ab1" * 4


def _linked(folder: Path, victim: Path) -> None:
    """The folder of the collection goes, and a link to `victim` takes its place."""
    folder.rename(victim)
    (victim / "part-00099.parquet").write_text("theirs")
    folder.symlink_to(victim, target_is_directory=True)


def _state(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


Act = Callable[[FilesFolder], object]


@pytest.mark.parametrize(
    "act",
    [
        lambda out: out.ensure(create(), OURS),
        lambda out: out.ensure(create(Mode.REPLACE), OURS),
        lambda out: out.drop_collection(DROP),
        lambda out: out.release(create(), OURS),
        lambda out: out.claim_again(create(), OURS),
        lambda out: write_split(out, split(99), rows_of(SCHEMA, 5)),
        lambda out: finish(out),
    ],
    ids=["make", "replace", "drop", "release", "claim", "write", "manifest"],
)
@pytest.mark.parametrize("format_", ["parquet", "numpy"])
def test_a_folder_that_is_a_link(tmp_path: Path, act: Act, format_: str) -> None:
    out, victim = target(tmp_path / "out", format_), tmp_path / "victim"
    fill(out)
    _linked(tmp_path / "out" / "docs", victim)
    (victim / "written-by-r").touch()
    before, manifest = _state(victim), (tmp_path / "out" / "manifest.json").read_bytes()
    with pytest.raises(TargetError, match=r"docs is a symbolic link to .*victim") as caught:
        act(out)
    assert caught.value.code == "MMC577" and "remove the link" in caught.value.hint
    assert _state(victim) == before
    assert (tmp_path / "out" / "manifest.json").read_bytes() == manifest


@pytest.mark.parametrize(
    "act",
    [
        lambda out: out.drop_collection(DROP),
        lambda out: write_split(out, split(0), rows_of(SCHEMA, 5)),
    ],
    ids=["drop", "write"],
)
def test_the_folder_of_a_numpy_part_that_is_a_link(tmp_path: Path, act: Act) -> None:
    out, victim = target(tmp_path / "out", "numpy"), tmp_path / "victim"
    fill(out)
    _linked(tmp_path / "out" / "docs" / "part-00000", victim)
    before = _state(victim)
    with pytest.raises(TargetError, match="part-00000 is a symbolic link"):
        act(out)
    assert _state(victim) == before


def test_the_target_itself_may_be_a_link_and_so_may_a_file(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    out = target(tmp_path / "out")
    fill(out)
    part, moved = tmp_path / "disk/docs/part-00000.parquet", tmp_path / "moved.parquet"
    part.rename(moved)
    part.symlink_to(moved)
    assert out.look(SCHEMA).problems == ()
    content = moved.read_bytes()
    out.drop_collection(DROP)
    assert not part.is_symlink() and moved.read_bytes() == content


def _staged(folder: Path) -> CopySplits:
    staging = Staging(str(folder), key=KEY)
    return replace(copy_step("parquet"), layout=Layout(FileFormat.PARQUET, "c"), staging=staging)


@pytest.mark.parametrize("link", [KEY, f"{KEY}/c"])
def test_staging_below_a_link(tmp_path: Path, link: str) -> None:
    copy, victim = _staged(tmp_path / "staging"), tmp_path / "victim"
    place = StagingPlace.of(copy)
    folder = tmp_path / "staging" / link
    folder.mkdir(parents=True)
    _linked(folder, victim)
    for name in ("check.json", "c/check.json", "part-00000.parquet", "c/part-00000.parquet"):
        (victim / name).parent.mkdir(exist_ok=True)
        (victim / name).write_text("theirs")
    before = _state(victim)
    writer = PartSplitWriter(place.url, place.storage, copy, split(0), place.key)
    for act in (
        place.probe,
        lambda: place.remove([f"{KEY}/c/part-00000.parquet"]),
        lambda: place.remove(place.left_over(copy, ["00000"])),
        lambda: writer.write(rows_of(SCHEMA, 5)),
    ):
        with pytest.raises(TargetError, match="is a symbolic link"):
            act()
    assert _state(victim) == before
