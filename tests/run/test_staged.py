"""When staging places are tried: all of them, before the first collection is dropped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mmc.copied import SplitResult
from mmc.errors import RunIncomplete
from mmc.layouts.files import FileRecord
from mmc.plan.ddl import DropCollection
from mmc.plan.model import (
    CheckStaging,
    CopySplits,
    CreateCollection,
    Endpoint,
    FileFormat,
    ImportFiles,
    Layout,
    Mode,
    Staging,
    Step,
)
from mmc.run import staged
from mmc.run.staged import StagedCopies
from mmc.state.lease import Lease
from mmc.state.ledger import Ledger
from mmc.state.store import SplitRecord, Store
from mmc.types import Collection
from tests.fakes import schema
from tests.servers.milvus_lite import copy_step
from tests.state import plans


def _steps(name: str, mode: Mode) -> tuple[Step, ...]:
    collection: Collection = replace(schema(), name=name)
    copy = replace(copy_step(collection, "file"), id=f"copy.{name}", staging=Staging("s3://b/x"))
    drop = (DropCollection(id=f"drop.{name}", collection=name),) if mode is Mode.REPLACE else ()
    return (
        CheckStaging(f"stage.{name}", copy.id),
        *drop,
        CreateCollection(id=f"create.{name}", collection=collection, mode=mode, exists=True),
        copy,
        ImportFiles(id=f"import.{name}", copy=copy.id, collection=name, files=1, stall_seconds=100),
    )


def test_every_place_is_tried_and_of_those_that_are_dropped_more_is_asked() -> None:
    modes = {"a": Mode.REPLACE, "b": Mode.APPEND, "c": Mode.REPLACE, "d": Mode.REPLACE}
    steps = [step for name, mode in modes.items() for step in _steps(name, mode)]
    asked: list[tuple[str, bool, str]] = []

    def check(copy: CopySplits, *, dropping: bool, manifest: str) -> None:
        asked.append((copy.collection.name, dropping, manifest))

    source = Endpoint("files", (("manifest", "s3://b/x/manifest.json"),))
    copies = [step for step in steps if isinstance(step, CopySplits)]
    by_id = {step.id: step for step in steps}
    plan: Any = SimpleNamespace(steps=steps, copies=copies, source=source, step=by_id.__getitem__)
    attempt: Any = SimpleNamespace(plan=plan, call=lambda _, function: function())
    targets: Any = SimpleNamespace(by_route=lambda route: SimpleNamespace(check_staging=check))
    staged_copies = StagedCopies(attempt, targets, SimpleNamespace())  # type: ignore[arg-type]
    for step in steps:
        if isinstance(step, CheckStaging):
            staged_copies.check(step, {"drop.d"})
    assert asked == [
        ("a", True, "manifest.json"),
        ("b", False, "manifest.json"),
        ("c", True, "manifest.json"),
        ("d", False, "manifest.json"),
    ]


def test_an_import_that_nobody_asked_for_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the imports say: the ledger has one of two splits."""
    collection: Collection = replace(schema(), name="a")
    copy = replace(plans.in_splits(copy_step(collection, "file"), 2), id="copy.a")
    copy = replace(copy, layout=Layout(FileFormat.PARQUET, "a"), staging=Staging("s3://b/x"))
    step = ImportFiles(id="import.a", copy=copy.id, collection="a", files=1, stall_seconds=100)
    plan = plans.planned(
        CreateCollection(id="create.a", collection=collection, mode=Mode.FAIL, exists=False),
        copy,
        step,
    )
    with (
        Store.open(f"sqlite:///{tmp_path}/state.db") as store,
        Lease(store.database, plan.target, lambda event: None, heartbeat=False) as lease,
    ):
        run = store.begin_run(plan)
        for split in copy.splits:
            store.split_begun(run.id, copy.id, split.id)
            two = f"2:{0:032x}"
            file = FileRecord(f"a/part-{split.id}.parquet", 1, "", 2)
            result = SplitResult(rows_read=2, rows_written=2, digest=two, files=(file,))
            done = SplitRecord(step=copy.id, split=split.id, done=True, result=result)
            store.split_done(run.id, done)
        ledger = Ledger(store.database, run.id, step.id, (lease.key, lease.owner))
        ledger.intend("00000", ["00000"])
        ledger.submitted("00000", "7")
        ledger.completed("00000", 2)
        known = SimpleNamespace(staged=lambda record: None, finish=lambda: 4)
        monkeypatch.setattr(staged, "Imports", lambda *args, **options: known)
        attempt: Any = SimpleNamespace(
            plan=plan, store=store, run=run, holder=(lease.key, lease.owner),
            emit=None, should_stop=None, go_on=None,
        )  # fmt: skip
        targets: Any = SimpleNamespace(by_route=lambda route: None)
        copies = StagedCopies(attempt, targets, SimpleNamespace())  # type: ignore[arg-type]
        with pytest.raises(RunIncomplete, match=r"import\.a: the imports are not of") as caught:
            copies.finish(step)
        assert caught.value.code == "MMC587"
        ledger.intend("00001", ["00001"])
        ledger.submitted("00001", "8")
        ledger.completed("00001", 2)
        assert copies.finish(step) == 4
