"""Writing: replays are harmless, batches are cut and halved, and what would change is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mmc.errors import TargetError, TargetThrottled
from mmc.milvus.connect import Connection
from tests.servers.milvus_lite import a_split, copy_step, create_step, open_lite
from tests.sinks.milvus.collections import (
    batch_of,
    field,
    read,
    same,
    small,
    small_rows,
    write,
)

pytestmark = pytest.mark.milvus_lite


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The writing calls that are really made, with their rows."""
    made: list[tuple[str, int]] = []
    real = Connection.call

    def noted(self: Connection, method: str, request: Any) -> Any:
        if method != "Query":
            made.append((method, request.num_rows))
        return real(self, method, request)

    monkeypatch.setattr(Connection, "call", noted)
    return made


@pytest.mark.parametrize("planned", ["insert", "upsert"])
def test_a_split_can_be_replayed_over_a_part_of_itself(tmp_path: Path, planned: str) -> None:
    collection = small()
    rows = small_rows(collection, list(range(50)))
    with open_lite(tmp_path) as target:
        target.ensure(create_step(collection))
        writer = target.writer(copy_step(collection, planned), a_split(), replay=False)
        writer.write(rows.slice(0, 20))
        writer.abort()
    for replay in (1, 2):
        with open_lite(tmp_path) as target:
            write(target, collection, rows, write=planned, replay=True)
            assert target.count(collection) == 50, replay
            same(read(target, collection), rows)


def test_a_row_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """Milvus Lite's own upsert keeps dynamic keys of the old row; a Milvus server does not."""
    collection = small(dynamic=True)
    old = small_rows(collection, [1], "old", meta=['{"gone":1,"kept":1}'])
    new = small_rows(collection, [1], "new", meta=['{"kept":2}'])
    with open_lite(tmp_path) as target:
        target.ensure(create_step(collection))
        write(target, collection, old)
        write(target, collection, new, write="upsert")
        same(read(target, collection), new)


def test_batches_are_cut_by_bytes(tmp_path: Path, calls: list[tuple[str, int]]) -> None:
    collection = small()
    rows = small_rows(collection, list(range(100)))
    with open_lite(tmp_path) as target:
        target.ensure(create_step(collection))
        write(target, collection, rows, batch_bytes=rows.nbytes // 4)
        assert len(calls) in (4, 5)
        assert sum(count for _, count in calls) == 100
        same(read(target, collection), rows)


def test_batches_are_halved_when_the_server_says_so(
    tmp_path: Path, calls: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("milvus_lite.adapter.grpc.server._MAX_MESSAGE_SIZE", 16_384)
    collection = small()
    rows = small_rows(collection, list(range(600)), text="x" * 90)
    with open_lite(tmp_path) as target:
        target.ensure(create_step(collection))
        write(target, collection, rows)
        assert calls[0] == ("Insert", 600)
        assert calls[1][1] == 300
        assert target.count(collection) == 600
        same(read(target, collection), rows)


def test_a_row_larger_than_a_message_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("milvus_lite.adapter.grpc.server._MAX_MESSAGE_SIZE", 4_096)
    fields = small().fields
    collection = small()
    collection = type(collection)("c", (fields[0], field("t", "varchar(9000)"), fields[2]))
    rows = small_rows(collection, [1, 2], text="x" * 5_000)
    with open_lite(tmp_path) as target:
        target.ensure(create_step(collection))
        with pytest.raises(TargetError, match="one row is too large") as caught:
            write(target, collection, rows)
        assert not caught.value.retryable
        assert caught.value.code == "MMC509"


def test_what_the_server_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    collection = small()
    rows = small_rows(collection, [1], text="x" * 101)
    with open_lite(tmp_path) as target:
        target.ensure(create_step(collection))
        with pytest.raises(TargetError, match=r"insert c: .*'t'.*exceeds max_length=100"):
            write(target, collection, rows)
        with pytest.raises(TargetError, match="count other"):
            target.count(type(collection)("other", collection.fields))


def test_after_a_failed_call_a_writer_replaces(tmp_path: Path) -> None:
    collection = small()
    with open_lite(tmp_path) as target:
        target.ensure(create_step(collection))
        writer = target.writer(copy_step(collection), a_split(), replay=False)
        assert writer._insert
        with pytest.raises(TargetError):
            writer.write(small_rows(collection, [1], text="x" * 101))
        assert not writer._insert


def test_rows_that_a_server_refuses_for_now_are_written_next(
    tmp_path: Path, calls: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks at its limits before it does anything, so the rest is no replay."""
    made = Connection.call
    limited = [False, True, False]

    def call(self: Connection, method: str, request: Any) -> Any:
        if method == "Insert" and limited and limited.pop(0):
            raise TargetThrottled("rate limit exceeded")
        return made(self, method, request)

    monkeypatch.setattr(Connection, "call", call)
    collection = small()
    rows = small_rows(collection, list(range(100)))
    with open_lite(tmp_path) as target:
        target.ensure(create_step(collection))
        step = copy_step(collection, batch_bytes=rows.nbytes // 2 + 100)
        writer = target.writer(step, a_split(), replay=False)
        with pytest.raises(TargetThrottled) as caught:
            writer.write(rows)
        assert caught.value.rows_written == 50
        writer.write(rows.slice(50))
        assert calls == [("Insert", 50), ("Insert", 50)]
        same(read(target, collection), rows)


@pytest.mark.parametrize(
    ("meta", "key"),
    [
        ('{"ok":1,"t":2}', "t"),
        ('{"\\u0074":2}', "t"),
        ('{"_seq":1}', "_seq"),
        ('{"_partition":"x"}', "_partition"),
        ('{"$meta":{}}', "$meta"),
    ],
)
def test_dynamic_keys_that_would_be_lost_are_refused(tmp_path: Path, meta: str, key: str) -> None:
    collection = small(dynamic=True)
    fine = '{"a":"t","x":{"t":1},"y":"\\"t\\""}'
    rows = small_rows(collection, [7, 8], meta=[fine, meta])
    with open_lite(tmp_path) as target:
        target.ensure(create_step(collection))
        with pytest.raises(TargetError, match="row with id 8") as caught:
            write(target, collection, rows)
        assert f"a key `{key}`" in str(caught.value)
        assert caught.value.code == "MMC508"
        assert target.count(collection) == 0
        write(target, collection, rows.slice(0, 1))
        same(read(target, collection), rows.slice(0, 1))


@pytest.mark.parametrize(
    ("vector", "words"),
    [
        ([(1, 0.0)], "weight 0.0"),
        ([(1, 1.0), (2, -1.0)], "weight -1.0"),
        ([], "empty sparse vector"),
    ],
)
def test_sparse_vectors_that_would_change_are_refused(
    tmp_path: Path, vector: list[tuple[int, float]], words: str
) -> None:
    fields = (field("id", "int64", primary_key=True), field("s", "sparse_float_vector"))
    collection = type(small())("c", fields)
    rows = batch_of(collection, {"id": [7, 8, 9], "s": [[(1, 1.0)], vector, [(1, 1.0)]]})
    with open_lite(tmp_path) as target:
        target.ensure(create_step(collection))
        for part in (rows, rows.slice(1)):
            with pytest.raises(TargetError, match="row with id 8") as caught:
                write(target, collection, part)
            assert words in str(caught.value)
        assert target.count(collection) == 0
        write(target, collection, rows.slice(2))
        same(read(target, collection), rows.slice(2))
