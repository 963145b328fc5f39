"""Duplicate keys are found before anything is written, whatever their number and type."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mmc.errors import DuplicateKeys, SourceError, Stopped, TargetError
from mmc.events import VerifyProgress
from mmc.plan.model import Mode
from mmc.run import keys as keys_module
from mmc.run.interpreter import apply_plan
from mmc.run.keys import Keys, check_keys
from mmc.run.stop import StopFlag
from mmc.state.store import RunStatus
from tests.run.conftest import Bench


def test_duplicates_are_named_and_nothing_is_written(bench: Bench) -> None:
    plan = bench.plan(twice=[11, 35])
    for _ in range(2):
        with pytest.raises(DuplicateKeys) as caught:
            bench.apply(plan)
        text = str(caught.value)
        assert "1 values of the primary key id occur more than once" in text
        assert "0 3 times (splits 00000, 00001, 00003)" in text
        assert caught.value.code == "MMC650" and "nothing was written" in caught.value.hint
        assert bench.calls() == [] and bench.keys() == []


def test_append_refuses_keys_that_are_there_and_touches_nothing(bench: Bench) -> None:
    bench.apply(bench.plan(rows=12, splits=1))
    before = bench.calls()
    plan = bench.plan(mode=Mode.APPEND, name="second")
    with pytest.raises(DuplicateKeys, match=r"at least 10 values .* already: 0, 1, ") as e:
        bench.apply(plan)
    assert e.value.code == "MMC651" and "upsert" in e.value.hint
    assert bench.calls() == before and bench.keys() == list(range(12))
    few = bench.plan(mode=Mode.APPEND, name="third", where="id = 11 OR id > 30")
    with pytest.raises(DuplicateKeys, match=r"1 values .* already: 11"):
        bench.apply(few)


def test_an_append_that_broke_off_does_not_take_its_own_rows_for_others(bench: Bench) -> None:
    bench.apply(bench.plan(rows=5, splits=1))
    plan = bench.plan(mode=Mode.APPEND, name="second", where="id >= 5")
    bench.fault("written.00002.1", "error")
    with pytest.raises(TargetError):
        bench.apply(plan)
    report = bench.apply(plan)
    assert report.outcome is RunStatus.APPLIED and report.verified[0].rows_found == 40
    assert bench.keys() == list(range(40))


def test_a_run_that_only_checked_keys_is_no_unfinished_run(bench: Bench) -> None:
    with pytest.raises(DuplicateKeys):
        bench.apply(bench.plan(twice=[11]))
    assert bench.apply(bench.plan()).outcome is RunStatus.APPLIED


def test_at_most_ten_are_named(bench: Bench) -> None:
    plan = bench.plan()
    step = plan.copies[0]
    doubled = replace(step, splits=(*step.splits, *step.splits))
    with pytest.raises(DuplicateKeys, match="at least 10 values") as caught:
        check_keys(
            plan.source,
            doubled,
            scratch=bench.folder / "keys",
            emit=bench.events.append,
            should_stop=lambda: False,
        )
    assert str(caught.value).count(" 2 times ") == 10
    assert not (bench.folder / "keys").exists()


def test_filtered_rows_do_not_count(bench: Bench) -> None:
    assert bench.apply(bench.plan(twice=[11], where="text <> 'row 11'")).outcome == "applied"


def test_a_split_that_is_read_again_adds_no_key_twice(bench: Bench) -> None:
    plan = bench.plan()
    bench.fault("keys.00001.1", "busy")
    assert bench.apply(plan).outcome is RunStatus.APPLIED


def test_a_source_error_keeps_its_name(bench: Bench) -> None:
    bench.fault("keys.00001.1", "error")
    with pytest.raises(SourceError, match=r"keys\.00001\.1"):
        bench.apply(bench.plan())
    assert list(bench.folder.rglob("keys")) == []


def test_a_stop_ends_the_check(bench: Bench) -> None:
    stop = StopFlag()
    told = 0
    before = set(threading.enumerate())

    def emit(event: object) -> None:
        nonlocal told
        told += isinstance(event, VerifyProgress)
        if told == 3:
            stop.request()

    with pytest.raises(Stopped) as caught:
        apply_plan(
            bench.plan(), store=bench.store, emit=emit, directory=bench.folder / "mmc", stop=stop
        )
    assert caught.value.signal_number == 2 and bench.keys() == []
    assert bench.store.list_runs()[0].status is RunStatus.STOPPED
    assert set(threading.enumerate()) <= before


def test_many_keys_spill_and_stay_exact(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_module, "HELD", 70_000)
    monkeypatch.setattr(keys_module, "PARTS", 16)

    def check(**source: Any) -> Keys:
        plan = bench.plan(rows=200_000, splits=5, batch_rows=20_000, **source)
        return check_keys(
            plan.source,
            plan.copies[0],
            scratch=bench.folder / "keys",
            emit=bench.events.append,
            should_stop=lambda: False,
        )

    assert check() == Keys(200_000)
    with pytest.raises(DuplicateKeys, match=r" 0 3 times \(splits 00000, 00003, 00004\)"):
        check(twice=[150_000, 199_999])
    with pytest.raises(DuplicateKeys, match=r" 0 2 times \(splits 00000, 00004\)"):
        check(twice=[199_999])
    assert not (bench.folder / "keys").exists()


def test_equal_hashes_of_different_keys_are_no_duplicates(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def coarse(batch: Any, schema: Any, key: str) -> Any:
        return batch.column(key).to_numpy().astype(np.uint64) % np.uint64(7)

    monkeypatch.setattr(keys_module, "key_hashes", coarse)
    assert bench.apply(bench.plan()).outcome is RunStatus.APPLIED
