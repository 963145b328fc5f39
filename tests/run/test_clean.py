"""Giving a run up: what is removed of its staged files, what stays, and not while it is applied."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mmc import api
from mmc.cli.main import run as command
from mmc.copied import SplitResult
from mmc.errors import LeaseHeld, StateError
from mmc.events import Diagnosed, Event
from mmc.layouts import layout
from mmc.layouts.files import FileRecord
from mmc.plan.model import (
    CheckStaging,
    CopySplits,
    CreateCollection,
    FileFormat,
    ImportFiles,
    Layout,
    Mode,
    Plan,
    RemoveStaged,
    Staging,
    Step,
)
from mmc.run.clean import clean_run, forget_run
from mmc.state.lease import Lease, holders
from mmc.state.store import RunStatus, SplitRecord, Store
from mmc.state.tables import splits
from mmc.types import Collection
from tests.servers.milvus_lite import copy_step
from tests.sinks.milvus.collections import field, small
from tests.state import plans

EVENTS: list[Event] = []
KEY = "5ab1" * 4


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path}/state.db") as opened:
        yield opened


def copy_into(
    folder: Path, format_: str, key: str = KEY, collection: Collection | None = None
) -> CopySplits:
    step = plans.in_splits(copy_step(collection or small(), "file"), 3)
    staging = Staging(str(folder), key=key)
    return replace(step, layout=Layout(FileFormat(format_), "c"), staging=staging)


def steps_of(copy: CopySplits) -> tuple[Step, ...]:
    create = CreateCollection(
        id="create.c", collection=copy.collection, mode=Mode.FAIL, exists=False
    )
    check = CheckStaging("stage.c", copy.id)
    return (
        check,
        create,
        copy,
        ImportFiles(
            id="import.c", copy=copy.id, collection=copy.collection.name, files=1, stall_seconds=60
        ),
    )


def killed(store: Store, folder: Path, format_: str = "parquet") -> tuple[Plan, str]:
    """A run whose first split is done; its second was begun, the third not."""
    copy = copy_into(folder, format_)
    plan = plans.planned(*steps_of(copy))
    run = store.begin_run(plan).id
    for split in ("00000", "00001"):
        store.split_begun(run, copy.id, split)
    store.split_done(run, done(copy))
    return plan, run


def done(copy: CopySplits) -> SplitRecord:
    """The first split, with two rows in the files of its part."""
    assert copy.layout is not None
    part = f"{KEY}/c/{layout.part_name(copy.layout.format, '00000')}"
    names = layout.files_of(copy.layout.format, part, copy.collection)
    files = tuple(FileRecord(name, 1, "", 2) for name in names)
    result = SplitResult(rows_read=2, rows_written=2, digest=f"2:{0:032x}", files=files)
    return SplitRecord(step=copy.id, split="00000", done=True, result=result)


def put(folder: Path, *paths: str) -> list[str]:
    for path in paths:
        file = folder / f"{KEY}/c" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return sorted(str(folder / f"{KEY}/c" / path) for path in paths)


def test_all_that_killed_attempts_left_is_removed_and_counted(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "staging"
    _, run = killed(store, folder)
    ours = put(
        folder, "part-00000.parquet", "part-00001.parquet", "part-00001.parquet.partial",
        "check.json", "check.json.partial",
    )  # fmt: skip
    theirs = put(folder, "part-00002.parquet", "part-00009.parquet.partial", "check-me.json")
    assert sorted(clean_run(store, run, EVENTS.append, force=True)) == ours
    assert sorted(str(file) for file in folder.rglob("*") if file.is_file()) == sorted(theirs)
    assert store.list_runs() == [] and holders(store.database) == []


def test_half_a_numpy_part_is_removed_with_its_folder(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "staging"
    _, run = killed(store, folder, "numpy")
    ours = put(folder, "part-00001/id.npy", "part-00001/v.npy.partial")
    assert sorted(clean_run(store, run, EVENTS.append, force=True)) == ours
    assert not (folder / KEY).exists()


def test_files_that_are_not_there_are_not_counted(store: Store, tmp_path: Path) -> None:
    _, run = killed(store, tmp_path / "staging")
    store.finish_run(run, RunStatus.APPLIED)
    put(tmp_path / "staging", "part-00000.parquet", "check.json")
    assert len(clean_run(store, run, EVENTS.append)) == 2
    assert clean_run(store, run, EVENTS.append) == ()
    assert [found.id for found in store.list_runs()] == [run]


def test_files_imported_in_place_stay(store: Store, tmp_path: Path) -> None:
    plan = plans.planned(*steps_of(copy_into(tmp_path, "parquet", key="")))
    put(tmp_path, "check.json")
    assert clean_run(store, store.begin_run(plan).id, EVENTS.append, force=True) == ()
    assert (tmp_path / f"{KEY}/c/check.json").exists()


@pytest.mark.parametrize(
    ("format_", "names", "removed", "told"),
    [
        (
            "parquet",
            ["part-00000.parquet"],
            False,
            "1 file and what was begun of 1 split below {}/KEY/c: part-00000.parquet.",
        ),
        (
            "numpy",
            [f"part-00000/f{number}.npy" for number in range(22)],
            False,
            "22 files and what was begun of 1 split below {}/KEY/c: part-00000/f0.npy, ",
        ),
        ("parquet", ["part-00000.parquet"], True, ""),
    ],
)
def test_a_forgotten_run_says_what_it_leaves(
    store: Store,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    format_: str,
    names: list[str],
    removed: bool,
    told: str,
) -> None:
    folder = tmp_path / "staging"
    fields = tuple(field(f"f{n}", "int64", primary_key=n == 0) for n in range(22))
    wide = Collection("c", fields) if format_ == "numpy" else None
    copy = copy_into(folder, format_, collection=wide)
    plan = plans.planned(*steps_of(copy), RemoveStaged("remove", copy.id))
    run = store.begin_run(plan).id
    for split in ("00000", "00001"):
        store.split_begun(run, copy.id, split)
    store.split_done(run, done(copy))
    if removed:
        store.step_begun(run, "remove", "remove_staged")
        store.step_done(run, "remove", {"files": 1})
    put(folder, *names)
    assert command(["state", "forget", run, "--state", f"sqlite:///{tmp_path}/state.db"]) == 0
    out = capsys.readouterr().out
    assert ("Staged files" in out) == bool(told)
    assert told.format(folder).replace("KEY", KEY) in out
    assert ("and 2 more" in out) == (len(names) > 20)
    assert all((folder / f"{KEY}/c" / name).exists() for name in names)


@pytest.mark.parametrize("act", ["clean", "forget"])
def test_a_run_that_is_being_applied_is_left_alone(
    store: Store, tmp_path: Path, act: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "staging"
    plan, run = killed(store, folder)
    files = put(folder, "part-00000.parquet", "part-00001.parquet.partial")
    arguments = {"clean": ["clean", run, "--force"], "forget": ["state", "forget", run]}[act]
    with Lease(store.database, plan.target, EVENTS.append):
        with pytest.raises(LeaseHeld, match=r"milvus http://milvus:19530 is being written"):
            clean_run(store, run, EVENTS.append, force=True) if act == "clean" else forget_run(
                store, run, EVENTS.append
            )
        assert command([*arguments, "--state", f"sqlite:///{tmp_path}/state.db"]) == 5
        assert "MMC620" in capsys.readouterr().err
    assert [str(file) for file in sorted(folder.rglob("*")) if file.is_file()] == files
    assert [found.id for found in store.list_runs()] == [run]
    assert command([*arguments, "--state", f"sqlite:///{tmp_path}/state.db"]) == 0
    assert store.list_runs() == []


def test_a_run_that_ended_while_the_lease_was_taken_is_kept(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, run = killed(store, tmp_path / "staging")
    enter = Lease.__enter__

    def late(lease: Lease) -> Lease:
        store.finish_run(run, RunStatus.APPLIED)
        return enter(lease)

    monkeypatch.setattr(Lease, "__enter__", late)
    put(tmp_path / "staging", "part-00000.parquet")
    assert len(clean_run(store, run, EVENTS.append, force=True)) == 1
    assert [found.status for found in store.list_runs()] == [RunStatus.APPLIED]


def test_a_complete_run_waits_for_nobody(store: Store, tmp_path: Path) -> None:
    plan, run = killed(store, tmp_path / "staging")
    store.finish_run(run, RunStatus.APPLIED)
    with Lease(store.database, plan.target, EVENTS.append):
        clean_run(store, run, EVENTS.append)
        forget_run(store, run, EVENTS.append)
    assert store.list_runs() == []
    with pytest.raises(StateError, match="no run"):
        forget_run(store, run, EVENTS.append)


def test_the_api_tells_that_a_lease_was_taken_over(store: Store, tmp_path: Path) -> None:
    plan, run = killed(store, tmp_path / "staging")
    past = datetime.now(UTC) - timedelta(hours=1)
    lost = Lease(store.database, plan.target, EVENTS.append, clock=lambda: past, heartbeat=False)
    lost.__enter__()
    told: list[Event] = []
    api.clean_run(run, state=f"sqlite:///{tmp_path}/state.db", force=True, emit=told.append)
    codes = [event.diagnostic.code for event in told if isinstance(event, Diagnosed)]
    assert codes == ["MMC621"]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(
            ("files", json.dumps([{"path": path, "bytes": 1, "sha256": "", "rows": 2}]))
            for path in (
                "../victim.parquet",
                "/etc/victim.parquet",
                f"{KEY}/../../victim.parquet",
                f"{KEY}/c/part-00002.parquet",
                "another/c/part-00000.parquet",
                "part-00000.parquet",
            )
        ),
        ("split", "x/../../../../victim"),
        ("split", "00007"),
        ("step", "copy\x1b"),
    ],
)
def test_an_edited_record_removes_nothing_else(
    store: Store, tmp_path: Path, column: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "deep" / "staging"
    _, run = killed(store, folder)
    put(folder, "part-00000.parquet", "part-00001.parquet", "part-00002.parquet")
    victims = [tmp_path / "deep" / "victim.parquet", folder / "part-00000.parquet"]
    victims += [tmp_path / "victim.parquet", folder / "another/c/part-00000.parquet"]
    for victim in victims:
        victim.parent.mkdir(parents=True, exist_ok=True)
        victim.touch()
    wanted = splits.c.split == ("00000" if column == "files" else "00001")
    with store.database.writing() as connection:
        connection.execute(splits.update().where(wanted).values({column: value}))
    arguments = ["clean", run, "--force", "--state", f"sqlite:///{tmp_path}/state.db"]
    code = command(arguments)
    said = capsys.readouterr().err
    if column == "step":  # what is recorded of another step is nobody's
        assert code == 0
    else:
        assert code == 1 and "MMC586" in said and f"mmc state forget {run}" in said
        assert all((folder / f"{KEY}/c/part-0000{n}.parquet").exists() for n in range(3))
    assert all(victim.exists() for victim in victims)
    assert (folder / f"{KEY}/c/part-00002.parquet").exists()
