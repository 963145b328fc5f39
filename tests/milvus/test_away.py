"""A server that goes away and comes back: here Milvus Lite's, at a port of its own, which the sink
takes for a server. Also one that is merely silent, as a source may be for minutes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from mmc.errors import TargetAway
from mmc.events import Event, Retrying
from mmc.milvus.look import look
from mmc.plan.model import AwaitIndexes, BuildIndex, LoadCollection
from mmc.run import inspect as looking
from mmc.run.pace import call
from mmc.sinks.milvus.insert.sink import MilvusInsertSink
from mmc.sinks.milvus.insert.target import InsertTarget
from mmc.sinks.milvus.options import MilvusTargetOptions
from mmc.types import Index, Metric
from tests.servers.milvus_lite import create_step, lite_options, open_lite, options_at
from tests.servers.milvus_server import _free_ports
from tests.sinks.milvus.collections import read, same, small, small_rows, write
from tests.spec.reading import endpoint_of

pytestmark = pytest.mark.milvus_lite

COLLECTION = small(partitions=("p",))
NEXT = replace(COLLECTION, name="next")


@dataclass
class Server:
    """Milvus Lite's server, which can be stopped and started again."""

    folder: Path
    port: int
    running: Any = None

    def start(self) -> None:
        from milvus_lite.adapter.grpc.server import start_server_in_thread

        self.running = start_server_in_thread(str(self.folder), port=self.port)[:2]

    def stop(self) -> None:
        if self.running is not None:
            server, database = self.running
            server.stop(grace=0).wait()
            database.close()
            self.running = None

    @property
    def options(self) -> MilvusTargetOptions:
        return options_at(f"http://127.0.0.1:{self.port}", timeout=20.0)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "server.db", _free_ports(1)[0])
    made.start()
    yield made
    made.stop()


CALLS: Sequence[tuple[str, Callable[[InsertTarget], object]]] = (
    ("look for a collection", lambda target: look(target._connection, ["c"])),
    ("create collection and partition", lambda target: target.ensure(create_step(NEXT))),
    (
        "create index",
        lambda target: target.build_index(
            BuildIndex(id="i", collection="c", field="v", index=Index("FLAT", Metric.L2))
        ),
    ),
    ("load", lambda target: target.load(LoadCollection(id="l", collection="c"))),
    ("flush", lambda target: target.await_indexes(AwaitIndexes("a", "c"))),
    ("count", lambda target: target.count(COLLECTION)),
    ("raw query", lambda target: read(target, COLLECTION)),
    ("raw insert", lambda target: write(target, COLLECTION, small_rows(COLLECTION, [1]))),
)


def test_every_call_is_tried_again_until_the_server_is_back(server: Server) -> None:
    told: list[Event] = []
    with MilvusInsertSink().open(server.options) as target:
        target.ensure(create_step(COLLECTION))
        server.stop()
        for what, function in CALLS:
            with pytest.raises(TargetAway) as caught:
                function(target)
            assert (caught.value.code, caught.value.retryable) == ("MMC506", True), what
        back = threading.Timer(0.5, server.start)
        back.start()
        for what, function in CALLS:
            call(what, lambda function=function: function(target), emit=told.append)
        back.join()
        assert read(target, COLLECTION).num_rows == 1
    assert [event.what for event in told if isinstance(event, Retrying)]


def test_a_target_that_is_away_when_it_is_looked_at(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = endpoint_of(server.options)
    told: list[Event] = []
    server.stop()
    back = threading.Timer(0.7, server.start)
    back.start()
    facts = looking.reach_target(endpoint, "insert", [], told.append)
    back.join()
    assert facts.version.startswith("milvus-lite")
    assert [event.attempt for event in told if isinstance(event, Retrying)][:1] == [1]
    server.stop()
    monkeypatch.setattr(looking, "LOOKS", 1)
    with pytest.raises(TargetAway, match="cannot connect to http://127") as caught:
        looking.reach_target(endpoint, "insert", [], told.append)
    assert caught.value.code == "MMC500"
    assert "refused" in str(caught.value)


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Options of every channel that is opened."""
    opened: list[dict[str, Any]] = []
    real = grpc.insecure_channel

    def channel(target: str, options: Any = None, **more: Any) -> grpc.Channel:
        opened.append({name: value for name, value in options or () if isinstance(name, str)})
        return real(target, options=options, **more)

    monkeypatch.setattr(grpc, "insecure_channel", channel)
    return opened


def test_an_embedded_server_is_not_pinged(
    tmp_path: Path, server: Server, options: list[dict[str, Any]]
) -> None:
    """It closes a connection that is pinged without a call: some 50 s between two batches ended an
    apply. A real server is pinged: else nobody would notice that its machine is gone.
    """
    with open_lite(tmp_path), MilvusInsertSink().open(lite_options(tmp_path, "shop")) as target:
        target._connection.ensure_database()
    assert len(options) == 3
    for one in options:
        assert one["grpc.keepalive_time_ms"] == 2**31 - 1
        assert not one["grpc.keepalive_permit_without_calls"]
    options.clear()
    with MilvusInsertSink().open(server.options):
        pass
    assert [one["grpc.keepalive_time_ms"] for one in options] == [10_000]


@pytest.mark.slow
def test_a_source_that_is_silent_for_minutes(tmp_path: Path) -> None:
    with open_lite(tmp_path) as target:
        target.ensure(create_step(COLLECTION))
        rows = small_rows(COLLECTION, [0, 1, 2])
        for number in range(3):
            time.sleep(90 if number else 0)
            write(target, COLLECTION, rows.slice(number, 1))
        same(read(target, COLLECTION), rows)
