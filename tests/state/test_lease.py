"""The lease: one owner, taken over when expired or dead, noticed when stolen."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from mmc.errors import LeaseHeld, LeaseLost, StateBusy, StateError
from mmc.events import Diagnosed, Event
from mmc.plan.model import Endpoint
from mmc.state import lease as lease_module
from mmc.state.lease import Lease, holders, unlock
from mmc.state.sql import Database
from mmc.state.store import SplitRecord, Store
from mmc.state.tables import leases
from mmc.state.targets import target_identity, target_key
from mmc.types import freeze
from tests.state.plans import plan

TARGET = plan().target


class Bench:
    """A store, a clock that stands, and what was told."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = datetime(2030, 1, 1, tzinfo=UTC)
        self.events: list[Event] = []

    @property
    def database(self) -> Database:
        return self.store.database

    def lease(self, **options: Any) -> Lease:
        return Lease(
            self.database,
            TARGET,
            self.events.append,
            **{"clock": lambda: self.now, "heartbeat": False, **options},
        )

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def codes(self) -> list[str]:
        return [it.diagnostic.code for it in self.events if isinstance(it, Diagnosed)]

    def write(self, **values: Any) -> None:
        with self.database.writing() as connection:
            connection.execute(leases.update().values(**values))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Store.open(f"sqlite:///{tmp_path}/state.db") as store:
        yield Bench(store)


def test_one_owner_at_a_time(bench: Bench) -> None:
    with bench.lease() as first:
        with pytest.raises(LeaseHeld, match=f"process {os.getpid()} on ") as caught, bench.lease():
            pass
        assert caught.value.exit_code == 5 and "30 s" in caught.value.hint
        first.check()
        (holder,) = holders(bench.database)
        assert (holder.owner, holder.pid) == (first.owner, os.getpid())
        assert holder.target == "milvus http://milvus:19530"
    assert holders(bench.database) == [] and bench.codes() == []
    with bench.lease():
        pass


def test_another_target_is_another_lease(bench: Bench) -> None:
    other = Lease(bench.database, plan(uri="http://b").target, bench.events.append, heartbeat=False)
    with bench.lease(), other:
        assert len(holders(bench.database)) == 2


def test_an_expired_lease_is_taken_over_with_a_note(bench: Bench) -> None:
    first = bench.lease().__enter__()
    bench.write(host="elsewhere")
    bench.wait(29)
    with pytest.raises(LeaseHeld, match="on elsewhere"), bench.lease():
        pass
    bench.wait(1)
    with bench.lease() as second:
        assert bench.codes() == ["MMC621"]
        with pytest.raises(LeaseLost, match="another process took it over"):
            first.check()
        second.check()
        first.__exit__(None, None, None)
        assert [it.owner for it in holders(bench.database)] == [second.owner]


def test_renewing_keeps_it(bench: Bench) -> None:
    with bench.lease() as first:
        for _ in range(5):
            bench.wait(20)
            first.renew()
        with pytest.raises(LeaseHeld), bench.lease():
            pass


def test_a_pause_longer_than_the_lease_costs_nothing_when_nobody_came(bench: Bench) -> None:
    with bench.lease() as first:
        bench.wait(3600)
        first.check()
        with pytest.raises(LeaseHeld), bench.lease():
            pass


def test_a_stolen_lease_is_noticed_when_renewed(bench: Bench) -> None:
    with bench.lease() as first:
        bench.write(owner="1-1-thief")
        first.renew()
        assert first.lost
        with pytest.raises(LeaseLost) as caught:
            first.check()
        assert caught.value.code == "MMC623"
    assert [it.owner for it in holders(bench.database)] == ["1-1-thief"]


def test_a_split_is_recorded_only_under_our_lease(bench: Bench) -> None:
    run = bench.store.begin_run(plan()).id
    for split in ("00000", "00001"):
        bench.store.split_begun(run, "copy", split)
    with bench.lease() as ours:
        key = (ours.key, ours.owner)
        assert bench.store.split_done(run, SplitRecord(step="copy", split="00000", done=True), key)
        bench.write(owner="1-1-thief")
        assert not bench.store.split_done(
            run, SplitRecord(step="copy", split="00001", done=True), key
        )
        bench.write(owner=ours.owner)
    assert not bench.store.split_done(run, SplitRecord(step="copy", split="00001", done=True), key)
    assert [record.done for record in bench.store.splits(run)] == [True, False]


