"""No run counts as applied while something of its plan is left undone: whatever goes wrong inside,
its end says so, and it is recorded as failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from mmc.cli.main import run as command
from mmc.copied import CopiedSplit, SplitResult
from mmc.errors import MmcError, RunIncomplete, StateDamaged
from mmc.events import Rejection, RunFinished
from mmc.plan import codec
from mmc.plan.model import ImportFiles, OnError
from mmc.run.executors.inprocess import InProcess
from mmc.state.ledger import ImportRecord, ImportStatus
from mmc.state.records import checked_splits, unimported
from mmc.state.store import RunStatus, SplitRecord, Store
from mmc.state.tables import runs, splits, steps
from tests.run.conftest import Bench

ALL = list(range(40))


def _results(change: Callable[[list[CopiedSplit]], list[CopiedSplit]]) -> Callable[..., Any]:
    """The executor, with something done to all that it gives."""
    real = InProcess.copy

    def copy(self: InProcess, *args: Any) -> Iterator[CopiedSplit]:
        yield from change(list(real(self, *args)))

    return copy


def _first(**changes: Any) -> Callable[[list[CopiedSplit]], list[CopiedSplit]]:
    def change(found: list[CopiedSplit]) -> list[CopiedSplit]:
        return [replace(found[0], result=replace(found[0].result, **changes)), *found[1:]]

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda found: found[:-1], "copy.articles: 3 of 4 splits are copied"),
        (lambda found: [], "copy.articles: 0 of 4 splits are copied"),
        (lambda found: found[:2] * 2, "copy.articles: 2 of 4 splits are copied"),
        (_first(rows_written=9), "10 rows of split 00000 read, but 9 written, 0 filtered and 0"),
        (_first(rows_read=11), "11 rows of split 00000 read, but 10 written"),
        (_first(rows_filtered=1), "10 written, 1 filtered and 0 quarantined"),
        (
            _first(reasons=(Rejection("a", "b", "c", 2),)),
            "0 rows of split 00000 quarantined, but 2 with",
        ),
    ],
)
def test_splits_that_are_lost_end_the_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, change: Any, said: str
) -> None:
    plan = bench.plan()
    with monkeypatch.context() as patch:
        patch.setattr(InProcess, "copy", _results(change))
        with pytest.raises(RunIncomplete) as caught:
            bench.apply(plan)
    assert said in str(caught.value) and caught.value.code == "MMC587"
    assert caught.value.exit_code == 1 and "apply the plan again" in caught.value.hint
    run = bench.store.list_runs()[0]
    assert run.status is RunStatus.FAILED and said in run.error
    assert [event.outcome for event in bench.told(RunFinished)] == ["failed"]
    assert bench.apply(plan).outcome is RunStatus.APPLIED
    assert bench.keys() == ALL


@pytest.mark.parametrize("kind", ["create_collection", "copy_splits", "build_index", "verify"])
def test_a_step_that_is_not_recorded_as_done_ends_the_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    plan = bench.plan()
    (step,) = (step.id for step in plan.steps if step.kind == kind)
    real = Store.step_done

    def forget(self: Store, run: str, id_: str, *args: Any, **options: Any) -> None:
        if id_ != step:
            real(self, run, id_, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "step_done", forget)
        with pytest.raises(RunIncomplete, match=f"is not complete: step {step} is not done"):
            bench.apply(plan)
    assert bench.store.list_runs()[0].status is RunStatus.FAILED
    assert bench.apply(plan).outcome is RunStatus.APPLIED
    assert bench.keys() == ALL


STATE: list[tuple[Any, dict[str, Any], str, str]] = [
    (steps, {"status": "begun"}, "step create.articles is not done; ", "MMC587"),
    (splits, {"status": "begun"}, "copy.articles: 0 of 4 splits are copied", "MMC587"),
    (runs, {"status": "applied"}, "copy.articles: rows are in quarantine, and the run", "MMC587"),
    (splits, {"rows_read": 3}, "its count is not right: 3 rows of split 00000 read", "MMC586"),
    (splits, {"reasons": "[]"}, "rows of split 00000 quarantined, but 0 with", "MMC586"),
]


@pytest.mark.parametrize(("table", "values", "said", "code"), STATE)
def test_a_record_that_says_done_is_looked_at_again(
    bench: Bench, table: Any, values: dict[str, Any], said: str, code: str
) -> None:
    plan = bench.plan(on_error=OnError.QUARANTINE, bad=[3])
    assert bench.apply(plan).outcome is RunStatus.PARTIAL
    with bench.store.database.writing() as connection:
        connection.execute(table.update().values(**values))
    with pytest.raises(MmcError) as caught:
        bench.apply(plan)
    assert said in str(caught.value) and caught.value.code == code
    run = bench.store.list_runs()[0]
    assert f"mmc state forget {run.id}" in caught.value.hint
    (bench.folder / "plan.json").write_text(codec.write_plan(plan))
    file, url = str(bench.folder / "plan.json"), ["--state", bench.url]
    assert command(["apply", file, *url]) == 1
    assert command(["state", "forget", run.id, *url]) == 0
    assert bench.store.list_runs() == []


def test_records_of_another_copy_are_left_out(bench: Bench) -> None:
    (copy,) = bench.plan().copies
    empty = f"0:{0:032x}"
    mine, other = (
        SplitRecord(step=step, split="00000", done=True, result=SplitResult(digest=empty))
        for step in (copy.id, "x")
    )
    assert checked_splits("r", copy, [mine, other]) == [mine]
    with pytest.raises(
        StateDamaged, match=r"run r, step copy\.articles, split 7: split is not one"
    ):
        checked_splits("r", copy, [replace(mine, split="7")])


IMPORT = ImportFiles(id="import.a", copy="copy.a", collection="a", files=2, stall_seconds=900)


def _request(request: str, rows: int, *splits: str) -> ImportRecord:
    done = ImportStatus.COMPLETED
    return ImportRecord(
        request=request,
        splits=splits,
        status=done,
        attempt=1,
        task="7",
        earlier=(),
        rows=rows,
        asked_at=datetime.now(UTC),
    )


WHOLE = [_request("0", 5, "0", "1"), _request("3", 4, "3")]


@pytest.mark.parametrize(
    ("requests", "said"),
    [
        (WHOLE, []),
        (WHOLE[:1], ["the imports are not of the files of each split, once"]),
        ([], ["the imports are not of the files of each split, once"]),
        ([*WHOLE, _request("1", 3, "1")], ["the imports are not of the files of each split, once"]),
        ([replace(WHOLE[0], rows=4), WHOLE[1]], ["import 0 has 4 rows of 5"]),
        ([WHOLE[0], replace(WHOLE[1], status=ImportStatus.SUBMITTED)], ["import 3 is submitted"]),
        ([WHOLE[0], replace(WHOLE[1], status=ImportStatus.INTENDED)], ["import 3 is intended"]),
    ],
)
def test_files_that_were_not_imported_are_told(
    requests: list[ImportRecord], said: list[str]
) -> None:
    """Split 2 has no rows, so no files."""
    rows = {"0": 2, "1": 3, "2": 0, "3": 4}
    done = [
        SplitRecord(step="copy.a", split=split, done=True, result=SplitResult(rows_written=n))
        for split, n in rows.items()
    ]
    assert list(unimported(IMPORT, done, requests)) == [f"import.a: {text}" for text in said]
