"""One split by itself: row accounting, and what the writer and the quarantine file are told."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mmc.copied import SplitResult
from mmc.errors import RunIncomplete, SourceChanged, TargetError, TooManyBadRows
from mmc.events import Paced, Retrying, SplitProgress
from mmc.plan.model import CopySplits, OnError, Plan, RowPolicy
from mmc.run import split as split_module
from mmc.run.quarantine import QuarantineFile
from mmc.run.rate import LocalRate
from mmc.run.split import columns_for, copy_split
from mmc.run.stop import SplitStopped
from mmc.transform.transform import Transform, Transformed
from mmc.types import Collection
from mmc.verify.digest import Digest
from tests.fakes import FakeTarget, fault, rows_of
from tests.run.conftest import Bench


def _copy(bench: Bench, plan: Plan, number: int = 1, **options: Any) -> SplitResult:
    step = plan.copies[0]
    with FakeTarget.at(bench.folder) as target:
        return copy_split(
            plan.source,
            target,
            step,
            step.splits[number],
            replay=options.pop("replay", False),
            rows=plan.rows,
            bad_rows=options.pop("bad_rows", QuarantineFile(bench.folder / "run", "s", "0")),
            emit=bench.events.append,
            should_stop=options.pop("should_stop", lambda: False),
            rate=LocalRate(),
        )


def test_counts_and_digest_are_those_of_the_rows(bench: Bench) -> None:
    plan = bench.plan(on_error=OnError.QUARANTINE, bad=[12], where="id <> 15")
    quarantine = QuarantineFile(bench.folder / "run", "copy", "1")
    result = _copy(bench, plan, bad_rows=quarantine)
    assert (result.rows_read, result.rows_written) == (10, 8)
    assert (result.rows_filtered, result.rows_quarantined) == (1, 1)
    assert bench.keys() == [10, 11, 13, 14, 16, 17, 18, 19]
    collection: Collection = plan.copies[0].collection
    with FakeTarget.at(bench.folder) as target:
        digest = Digest.of(collection)
        for batch in target.read_back(collection, ["id", "vector", "text"], None, 100):
            digest.add(batch)
    assert result.digest == digest.hex()
    quarantine.commit()
    assert quarantine.path.read_text().count("\n") == 1
    assert [why.rows for why in result.reasons] == [1]
    assert result.bytes_read == plan.copies[0].splits[1].bytes
    (file,) = result.files
    assert file.rows == 8


class Losing(Transform):
    """A transform that drops a row without a word."""

    def __call__(self, batch: Any) -> Iterator[Transformed]:
        for done in super().__call__(batch):
            yield replace(done, batch=done.batch.slice(1))


class Skipping(Transform):
    """A transform that hands on no part of some batches."""

    def __call__(self, batch: Any) -> Iterator[Transformed]:
        yield from list(super().__call__(batch)) if batch.column(0)[0].as_py() == 10 else []


def test_a_part_that_is_not_handed_on_stops_the_split(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(split_module, "Transform", Skipping)
    with pytest.raises(RunIncomplete, match="10 rows read, but 5 written, 0 filtered and 0 quar"):
        _copy(bench, bench.plan())


def test_a_row_that_nobody_accounts_for_stops_the_split(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(split_module, "Transform", Losing)
    with pytest.raises(RunIncomplete, match="10 rows read, but 8 written, 0 filtered and 0 quar"):
        _copy(bench, bench.plan())
    assert bench.calls()[-1] == "abort 00001"


class Forgetting(Transform):
    """A transform that loses a row inside: batch and counts come from one mistake."""

    def _judge(self, batch: Any, evaluated: Any, found: Any, rows: int) -> Any:
        bad, _ = super()._judge(batch, evaluated, found, rows)
        return bad, np.arange(1, rows)


def test_a_row_lost_inside_the_transform_does_not_pass_for_a_filtered_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(split_module, "Transform", Forgetting)
    with pytest.raises(RunIncomplete, match="10 rows read, but 7 written, 1 filtered and 0 quar"):
        _copy(bench, bench.plan(where="id <> 15"))


def test_fewer_rows_than_planned_are_not_committed(bench: Bench) -> None:
    with pytest.raises(SourceChanged, match="10 rows were planned"):
        _copy(bench, bench.plan(short=1))
    assert "commit 00001" not in bench.calls()


def test_max_errors_is_what_the_run_has_left(bench: Bench) -> None:
    plan = bench.plan(on_error=OnError.QUARANTINE, max_errors=1, bad=[12, 13])
    with pytest.raises(TooManyBadRows, match="such as fake, row 12: vector") as caught:
        _copy(bench, replace(plan, rows=RowPolicy(OnError.QUARANTINE, 1)))
    assert pickle.loads(pickle.dumps(caught.value)).split == "00001"
    (kept,) = (bench.folder / "run").rglob("*.jsonl*")
    assert len(kept.read_text().splitlines()) == 2


def test_a_stop_is_seen_between_batches(bench: Bench) -> None:
    asked = iter([False, True])
    with pytest.raises(SplitStopped):
        _copy(bench, bench.plan(), should_stop=lambda: next(asked))
    assert bench.keys() == [10, 11, 12, 13, 14]
    assert bench.calls()[-1] == "abort 00001"


def test_a_stop_is_seen_before_the_commit(bench: Bench) -> None:
    asked = iter([False, False, True])
    with pytest.raises(SplitStopped):
        _copy(bench, bench.plan(), should_stop=lambda: next(asked))
    assert bench.calls()[-1] == "abort 00001"


def test_a_failed_commit_leaves_the_split_to_be_replayed(bench: Bench) -> None:
    plan = bench.plan()
    bench.fault("commit.00001", "error")
    with pytest.raises(TargetError):
        _copy(bench, plan)
    _copy(bench, plan, replay=True)
    assert bench.keys() == list(range(10, 20))


def test_a_quarantine_that_cannot_be_written_is_an_error_with_a_name(bench: Bench) -> None:
    plan = bench.plan(on_error=OnError.QUARANTINE, bad=[12])
    (bench.folder / "run").write_text("a file where the folder should be")
    with pytest.raises(TargetError, match="quarantine file cannot be written"):
        _copy(bench, plan)
    assert bench.calls()[-1] == "abort 00001"


def test_progress_is_in_rows_and_source_bytes(bench: Bench, monkeypatch: Any) -> None:
    monkeypatch.setattr(split_module, "PROGRESS_SECONDS", 0.0)
    _copy(bench, bench.plan())
    told = [(event.rows_read, event.bytes_read) for event in bench.told(SplitProgress)]
    assert told == [(5, 160), (10, 320)]


@pytest.mark.parametrize(
    ("fields", "change", "columns"),
    [
        (["id"], {}, ["id"]),
        (["vector", "id"], {}, ["id", "vector"]),
        (["id"], {"where": "text <> ''"}, ["id", "vector", "text"]),
        (["id", "$meta"], {}, ["id", "vector", "text"]),
    ],
)
def test_only_needed_columns_are_read_again(
    bench: Bench, fields: list[str], change: dict[str, Any], columns: list[str]
) -> None:
    step: CopySplits = bench.plan(**change).copies[0]
    assert list(columns_for(step, fields)) == columns


def test_the_fake_source_gives_the_rows_it_says(make_bench: Callable[[], Bench]) -> None:
    data = rows_of(0, 3, bad=[1], twice=[2])
    assert data["id"].tolist() == [0, 1, 0]
    assert [row[0] != row[0] for row in data["vector"].tolist()] == [False, True, False]


def test_rows_that_are_refused_for_now_are_given_again_and_slower(bench: Bench) -> None:
    plan = bench.plan()
    fault(bench.folder, "write.00001.0", "throttle")
    result = _copy(bench, plan)
    assert result.rows_written == 10
    assert bench.keys() == list(range(10, 20))
    (paced,) = bench.told(Paced)
    assert (paced.error, paced.wait_seconds) == ("slower, at write.00001.0", 0.5)
    # Once: the split was not begun again.
    assert not bench.told(Retrying)
