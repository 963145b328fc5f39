"""How the database of the state store is opened: SQLite by default, MySQL by URL. Knows no plan and
no run.

SQLite: WAL, so that `status` reads while a run writes; every writing transaction begins with BEGIN
    IMMEDIATE, because with SQLite's default two processes that read and then write lose updates;
    synchronous=FULL, because a lost "begun" row would let a replayed split be taken for a first
    attempt. MySQL: READ COMMITTED, microseconds, LONGTEXT, and names as bytes: its own text takes
    names that differ in case, accents or trailing blanks for one.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from mmc.errors import PluginMissing, StateBusy, StateDamaged, StateError, StateMissing
from mmc.state.snapshot import snapshot, unwritable
from mmc.state.tables import MYSQL, Name, Text, metadata, versions
from mmc.storage.names import is_text

STORE_VERSION = 5
"""Version of the tables. A store of a newer version is refused, one of an older version altered:
version 2 has one table more than 1, version 3 holds names exactly on MySQL, version 4 has attempts,
events and progress, version 5 what no column took.
"""
BUSY_SECONDS = 30.0
"""How long a transaction waits for another process's."""

CONNECT_SECONDS = 10
"""How long a connection to a database server may take to come about."""
ANSWER_SECONDS = 20
"""How long one answer of a database server may take: less than a lease lasts, so that a store that
is cut off is noticed before another process may take over.
"""


_AWAY = frozenset({1040, 1053, 1152, 1205, 1213, 1927, 2002, 2003, 2006, 2013, 2055, 4031})
"""Errors of MySQL and its clients: too many connections, shutting down, cut off, a lock that was
not given, not reachable, gone.
"""


class Access(StrEnum):
    """What a store is opened for. MAKE: also one that is not there yet. What only reads must not
    make one, for a mistyped URL would look like a store without runs, and needs no permission to
    write.
    """

    MAKE = "make"
    CHANGE = "change"
    READ = "read"


RESTART_WAITS = (0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 6.4, 6.4)
"""Seconds between tries while a database server is away: some half a minute, which is what a
restart takes.
"""

P = ParamSpec("P")
R = TypeVar("R")


def survives_restart(transaction: Callable[P, R]) -> Callable[P, R]:
    """A method that is one transaction, and harmless to repeat where nobody knows whether it was
    committed: it is tried again while the database server is away.

    Raises:
        StateBusy: it stayed away.
    """

    @wraps(transaction)
    def repeated(*args: P.args, **kwargs: P.kwargs) -> R:
        for wait in RESTART_WAITS:
            try:
                return transaction(*args, **kwargs)
            except StateBusy:
                time.sleep(wait)
        return transaction(*args, **kwargs)

    return repeated


