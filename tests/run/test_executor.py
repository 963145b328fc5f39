"""Worker processes: that they copy, that they die with the driver, and that their deaths, errors
and stops are told.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from mmc.errors import LeaseLost, RowsRejected, SourceError, Stopped, WorkerLost
from mmc.events import Event, Quarantined, Retrying, SplitDone, SplitProgress, SplitStarted
from mmc.plan import codec
from mmc.plan.model import OnError
from mmc.run.stop import StopFlag, on_signals
from mmc.state.store import RunStatus
from mmc.state.tables import leases
from tests.run.conftest import Bench

ALL = list(range(40))


def test_two_workers_copy_everything_once(bench: Bench) -> None:
    plan = bench.plan(workers=2, rows=80, splits=8, on_error=OnError.QUARANTINE, bad=[5, 77])
    report = bench.apply(plan)
    assert report.outcome is RunStatus.PARTIAL
    assert bench.keys() == [row for row in range(80) if row not in (5, 77)]
    assert len(bench.told(SplitStarted)) == len(bench.told(SplitDone)) == 8
    assert sorted(event.split for event in bench.told(Quarantined)) == ["00000", "00007"]
    assert report.verified[0].ok
    assert _workers_left() == []


def test_a_worker_retries_and_tells_of_it(bench: Bench) -> None:
    bench.fault("write.00001.0", "busy")
    assert bench.apply(bench.plan(workers=2)).outcome is RunStatus.APPLIED
    assert bench.told(Retrying)[0].error == "busy at write.00001.0"
    assert bench.keys() == ALL


@pytest.mark.parametrize("place", ["read.00001.0", "commit.00003"])
def test_a_killed_worker_is_named_and_the_run_continues(bench: Bench, place: str) -> None:
    plan = bench.plan(workers=2)
    bench.fault(place, "kill")
    with pytest.raises(WorkerLost, match="was killed by SIGKILL") as caught:
        bench.apply(plan)
    assert caught.value.code == "MMC654" and "apply again" in caught.value.hint
    assert bench.store.list_runs()[0].status is RunStatus.FAILED
    assert _workers_left() == []
    assert bench.apply(plan).outcome is RunStatus.APPLIED
    assert bench.keys() == ALL


def test_an_error_in_a_worker_keeps_type_hint_and_place(bench: Bench) -> None:
    plan = bench.plan(workers=2)
    bench.fault("read.00002.1", "error")
    with pytest.raises(SourceError, match=r"failed at read\.00002\.1") as caught:
        bench.apply(plan)
    assert caught.value.hint == "mend it"
    assert bench.apply(plan).outcome is RunStatus.APPLIED
    assert bench.keys() == ALL


def test_a_bug_in_a_worker_stays_a_bare_exception(bench: Bench) -> None:
    bench.fault("write.00000.0", "bug")
    with pytest.raises(KeyError, match=r"write\.00000\.0") as caught:
        bench.apply(bench.plan(workers=2))
    assert "in a worker process" in "".join(caught.value.__notes__)


def test_splits_that_end_while_another_fails_are_recorded(bench: Bench) -> None:
    plan = bench.plan(workers=2, rows=20, splits=2, batch_rows=10)
    bench.fault("read.00000.0", "error")
    with pytest.raises(SourceError):
        bench.apply(plan)
    run = bench.store.list_runs()[0]
    done = [record.split for record in bench.store.splits(run.id) if record.done]
    # One that is asked to stop after its last row, but before its commit, is undone.
    assert done == [it.removeprefix("commit ") for it in bench.calls() if it.startswith("commit")]
    assert "00000" not in done


def test_a_stop_ends_running_splits_and_hands_out_no_more(bench: Bench) -> None:
    plan = bench.plan(workers=2, rows=400, splits=40)
    stop = StopFlag()

    def emit(event: Event) -> None:
        bench.events.append(event)
        if len(bench.told(SplitDone)) == 3:
            stop.request(signal.SIGTERM)

    with pytest.raises(Stopped) as caught:
        bench.apply(plan, stop=stop, emit=emit)
    assert caught.value.signal_number == signal.SIGTERM
    assert bench.store.list_runs()[0].status is RunStatus.STOPPED
    assert len(bench.told(SplitDone)) <= 5
    assert _workers_left() == []
    assert bench.apply(plan).outcome is RunStatus.APPLIED
    assert bench.keys() == list(range(400))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stop_is_seen_in_the_middle_of_a_split(bench: Bench, workers: int) -> None:
    plan = bench.plan(workers=workers, rows=6_000, splits=2, batch_rows=1)
    stop = StopFlag()

    def emit(event: Event) -> None:
        if isinstance(event, SplitProgress):
            stop.request()

    with pytest.raises(Stopped):
        bench.apply(plan, stop=stop, emit=emit)
    run = bench.store.list_runs()[0]
    assert not any(record.done for record in bench.store.splits(run.id))
    assert len(bench.keys()) < 6_000
    assert any(call.startswith("abort") for call in bench.calls())


def test_splits_side_by_side_may_exceed_max_errors_but_not_pass(bench: Bench) -> None:
    plan = bench.plan(
        workers=2, rows=20, splits=2, on_error=OnError.QUARANTINE, max_errors=3, bad=[1, 2, 11, 12]
    )
    for attempt in (1, 2):
        with pytest.raises(RowsRejected, match=r"4 are in quarantine, 3 are allowed"):
            bench.apply(plan)
        run = bench.store.list_runs()[0]
        assert (run.attempt, run.status) == (attempt, RunStatus.FAILED)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stolen_lease_stops_before_anything_more_is_recorded(bench: Bench, workers: int) -> None:
    plan = bench.plan(workers=workers, rows=80, splits=8)

    def emit(event: Event) -> None:
        bench.events.append(event)
        if len(bench.told(SplitDone)) == 2:
            with bench.store.database.writing() as connection:
                connection.execute(leases.update().values(owner="1-1-thief"))

    with pytest.raises(LeaseLost, match="another process took it over") as caught:
        bench.apply(plan, emit=emit)
    assert caught.value.exit_code == 5
    run = bench.store.list_runs()[0]
    assert run.status is RunStatus.RUNNING, "the run is the thief's now"
    assert sum(record.done for record in bench.store.splits(run.id)) == 2
    with bench.store.database.writing() as connection:
        assert connection.execute(leases.delete()).rowcount == 1, "the thief's lease is left alone"
    bench.apply(plan)
    assert bench.keys() == list(range(80))


CHILD = """
import sys
from pathlib import Path
from mmc.plan import codec
from mmc.run.interpreter import apply_plan
from mmc.run.stop import StopFlag, on_signals
from mmc.state.store import Store
from mmc.errors import MmcError, Stopped
folder = Path(sys.argv[1])
plan = codec.read_plan((folder / "plan.json").read_text())
with Store.open(f"sqlite:///{folder}/state/state.db") as store, on_signals(StopFlag()) as stop:
    try:
        apply_plan(plan, store=store, emit=lambda event: None, directory=folder / "mmc", stop=stop)
    except Stopped as error:
        sys.exit(128 + error.signal_number)
    except MmcError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
