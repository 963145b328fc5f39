"""Servers these tests ask for."""

from __future__ import annotations

from tests.servers.mariadb import mariadb, mysql_database

__all__ = ["mariadb", "mysql_database"]
