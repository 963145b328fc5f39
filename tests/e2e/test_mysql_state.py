"""Applies whose state is in a real MariaDB: killed, taken over, cut off, and while the server is
restarted: all rows arrive once, and the next apply says that there is nothing to do.
"""

from __future__ import annotations

import os
import random
import secrets
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.e2e.mmc_command import TIMEOUT, kill_until_done, mmc, timed
from tests.e2e.test_kills import PARTIAL, _check_folder, _check_lite, _plan, _rows
from tests.servers.cuttable import cuttable
from tests.servers.mariadb import MariaDB, Restartable, mariadb_process, missing
from tests.zygote.client import Command

ROWS, DIM, SPLITS = 1_600, 64, 4
SLOW = """
import time
from mmc.sinks.parts import PartSplitWriter
commit = PartSplitWriter.commit
def slow(writer):
    time.sleep({seconds})
    return commit(writer)
PartSplitWriter.commit = slow
from mmc.cli.main import main
main(["apply", "plan.json", "--state", {url!r}])
"""
"""An apply whose splits take longer."""


@pytest.fixture(scope="module")
def running() -> Iterator[Restartable]:
    """A server of these tests, which they may restart."""
    if reason := missing():
        (pytest.fail if os.environ.get("MMC_REQUIRE_SERVERS") else pytest.skip)(reason)
    with mariadb_process() as server:
        yield server


@pytest.fixture
def database(running: Restartable) -> Callable[[], MariaDB]:
    """Makes empty databases. What the server forgets in a restart is set here."""

    def make() -> MariaDB:
        name = f"state_{secrets.token_hex(6)}"
        running.server.execute(
            f"CREATE DATABASE {name}", "SET GLOBAL innodb_flush_log_at_trx_commit = 1"
        )
        return replace(running.server, database=name)

    return make


def _planned(folder: Path) -> pa.Table:
    """A plan of several splits into files; gives the rows."""
    vectors = np.random.default_rng(7).normal(size=(ROWS, DIM)).astype(np.float32)
    table = pa.table(
        {
            "id": pa.array(range(ROWS), pa.int64()),
            "text": [f"text {number}" for number in range(ROWS)],
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), DIM),
        }
    )
    pq.write_table(table, folder / "rows.parquet", row_group_size=ROWS // SPLITS)
    (folder / "spec.yaml").write_text(
        "version: 1\nsource: {type: files, path: rows.parquet}\n"
        "target: {type: files, url: out}\nload: {split_bytes: 65536, workers: 1}\n"
    )
    mmc(folder, "plan", "spec.yaml", "-o", "plan.json")
    return table


def _slow(folder: Path, database: MariaDB, seconds: float) -> Command:
    program = SLOW.format(seconds=seconds, url=database.url)
    return Command(folder, program=program, env={**os.environ, "NO_COLOR": "1"})


def _done(database: MariaDB) -> int:
    """Splits that are recorded as done."""
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SHOW TABLES LIKE 'mmc_splits'")
        if not cursor.fetchall():
            return 0
        cursor.execute("SELECT count(*) FROM mmc_splits WHERE status = 'done'")
        ((number,),) = cursor.fetchall()
        return int(number)


def _until_done(database: MariaDB, number: int, command: Command) -> None:
    """Waits until an apply has recorded so many splits."""
    deadline = time.monotonic() + TIMEOUT
    while _done(database) < number:
        assert command.poll() is None, command.communicate(TIMEOUT)
        assert time.monotonic() < deadline
        time.sleep(0.03)


def _ended(command: Command, code: int) -> str:
    out, err = command.communicate(TIMEOUT)
    assert command.wait() == code, out + err
    return out + err


def _finished(folder: Path, database: MariaDB, wanted: pa.Table) -> None:
    _check_folder(folder / "out", wanted)
    again = mmc(folder, "apply", "plan.json", "--state", database.url)
    assert "Nothing to do" in again.out + again.err
    mmc(folder, "verify", "plan.json", "--state", database.url)


def test_an_apply_that_is_killed_is_taken_over_and_continued(
    tmp_path: Path, database: Callable[[], MariaDB]
) -> None:
    """The second one is slower than the server keeps connections that wait."""
    wanted, base = _planned(tmp_path), database()
    killed = _slow(tmp_path, base, 0.2)
    _until_done(base, SPLITS - 1, killed)
    killed.kill()
    _ended(killed, -signal.SIGKILL)
    before = _done(base)
    url = ["--state", base.url]
    assert f"{before} of {SPLITS} splits" in mmc(tmp_path, "status", *url).out
    base.execute("SET GLOBAL wait_timeout = 1")
    try:
        said = _ended(_slow(tmp_path, base, 1.3), 0)
    finally:
        base.execute("SET GLOBAL wait_timeout = DEFAULT")
    assert "MMC622" in said and "verified" in said
    _finished(tmp_path, base, wanted)
    shown = mmc(tmp_path, "state", "list", *url).out.splitlines()
    assert len(shown) == 2 and " applied " in shown[1] and " 2 " in shown[1]
    run = shown[1].split()[0]
    attempts = [
        line.split()[3] for line in mmc(tmp_path, "state", "show", run, *url).out.splitlines()
    ]
    assert attempts.count("1") >= before, attempts
    assert "There was no lease" in mmc(tmp_path, "state", "unlock", run, *url).out
    mmc(tmp_path, "state", "forget", run, *url)
    assert "No runs yet" in mmc(tmp_path, "state", "list", *url).out


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)]
)
def test_a_restart_of_the_server_in_the_middle_is_survived(
    tmp_path: Path, running: Restartable, database: Callable[[], MariaDB], number: int
) -> None:
    wanted, base = _planned(tmp_path), database()
    command = _slow(tmp_path, base, 0.3)
    _until_done(base, 1, command)
    running.stop(number)
    time.sleep(0.5)
    assert command.poll() is None
    running.start()
    assert "verified" in _ended(command, 0)
    _finished(tmp_path, base, wanted)


