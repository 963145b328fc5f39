"""Bad rows, whoever copies their split: they are on disk before it counts as done."""

from __future__ import annotations

import pickle
from collections.abc import Generator, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from mmc import registry
from mmc.copied import CopiedSplit
from mmc.errors import RunIncomplete, TargetError, TooManyBadRows, WorkerLost
from mmc.events import Quarantined, Retrying, SplitDone
from mmc.plan import codec
from mmc.plan.model import CopySplits, ExecutorKind, OnError
from mmc.run import interpreter
from mmc.run.executors.executor import Assignment, Driver
from mmc.run.quarantine import QuarantineFile
from mmc.run.rate import LocalRate
from mmc.run.split import copy_split
from mmc.state.store import RunStatus
from tests.run.conftest import Bench

ALL = list(range(40))
EXECUTORS = [
    (1, ExecutorKind.THREADS),
    (2, ExecutorKind.THREADS),
    (2, ExecutorKind.PROCESSES),
]


def _kept(bench: Bench) -> dict[str, int]:
    """Rows of each file in quarantine, half-written ones too."""
    files = bench.folder.rglob("quarantine/*")
    return {file.name: file.read_text().count("\n") for file in files}


@pytest.mark.parametrize(("workers", "executor"), EXECUTORS)
def test_too_many_of_a_split_are_kept_to_be_looked_at(
    bench: Bench, workers: int, executor: ExecutorKind
) -> None:
    quarantine, bad = OnError.QUARANTINE, [11, 12, 13]
    plan = bench.plan(
        workers=workers, executor=executor, on_error=quarantine, max_errors=2, bad=bad
    )
    with pytest.raises(TooManyBadRows) as caught:
        bench.apply(plan)
    (file,) = bench.folder.rglob("quarantine/*")
    assert _kept(bench) == {"copy.articles-00001.jsonl": 3}
    said = f"allows; {file} has those of this split so far, such as fake, row 11"
    assert said in str(caught.value)
    run = bench.store.list_runs()[0]
    assert not bench.store.splits(run.id)[1].done


@pytest.mark.parametrize(("workers", "executor"), EXECUTORS)
def test_those_that_cannot_be_written_fail_their_split(
    bench: Bench, workers: int, executor: ExecutorKind
) -> None:
    plan = bench.plan(workers=workers, executor=executor, on_error=OnError.QUARANTINE, bad=[12])
    blocked = bench.folder / "mmc" / "runs" / codec.digest(plan)[:12] / "quarantine"
    blocked.parent.mkdir(parents=True)
    blocked.write_text("a file where the folder should be")
    with pytest.raises(TargetError, match="quarantine file cannot be written"):
        bench.apply(plan)
    run = bench.store.list_runs()[0]
    assert "00001" not in {it.split for it in bench.store.splits(run.id) if it.done}
    blocked.unlink()
    assert bench.apply(plan).outcome is RunStatus.PARTIAL
    assert bench.keys() == [row for row in ALL if row != 12]
    assert _kept(bench) == {"copy.articles-00001.jsonl": 1}


@pytest.mark.parametrize("fault", ["busy", "kill"])
def test_those_of_a_split_that_begins_again_are_kept_once(bench: Bench, fault: str) -> None:
    plan = bench.plan(workers=2, on_error=OnError.QUARANTINE, bad=[10, 11, 12])
    bench.fault("write.00001.1", fault)
    if fault == "kill":
        with pytest.raises(WorkerLost):
            bench.apply(plan)
        assert _kept(bench) == {}
    assert bench.apply(plan).rows_quarantined == 3
    assert _kept(bench) == {"copy.articles-00001.jsonl": 3}


def test_a_split_whose_bad_rows_went_astray_does_not_count(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = bench.plan(on_error=OnError.QUARANTINE, bad=[12])
    with monkeypatch.context() as patch:
        patch.setattr(QuarantineFile, "add", lambda self, rows: None)
        with pytest.raises(RunIncomplete, match="1 row in quarantine, and its file has 0 rows"):
            bench.apply(plan)
    assert bench.apply(plan).outcome is RunStatus.PARTIAL


class Elsewhere:
    """An executor that shares nothing with the driver: what it is handed and what it gives has gone
    through bytes, as it would to another machine.
    """

    def __init__(self, driver: Driver) -> None:
        self.driver = driver

    def __enter__(self) -> Elsewhere:
        return self

    def __exit__(self, *error: object) -> None: ...

    def copy(
        self, step: CopySplits, assignments: Iterator[Assignment], pending: int
    ) -> Generator[CopiedSplit, None, None]:
        for one in assignments:
            sent = pickle.dumps((self.driver.plan.source, self.driver.plan.target, step, one))
            said, result = pickle.loads(_far_away(sent))
            for what, value in said:
                if what == "event":
                    self.driver.emit(value)
                else:
                    getattr(self.driver.quarantine(step.id, one.split.id), what)(*value)
            yield CopiedSplit(one.split, result)


def _far_away(sent: bytes) -> bytes:
    source, target, step, one = pickle.loads(sent)
    said: list[tuple[str, Any]] = []
    bad_rows: Any = SimpleNamespace(
        add=lambda rows: said.append(("add", (rows,))), drop=lambda: said.append(("drop", ()))
    )
    sink = registry.sink(target.type, step.route)
    with sink.open(registry.options_of("target", target)) as opened:
        result = copy_split(
            source,
            opened,
            step,
            one.split,
            replay=one.replay,
            rows=one.rows,
            bad_rows=bad_rows,
            emit=lambda event: said.append(("event", event)),
            should_stop=lambda: False,
            rate=LocalRate(),
        )
    return pickle.dumps((said, result))


def test_an_executor_of_another_machine_needs_no_more_than_the_seam(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = bench.plan(on_error=OnError.QUARANTINE, bad=[5, 17, 18])
    bench.fault("write.00001.1", "busy")
    monkeypatch.setattr(interpreter, "executor_of", Elsewhere)
    report = bench.apply(plan)
    assert report.outcome is RunStatus.PARTIAL and report.rows_quarantined == 3
    assert bench.keys() == [row for row in ALL if row not in (5, 17, 18)]
    assert [len(bench.told(kind)) for kind in (Retrying, Quarantined, SplitDone)] == [1, 2, 4]
    assert _kept(bench) == {"copy.articles-00000.jsonl": 1, "copy.articles-00001.jsonl": 2}
