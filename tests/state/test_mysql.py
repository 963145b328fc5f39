"""The state in a real MariaDB: names are what they are, old tables are altered, and a short restart
is tried again.
"""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from mmc.copied import SplitResult
from mmc.errors import StateBusy, StateDamaged
from mmc.state.lease import Lease
from mmc.state.sql import Database
from mmc.state.store import SplitRecord, Store
from mmc.state.tables import Name, metadata
from tests.servers.mariadb import MariaDB, Restartable
from tests.state.plans import plan

ALIKE = [
    "rows",
    "Rows",
    "rows ",
    "r\u00f6ws",
    "rows\t",
    "ro\u0308ws",
    "\u0440ows",
    "rows\U0001f600",
]
"""Names that a collation of MySQL takes for one, or for less than they are."""

VERSION_2 = """
CREATE TABLE mmc_version (id INTEGER NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (id));
CREATE TABLE mmc_runs (run VARCHAR(32) NOT NULL, plan_digest VARCHAR(64) NOT NULL,
 plan_name VARCHAR(255) NOT NULL, target_key VARCHAR(64) NOT NULL, plan LONGTEXT NOT NULL,
 status VARCHAR(16) NOT NULL, attempt INTEGER NOT NULL, started_at DATETIME(6) NOT NULL,
 finished_at DATETIME(6), error LONGTEXT NOT NULL, PRIMARY KEY (run), UNIQUE (plan_digest));
CREATE INDEX ix_mmc_runs_target_key ON mmc_runs (target_key);
CREATE TABLE mmc_steps (run VARCHAR(32) NOT NULL, step VARCHAR(255) NOT NULL,
 kind VARCHAR(32) NOT NULL, status VARCHAR(16) NOT NULL, result LONGTEXT NOT NULL,
 started_at DATETIME(6) NOT NULL, finished_at DATETIME(6), PRIMARY KEY (run, step));
CREATE TABLE mmc_splits (run VARCHAR(32) NOT NULL, step VARCHAR(255) NOT NULL,
 split VARCHAR(64) NOT NULL, status VARCHAR(16) NOT NULL, attempt INTEGER NOT NULL,
 rows_read BIGINT NOT NULL, rows_written BIGINT NOT NULL, rows_filtered BIGINT NOT NULL,
 rows_quarantined BIGINT NOT NULL, bytes_read BIGINT NOT NULL, digest VARCHAR(128) NOT NULL,
 files LONGTEXT NOT NULL, quarantine LONGTEXT NOT NULL, reasons LONGTEXT NOT NULL,
 started_at DATETIME(6) NOT NULL, finished_at DATETIME(6), PRIMARY KEY (run, step, split));
CREATE TABLE mmc_imports (run VARCHAR(32) NOT NULL, step VARCHAR(255) NOT NULL,
 request VARCHAR(64) NOT NULL, splits LONGTEXT NOT NULL, status VARCHAR(16) NOT NULL,
 attempt INTEGER NOT NULL, task VARCHAR(255) NOT NULL, earlier LONGTEXT NOT NULL,
 `rows` BIGINT NOT NULL, asked_at DATETIME(6) NOT NULL, finished_at DATETIME(6),
 PRIMARY KEY (run, step, request));
CREATE TABLE mmc_leases (lease VARCHAR(64) NOT NULL, target LONGTEXT NOT NULL,
 owner VARCHAR(128) NOT NULL, host VARCHAR(255) NOT NULL, pid INTEGER NOT NULL,
 acquired_at DATETIME(6) NOT NULL, expires_at DATETIME(6) NOT NULL, PRIMARY KEY (lease));
INSERT INTO mmc_version VALUES (1, 2);
INSERT INTO mmc_steps VALUES ('r', 'create.d\u00e9j\u00e0', 'create_collection', 'done',
 '{"own_properties": {"\u00e9": "\u00e9"}}', '2026-01-01', '2026-01-01');
COMMIT;
"""
"""As SQLAlchemy made the tables of version 2, with a row."""


def test_names_that_differ_a_little_are_different(mysql_database: MariaDB) -> None:
    with Store.open(mysql_database.url) as store:
        run = store.begin_run(plan("caf\u00e9")).id
        assert store.run(run).plan_name == "caf\u00e9"
        for number, name in enumerate(ALIKE, 1):
            store.step_begun(run, f"copy.{name}", "import_files")
            store.step_done(run, f"copy.{name}", {"rows": number})
            assert store.split_begun(run, f"copy.{name}", "00000") == 1
            done = SplitRecord(
                step=f"copy.{name}", split="00000", done=True, result=SplitResult(rows_read=number)
            )
            assert store.split_done(run, done)
        results = {id_: record.result for id_, record in store.steps(run).items()}
        assert results == {f"copy.{name}": {"rows": n} for n, name in enumerate(ALIKE, 1)}
        for number, name in enumerate(ALIKE, 1):
            (record,) = store.splits(run, f"copy.{name}")
            assert (record.step, record.result.rows_read) == (f"copy.{name}", number)


