"""The built-in targets pass the suite of sinks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from mmc.testing import Ability, Client, Place, SinkSuite
from tests.servers.milvus_server import MilvusServer

NO_FAULTS = {
    Ability.FAIL_PASSING: "a file system of this machine has no faults that pass",
    Ability.KEEP_SECRETS: "local files need none",
}


class TestKitTarget(SinkSuite):
    type = "kit"
    cannot: ClassVar[Mapping[Any, str]] = {
        **NO_FAULTS,
        Ability.FAIL_FINAL: "SQLite has no call that could be spoilt from outside",
    }
    thorough = False

    def make(self, folder: Path) -> Place:
        return Place(options={"folder": str(folder / "target")})


class TestFiles(SinkSuite):
    type = "files"
    route = "files"
    cannot: ClassVar[Mapping[Any, str]] = NO_FAULTS
    thorough = False
    wrong_options = (({"url": "s3://"}, "MMC248"),)
    layout: ClassVar[str] = "parquet"

    def make(self, folder: Path) -> Place:
        return Place(options={"url": str(folder / "out"), "format": self.layout})

    def client(self) -> Client:
        return Client(owner=os, name="fsync", final=lambda: OSError(28, "No space left on device"))


class TestNumpy(TestFiles):
    layout = "numpy"


class TestJson(TestFiles):
    layout = "json"


@pytest.mark.milvus_lite
class TestLite(SinkSuite):
    type = "milvus"
    cannot: ClassVar[Mapping[Any, str]] = {
        Ability.FAIL_PASSING: "tried by tests of its own",
        Ability.FAIL_FINAL: "tried by tests of its own",
        Ability.KEEP_SECRETS: "an embedded database needs none",
        Ability.PROCESSES: "an embedded database is open in one process",
    }
    thorough = False
    wrong_options = (({"uri": "a.txt"}, "MMC241"),)
    stops = 4

    def make(self, folder: Path) -> Place:
        return Place(options={"uri": str(folder / "kit.db")})


class OnServer(SinkSuite):
    """A real Milvus 2.3.5, one for all tests of a run."""

    type = "milvus"
    cannot: ClassVar[Mapping[Any, str]] = {
        Ability.FAIL_PASSING: "tried by tests of its own",
        Ability.FAIL_FINAL: "tried by tests of its own",
        Ability.KEEP_SECRETS: "this server lets everybody in",
    }
    thorough = False
    wrong_options = (({"uri": "a.txt"}, "MMC241"),)
    stops = 8
    server: ClassVar[MilvusServer]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _server(cls, milvus_server: MilvusServer) -> None:
        cls.server = milvus_server

    def make(self, folder: Path) -> Place:
        return Place(options={"uri": self.server.uri})


class TestInsert(OnServer):
    pass


class TestBulk(OnServer):
    """Imports take seconds each, so that stops at its calls are tried with the slow tests."""

    route = "bulk"
    test_an_apply_that_stops_at_every_call_is_continued = pytest.mark.slow(
        SinkSuite.test_an_apply_that_stops_at_every_call_is_continued
    )

    def make(self, folder: Path) -> Place:
        staging = {"url": str(folder / "staging")}
        load = {"route": "bulk", "staging": staging}
        return Place(options={"uri": self.server.uri}, load=load)
