"""Where metadata can be, what each place can get wrong, and that no password is ever said."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import closing
from pathlib import Path

import fsspec
import pymysql
import pytest

from mmc.errors import MmcError, PluginMissing, SecretError, SourceBusy, SourceError
from mmc.sources.milvus1.catalogue import Catalogue
from mmc.sources.milvus1.live import live_collections
from mmc.sources.milvus1.meta import mysql as metamysql
from mmc.sources.milvus1.meta.json_ import write_meta_json
from mmc.sources.milvus1.meta.read import load_catalogue
from mmc.spec.options import Secret
from tests.generators.milvus1.generate import generate
from tests.generators.milvus1.meta import write_mysql
from tests.generators.milvus1.writer import Server
from tests.servers.mariadb import MariaDB

PASSWORD = Secret(secret="env:META_PASSWORD")


@pytest.fixture
def server(tmp_path: Path) -> Server:
    made = Server(tmp_path)
    made.collection("words", 4).partition("日本 a-b")
    return made


def names(catalogue: Catalogue) -> list[str]:
    return [live.name for live in live_collections(catalogue)]


def test_the_forms_of_a_file(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    path = server.write().meta
    monkeypatch.chdir(path.parent)
    whole = load_catalogue(str(path), None, {})
    assert names(whole) == ["words"]
    text = write_meta_json(whole, live_collections(whole))
    Path("meta.json").write_text(text, encoding="utf-8")
    (path.parent / "odd.name").write_bytes(path.read_bytes())
    (path.parent / "copy.DB").write_bytes(path.read_bytes())
    for where in (
        "meta.sqlite",
        f"file://{path}",
        f"sqlite:///{path}",
        "sqlite:///meta.sqlite",
        "sqlite:///odd.name?mode=ro",
        "copy.DB",
        "meta.json",
        f"file://{path.parent}/meta.json",
    ):
        assert load_catalogue(where, None, {}) == whole, where


@pytest.mark.parametrize("meta", ["sqlite", "sqlite-wal"])
def test_a_remote_file_with_its_wal(server: Server, meta: str) -> None:
    folder = server.write(meta).meta.parent
    whole = load_catalogue(str(server.meta), None, {})
    remote = fsspec.filesystem("memory")
    base = f"/{folder.parent.name}-{meta}"
    for file in folder.glob("meta.sqlite*"):
        remote.pipe(f"{base}/{file.name}", file.read_bytes())
    found = load_catalogue(f"memory:/{base}/meta.sqlite", None, {})
    assert found == whole
    assert found.where == f"memory:/{base}/meta.sqlite"
    assert sorted(remote.ls(base, detail=False)) == sorted(
        f"{base}/{file.name}" for file in folder.glob("meta.sqlite*")
    )


@pytest.mark.parametrize(
    ("where", "code", "said"),
    [
        ("none/meta.sqlite", "MMC430", "none/meta.sqlite: no such file"),
        ("none/meta.json", "MMC430", "none/meta.json: no such file"),
        ("memory://none/meta.sqlite", "MMC430", "no such file"),
        ("sqlite:///none/meta.sqlite", "MMC430", "none/meta.sqlite: no such file"),
        ("sqlite://:@:/", "MMC414", "names no file"),
        ("sqlite:///", "MMC414", "names no file"),
        ("sqlite:meta.sqlite", "MMC414", "names no file"),
        (".", "MMC414", "is a folder"),
        ("folder.sqlite", "MMC414", "is a folder"),
        ("sqlite:///folder.sqlite", "MMC414", "is a folder"),
        ("meta.yaml", "MMC414", "does not tell what kind of metadata it is"),
        ("postgresql://u@h/d", "MMC414", "does not tell what kind"),
        ("mysql+mysqldb://u@h/d", "MMC414", "does not tell what kind"),
        ("", "MMC414", "is a folder"),
        ("mysql://user@host:3306", "MMC414", "mysql://user@host:3306: has no name of a database"),
        ("mysql:///milvus", "MMC414", "has no host"),
        ("mysql://user@host:port/milvus", "MMC414", "does not parse"),
    ],
)
def test_places_that_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, code: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder.sqlite").mkdir()
    with pytest.raises(SourceError) as caught:
        load_catalogue(where, None, {})
    assert (caught.value.code, caught.value.retryable) == (code, False)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "where",
    [
        "mysql://root:hunter2@host:3306/milvus",
        "mysql+pymysql://root:hunter2@host/milvus",
        "mysql://root:hunt/hunter2@host/milvus",
        "mysql://root:hunter2@host:port/milvus",
        "mysql://root@host/milvus?passwd=hunter2",
        "mysql://root@host/milvus?password=hunter2",
        "https://user:hunter2@host/meta.json",
        "https://host/meta.json?token=hunter2",
    ],
)
def test_a_password_in_the_location_is_refused_and_not_said(where: str) -> None:
    with pytest.raises(SourceError) as caught:
        load_catalogue(where, None, {})
    assert caught.value.code == "MMC222" or "does not parse" in str(caught.value)
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


def test_a_meta_json_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "meta.json"
    path.write_bytes(b'{"\xff"}')
    with pytest.raises(SourceError, match="not UTF-8"):
        load_catalogue(str(path), None, {})


# -- MySQL ---------------------------------------------------------------------------------------


@pytest.fixture
def database(mysql_database: MariaDB, monkeypatch: pytest.MonkeyPatch) -> MariaDB:
    monkeypatch.setenv("META_PASSWORD", mysql_database.password)
    return mysql_database


def place(database: MariaDB, scheme: str = "mysql+pymysql", **other: object) -> str:
    said = {"user": database.user, "port": database.port, "name": database.database, **other}
    return f"{scheme}://{said['user']}@{database.host}:{said['port']}/{said['name']}"


def failure(where: str, password: Secret | None = PASSWORD) -> MmcError:
    with pytest.raises(MmcError) as caught:
        load_catalogue(where, password, {})
    secret = os.environ.get("META_PASSWORD", "hunter2")
    assert secret not in f"{caught.value} {caught.value.hint}"
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return caught.value


@pytest.mark.parametrize("seed", range(3))
def test_mysql_says_what_sqlite_says(tmp_path: Path, database: MariaDB, seed: int) -> None:
    server = generate(tmp_path / "a", seed)
    whole = load_catalogue(str(server.meta), None, {})
    write_mysql(server.rows(), database.url)
    found = load_catalogue(place(database), PASSWORD, {})
    assert found == whole
    assert live_collections(found) == live_collections(whole)


@pytest.mark.parametrize("scheme", ["mysql", "mysql+pymysql", "mariadb", "mariadb+pymysql"])
def test_the_forms_of_a_server(server: Server, database: MariaDB, scheme: str) -> None:
    server.write(database.url)
    found = load_catalogue(place(database, scheme), PASSWORD, {})
    assert names(found) == ["words"]
    assert found.tables[1].partition_tag == "日本 a-b"
    assert found.where == place(database, scheme)


def test_a_user_without_a_password(server: Server, database: MariaDB) -> None:
    server.write(database.url)
    user = f"{database.database}_open"
    database.execute(
        f"CREATE USER '{user}'@'%' IDENTIFIED BY ''",
        f"GRANT SELECT ON `{database.database}`.* TO '{user}'@'%'",
    )
    try:
        for said in (user, f"{user}:"):
            found = load_catalogue(place(database, user=said), None, {})
            assert names(found) == ["words"]
            assert found.where == place(database, user=user)
    finally:
        database.execute(f"DROP USER '{user}'@'%'")


def test_tables_in_lower_case(server: Server, database: MariaDB) -> None:
    """As MySQL on Windows and macOS keeps them."""
    server.write(database.url)
    whole = load_catalogue(place(database), PASSWORD, {})
    database.execute(
        *(f"RENAME TABLE `{name}` TO `{name.lower()}`" for name in ("Tables", "TableFiles"))
    )
    assert load_catalogue(place(database), PASSWORD, {}) == whole


def test_one_consistent_look(server: Server, database: MariaDB) -> None:
    """What a running server commits after the start is not seen, in no table; nothing is locked."""
    server.write(database.url)
    with metamysql.open_mysql(place(database), PASSWORD) as opened:
        database.execute("DELETE FROM `Tables`", "INSERT INTO `Environment` VALUES (1)", "COMMIT")
        assert len(list(opened.select("Tables", ["id"]))) == 2
        assert len(list(opened.select("Environment", ["global_lsn"]))) == 1
    assert load_catalogue(place(database), PASSWORD, {}).tables == ()


def test_nothing_can_be_written(server: Server, database: MariaDB) -> None:
    server.write(database.url)
    with (
        pytest.raises(SourceError, match="READ ONLY"),
        metamysql.open_mysql(place(database), PASSWORD) as opened,
    ):
        opened._connection.exec_driver_sql("DELETE FROM `Tables`")


def test_refused_for_good(
    server: Server, database: MariaDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.write(database.url)
    missing = failure(place(database, name="no_such"))
    assert "Unknown database" in str(missing) and "name of the database" in missing.hint
    user = f"{database.database}_poor"
    database.execute(
        f"CREATE USER '{user}'@'%' IDENTIFIED BY '{database.password}'",
        f"GRANT SELECT ON `{database.database}`.Tables TO '{user}'@'%'",
    )
    try:
        assert "no table `TableFiles`" in str(failure(place(database, user=user)))
        database.execute(f"GRANT INSERT ON `{database.database}`.* TO '{user}'@'%'")
        poor = failure(place(database, user=user))
        assert "TableFiles" in str(poor) and "needs SELECT" in poor.hint
    finally:
        database.execute(f"DROP USER '{user}'@'%'")
    monkeypatch.setenv("META_PASSWORD", "not the password")
    wrong = failure(place(database))
    assert "Access denied" in str(wrong) and "meta_password" in wrong.hint
    for error in (missing, poor, wrong):
        assert (error.code, error.retryable) == ("MMC414", False)
        assert f"{database.host}:{database.port}" in str(error)


def test_an_empty_database(database: MariaDB) -> None:
    assert "the database is empty" in str(failure(place(database)))


def test_values_of_mysql_are_checked(server: Server, database: MariaDB) -> None:
    server.write(database.url)
    database.execute("ALTER TABLE `Tables` MODIFY dimension VARCHAR(9)")
    assert "row id 1: `dimension` is `4`, not a whole number" in str(failure(place(database)))
    database.execute(
        "ALTER TABLE `Tables` MODIFY dimension INT",
        "UPDATE `Tables` SET dimension = NULL WHERE id = 2",
        "COMMIT",
    )
    assert "row id 2: `dimension` is NULL" in str(failure(place(database)))


def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("META_PASSWORD", "hunter2")
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    error = failure(f"mysql://root@127.0.0.1:{port}/milvus")
    assert isinstance(error, SourceBusy)
    assert f"127.0.0.1:{port}" in str(error)


def test_a_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("META_PASSWORD", "hunter2")
    monkeypatch.setattr(metamysql, "CONNECT_SECONDS", 0.2)
    monkeypatch.setattr(metamysql, "READ_SECONDS", 0.2)
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        port = silent.getsockname()[1]
        assert isinstance(failure(f"mysql://root@127.0.0.1:{port}/milvus"), SourceBusy)


def test_a_secret_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("META_PASSWORD", raising=False)
    error = failure("mysql://root@127.0.0.1:1/milvus")
    assert isinstance(error, SecretError)


def test_packages_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("META_PASSWORD", "hunter2")

    def connect(_connection: object, _sock: object = None) -> None:
        raise RuntimeError(
            "'cryptography' package is required for sha256_password or caching_sha2_password"
        )

    monkeypatch.setattr(pymysql.connections.Connection, "connect", connect)
    error = failure("mysql://root@127.0.0.1:1/milvus")
    assert isinstance(error, PluginMissing)
    assert error.hint == "pip install cryptography"
    monkeypatch.setitem(sys.modules, "pymysql", None)
    error = failure("mysql://root@127.0.0.1:1/milvus")
    assert isinstance(error, PluginMissing)
    assert (error.hint, error.code) == ("pip install 'mmc[mysql]'", "MMC661")
