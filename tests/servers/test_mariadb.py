"""The server that tests start: who gets in, what is left, and what it says when it cannot."""

from __future__ import annotations

import socket
import tempfile
from dataclasses import replace
from pathlib import Path

import pymysql
import pytest
from sqlalchemy import create_engine

from tests.servers import mariadb as servers
from tests.servers.mariadb import MariaDB, NotStarted


def test_a_database_of_ones_own(mysql_database: MariaDB) -> None:
    engine = create_engine(mysql_database.url)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE `t` (`a` VARCHAR(9))")
            connection.exec_driver_sql("INSERT INTO `t` VALUES (%s)", ("量子 ü",))
            connection.exec_driver_sql("CREATE TABLE `T` (`a` INT)")
        with engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT * FROM `t`").scalar() == "量子 ü"
    finally:
        engine.dispose()


def test_it_wants_the_password(mysql_database: MariaDB) -> None:
    with pytest.raises(pymysql.err.OperationalError, match="Access denied"):
        replace(mysql_database, password="wrong").connect()


@pytest.mark.usefixtures("mariadb")
def test_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    # Short, for the socket's path.
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        with servers.mariadb_process() as running:
            server = running.server
            server.execute("CREATE DATABASE `a`")
            assert list(Path(folder).iterdir())
        assert list(Path(folder).iterdir()) == []
    with socket.socket() as probe:
        assert probe.connect_ex((server.host, server.port)) != 0


@pytest.mark.usefixtures("mariadb")
def test_says_what_its_log_says(tmp_path: Path) -> None:
    """No system tables were laid out."""
    with pytest.raises(NotStarted, match=r"mariadbd ended with 1:\n(?s:.)*data"):
        servers._start(tmp_path)


def test_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "PATH", "")
    assert servers.missing() == (
        "mariadbd, mariadb-install-db, my_print_defaults not found: "
        "apt-get install --no-install-recommends mariadb-server-core mariadb-client-core"
    )
