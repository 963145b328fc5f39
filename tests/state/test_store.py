"""The store: runs by plan digest, splits by attempt, several processes, what it refuses."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import OperationalError
from sqlalchemy.schema import CreateTable

from mmc.copied import SplitResult
from mmc.errors import LeaseLost, PluginMissing, StateError
from mmc.events import Rejection, Unmapped, Verified
from mmc.layouts.files import FileRecord
from mmc.plan import codec
from mmc.state.lease import Lease
from mmc.state.store import RunStatus, SplitRecord, Store
from mmc.state.tables import metadata, versions
from tests.state.plans import plan


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/deep/state.db"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store.open(url) as opened:
        yield opened


def test_the_same_plan_is_the_same_run(store: Store) -> None:
    first = store.begin_run(plan())
    assert (first.attempt, first.status, first.finished_at) == (1, RunStatus.RUNNING, None)
    assert first.started_at.tzinfo is UTC
    assert codec.digest(plan()).startswith(first.id)
    store.finish_run(first.id, RunStatus.FAILED, "no space left")
    failed = store.run_of(codec.digest(plan()))
    assert failed is not None and failed.error == "no space left" and failed.finished_at
    again = store.begin_run(plan())
    assert (again.id, again.attempt, again.error) == (first.id, 2, "")
    assert again.started_at == first.started_at
    assert store.begin_run(plan("two")).id != first.id
    assert store.plan_of(first.id) == plan()


def test_a_split_counts_its_attempts_and_keeps_its_result(store: Store) -> None:
    run = store.begin_run(plan()).id
    assert [store.split_begun(run, "copy", "00001") for _ in range(3)] == [1, 2, 3]
    assert store.split_begun(run, "copy", "00000") == 1
    record = SplitRecord(
        step="copy",
        split="00001",
        done=True,
        attempt=3,
        result=SplitResult(
            rows_read=2**40,
            rows_written=2**40 - 3,
            rows_filtered=2,
            rows_quarantined=1,
            bytes_read=2**50,
            digest=f"ab:{7:032x}",
            files=(FileRecord("a/b.parquet", 10, "00" * 32, 7), FileRecord("ü", 1, "", 0)),
            reasons=(Rejection("MMC651", "f", 'too "long"', 1),),
        ),
        quarantine="q/1.jsonl",
    )
    assert store.split_done(run, record)
    assert store.splits(run) == [
        SplitRecord(step="copy", split="00000", done=False, attempt=1),
        record,
    ]
    assert store.splits(run, "other") == []


def test_steps_keep_their_result_until_done(store: Store) -> None:
    run = store.begin_run(plan()).id
    store.step_begun(run, "verify", "verify")
    assert not store.steps(run)["verify"].done and store.steps(run)["verify"].result is None
    found = Verified(
        step="verify",
        collection="a",
        ok=False,
        rows_expected=2,
        rows_found=1,
        digest_expected="",
        digest_found="",
    )
    store.step_done(run, "verify", codec.to_json(found), done=False)
    record = store.steps(run)["verify"]
    assert not record.done and record.result == codec.to_json(found)
    store.step_begun(run, "verify", "verify")
    store.step_done(run, "verify", codec.to_json(replace(found, ok=True)))
    assert store.steps(run)["verify"].done


def test_forget_leaves_nothing_of_the_run(store: Store) -> None:
    run, kept = store.begin_run(plan()).id, store.begin_run(plan("two")).id
    for it in (run, kept):
        store.step_begun(it, "copy", "copy_splits")
        store.split_begun(it, "copy", "00000")
    store.forget(run)
    assert [it.id for it in store.list_runs()] == [kept]
    assert store.splits(run) == [] and store.steps(run) == {}
    assert len(store.splits(kept)) == 1
    assert store.split_begun(store.begin_run(plan()).id, "copy", "00000") == 1


def test_a_store_of_version_4_gets_a_column(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/four.db"
    with Store.open(url) as store:
        run = store.begin_run(plan()).id
        store.split_begun(run, "copy", "00000")
    with closing(sqlite3.connect(tmp_path / "four.db")) as four:
        four.execute("ALTER TABLE mmc_splits DROP COLUMN unmapped")
        four.execute("UPDATE mmc_version SET version = 4")
        four.commit()
    with Store.open(url) as store:
        (record,) = store.splits(run)
        assert record.result.unmapped == Unmapped()
        unmapped = Unmapped(2, (("hidden", 2), ("d\u00e9j\u00e0", 1)))
        done = replace(record, done=True, result=SplitResult(rows_written=2, unmapped=unmapped))
        assert store.split_done(run, done)
        assert store.splits(run)[0].result.unmapped == unmapped


def test_a_run_is_found_by_the_start_of_its_digest(store: Store) -> None:
    run = store.begin_run(plan())
    assert store.run(run.id[:4]) == store.run(run.plan_digest) == run
    with pytest.raises(StateError, match="no run `zzz`") as caught:
        store.run("zzz")
    assert caught.value.code == "MMC642"
    with pytest.raises(StateError, match="no run ``"):
        store.run("")


def test_no_secret_and_no_password_is_stored_or_shown(
    url: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "hunter2-hunter2")
    store.begin_run(plan())
    for path in (tmp_path / "deep").iterdir():
        assert b"hunter2" not in path.read_bytes()
    assert b"env:TOKEN" in b"".join(it.read_bytes() for it in (tmp_path / "deep").iterdir())
    with pytest.raises(StateError) as caught, Store.open("sqlite9://joe:hunter2@db/x"):
        pass
    assert "hunter2" not in str(caught.value) + caught.value.hint


def test_a_state_url_is_shown_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> sa.Engine:
        raise OperationalError("", {}, Exception("no route to host"))

    monkeypatch.setattr(sa, "create_engine", refuse)
    with pytest.raises(StateError) as caught, Store.open("mysql+pymysql://joe:hunter2@db/x"):
        pass
    assert "mysql+pymysql://joe:***@db/x: no route to host" in str(caught.value)


def test_a_missing_driver_is_named() -> None:
    with pytest.raises(PluginMissing, match="MySQLdb"), Store.open("mysql+mysqldb://u:p@h/d"):
        pass


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("not a url", "does not parse"),
        ("mysql+pymysql://u:hunter2@h:abc/st", "does not parse"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("mysql+pymysql://u:hunter2@h/", "names no database"),
        ("postgresql://u:hunter2@h/d", "of the kind postgresql"),
        ("oracle://u:hunter2@h/d", "of the kind oracle"),
        ("mysql+pymysql://u@127.0.0.1:1/d?password=hunter2&init_command=hunter2", r"1/d\?\.\.\.:"),
    ],
)
def test_urls_that_cannot_hold_a_state_are_refused(
    url: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmc.state.sql.RESTART_WAITS", ())
    with pytest.raises(StateError, match=said) as caught, Store.open(url):
        pass
    assert caught.value.code == "MMC640"
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


def test_the_state_is_its_owner_s_alone(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir(0o755)
    with Store.open(f"sqlite:///{tmp_path}/there/new/state.db") as store:
        store.begin_run(plan())
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert modes.pop("there") == 0o755 and modes.pop("new") == 0o700
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize("act", ["delete", "replace"])
def test_a_store_that_is_gone_is_noticed(tmp_path: Path, act: str) -> None:
    file = tmp_path / "state.db"
    with Store.open(f"sqlite:///{file}") as store:
        assert store.database.is_there()
        file.unlink()
        if act == "replace":
            file.write_bytes(b"")
        assert not store.database.is_there()
        lease = Lease(store.database, plan().target, lambda event: None, ttl=0.06, heartbeat=False)
        lease._beat()
        with pytest.raises(LeaseLost, match=r"state\.db was deleted or replaced meanwhile"):
            lease.check()


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_text("not a database, but long enough to look like a file" * 20)
    with (
        pytest.raises(StateError, match="not a database"),
        Store.open(f"sqlite:///{tmp_path}/state.db"),
    ):
        pass


def test_a_folder_that_cannot_be_made_is_an_error_with_a_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    url = f"sqlite:///{tmp_path}/file/state.db"
    with pytest.raises(StateError, match="state store sqlite"), Store.open(url):
        pass


def test_a_store_of_a_newer_version_is_refused_and_left_alone(url: str, store: Store) -> None:
    run = store.begin_run(plan())
    with store.database.writing() as connection:
        connection.execute(versions.update().values(version=99))
    with pytest.raises(StateError, match="is of version 99") as caught, Store.open(url):
        pass
    assert caught.value.code == "MMC641"
    assert store.list_runs() == [run]


def test_sqlite_is_opened_for_readers_beside_a_writer(url: str, store: Store) -> None:
    run = store.begin_run(plan())
    with store.database.writing() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        connection.execute(versions.update().values(version=1))
        with Store.open(url) as other:
            assert other.list_runs() == [run], "a reader does not wait for a writer"


def test_a_busy_database_is_an_error_not_a_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmc.state.sql.BUSY_SECONDS", 0.1)
    with Store.open(f"sqlite:///{tmp_path}/state.db") as store:
        run = store.begin_run(plan()).id
        base = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
        base.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateError, match="locked") as caught:
            store.split_begun(run, "copy", "00000")
        assert "another process is writing it" in caught.value.hint
        base.close()
        assert store.split_begun(run, "copy", "00000") == 1


COUNTER = """
import sys
sys.path[:] = sys.argv[3:]
from mmc.state.store import Store
with Store.open(sys.argv[1]) as store:
    for _ in range(int(sys.argv[2])):
        store.split_begun("run", "copy", "00000")
"""


def test_no_update_of_several_processes_is_lost(url: str) -> None:
    """Every `split_begun` reads an attempt and writes the next one. The store is new to all."""
    each, processes = 60, 4
    command = [sys.executable, "-c", COUNTER, url, str(each), *sys.path]
    children = [subprocess.Popen(command) for _ in range(processes)]
    assert [child.wait(60) for child in children] == [0] * processes
    with Store.open(url) as store:
        (record,) = store.splits("run")
    assert record.attempt == each * processes


def test_the_tables_can_be_made_in_mysql() -> None:
    dialect = mysql.dialect()
    ddl = "".join(str(CreateTable(it).compile(dialect=dialect)) for it in metadata.sorted_tables)
    assert "DATETIME(6)" in ddl and "LONGTEXT" in ddl
    assert " TEXT" not in ddl and "DATETIME " not in ddl
    keys = [
        sum(getattr(column.type, "length", 0) for column in table.primary_key)
        for table in metadata.sorted_tables
    ]
    assert max(keys) * 4 < 3072, "longer than an InnoDB key may be, in utf8mb4"
