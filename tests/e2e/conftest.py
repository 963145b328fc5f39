"""Servers these tests ask for."""

from __future__ import annotations

from tests.servers.elasticsearch.fixtures import elasticsearch, own_elasticsearch
from tests.servers.mariadb import mariadb, mysql_database

__all__ = ["elasticsearch", "mariadb", "mysql_database", "own_elasticsearch"]
