"""Staged files that are gone before the server imported them are staged again; those that it
imported, or that are imported where they lie, are not looked for.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mmc import api
from mmc.copied import SplitResult
from mmc.errors import MmcError
from mmc.events import Diagnosed, Event, SplitDone
from mmc.layouts.files import FileRecord
from mmc.plan.model import ImportFiles, Write
from mmc.report.report import Verdict
from mmc.run.lost import begin_lost_again
from mmc.state.lease import Lease
from mmc.state.ledger import Ledger
from mmc.state.store import SplitRecord, Store
from tests.e2e.test_bulk import _name, _parquet, _spec
from tests.run.test_clean import KEY, copy_into, put, steps_of
from tests.servers.milvus_server import MilvusServer
from tests.state import plans


@pytest.mark.parametrize(
    ("key", "imported", "lost"),
    [(KEY, (), ["00000", "00001"]), (KEY, ("00001",), ["00000"]), ("", (), [])],
    ids=["none", "one", "in-place"],
)
def test_only_what_is_still_to_be_imported(
    tmp_path: Path, key: str, imported: tuple[str, ...], lost: list[str]
) -> None:
    copy = copy_into(tmp_path / "staging", "parquet", key)
    copy = replace(copy, write=Write.FILE if key else Write.IN_PLACE)
    plan = plans.planned(*steps_of(copy))
    step = plan.steps[-1]
    assert isinstance(step, ImportFiles)
    events: list[Event] = []
    with (
        Store.open(f"sqlite:///{tmp_path}/state.db") as store,
        Lease(store.database, plan.target, events.append) as lease,
    ):
        run = store.begin_run(plan)
        store.step_begun(run.id, copy.id, copy.kind)
        store.step_done(run.id, copy.id)
        for split in ("00000", "00001", "00002"):
            store.split_begun(run.id, copy.id, split)
            file = FileRecord(f"{KEY}/c/part-{split}.parquet", 0, "", 2)
            result = SplitResult(rows_read=2, rows_written=2, files=(file,))
            store.split_done(
                run.id, SplitRecord(step=copy.id, split=split, done=True, result=result)
            )
        put(tmp_path / "staging", "part-00002.parquet")
        holder = (lease.key, lease.owner)
        ledger = Ledger(store.database, run.id, step.id, holder)
        for split in imported:
            ledger.intend(split, [split])
            ledger.submitted(split, "7")
            ledger.completed(split, 2)
        attempt: Any = SimpleNamespace(
            plan=plan,
            run=run,
            store=store,
            emit=events.append,
            holder=holder,
            go_on=lambda: None,
            call=lambda _, function: function(),
        )
        begin_lost_again(attempt, SimpleNamespace(by_route=lambda route: None))  # type: ignore[arg-type]
        assert [one.split for one in store.splits(run.id) if not one.done] == lost
        assert store.steps(run.id)[copy.id].done is not bool(lost)
    assert len([event for event in events if isinstance(event, Diagnosed)]) == bool(lost)


@pytest.mark.slow
def test_a_real_server_imports_what_was_staged_again(
    tmp_path: Path, milvus_server: MilvusServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The staging folder is deleted between the copy and the import."""
    monkeypatch.chdir(tmp_path)
    _spec(tmp_path, milvus_server, _parquet(tmp_path, _name()))
    plan = api.make_plan(api.load_spec(tmp_path / "spec.yaml"))
    state = f"sqlite:///{tmp_path}/state.db"

    def disturb(event: object) -> None:
        if isinstance(event, SplitDone):
            shutil.rmtree(tmp_path / "staging")

    with pytest.raises(MmcError):
        api.apply_plan(plan, state=state, emit=disturb)
    events: list[object] = []
    applied = api.apply_plan(plan, state=state, emit=events.append)
    assert applied.verdict is Verdict.VERIFIED
    (note,) = [it.diagnostic for it in events if isinstance(it, Diagnosed)]
    assert note.code == "MMC576" and "300 rows of 1 split are copied again" in note.message
