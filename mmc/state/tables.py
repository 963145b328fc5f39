"""Tables of the state store.

On MySQL: microseconds, LONGTEXT, and names as bytes: its own text takes names that differ in case,
    accents or trailing blanks for one.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, sqlite

MYSQL = ("mysql", "mariadb")


class Name(sa.TypeDecorator[str]):
    """A short text that equals no other: on MySQL and MariaDB the bytes of its UTF-8, so that no
    collation folds case or accents, or pads with blanks.
    """

    impl = sa.String
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        if dialect.name in MYSQL:
            return dialect.type_descriptor(mysql.VARBINARY(4 * self.characters))
        return dialect.type_descriptor(sa.String(self.characters))

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> Any:
        return value.encode() if value is not None and dialect.name in MYSQL else value

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> str | None:
        try:
            return value.decode() if isinstance(value, bytes) else value
        except UnicodeDecodeError:
            return value  # type: ignore[no-any-return]  # `rows` says what is wrong with it

    @property
    def characters(self) -> int:
        length = self.impl_instance.length  # type: ignore[attr-defined]
        assert isinstance(length, int)
        return length


class _AsItIs(sqlite.DATETIME):
    """A time of SQLite; what is none comes as it is, for `rows` says what is wrong with it."""

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Any:
        parse = super().result_processor(dialect, coltype)
        assert parse is not None

        def read(value: Any) -> Any:
            try:
                return parse(value)
            except (TypeError, ValueError):
                return value

        return read


class Time(sa.TypeDecorator[datetime]):
    """A time, held in UTC without a zone; on MySQL and MariaDB with its microseconds."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        if dialect.name in MYSQL:
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        if dialect.name == "sqlite":
            return dialect.type_descriptor(_AsItIs())  # type: ignore[no-untyped-call]
        return dialect.type_descriptor(sa.DateTime())

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None or value.tzinfo is None:
            return value
        return value.astimezone(UTC).replace(tzinfo=None)


metadata = sa.MetaData()
Text = sa.Text().with_variant(mysql.LONGTEXT(charset="utf8mb4", collation="utf8mb4_bin"), *MYSQL)
Count = sa.BigInteger

versions = sa.Table(
    "mmc_version",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("version", sa.Integer, nullable=False),
)
runs = sa.Table(
    "mmc_runs",
    metadata,
    sa.Column("run", Name(32), primary_key=True),
    sa.Column("plan_digest", Name(64), nullable=False, unique=True),
    sa.Column("plan_name", Name(255), nullable=False),
    sa.Column("target_key", Name(64), nullable=False, index=True),
    sa.Column("plan", Text, nullable=False),
    sa.Column("status", Name(16), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("started_at", Time, nullable=False),
    sa.Column("finished_at", Time),
    sa.Column("error", Text, nullable=False),
)
steps = sa.Table(
    "mmc_steps",
    metadata,
    sa.Column("run", Name(32), primary_key=True),
    sa.Column("step", Name(255), primary_key=True),
    sa.Column("kind", Name(32), nullable=False),
    sa.Column("status", Name(16), nullable=False),
    sa.Column("result", Text, nullable=False),
    sa.Column("started_at", Time, nullable=False),
    sa.Column("finished_at", Time),
)
splits = sa.Table(
    "mmc_splits",
    metadata,
    sa.Column("run", Name(32), primary_key=True),
    sa.Column("step", Name(255), primary_key=True),
    sa.Column("split", Name(64), primary_key=True),
    sa.Column("status", Name(16), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("rows_read", Count, nullable=False),
    sa.Column("rows_written", Count, nullable=False),
    sa.Column("rows_filtered", Count, nullable=False),
    sa.Column("rows_quarantined", Count, nullable=False),
    sa.Column("bytes_read", Count, nullable=False),
    sa.Column("digest", Name(128), nullable=False),
    sa.Column("files", Text, nullable=False),
    sa.Column("quarantine", Text, nullable=False),
    sa.Column("reasons", Text, nullable=False),
    sa.Column("unmapped", Text),
    sa.Column("started_at", Time, nullable=False),
    sa.Column("finished_at", Time),
)
imports = sa.Table(
    "mmc_imports",
    metadata,
    sa.Column("run", Name(32), primary_key=True),
    sa.Column("step", Name(255), primary_key=True),
    sa.Column("request", Name(64), primary_key=True),
    sa.Column("splits", Text, nullable=False),
    sa.Column("status", Name(16), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("task", Name(255), nullable=False),
    sa.Column("earlier", Text, nullable=False),
    sa.Column("rows", Count, nullable=False),
    sa.Column("asked_at", Time, nullable=False),
    sa.Column("finished_at", Time),
)
leases = sa.Table(
    "mmc_leases",
    metadata,
    sa.Column("lease", Name(64), primary_key=True),
    sa.Column("target", Text, nullable=False),
    sa.Column("owner", Name(128), nullable=False),
    sa.Column("host", Name(255), nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("acquired_at", Time, nullable=False),
    sa.Column("expires_at", Time, nullable=False),
)
attempts = sa.Table(
    "mmc_attempts",
    metadata,
    sa.Column("run", Name(32), primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("owner", Name(128), nullable=False),
    sa.Column("host", Name(255), nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("status", Name(16), nullable=False),
    sa.Column("error", Text, nullable=False),
    sa.Column("started_at", Time, nullable=False),
    sa.Column("finished_at", Time),
)
events = sa.Table(
    "mmc_events",
    metadata,
    sa.Column("run", Name(32), primary_key=True),
    sa.Column("number", Count, primary_key=True, autoincrement=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("at", Time, nullable=False),
    sa.Column("kind", Name(32), nullable=False),
    sa.Column("fields", Text, nullable=False),
)
progress = sa.Table(
    "mmc_progress",
    metadata,
    sa.Column("run", Name(32), primary_key=True),
    sa.Column("step", Name(255), primary_key=True),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("label", Text, nullable=False),
    sa.Column("seconds", sa.Double, nullable=False),
    sa.Column("rows", Count, nullable=False),
    sa.Column("total_rows", Count),
    sa.Column("bytes", Count, nullable=False),
    sa.Column("total_bytes", Count, nullable=False),
    sa.Column("quarantined", Count, nullable=False),
    sa.Column("splits", Count, nullable=False),
    sa.Column("splits_done", Count, nullable=False),
    sa.Column("rows_per_second", sa.Double, nullable=False),
    sa.Column("bytes_per_second", sa.Double, nullable=False),
    sa.Column("updated_at", Time, nullable=False),
)
