"""Servers these tests ask for."""

from __future__ import annotations

from tests.servers.mariadb import mariadb, mysql_database
from tests.servers.milvus_s3 import milvus_on_s3

__all__ = ["mariadb", "milvus_on_s3", "mysql_database"]
