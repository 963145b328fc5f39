"""What a run said: numbered without gaps, recorded once and only under its lease, in SQLite and in
MySQL.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from mmc.diagnostics import Diagnostic, Severity, Span
from mmc.errors import StateError
from mmc.events import (
    EVENTS,
    Diagnosed,
    Event,
    Failed,
    NothingToDo,
    Quarantined,
    Rejection,
    RunStarted,
    SplitDone,
    kind_of,
)
from mmc.progress import Reading
from mmc.secrets import REDACTOR
from mmc.state.eventlog import EventLog, all_events, read_events, read_progress
from mmc.state.lease import Lease
from mmc.state.living import Life, Standing, standings
from mmc.state.store import RunStatus, Store
from mmc.state.tables import attempts, events, leases
from tests.servers.mariadb import MariaDB
from tests.state.plans import plan
from tests.views.samples import EVENTS as SAMPLES

NOW = datetime(2030, 1, 1, 12, 0, 0, 125_000, tzinfo=UTC)


class Bench:
    """A store with a run whose lease we hold, by a clock that stands."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = NOW
        self.lease = Lease(
            store.database, plan().target, lambda _: None, clock=lambda: self.now, heartbeat=False
        )
        self.lease.__enter__()
        self.begin()

    def begin(self) -> None:
        """The next attempt."""
        self.run = self.store.begin_run(plan(), self.lease)
        self.log = EventLog(
            self.store.database,
            self.run.id,
            self.run.attempt,
            (self.lease.key, self.lease.owner),
        )

    def write(self, *said: Event, **running: Reading) -> bool:
        return self.log.write([(self.now, event) for event in said], running, self.now)

    def numbers(self) -> list[tuple[int, int]]:
        return [(it.number, it.attempt) for it in all_events(self.store.database, self.run.id)]

    def stands(self, seconds: float = 0) -> Standing:
        (standing,) = standings(
            self.store, self.store.list_runs(), NOW + timedelta(seconds=seconds)
        )
        return standing


@contextmanager
def bench_at(url: str) -> Iterator[Bench]:
    with Store.open(url) as store:
        yield Bench(store)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with bench_at(f"sqlite:///{tmp_path}/state.db") as made:
        yield made


def split(number: int) -> SplitDone:
    return SplitDone(
        step="copy.a",
        split=f"{number:05}",
        rows_read=10,
        rows_written=8,
        rows_filtered=1,
        rows_quarantined=1,
        bytes_read=640,
        seconds=0.5,
    )


def reading(rows: int) -> Reading:
    return Reading(label="copy a", seconds=2.0, rows=rows, total_rows=100, rows_per_second=rows / 2)


def check_log(bench: Bench) -> None:
    bad = Quarantined(
        step="copy.a",
        split="\u00e9\U0001f600",
        rows=1,
        path="p",
        reasons=(Rejection("MMC401", "t", "too long", 1),),
    )
    place = Span(file="s.yaml", line=1, column=2, end_column=3)
    note = Diagnosed(Diagnostic("MMC621", "taken over", severity=Severity.NOTE, span=place))
    first = [
        RunStarted(
            run=bench.run.id,
            plan_digest="d",
            attempt=1,
            resumed=False,
            splits_done=0,
            splits_total=2,
        ),
        split(1),
        bad,
        note,
    ]
    assert bench.write(*first, **{"copy.a": reading(10)})
    found = all_events(bench.store.database, bench.run.id)
    assert [it.event for it in found] == first
    assert {it.at for it in found} == {NOW}
    assert bench.write(split(2), **{"copy.a": reading(20), "Copy.a": reading(1)})
    assert bench.numbers() == [(1, 1), (2, 1), (3, 1), (4, 1), (5, 1)]
    now = read_progress(bench.store.database, bench.run.id, 1)
    assert {name: it.reading.rows for name, it in now.items()} == {"copy.a": 20, "Copy.a": 1}
    bench.begin()
    assert read_progress(bench.store.database, bench.run.id, bench.run.attempt) == {}
    assert bench.write(split(3))
    assert bench.numbers()[-1] == (6, 2)
    after = read_events(bench.store.database, bench.run.id, after=4, limit=1)
    assert [(it.number, it.event) for it in after] == [(5, split(2))]


def test_events_are_numbered_over_all_attempts(bench: Bench) -> None:
    check_log(bench)


