"""Servers these tests ask for."""

from __future__ import annotations

from tests.servers.elasticsearch.fixtures import elasticsearch

__all__ = ["elasticsearch"]