class Database:
    """An open state database. One for a process; its connections may be used by several threads,
    one each.
    """

    def __init__(self, url: str, access: Access = Access.MAKE) -> None:
        """Connects, and makes folder, file and tables as needed.

        Args:
            url: SQLAlchemy's.

        Raises:
            StateError: no such database, no access, or a store of a newer mmc. The URL is shown
                without password.
            StateBusy: it is being written, and this user may not write to it.
            PluginMissing: the driver that the URL names is not installed.
        """
        self.shown = _shown(url)
        with self._translated():
            if access is not Access.MAKE:
                _must_exist(url, self.shown)
            self._engine = _engine(url, access)
            self._check_version()
        self._file = _file_of(self._engine)

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that holds the write lock from its first statement, then commits."""
        with self._translated(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A consistent look that waits for no writer."""
        with self._translated(), self._engine.connect() as connection:
            yield connection.execution_options(mmc_reads_only=True)

    def close(self) -> None:
        self._engine.dispose()

    def is_there(self) -> bool:
        """Whether the file that was opened is still under its name; of a database server always."""
        return self._file is None or self._file == _file_of(self._engine)

    def _check_version(self) -> None:
        """Makes the tables when there are none; a store that is there is only read."""
        with self.reading() as connection:
            known = sa.inspect(connection).has_table(versions.name)
            found = connection.execute(sa.select(versions.c.version)).scalar() if known else None
        if found is None:
            with self.writing() as connection:
                metadata.create_all(connection)
                found = connection.execute(sa.select(versions.c.version)).scalar()
                if found is None:
                    connection.execute(versions.insert().values(id=1, version=STORE_VERSION))
                    return
        if not isinstance(found, int) or found < 1:
            self.close()
            raise StateDamaged(
                f"state store {self.shown}: mmc_version: version is not a whole number from 1, but"
                f" {found!r:.60}",
                hint=f"put the right value back, {STORE_VERSION} if this mmc wrote it, or use"
                " another store with --state",
                code="MMC586",
            )
        if found < STORE_VERSION:
            with self.writing() as connection:
                metadata.create_all(connection)
                _add_columns(connection)
                _hold_names_exactly(connection)
                connection.execute(versions.update().values(version=STORE_VERSION))
        if found > STORE_VERSION:
            self.close()
            raise StateError(
                f"state store {self.shown} is of version {found};"
                f" this mmc reads version {STORE_VERSION}",
                hint="use the newer mmc that wrote it, or another store with --state",
                code="MMC641",
            )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
            kind = StateBusy if _is_away(error) else StateError
            hint = "check the --state URL, its folder and its disk; then apply again"
            if getattr(cause, "sqlite_errorcode", 0) == sqlite3.SQLITE_BUSY:
                hint = (
                    "another process is writing it, and may be suspended: `mmc status` says who"
                    " runs; let it go on or end it, then apply again"
                )
            if isinstance(error, PermissionError):
                hint = "ask its owner for the permission to read it, and to enter its folder"
            raise kind(
                f"state store {self.shown}: {cause}",
                hint=hint,
                code="MMC640",
            ) from None


def _is_away(error: Exception) -> bool:
    """Whether a database server did not answer, or broke off: asked again it may be there."""
    if not isinstance(error, DBAPIError) or error.orig is None:
        return False
    return error.connection_invalidated or (error.orig.args or ("",))[0] in _AWAY


def _file_of(engine: sa.Engine) -> tuple[int, int] | None:
    """Device and number of a SQLite file; None where it is not there, or where there is none."""
    if engine.dialect.name != "sqlite" or engine.url.database is None:
        return None
    try:
        seen = Path(engine.url.database).stat()
    except OSError:
        return (0, 0)
    return seen.st_dev, seen.st_ino


def _add_columns(connection: sa.Connection) -> None:
    """Adds the columns that an older version has not, which may all be null."""
    look, dialect = sa.inspect(connection), connection.dialect
    for table in metadata.sorted_tables:
        there = {column["name"] for column in look.get_columns(table.name)}
        for column in table.columns:
            if column.name not in there:
                added = f"{column.name} {column.type.compile(dialect)}"
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {added}")


def _hold_names_exactly(connection: sa.Connection) -> None:
    """Alters the tables of a MySQL store of version 1 or 2. A column that is altered already stays
    as it is: MySQL commits each statement, so an upgrade may have been cut off half way.
    """
    if connection.dialect.name not in MYSQL:
        return
    look, quote = sa.inspect(connection), connection.dialect.identifier_preparer.quote
    for table in metadata.sorted_tables:
        there = {column["name"]: column["type"] for column in look.get_columns(table.name)}
        wrong = {
            column.name: column.type.characters
            for column in table.columns
            if isinstance(column.type, Name) and not isinstance(there[column.name], sa.VARBINARY)
        }
        # The bytes of a column are those of its character set, which was the database's.
        for type_ in ("VARCHAR({0}) CHARACTER SET utf8mb4", "VARBINARY({1})"):
            changes = [
                f"MODIFY {quote(name)} {type_.format(size, 4 * size)} NOT NULL"
                for name, size in wrong.items()
            ]
            if changes:
                connection.exec_driver_sql(f"ALTER TABLE {table.name} {', '.join(changes)}")
        texts = [column.name for column in table.columns if column.type is Text]
        changes = [
            f"MODIFY {quote(name)} LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin "
            f"{'NULL' if table.c[name].nullable else 'NOT NULL'}"
            for name in texts
        ]
        if changes:
            connection.exec_driver_sql(f"ALTER TABLE {table.name} {', '.join(changes)}")


