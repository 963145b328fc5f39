"""The MySQL or MariaDB database that a server kept its metadata in, as a Database.

Everything is read in one transaction on a consistent snapshot: a server that runs meanwhile cannot
show half of a merge. Tables of Milvus 1.1: `db/meta/MySQLMetaImpl.cpp`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mmc.errors import PluginMissing, SourceBusy, SourceError
from mmc.secrets import Reference, SecretRef, resolve
from mmc.sources.milvus1.meta.tables import Row
from mmc.spec.patterns import SECRET_KEY

if TYPE_CHECKING:
    import sqlalchemy as sa

CONNECT_SECONDS = 10
READ_SECONDS = 60
_DRIVERS = {
    "mysql": "mysql+pymysql",
    "mysql+pymysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
    "mariadb+pymysql": "mariadb+pymysql",
}
SCHEMES = tuple(f"{name}://" for name in _DRIVERS)
_FORM = "mysql+pymysql://user@host:3306/database, and the password as meta_password"
_FINAL = {
    1044: "the user may not use this database",
    1045: "user or password is wrong: check the URL and meta_password",
    1049: "check the name of the database at the end of the URL",
    1142: "the user needs SELECT on the tables of the database",
    1143: "the user needs SELECT on the tables of the database",
    1698: "user or password is wrong: check the URL and meta_password",
}
"""Error numbers of the server that trying again does not help, and what does."""
_PASSING = frozenset({1040, 1053, 1152, 1158, 1159, 1160, 1161, 1203, 1205, 1213, 1226, 1412})
"""Too many connections, shutting down, time-outs, a table that was changed meanwhile."""


class MySqlDatabase:
    """See `mmc.sources.milvus1.meta.tables.Database`."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        found = connection.exec_driver_sql(
            "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS"
            " WHERE TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME, ORDINAL_POSITION"
        )
        self.columns: dict[str, list[str]] = {}
        for table, column in found:
            self.columns.setdefault(table, []).append(column)

    def select(self, table: str, columns: Sequence[str]) -> Iterable[Row]:
        names = ", ".join(_quoted(column) for column in columns)
        order = " ORDER BY `id`" if "id" in columns else ""
        found = self._connection.exec_driver_sql(f"SELECT {names} FROM {_quoted(table)}{order}")
        return [tuple(row) for row in found]


def shown(url: str) -> str:
    """The URL for messages: without its password, or without anything where it does not parse.

    Raises:
        SourceError: it does not parse, or holds a password.
    """
    return _without_password(_parsed(url))


@contextmanager
def open_mysql(url: str, password: SecretRef | Reference | None) -> Iterator[MySqlDatabase]:
    """Connects, reads only.

    Args:
        url: `mysql://user@host:3306/database`, as Milvus 1.x and SQLAlchemy write it.
        password: None for a user without a password.

    Raises:
        PluginMissing: no driver.
        SecretError: the reference does not resolve.
        SourceError: the URL does not fit, or the server refuses.
        SourceBusy: it cannot be reached, or not now.
    """
    from sqlalchemy.exc import DBAPIError

    where = shown(url)
    parsed = _parsed(url)
    engine = _engine(parsed.set(drivername=_DRIVERS[parsed.drivername], password=resolve(password)))
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            yield MySqlDatabase(connection)
    except DBAPIError as error:
        raise _translated(where, error) from None
    except RuntimeError as error:
        if "cryptography" not in str(error):
            raise
        raise PluginMissing(
            f"{where}: this server's way to log in needs the package `cryptography`",
            hint="pip install cryptography",
            code="MMC661",
        ) from None
    finally:
        engine.dispose()


def _parsed(url: str) -> sa.URL:
    import sqlalchemy as sa
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):
        # The text may hold a password: it is not shown.
        raise SourceError(
            "the URL of the metadata database does not parse", hint=_FORM, code="MMC414"
        ) from None
    if parsed.password or any(SECRET_KEY.fullmatch(name) for name in parsed.query):
        raise SourceError(
            "the URL of the metadata database has a password in it", hint=_FORM, code="MMC222"
        )
    if parsed.drivername not in _DRIVERS or not parsed.host or not parsed.database:
        lacks = "host" if not parsed.host else "name of a database"
        if parsed.drivername not in _DRIVERS:
            lacks = "driver that mmc has"
        raise SourceError(
            f"{_without_password(parsed)}: has no {lacks}",
            hint=_FORM,
            code="MMC414",
        )
    return parsed


def _without_password(url: sa.URL) -> str:
    """`user:@host`, an empty password, would be drawn as if there were one."""
    plain = url.create(url.drivername, url.username, None, url.host, url.port, url.database)
    return plain.render_as_string()


def _engine(url: sa.URL) -> sa.Engine:
    import sqlalchemy as sa

    try:
        return sa.create_engine(
            url,
            poolclass=sa.NullPool,
            # The driver opens no transaction of its own: `open_mysql` does.
            isolation_level="AUTOCOMMIT",
            connect_args={
                "connect_timeout": CONNECT_SECONDS,
                "read_timeout": READ_SECONDS,
                "write_timeout": READ_SECONDS,
                "charset": "utf8mb4",
            },
        )
    except ImportError as error:
        raise PluginMissing(
            f"metadata in MySQL needs the module `{error.name}`, which is not installed",
            hint="pip install 'mmc[mysql]'",
            code="MMC661",
        ) from None


def _translated(where: str, error: Exception) -> SourceError:
    cause = getattr(error, "orig", None) or error
    number = cause.args[0] if cause.args and isinstance(cause.args[0], int) else 0
    text = str(cause.args[1]) if len(cause.args) > 1 else str(cause)
    if number in _FINAL:
        return SourceError(f"{where}: {text}", hint=_FINAL[number], code="MMC414")
    if 2000 <= number < 3000 or number in _PASSING:  # 2xxx: the client's, about the connection
        hint = "check host and port, and that the server runs and lets this machine in"
        return SourceBusy(f"{where}: cannot be read now: {text}", hint=hint, code="MMC414")
    return SourceError(f"{where}: the database refuses: {text}", code="MMC414")


def _quoted(name: str) -> str:
    # pymysql would take a percent sign for a parameter only when parameters are given.
    return "`" + name.replace("`", "``") + "`"
