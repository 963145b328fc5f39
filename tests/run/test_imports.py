"""The ledger's state machine against a server in memory: a crash before and after every effect,
lost answers, failures, restarts. At the end every file is in the collection exactly once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmc.copied import SplitResult
from mmc.errors import LeaseLost, Stopped, TargetBusy, TargetError
from mmc.events import (
    Event,
    ImportAsked,
    ImportDone,
    ImportProgress,
    ImportStalled,
    Retrying,
)
from mmc.layouts.files import FileRecord
from mmc.plan.model import CopySplits, ImportFiles, Split, Staging, Write
from mmc.plan.reading import Batches, Reading
from mmc.run import imports as module
from mmc.run.imports import Imports
from mmc.run.stop import StopFlag
from mmc.spi import FileGroup, ImportTask, TaskState
from mmc.state.ledger import ImportRecord, ImportStatus, Ledger
from mmc.state.sql import Database
from mmc.state.store import SplitRecord
from mmc.state.tables import leases
from tests.fakes import schema

STEP = ImportFiles(
    id="import.articles", copy="copy.articles", collection="articles", files=1, stall_seconds=100
)
LEASE = ("key", "me")


class Crash(BaseException):
    """The process is gone: nothing after it runs."""


@dataclass
class Server:
    """Imports one task at each look. `plan` says what becomes of each task, in order of asking."""

    tasks_: list[ImportTask] = field(default_factory=list)
    plan: list[str] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    crash_at: int = -1
    effects: int = 0
    memory_seconds: float = 10_800.0
    lose_answers: int = 0
    asked: int = 0
    stray: int = 0

    def effect(self) -> None:
        self.effects += 1
        if self.effects == self.crash_at:
            raise Crash

    def submit(self, copy: CopySplits, groups: Sequence[FileGroup], key: str) -> str:
        self.effect()
        files = tuple(path for group in groups for path in group.files)
        self.asked += 1
        task = ImportTask(id=str(self.asked), state=TaskState.WAITING, files=files)
        self.tasks_.append(task)
        self.effect()
        if self.lose_answers:
            self.lose_answers -= 1
            raise TargetBusy("reset by peer")
        return task.id

    def tasks(self, copy: CopySplits, ids: Sequence[str]) -> list[ImportTask]:
        self.effect()
        for at, task in enumerate(self.tasks_):
            if task.state is TaskState.WAITING:
                self.tasks_[at] = self._ended(task)
                break
        known = {task.id: task for task in self.tasks_}
        gone = ImportTask(id="?", state=TaskState.GONE, reason="unknown")
        return [known.get(id_, gone) for id_ in ids]

    def _ended(self, task: ImportTask) -> ImportTask:
        how = self.plan.pop(0) if self.plan else "ok"
        if how == "ok":
            firsts = [path.split("-") for path in task.files if path.split("-")[2] == "0"]
            rows = sum(int(rows) for *_, rows in firsts)
            for path in task.files:
                self.rows[path] = self.rows.get(path, 0) + 1
            return replace(task, state=TaskState.COMPLETED, rows=rows, progress=100)
        if how in ("short", "empty"):
            return replace(task, state=TaskState.COMPLETED, rows=int(how == "short"), progress=100)
        return replace(task, state=TaskState.FAILED, reason=how, again=how == "restarted")

    def rows_there(self, copy: CopySplits) -> int:
        self.effect()
        firsts = [(path.split("-"), times) for path, times in self.rows.items()]
        return 7 + self.stray + sum(int(part[3]) * n for part, n in firsts if part[2] == "0")

    def find_tasks(self, copy: CopySplits) -> list[ImportTask]:
        self.effect()
        return list(self.tasks_)


@dataclass
class Rig:
    """One run: what a process would do, as often as it is killed."""

    database: Database
    server: Server
    splits: list[SplitRecord]
    files: int = 1
    events: list[Event] = field(default_factory=list)
    now: float = 0.0
    owner: str = "me"

    @property
    def copy(self) -> CopySplits:
        pieces = [
            Split(id=record.split, pieces=(), rows=record.result.rows_written, bytes=1)
            for record in self.splits
        ]
        return CopySplits(
            id="copy.articles",
            read=Reading(collection="articles", columns=()),
            collection=schema(),
            mappings=(),
            splits=tuple(pieces),
            route="fake.bulk",
            reason="",
            write=Write.FILE,
            batches=Batches(1, 1),
            staging=Staging("/staging", key="k"),
        )

    def begin(self, step: ImportFiles = STEP, **options: Any) -> Imports:
        return Imports(
            replace(step, files=self.files),
            self.copy,
            self.server,  # type: ignore[arg-type]
            Ledger(self.database, "r", step.id, ("key", self.owner)),
            before=7,
            emit=self.events.append,
            kept=self.kept,
            should_stop=options.get("should_stop", lambda: False),
            check_stop=options.get("check_stop", lambda: None),
            sleep=self.sleep,
            clock=lambda: self.now,
        )

    def records(self) -> list[ImportRecord]:
        return Ledger(self.database, "r", STEP.id, LEASE).records()

    def kept(self, ours: bool) -> None:
        if not ours:
            raise LeaseLost("taken over")

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def once(self) -> int:
        imports = self.begin()
        for record in self.splits:
            imports.staged(record)
        return imports.finish()


def split(number: int, rows: int, files: int = 1) -> SplitRecord:
    paths = [f"k/articles/part-{number}-{name}-{rows}" for name in range(files)] if rows else []
    records = tuple(FileRecord(path, 1, "", rows) for path in paths)
    result = SplitResult(rows_written=rows, files=records)
    return SplitRecord(step="copy.articles", split=f"{number:05d}", done=True, result=result)


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setattr(module, "SETTLE_SECONDS", 0.0)
    with_lease = made(tmp_path / "state.db")
    yield Rig(with_lease, Server(), [split(0, 10), split(1, 20), split(2, 0), split(3, 30)])
    with_lease.close()


def made(path: Path) -> Database:
    """A store whose lease is ours."""
    database = Database(f"sqlite:///{path}")
    time = datetime(2030, 1, 1)
    with database.writing() as connection:
        connection.execute(
            leases.insert().values(
                lease="key", target="t", owner="me", host="h", pid=1, acquired_at=time,
                expires_at=time,
            )
        )  # fmt: skip
    return database


def exact(rig: Rig) -> None:
    """Every file with rows is imported once, and the ledger says so."""
    files = {file.path for record in rig.splits for file in record.result.files}
    assert rig.server.rows == dict.fromkeys(files, 1)
    records = rig.records()
    assert {record.status for record in records} == {ImportStatus.COMPLETED}
    asked = sorted(split for record in records for split in record.splits)
    assert asked == [record.split for record in rig.splits if record.result.rows_written]


def test_all_is_imported_and_told(rig: Rig) -> None:
    assert rig.once() == 60
    exact(rig)
    assert [type(event) for event in rig.events if isinstance(event, ImportAsked)] == [
        ImportAsked
    ] * 3
    assert sum(event.rows for event in rig.events if isinstance(event, ImportDone)) == 60
    last = [event for event in rig.events if isinstance(event, ImportProgress)][-1]
    assert (last.requests_done, last.requests, last.rows_done, last.progress) == (3, 3, 60, 100)


@pytest.mark.parametrize("files", [1, 2, 5])
@pytest.mark.parametrize("crash_at", range(1, 16))
def test_a_crash_around_any_effect_doubles_and_loses_nothing(
    rig: Rig, files: int, crash_at: int
) -> None:
    rig.files = files
    rig.server.crash_at = crash_at
    for _ in range(3):
        try:
            assert rig.once() == 60
        except Crash:
            continue
        break
    exact(rig)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.integers(1, 12), max_size=6), st.integers(1, 3), st.integers(0, 2))
def test_many_crashes_and_lost_answers(
    tmp_path_factory: pytest.TempPathFactory, crashes: list[int], files: int, lost: int
) -> None:
    database = made(tmp_path_factory.mktemp("s") / "state.db")
    rig = Rig(database, Server(lose_answers=lost), [split(n, n + 1, files=2) for n in range(5)])
    rig.files = files
    patch = pytest.MonkeyPatch()
    patch.setattr(module, "SETTLE_SECONDS", 0.0)
    patch.setattr("mmc.run.pace.time.sleep", lambda seconds: None)
    try:
        for after in [*crashes, 10_000]:
            rig.server.crash_at = rig.server.effects + after
            try:
                rig.once()
            except Crash:
                continue
        exact(rig)
    finally:
        patch.undo()
        database.close()


def test_an_answer_that_was_lost_is_looked_for(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmc.run.imports.call", immediate)
    rig.server.lose_answers = 1
    assert rig.once() == 60
    exact(rig)
    assert len(rig.server.tasks_) == 3
    asked = [event for event in rig.events if isinstance(event, ImportAsked)]
    assert [event.adopted for event in asked] == [True, False, False]


def immediate(what: str, function: Callable[[], Any], **_: Any) -> Any:
    for _ in range(8):
        try:
            return function()
        except TargetBusy:
            continue
    raise AssertionError(what)


def test_a_task_that_the_server_gave_up_is_asked_for_again(rig: Rig) -> None:
    rig.server.plan = ["restarted", "ok", "restarted"]
    assert rig.once() == 60
    exact(rig)
    assert len(rig.server.tasks_) == 5


def test_it_is_not_asked_for_again_for_ever(rig: Rig) -> None:
    rig.server.plan = ["restarted"] * 99
    with pytest.raises(TargetError, match="restarted") as caught:
        rig.once()
    assert caught.value.code == "MMC543"


def test_a_bad_file_stops_the_run_and_is_tried_again_by_the_next_apply(rig: Rig) -> None:
    rig.server.plan = ["ok", "wrong dim"]
    with pytest.raises(TargetError, match="part-1-0-20 failed: wrong dim"):
        rig.once()
    assert rig.once() == 60
    exact(rig)


def test_fewer_rows_than_the_files_hold(rig: Rig) -> None:
    rig.server.plan = ["short"]
    with pytest.raises(TargetError, match="brought 1 rows, its files hold 10"):
        rig.once()


@pytest.mark.parametrize("files", [1, 2])
def test_a_task_that_is_completed_without_a_row_is_asked_for_again(rig: Rig, files: int) -> None:
    """Seen on 2.3.5 when the answers of its storage were cut. Each apply ended with it."""
    rig.files = files
    rig.server.plan = ["empty", "ok", "empty", "empty"][: 4 if files == 1 else 3]
    assert rig.once() == 60
    exact(rig)
    told = [event for event in rig.events if isinstance(event, Retrying)]
    assert len(told) == (3 if files == 1 else 2)
    assert "without a row" in told[0].error


def test_an_empty_task_of_an_earlier_apply_is_asked_for_again(rig: Rig) -> None:
    rig.server.plan = ["empty", "ok", "ok"]
    imports = rig.begin()
    for record in rig.splits:
        imports.staged(record)
    imports._look()
    assert rig.once() == 60
    exact(rig)


def test_rows_of_a_task_that_is_said_to_be_empty(rig: Rig) -> None:
    """They are not asked for again: there may be some, by the count."""
    rig.server.plan = ["ok", "empty"]
    rig.server.stray = 20
    with pytest.raises(TargetError, match="has 67 rows, and 47 without") as caught:
        rig.once()
    assert caught.value.code == "MMC543"
    assert "state forget" in caught.value.hint
    assert rig.server.asked == 3


def test_an_empty_task_is_not_asked_for_again_for_ever(rig: Rig) -> None:
    rig.server.plan = ["ok", "ok", *["empty"] * 99]
    with pytest.raises(TargetError, match="without a row") as caught:
        rig.once()
    assert caught.value.code == "MMC543"
    assert rig.server.asked == 3 + 4
    rig.server.plan = ["empty"]
    assert rig.once() == 60
    exact(rig)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25
)
@given(
    st.lists(st.sampled_from(["ok", "ok", "empty", "restarted"]), max_size=6),
    st.lists(st.integers(1, 20), max_size=3),
    st.integers(1, 3),
)
def test_empty_and_failed_tasks_and_crashes(
    tmp_path_factory: pytest.TempPathFactory, plan: list[str], crashes: list[int], files: int
) -> None:
    database = made(tmp_path_factory.mktemp("s") / "state.db")
    rig = Rig(database, Server(plan=plan), [split(n, n + 1, files=2) for n in range(4)])
    rig.files = files
    patch = pytest.MonkeyPatch()
    patch.setattr(module, "SETTLE_SECONDS", 0.0)
    try:
        for after in [*crashes, 10_000, 10_000]:
            rig.server.crash_at = rig.server.effects + after
            try:
                rig.once()
            except Crash:
                continue
            except TargetError as error:  # five times of one request: applying again tries again
                assert error.code == "MMC543"
        exact(rig)
    finally:
        patch.undo()
        database.close()


def test_a_task_that_the_server_forgot_is_not_asked_for_again(rig: Rig) -> None:
    rig.server.plan = ["ok"]
    imports = rig.begin()
    imports.staged(rig.splits[0])
    rig.server.tasks_.clear()
    for _ in range(2):
        with pytest.raises(TargetError, match="cannot be told whether its rows arrived") as caught:
            rig.once()
        assert caught.value.code == "MMC544"
        assert "nothing of it is in" not in caught.value.hint
        assert "count(*)" in caught.value.hint


@pytest.mark.parametrize("arrived", [True, False])
def test_a_request_older_than_the_memory_of_the_server_is_not_made_again(
    rig: Rig, arrived: bool
) -> None:
    rig.server.crash_at = 3 if arrived else 2
    with pytest.raises(Crash):
        rig.once()
    rig.server.tasks_.clear()
    rig.server.crash_at = -1
    with rig.database.writing() as connection:
        connection.exec_driver_sql("update mmc_imports set asked_at = '2020-01-01 00:00:00.000000'")
    for _ in range(2):
        with pytest.raises(TargetError, match="cannot be told whether the import") as caught:
            rig.once()
        assert caught.value.code == "MMC544"
        assert "count(*)" in caught.value.hint
    assert "00000" not in {task.files[0].split("-")[1] for task in rig.server.tasks_}
    (first, *_) = rig.records()
    assert (first.request, first.status) == ("00000", ImportStatus.INTENDED)


def test_an_old_request_that_the_server_still_lists_is_adopted(rig: Rig) -> None:
    rig.server.crash_at = 3
    with pytest.raises(Crash):
        rig.once()
    rig.server.crash_at = -1
    with rig.database.writing() as connection:
        connection.exec_driver_sql("update mmc_imports set asked_at = '2020-01-01 00:00:00.000000'")
    assert rig.once() == 60
    exact(rig)


def test_splits_that_were_asked_for_out_of_order(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.begin().staged(rig.splits[1])  # of two workers the second was first; then killed
    submit = rig.server.submit

    def slow(*arguments: Any) -> str:
        rig.now += 1.0
        return submit(*arguments)

    monkeypatch.setattr(rig.server, "submit", slow)
    assert rig.once() == 60
    exact(rig)


def calendar_of(rig: Rig, patch: pytest.MonkeyPatch) -> None:
    """Has the times of the ledger go by the rig's clock too."""

    class Calendar(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime(2030, 1, 1, tzinfo=tz) + timedelta(seconds=rig.now)

    patch.setattr(module, "datetime", Calendar)
    patch.setattr("mmc.state.ledger.datetime", Calendar)


def test_a_send_without_answer_is_given_time_to_appear_from_its_end(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SETTLE_SECONDS", 5.0)
    calendar_of(rig, monkeypatch)
    submit = rig.server.submit
    late: list[tuple[float, tuple[Any, ...]]] = []

    def timed_out(*arguments: Any) -> str:
        monkeypatch.setattr(rig.server, "submit", submit)
        rig.now += 60
        late.append((rig.now + 3, arguments))
        raise TargetBusy("deadline exceeded")

    def sleep(seconds: float) -> None:
        rig.now += seconds
        if late and rig.now >= late[0][0]:
            submit(*late.pop()[1])

    monkeypatch.setattr(rig.server, "submit", timed_out)
    monkeypatch.setattr(rig, "sleep", sleep)
    monkeypatch.setattr("mmc.run.imports.call", immediate)
    assert rig.once() == 60
    assert not late
    exact(rig)


def test_a_request_of_another_process_is_given_time_from_our_start(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SETTLE_SECONDS", 5.0)
    rig.server.crash_at = 3
    with pytest.raises(Crash):
        rig.once()
    with rig.database.writing() as connection:  # it was sent again since
        connection.exec_driver_sql("update mmc_imports set asked_at = '2020-01-01 00:00:00.000000'")
    before = rig.now
    assert rig.once() == 60
    assert rig.now - before > 4
    exact(rig)


def test_tasks_of_the_same_files_from_before_are_not_ours(rig: Rig) -> None:
    assert rig.once() == 60
    with rig.database.writing() as connection:
        connection.exec_driver_sql("delete from mmc_imports")
    rig.server.rows.clear()
    rig.server.crash_at = rig.server.effects + 3  # after the first task is there again
    with pytest.raises(Crash):
        rig.once()
    assert rig.once() == 60
    exact(rig)


def test_no_progress_for_too_long(rig: Rig) -> None:
    rig.server.tasks = lambda copy, ids: [  # type: ignore[method-assign]
        ImportTask(id=id_, state=TaskState.RUNNING, progress=40) for id_ in ids
    ]
    with pytest.raises(TargetError, match="no progress for 100 seconds") as caught:
        rig.once()
    assert caught.value.code == "MMC548"
    assert 100 < rig.now < 110


def test_what_is_waited_for_is_told_after_a_minute(rig: Rig) -> None:
    step = replace(STEP, stall_seconds=1800)
    rig.server.tasks = lambda copy, ids: [  # type: ignore[method-assign]
        ImportTask(id=id_, state=TaskState.RUNNING, progress=0) for id_ in ids
    ]
    imports = rig.begin(step)
    for record in rig.splits:
        imports.staged(record)
    with pytest.raises(TargetError, match="no progress for 1,800 seconds"):
        imports.finish()
    told = [event for event in rig.events if isinstance(event, ImportStalled)]
    assert [(event.collection, event.tasks) for event in told] == [
        ("articles", ("1", "2", "3"))
    ] * 3
    assert [round(event.seconds, -2) for event in told] == [100, 700, 1300]
    assert all(event.seconds + event.left_seconds == 1800 for event in told)


def test_while_a_request_waits_to_be_made_again_nothing_stalls(rig: Rig) -> None:
    rig.server.plan = ["ok", "ok", "restarted", "restarted"]
    assert rig.once() == 60
    assert not [event for event in rig.events if isinstance(event, ImportStalled)]
    assert [event.attempt for event in rig.events if isinstance(event, Retrying)] == [1, 2]


def test_files_imported_twice_by_others_are_told(rig: Rig) -> None:
    rig.server.crash_at = 3
    with pytest.raises(Crash):
        rig.once()
    rig.server.tasks_.append(replace(rig.server.tasks_[0], id="77"))
    with pytest.raises(TargetError, match="2 times") as caught:
        rig.once()
    assert caught.value.code == "MMC547"


def test_a_task_that_does_not_name_its_files_yet_is_waited_for(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.server.crash_at = 3
    with pytest.raises(Crash):
        rig.once()
    named = rig.server.tasks_[0]
    rig.server.tasks_[0] = replace(named, files=())
    looks = []

    def patient(what: str, function: Callable[[], Any], **_: Any) -> Any:
        while True:
            try:
                return function()
            except TargetBusy:
                looks.append(what)
                rig.server.tasks_[0] = named

    monkeypatch.setattr("mmc.run.imports.call", patient)
    assert rig.once() == 60
    assert len(looks) == 1
    exact(rig)


def test_imports_of_others_do_not_keep_ours_waiting(rig: Rig) -> None:
    rig.server.crash_at = 3
    with pytest.raises(Crash):
        rig.once()
    others = ("elsewhere/x.parquet",)
    rig.server.tasks_ += [
        ImportTask(id="80", state=TaskState.COMPLETED, files=others, rows=9),
        ImportTask(id="81", state=TaskState.RUNNING, files=others),
    ]
    assert rig.once() == 60
    exact(rig)


def test_who_lost_the_lease_asks_for_nothing(rig: Rig) -> None:
    rig.owner = "somebody else"
    with pytest.raises(LeaseLost):
        rig.once()
    assert rig.server.tasks_ == []
    assert rig.records() == []


def test_a_process_that_was_suspended_before_it_asked(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lease was taken over meanwhile, by one that looked for a task, found none, and asked."""
    monkeypatch.setattr(rig, "files", 5)
    intend = Ledger.intend

    def suspended(ledger: Ledger, *arguments: Any) -> bool:
        monkeypatch.undo()
        monkeypatch.setattr(module, "SETTLE_SECONDS", 0.0)
        kept = intend(ledger, *arguments)
        with rig.database.writing() as connection:
            connection.execute(leases.update().values(owner="another"))
        other = Rig(rig.database, rig.server, rig.splits, files=5, owner="another")
        assert other.once() == 60
        return kept

    monkeypatch.setattr(Ledger, "intend", suspended)
    with pytest.raises(LeaseLost):
        rig.once()
    assert rig.server.asked == 1
    exact(rig)


def test_a_stop_ends_the_waiting(rig: Rig) -> None:
    flag = StopFlag()
    flag.request()
    imports = rig.begin(check_stop=flag.check)
    for record in rig.splits:
        imports.staged(record)
    with pytest.raises(Stopped):
        imports.finish()


def test_a_request_in_flight_is_given_time_to_appear(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SETTLE_SECONDS", 5.0)
    rig.server.crash_at = 3
    with pytest.raises(Crash):
        rig.once()
    before = rig.now
    assert rig.once() == 60
    assert rig.now - before > 4
    exact(rig)
