"""No call that writes begins without time left on the lease: in this process, in threads, and in
worker processes. What was refused is tried again.
"""

from __future__ import annotations

import pytest

from mmc.errors import StateBusy
from mmc.events import Retrying
from mmc.plan.model import ExecutorKind
from mmc.report.counts import RunStatus
from mmc.state import lease as lease_module
from mmc.state.lease import Lease, fenced, running_time
from tests.run.conftest import Bench
from tests.run.test_executor import ALL


@pytest.mark.parametrize(
    ("workers", "executor"),
    [(1, ExecutorKind.THREADS), (2, ExecutorKind.THREADS)],
)
def test_a_writer_asks_before_each_call(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, workers: int, executor: ExecutorKind
) -> None:
    asked = 0

    def fence(lease: Lease) -> float:
        nonlocal asked
        asked += 1
        if 3 <= asked <= 4:
            raise fenced()
        return 10.0

    monkeypatch.setattr(Lease, "fence", fence)
    report = bench.apply(bench.plan(workers=workers, executor=executor))
    assert report.outcome is RunStatus.APPLIED and bench.keys() == ALL
    tried = [event for event in bench.told(Retrying) if "could not be renewed" in event.error]
    assert len(tried) == 2 and asked > 6


def test_a_worker_process_is_told_of_each_renewal(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the driver says otherwise, it writes nothing."""

    def until(lease: Lease) -> float:
        return running_time() + (30 if bench.told(Retrying) else -1)

    monkeypatch.setattr(Lease, "fenced_until", property(until))
    report = bench.apply(bench.plan(workers=2, executor=ExecutorKind.PROCESSES))
    assert report.outcome is RunStatus.APPLIED and bench.keys() == ALL
    assert any("could not be renewed" in event.error for event in bench.told(Retrying))


def test_a_state_that_stays_away_ends_the_run(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmc.run.pace.SLICE_SECONDS", 0)  # waits end at once
    monkeypatch.setattr("mmc.run.pace.time.sleep", lambda seconds: None)
    monkeypatch.setattr(lease_module, "MARGIN_SECONDS", 1e6)
    plan = bench.plan()
    with pytest.raises(StateBusy) as caught:
        bench.apply(plan)
    assert caught.value.code == "MMC624" and bench.keys() == []
    monkeypatch.undo()
    assert bench.apply(plan).outcome is RunStatus.APPLIED
    assert bench.keys() == ALL
