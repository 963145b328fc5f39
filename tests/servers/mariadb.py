"""A real MariaDB on a free port, in a folder of its own, stopped and removed at the end.

A conftest.py takes its fixtures by import; one server serves all tests of a process.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pymysql
import pytest
from sqlalchemy import URL

STARTS_WITHIN = 60.0
STOPS_WITHIN = 30.0
TRIES = 3
PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))


@dataclass(frozen=True, slots=True)
class MariaDB:
    """Where it listens and who may come in; `database` is "" until one is made."""

    host: str
    port: int
    user: str
    password: str
    database: str = ""

    @property
    def url(self) -> str:
        """For SQLAlchemy, the password in it."""
        parts = ("mysql+pymysql", self.user, self.password, self.host, self.port, self.database)
        return URL.create(*parts).render_as_string(hide_password=False)

    def connect(self) -> pymysql.Connection[pymysql.cursors.Cursor]:
        return pymysql.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            database=self.database or None,
            connect_timeout=5,
        )

    def execute(self, *statements: str) -> None:
        """Runs statements in a connection of their own."""
        with self.connect() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


class NotStarted(Exception):
    """It ended, or did not answer in time; says what its log ends with."""


class Restartable:
    """A server that may be stopped, and started again with its data.

    Attributes:
        server: where it listens, as long as it lives.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        _install(folder)
        self._process, self.server = _start(folder)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Ends the process, or kills it."""
        self._process.send_signal(number)
        try:
            self._process.wait(STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def start(self) -> None:
        """Starts it again, at the same port."""
        self._process = _start_at(self._folder, self.server)


@contextmanager
def mariadb_process() -> Iterator[Restartable]:
    """Starts a server and makes a user who may do everything; its folder goes with it."""
    # Not under pytest's folder: the path of a socket has room for 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="mariadb-"))
    try:
        running = Restartable(folder)
        try:
            yield running
        finally:
            running.stop()
    finally:
        shutil.rmtree(folder)


def missing() -> str:
    """What has to be installed before a server can start; "" when nothing has."""
    needed = ("mariadbd", "mariadb-install-db", "my_print_defaults")
    absent = [name for name in needed if shutil.which(name, path=PATH) is None]
    if not absent:
        return ""
    packages = "apt-get install --no-install-recommends mariadb-server-core mariadb-client-core"
    return f"{', '.join(absent)} not found: {packages}"


@pytest.fixture(scope="session")
def mariadb(request: pytest.FixtureRequest) -> MariaDB:
    """The server of this process, started by the first test that asks for it."""
    stash = request.config.stash
    if RUNNING not in stash:
        _want_programs()
        stack = ExitStack()
        stash[RUNNING] = stack.enter_context(mariadb_process()).server
        request.config.add_cleanup(stack.close)
    return stash[RUNNING]


@pytest.fixture
def own_mariadb() -> Iterator[Restartable]:
    """A server of one test, which may stop it, with a database of the name `test`."""
    _want_programs()
    with mariadb_process() as running:
        running.server.execute("CREATE DATABASE test")
        running.server = replace(running.server, database="test")
        yield running


def _want_programs() -> None:
    if reason := missing():
        required = os.environ.get("MMC_REQUIRE_SERVERS")
        (pytest.fail if required else pytest.skip)(reason)


@pytest.fixture
def mysql_database(mariadb: MariaDB) -> Iterator[MariaDB]:
    """A fresh, empty database, dropped afterwards."""
    name = f"test_{secrets.token_hex(6)}"
    mariadb.execute(f"CREATE DATABASE `{name}`")
    yield replace(mariadb, database=name)
    mariadb.execute(f"DROP DATABASE `{name}`")


RUNNING = pytest.StashKey[MariaDB]()


def _install(folder: Path) -> None:
    """Lays out the system tables, which takes about half a second."""
    command = [
        "mariadb-install-db",
        "--no-defaults",
        f"--datadir={folder / 'data'}",
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
        *_as_root(),
    ]
    environment = os.environ | {"PATH": PATH}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    if done.returncode:
        raise NotStarted(f"mariadb-install-db: {done.stdout[-2000:]}{done.stderr[-2000:]}")


def _start(folder: Path) -> tuple[subprocess.Popen[bytes], MariaDB]:
    """The port was free a moment ago; should another have taken it, the next try takes another."""
    said = ""
    for _ in range(TRIES):
        server = MariaDB("127.0.0.1", _free_port(), "tester", secrets.token_urlsafe(12))
        try:
            return _start_at(folder, server), server
        except NotStarted as failure:
            said = str(failure)
    raise NotStarted(said)


def _start_at(folder: Path, server: MariaDB) -> subprocess.Popen[bytes]:
    grants = folder / "init.sql"
    # One line a statement: that is how the server reads it.
    grants.write_text(
        f"CREATE OR REPLACE USER '{server.user}'@'%' IDENTIFIED BY '{server.password}';\n"
        f"GRANT ALL ON *.* TO '{server.user}'@'%' WITH GRANT OPTION;\n"
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(_command(folder, server, grants), stdout=log, stderr=log)
    try:
        _wait(process, server)
    except NotStarted as failure:
        process.kill()
        process.wait()
        tail = (folder / "log").read_text(errors="replace")[-2000:]
        raise NotStarted(f"mariadbd {failure}:\n{tail}") from None
    return process


def _command(folder: Path, server: MariaDB, grants: Path) -> list[str]:
    mariadbd = shutil.which("mariadbd", path=PATH)
    assert mariadbd is not None
    return [
        mariadbd,
        "--no-defaults",
        *_as_root(),
        f"--datadir={folder / 'data'}",
        f"--socket={folder / 'socket'}",
        f"--pid-file={folder / 'pid'}",
        f"--init-file={grants}",
        f"--bind-address={server.host}",
        f"--port={server.port}",
        "--skip-name-resolve",
        "--character-set-server=utf8mb4",
        # Small and careless of power cuts; io_uring is forbidden in many containers.
        "--innodb-buffer-pool-size=32M",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-doublewrite=0",
        "--innodb-use-native-aio=0",
        "--performance-schema=OFF",
    ]


def _wait(process: subprocess.Popen[bytes], server: MariaDB) -> None:
    """Until our own user can log in: another server on the port would refuse."""
    until = time.monotonic() + STARTS_WITHIN
    while process.poll() is None:
        try:
            server.connect().close()
        except pymysql.err.OperationalError:
            if time.monotonic() > until:
                raise NotStarted(f"did not answer within {STARTS_WITHIN:.0f} s") from None
            time.sleep(0.05)
        else:
            return
    raise NotStarted(f"ended with {process.returncode}")


def _as_root() -> list[str]:
    """It runs as root only when told so."""
    return ["--user=root"] if os.geteuid() == 0 else []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