HOLD = """
import sys, time
sys.path[:] = sys.argv[2:]
from mmc.state.lease import Lease
from mmc.state.store import Store
from tests.state.plans import plan
with Store.open(sys.argv[1]) as store, Lease(store.database, plan().target, print):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_killed_holder_of_this_host_is_not_waited_for(bench: Bench, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/state.db"
    command = [sys.executable, "-c", HOLD, url, *sys.path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stdout.readline() == "held\n"
        now = datetime.now(UTC)
        with (
            pytest.raises(LeaseHeld, match=f"process {child.pid} on "),
            bench.lease(clock=lambda: now),
        ):
            pass
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        with bench.lease(clock=lambda: now):
            assert bench.codes() == ["MMC622"], "a zombie is dead too"


def test_a_process_id_that_was_given_again_is_not_the_holder(bench: Bench) -> None:
    bench.lease().__enter__()
    bench.write(owner=f"{os.getpid()}-123-abc")
    with bench.lease():
        assert bench.codes() == ["MMC622"]


def test_a_dead_process_id_of_another_host_says_nothing(bench: Bench) -> None:
    bench.lease().__enter__()
    bench.write(host="elsewhere", owner="1-123-abc", pid=2**22 + 5)
    with pytest.raises(LeaseHeld), bench.lease():
        pass


def test_of_many_that_come_at_once_one_gets_it(bench: Bench) -> None:
    bench.lease().__enter__()
    bench.write(host="elsewhere")
    bench.wait(31)
    got, told = [], []
    gate = threading.Barrier(6)

    def come() -> None:
        gate.wait()
        try:
            got.append(bench.lease().__enter__())
        except LeaseHeld as error:
            told.append(error)

    threads = [threading.Thread(target=come) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(got), len(told)) == (1, 5)


def test_the_thread_renews_by_itself_and_ends(bench: Bench) -> None:
    def clock() -> datetime:
        return datetime.now(UTC)

    before = set(threading.enumerate())
    with bench.lease(clock=clock, heartbeat=True, ttl=0.3) as ours:
        (first,) = holders(bench.database)
        time.sleep(0.6)
        (later,) = holders(bench.database)
        assert later.expires_at > first.expires_at + timedelta(seconds=0.3)
        bench.write(owner="1-1-thief")
        time.sleep(0.3)
        assert ours.lost
    assert set(threading.enumerate()) <= before


def test_a_store_that_is_away_for_a_while_is_no_loss(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, fails = Lease.renew, [True, True]

    def renew(self: Lease) -> None:
        if fails:
            fails.pop()
            raise StateError("away")
        real(self)

    monkeypatch.setattr(Lease, "renew", renew)
    with bench.lease(heartbeat=True, ttl=0.3, clock=lambda: datetime.now(UTC)) as ours:
        time.sleep(0.5)
        assert not fails and not ours.lost
        ours.check()


def test_unlock_ends_one_lease(bench: Bench) -> None:
    ours = bench.lease().__enter__()
    assert not unlock(bench.database, "another target")
    assert f"process {os.getpid()} on " in unlock(bench.database, ours.key)
    assert not unlock(bench.database, ours.key)
    assert holders(bench.database) == []
    with pytest.raises(LeaseLost):
        ours.renew()
        ours.check()


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ({"uri": "http://Host:19530"}, {"uri": "http://host:19530/"}, True),
        ({"uri": "https://host"}, {"uri": "https://host:443"}, True),
        ({"uri": "http://joe:pw@host:1"}, {"uri": "http://host:1"}, True),
        ({"uri": "http://host:1"}, {"uri": "http://host:2"}, False),
        ({"uri": "http://host:1", "database": "a"}, {"uri": "http://host:1"}, False),
        ({"uri": "http://host:1/a/"}, {"uri": "http://host:1", "database": "a"}, True),
        ({"uri": "http://host:1/b", "database": "a"}, {"uri": "http://host:1/a"}, True),
        ({"uri": "http://host:1", "database": "default"}, {"uri": "http://host:1"}, True),
        ({"uri": "http://host:1/a"}, {"uri": "http://host:1/b"}, False),
        ({"url": "out"}, {"url": "./x/../out/"}, True),
        ({"url": "out"}, {"url": f"{Path.cwd()}/out"}, True),
        ({"url": "out"}, {"url": f"file://{Path.cwd()}/out"}, True),
        ({"url": "s3://b/a/"}, {"url": "s3://b/a"}, True),
        ({"url": "s3://b/a"}, {"url": "s3://b/A"}, False),
        ({"uri": "http://h:1", "timeout": 5}, {"uri": "http://h:1", "timeout": 9}, True),
    ],
)
def test_plans_for_the_same_place_share_a_key(one: Any, two: Any, same: bool) -> None:
    type_ = "files" if "url" in one else "milvus"
    keys = [target_key(Endpoint(type_, freeze(options))) for options in (one, two)]
    assert (keys[0] == keys[1]) == same
    assert "pw" not in target_identity(Endpoint(type_, freeze(one)))
    assert lease_module.TTL_SECONDS == 30


def test_no_write_begins_without_a_margin(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the store answers, and also while this machine sleeps: the fence is a clock."""
    now = 1_000.0
    monkeypatch.setattr(lease_module, "running_time", lambda: now)
    with bench.lease(ttl=60) as lease:
        assert lease.fence() == 55.0
        now += 20
        assert lease.fence() == 35.0 and lease.fenced_until == 1_055.0
        lease.renew()
        assert lease.fence() == 55.0
        broken = StateError("away", code="MMC640")
        with monkeypatch.context() as cut:
            cut.setattr(bench.database, "writing", Mock(side_effect=broken))
            now += 54.5
            with pytest.raises(StateError, match="away"):
                lease.renew()
            assert lease.fence() == 0.5
            now += 0.5
            with pytest.raises(StateBusy) as caught:
                lease.fence()
            assert caught.value.code == "MMC624" and caught.value.retryable
        lease.renew()
        assert lease.fence() == 55.0, "still ours: it may go on"
        bench.write(owner="another")
        lease.renew()
        assert lease.lost and lease.fenced_until < now
        with pytest.raises(StateBusy):
            lease.fence()


def test_a_renewal_that_was_long_on_its_way_lasts_from_its_start(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    monkeypatch.setattr(lease_module, "running_time", lambda: now)
    with bench.lease(ttl=60) as lease:
        writing = bench.database.writing

        @contextmanager
        def slow() -> Iterator[Any]:
            nonlocal now
            with writing() as connection:
                yield connection
            now += 19

        monkeypatch.setattr(bench.database, "writing", slow)
        lease.renew()
        assert lease.fence() == 36.0
        monkeypatch.setattr(bench.database, "writing", writing)


def test_the_clock_of_the_fence_is_that_of_every_process() -> None:
    code = "from mmc.state.lease import running_time; print(running_time())"
    before = lease_module.running_time()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert before <= float(done.stdout) <= lease_module.running_time()