def _shown(url: str) -> str:
    """The URL without its password and its query, which may have one too."""
    if not is_text(url):
        raise StateError(
            "the state URL is not UTF-8",
            hint="put the store in a folder whose name is, or rename the folder",
            code="MMC640",
        )
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):
        raise StateError(
            "the state URL does not parse",
            hint="such as sqlite:///.mmc/state.db or mysql+pymysql://user:password@host/database",
            code="MMC640",
        ) from None
    if parsed.get_backend_name() not in ("sqlite", *MYSQL):
        raise StateError(
            f"the state store cannot be a database of the kind {parsed.drivername}",
            hint="use sqlite:///.mmc/state.db, or mysql+pymysql://user:password@host/database",
            code="MMC640",
        )
    if parsed.get_backend_name() in MYSQL and not parsed.database:
        raise StateError(
            "the state URL names no database",
            hint="add it: mysql+pymysql://user:password@host/database",
            code="MMC640",
        )
    hidden = "?..." if parsed.query else ""
    return parsed.set(query={}).render_as_string(hide_password=True) + hidden


def _must_exist(url: str, shown: str) -> None:
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").is_file():
        raise StateMissing(
            f"no state store at {shown}",
            hint="`mmc apply` makes it; run this in the same folder, or give the same --state",
            code="MMC643",
        )


def _engine(url: str, access: Access) -> sa.Engine:
    parsed = sa.make_url(url)
    options: dict[str, Any] = {}
    sqlite = parsed.get_backend_name() == "sqlite"
    if sqlite:
        if not parsed.database or parsed.database == ":memory:":
            raise StateError(
                "the state store needs a file: a run in memory cannot be continued", code="MMC640"
            )
        path = Path(parsed.database)
        if path.exists() and (locked := unwritable(path)):
            if access is not Access.READ:
                raise _may_not_write(locked, path)
            copy = snapshot(path)
            parsed = sa.make_url("sqlite://")
            options |= {"creator": lambda: copy, "poolclass": sa.StaticPool}
        else:
            _make_private(path)
            options["connect_args"] = {"timeout": BUSY_SECONDS}
    else:
        options["isolation_level"] = "READ COMMITTED"
        options["pool_pre_ping"] = True
        options["connect_args"] = {
            "connect_timeout": CONNECT_SECONDS,
            "read_timeout": ANSWER_SECONDS,
            "write_timeout": ANSWER_SECONDS,
        }
    try:
        engine = sa.create_engine(parsed, **options)
    except NoSuchModuleError:
        raise StateError(
            f"no such kind of database: {parsed.drivername}",
            hint="sqlite or mysql+pymysql",
            code="MMC640",
        ) from None
    except ImportError as error:
        raise PluginMissing(
            f"the state URL needs the module `{error.name}`, which is not installed",
            hint="pip install pymysql, and write mysql+pymysql:// in the URL",
            code="MMC661",
        ) from None
    if sqlite:
        sa.event.listen(engine, "connect", _sqlite_connect)
        sa.event.listen(engine, "begin", _sqlite_begin)
    return engine


def _may_not_write(locked: Path, database: Path) -> StateError:
    what = "its folder" if locked == database.parent else locked.name
    return StateError(
        f"state store {database}: this user cannot write to {what}",
        hint="run this as the user who applied the plan, on a disk that is not read-only;"
        " `mmc status`, `mmc state list`, `mmc state show` and `mmc verify` only read",
        code="MMC640",
    )


def _make_private(path: Path) -> None:
    """A new file that only its owner can read, in new folders of the same kind: plans have
    addresses in them.
    """
    for folder in reversed(path.parent.parents):
        if not folder.exists():
            folder.mkdir(0o700, exist_ok=True)
    path.parent.mkdir(0o700, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _sqlite_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _sqlite_begin(connection: sa.Connection) -> None:
    reads_only = connection.get_execution_options().get("mmc_reads_only", False)
    connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")