def test_collections_whose_names_differ_in_case_are_two(
    tmp_path: Path, database: Callable[[], MariaDB]
) -> None:
    """The copy of one is not taken for that of the other."""
    rows = {"Rows": 1_000, "rows": 1_500}
    for name, number in rows.items():
        np.save(tmp_path / "v.npy", np.random.default_rng(number).normal(size=(number, 8)))
        (tmp_path / "dump.yaml").write_text(
            "version: 1\nsource: {type: files, path: v.npy}\ntarget: {type: files, url: dump}\n"
            f"collections: [{{to: {name}}}]\n"
        )
        mmc(tmp_path, "apply", "dump.yaml", "--yes")
    (tmp_path / "spec.yaml").write_text(
        "version: 1\nsource: {type: files, manifest: dump/manifest.json}\n"
        "target: {type: files, url: out}\n"
    )
    mmc(tmp_path, "plan", "spec.yaml", "-o", "plan.json")
    base = database()
    said = mmc(tmp_path, "apply", "plan.json", "--state", base.url)
    assert "2,500 rows read = 2,500 written" in said.out + said.err
    for name, number in rows.items():
        assert pq.read_table(tmp_path / "out" / name).num_rows == number
    again = mmc(tmp_path, "apply", "plan.json", "--state", base.url)
    assert "Nothing to do" in again.out + again.err


@pytest.mark.slow
def test_an_apply_that_is_cut_off_stops_before_the_next_takes_over(
    tmp_path: Path, database: Callable[[], MariaDB]
) -> None:
    wanted, base = _planned(tmp_path), database()
    with cuttable(base.port) as way:
        first = _slow(tmp_path, replace(base, port=way.port), 20)
        _until_done(base, 1, first)
        way.cut()
        deadline = time.monotonic() + 120
        while True:
            second = Command(
                tmp_path,
                ["apply", "plan.json", "--state", base.url],
                env={**os.environ, "NO_COLOR": "1"},
            )
            out, err = second.communicate(TIMEOUT)
            if second.wait() != 5:
                break
            assert time.monotonic() < deadline, "the lease was never free"
            time.sleep(1)
        assert second.returncode == 0 and "MMC621" in err, out + err
        way.mend()
        assert "MMC623" in _ended(first, 5)
    _finished(tmp_path, base, wanted)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "target"),
    [(500, "files"), (501, "files"), pytest.param(502, "lite", marks=pytest.mark.milvus_lite)],
)
def test_many_kills_lose_nothing(
    tmp_path: Path, database: Callable[[], MariaDB], seed: int, target: str
) -> None:
    rows = 6_000 if target == "lite" else 20_000
    wanted = _rows(tmp_path, rows, 24)
    where = "{type: milvus, uri: ./rows.db}" if target == "lite" else "{type: files, url: out}"
    plan = _plan(tmp_path, where, workers=1 + seed % 2 if target == "files" else 1)
    url = database().url
    whole = timed(tmp_path, "apply", plan, "--state", url, code=PARTIAL)
    chance, hit = random.Random(seed), 0
    while hit < 24:
        for leftover in ("out", "rows.db", ".mmc"):
            shutil.rmtree(tmp_path / leftover, ignore_errors=True)
        url = database().url
        hit += kill_until_done(
            tmp_path, plan, chance=chance, longest=whole, code=PARTIAL, state=url
        )
        if target == "files":
            _check_folder(tmp_path / "out", wanted)
        else:
            _check_lite(tmp_path / "rows.db", wanted)
        again = mmc(tmp_path, "apply", plan, "--state", url, code=PARTIAL)
        assert "Nothing to do" in again.out + again.err
    print(f"seed {seed}: one apply takes {whole:.1f} s, {hit} were killed")