@pytest.mark.parametrize("charset", ["utf8mb4", "latin1"])
def test_tables_of_version_2_are_altered(mysql_database: MariaDB, charset: str) -> None:
    mysql_database.execute(f"ALTER DATABASE `{mysql_database.database}` CHARACTER SET {charset}")
    mysql_database.execute(*filter(str.strip, VERSION_2.split(";")))
    with Store.open(mysql_database.url) as store:
        (record,) = store.steps("r").values()
        assert record.step == "create.d\u00e9j\u00e0"
        assert record.result == {"own_properties": {"\u00e9": "\u00e9"}}
        store.step_begun("r", "create.D\u00e9j\u00e0", "create_collection")
    with Store.open(mysql_database.url) as store:  # there is nothing to alter any more
        assert len(store.steps("r")) == 2
    database = Database(mysql_database.url)
    try:
        with database.reading() as connection:
            look = sa.inspect(connection)
            for table in metadata.sorted_tables:
                for column in look.get_columns(table.name):
                    wanted = table.c[column["name"]]
                    exact = isinstance(column["type"], sa.VARBINARY)
                    assert exact == isinstance(wanted.type, Name), column
                    assert column["nullable"] == wanted.nullable
    finally:
        database.close()


def test_a_value_that_somebody_edited_is_named(mysql_database: MariaDB) -> None:
    with Store.open(mysql_database.url) as store:
        run = store.begin_run(plan()).id
        store.split_begun(run, "copy", "00000")
        store.step_begun(run, "copy", "copy_splits")
        base = mysql_database.database
        mysql_database.execute(
            f"UPDATE {base}.mmc_splits SET step = 0xff, rows_read = -1",
            f"UPDATE {base}.mmc_steps SET status = 0xc3",
            f"UPDATE {base}.mmc_runs SET started_at = '0000-00-00'",
            "COMMIT",
        )
        reads = {"mmc_splits": store.splits, "mmc_steps": store.steps, "mmc_runs": store.run}
        for table, read in reads.items():
            with pytest.raises(StateDamaged, match=f"{table}, run {run}") as caught:
                read(run)
            assert caught.value.code == "MMC586"
        store.forget(run)
        assert store.list_runs() == []


def test_a_short_restart_is_tried_again(own_mariadb: Restartable) -> None:
    with Store.open(own_mariadb.server.url) as store:
        run = store.begin_run(plan()).id
        with Lease(store.database, plan().target, lambda event: None) as lease:
            own_mariadb.stop()
            back = threading.Timer(1.0, own_mariadb.start)
            back.start()
            try:
                assert store.split_begun(run, "copy", "00000") == 1
                assert store.split_done(
                    run,
                    SplitRecord(step="copy", split="00000", done=True),
                    (lease.key, lease.owner),
                )
            finally:
                back.join()
            lease.renew()
            assert not lease.lost
        assert [record.done for record in store.splits(run)] == [True]


def test_a_server_that_stays_away_is_an_error(
    own_mariadb: Restartable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmc.state.sql.RESTART_WAITS", (0.01, 0.01))
    with Store.open(own_mariadb.server.url) as store:
        own_mariadb.stop()
        with pytest.raises(StateBusy, match="state store mysql") as caught:
            store.list_runs()
        assert caught.value.code == "MMC640"
        own_mariadb.start()
        assert store.list_runs() == []


def test_connections_that_the_server_closed_are_opened_again(mysql_database: MariaDB) -> None:
    with Store.open(mysql_database.url) as store:
        run = store.begin_run(plan()).id
        for _ in range(2):
            with mysql_database.connect() as connection, connection.cursor() as cursor:
                cursor.execute(
                    "SELECT id FROM information_schema.processlist WHERE db = %s"
                    " AND id <> CONNECTION_ID()",
                    (mysql_database.database,),
                )
                for (number,) in cursor.fetchall():
                    cursor.execute(f"KILL {number}")
            store.split_begun(run, "copy", "00000")
        assert [record.attempt for record in store.splits(run)] == [2]