def test_the_same_on_mysql(mysql_database: MariaDB) -> None:
    with bench_at(mysql_database.url) as bench:
        check_log(bench)
        assert bench.stands().life is Life.ALIVE


def test_every_event_comes_back_as_it_was(bench: Bench) -> None:
    every = [
        *SAMPLES,
        NothingToDo(
            run=bench.run.id, plan_digest="d", finished_at="2030-01-01", rows_quarantined=3
        ),
        Failed(
            error="TargetError", message="no space", hint="free some", exit_code=1, code="MMC532"
        ),
    ]
    assert {kind_of(type(event)) for event in every} == set(EVENTS)
    assert bench.write(*every)
    assert [it.event for it in all_events(bench.store.database, bench.run.id)] == every


def test_a_write_of_which_the_answer_was_lost_counts_once(bench: Bench) -> None:
    assert bench.write(split(1), split(2))
    again = EventLog(bench.store.database, bench.run.id, 1, (bench.lease.key, bench.lease.owner))
    again._next = 1  # as it stands in a log that never heard that it was committed
    assert again.write([(NOW, split(1)), (NOW, split(2)), (NOW, split(3))], {}, NOW)
    assert bench.numbers() == [(1, 1), (2, 1), (3, 1)]


def test_nothing_is_recorded_without_the_lease(bench: Bench) -> None:
    with bench.store.database.writing() as connection:
        connection.execute(leases.update().values(owner="another"))
    assert not bench.write(split(1), **{"copy.a": reading(10)})
    assert bench.numbers() == []
    assert read_progress(bench.store.database, bench.run.id, 1) == {}


def test_no_secret_is_recorded(bench: Bench) -> None:
    REDACTOR.learn('qu"ote-secret')
    assert bench.write(replace(split(1), step='a qu"ote-secret b'))
    with bench.store.database.reading() as connection:
        (text,) = connection.execute(sa.select(events.c.fields)).scalars()
    assert "*** b" in text and "ote-secret" not in text


@pytest.mark.parametrize(
    "edit",
    [{"kind": "unheard_of"}, {"fields": "{"}, {"fields": "[]"}, {"fields": '{"step": 1}'}],
    ids=str,
)
def test_an_edited_event_is_named(bench: Bench, edit: dict[str, str]) -> None:
    bench.write(split(1))
    with bench.store.database.writing() as connection:
        connection.execute(events.update().values(**edit))
    with pytest.raises(StateError, match=rf"mmc_events, run {bench.run.id}, number 1: "):
        all_events(bench.store.database, bench.run.id)


def test_forget_leaves_no_event(bench: Bench) -> None:
    bench.write(split(1), **{"copy.a": reading(10)})
    bench.store.forget(bench.run.id)
    assert bench.numbers() == []
    assert read_progress(bench.store.database, bench.run.id, 1) == {}
    with bench.store.database.reading() as connection:
        assert connection.execute(sa.select(attempts)).all() == []


def test_who_runs_a_run(bench: Bench) -> None:
    assert bench.stands().life is Life.ALIVE
    assert bench.stands(31).life is Life.SILENT, "its lease was not renewed"
    holder = bench.stands().holder
    assert holder is not None and holder.owner == bench.lease.owner
    with bench.store.database.writing() as connection:
        connection.execute(leases.update().values(owner="1-0-another"))
    assert bench.stands().life is Life.GONE, "another run has the target now"
    bench.store.finish_run(bench.run.id, RunStatus.FAILED, "no space")
    ended = bench.stands()
    assert (ended.life, ended.holder) == (None, None)
    assert [(it.attempt, it.status, it.error) for it in ended.attempts] == [
        (1, RunStatus.FAILED, "no space")
    ]


def test_a_process_that_is_no_more_is_gone_at_once(bench: Bench) -> None:
    pid, _, rest = bench.lease.owner.split("-", 2)
    never = f"{pid}-1-{rest}"  # the id was given again: this process began at another time
    with bench.store.database.writing() as connection:
        connection.execute(leases.update().values(owner=never))
        connection.execute(attempts.update().values(owner=never))
    assert bench.stands().life is Life.GONE


def test_a_run_of_an_older_store_has_no_attempts(bench: Bench) -> None:
    with bench.store.database.writing() as connection:
        connection.execute(attempts.delete())
    assert bench.stands().attempts == ()
    assert bench.stands().life is Life.GONE