"""


def _start(bench: Bench, plan: Any) -> subprocess.Popen[str]:
    (bench.folder / "plan.json").write_text(codec.write_plan(plan))
    path = "import sys; sys.path[:] = " + repr(sys.path) + "\n"
    return subprocess.Popen(
        [sys.executable, "-c", path + textwrap.dedent(CHILD), str(bench.folder)],
        stderr=subprocess.PIPE,
        text=True,
    )


def _wait_for(path: Path, seconds: float = 20) -> str:
    end = time.monotonic() + seconds
    while not path.exists() or not path.read_text():
        assert time.monotonic() < end, f"{path.name} did not appear"
        time.sleep(0.01)
    return path.read_text()


def _workers_left() -> list[int]:
    found = psutil.Process().children(recursive=True)
    return [it.pid for it in found if "mmc.run.executors.worker" in " ".join(it.cmdline())]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_driver_takes_its_workers_along_and_holds_nobody_up(
    bench: Bench, workers: int
) -> None:
    plan = bench.plan(workers=workers)
    bench.fault("write.00001.1", "sleep")
    child = _start(bench, plan)
    asleep = int(_wait_for(bench.folder / "asleep.write.00001.1"))
    assert (asleep == child.pid) == (workers == 1)
    mapped = "\n".join(library.path for library in psutil.Process(asleep).memory_maps())
    if workers > 1:
        assert "/pyarrow/" in mapped and "/pandas/" not in mapped, "a worker starts as mmc does"
    family = [psutil.Process(child.pid), *psutil.Process(child.pid).children(recursive=True)]
    child.kill()
    child.communicate()
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []
    began = time.monotonic()
    report = bench.apply(plan)
    assert time.monotonic() - began < 20, "the dead process's lease is not waited for"
    assert report.outcome is RunStatus.APPLIED and report.attempt == 2
    assert bench.keys() == ALL
    notes = [event.diagnostic.code for event in bench.events if hasattr(event, "diagnostic")]
    assert notes == ["MMC622"]


def test_a_second_signal_ends_everything_at_once(bench: Bench) -> None:
    number, code = signal.SIGTERM, 143
    plan = bench.plan(workers=2)
    bench.fault("write.00001.1", "sleep")
    child = _start(bench, plan)
    _wait_for(bench.folder / "asleep.write.00001.1")
    family = psutil.Process(child.pid).children(recursive=True)
    for worker in family:
        worker.send_signal(number)
    child.send_signal(number)
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.5)
    child.send_signal(number)
    child.communicate(timeout=5)
    assert child.returncode == code
    assert psutil.wait_procs(family, timeout=5)[1] == []
    assert bench.apply(plan).outcome is RunStatus.APPLIED
    assert bench.keys() == ALL


def test_a_signal_between_splits_ends_with_its_exit_code(bench: Bench) -> None:
    plan = bench.plan(rows=20_000, splits=200, batch_rows=10)
    child = _start(bench, plan)
    try:
        while len(bench.keys()) < 200:
            assert child.poll() is None, "it ended before it was stopped"
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
    finally:
        child.communicate(timeout=20)
    assert child.returncode == 130
    run = bench.store.list_runs()[0]
    assert run.status is RunStatus.STOPPED and "SIGINT" in run.error
    assert 0 < len(bench.keys()) < 20_000


def test_a_second_apply_at_the_same_time_is_told_who_applies(bench: Bench) -> None:
    plan = bench.plan()
    bench.fault("write.00001.1", "sleep")
    first = _start(bench, plan)
    _wait_for(bench.folder / "asleep.write.00001.1")
    second = _start(bench, plan)
    _, text = second.communicate(timeout=20)
    assert second.returncode == 5
    assert f"process {first.pid} on " in text
    first.kill()
    first.communicate()
    bench.apply(plan)
    assert bench.keys() == ALL


def test_on_signals_restores_the_handlers_of_before() -> None:
    before = signal.getsignal(signal.SIGINT)
    with on_signals(StopFlag()) as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop() and stop.signal_number == signal.SIGINT
    assert signal.getsignal(signal.SIGINT) is before


def test_a_run_in_a_thread_needs_no_signals(bench: Bench) -> None:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(bench.apply(bench.plan(workers=2))))
    thread.start()
    thread.join(30)
    assert found[0].outcome is RunStatus.APPLIED


@pytest.mark.slow
def test_kill_anywhere_gives_the_same_target(bench: Bench) -> None:
    plan = bench.plan(workers=2, rows=600, splits=12, batch_rows=10)
    seed = int.from_bytes(os.urandom(4))
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(8):
        child = _start(bench, plan)
        try:
            child.wait(chance.uniform(0.5, 3.0))
        except subprocess.TimeoutExpired:
            child.kill()
        child.communicate()
    assert bench.apply(plan).outcome is RunStatus.APPLIED
    assert bench.keys() == list(range(600)), f"seed {seed}"
