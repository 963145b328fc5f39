"""The log: its bytes, what of it is pending, and what replaying it gives."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from tests.generators.milvus1.codes import Metric
from tests.generators.milvus1.generate import generate, seeds
from tests.generators.milvus1.layout import floats
from tests.generators.milvus1.truth import Pending
from tests.generators.milvus1.writer import Collection, Server


def logged() -> tuple[Server, Collection]:
    """Rows 1 to 4 in segments, 2 and 3 under "p"; nothing in the log yet."""
    server = Server(Path())
    words = server.collection("words", 8)
    words.segment([1, 4], floats(2, 8))
    words.partition("p").segment([2, 3, 1], floats(3, 8))
    return server, words


def placed(server: Server) -> list[tuple[str, int]]:
    return [(row.tag, row.id) for row in server.truth("replay")["words"].rows]


def test_replay_goes_in_order() -> None:
    server, words = logged()
    server.log.insert(words, [7], floats(1, 8), tag="p")
    server.log.delete(words, [7, 4])
    server.log.insert(words, [7, 4], floats(2, 8))
    assert placed(server) == [("", 1), ("p", 2), ("p", 3), ("p", 1), ("", 7), ("", 4)]
    assert server.pending() == {"words": Pending(3, 2)}
    assert [row.id for row in server.truth()["words"].rows] == [1, 4, 2, 3, 1]


@pytest.mark.parametrize(
    ("tag", "left"),
    [
        ("", [("", 4), ("p", 3)]),
        ("p", [("", 1), ("", 4), ("p", 3)]),
        ("_default", [("", 4), ("p", 2), ("p", 3), ("p", 1)]),
        ("gone", [("", 1), ("", 4), ("p", 2), ("p", 3), ("p", 1)]),
    ],
)
def test_replayed_deletes_by_tag(tag: str, left: list[tuple[str, int]]) -> None:
    server, words = logged()
    server.log.delete(words, [1, 2], tag)
    assert placed(server) == left


def test_a_delete_leaves_what_came_after_it() -> None:
    """In a partition that was flushed, or made, since: only the collection had no flush yet."""
    server, words = logged()
    server.log.delete(words, [1, 2])
    words.partitions[0].flush_lsn = server.log.applied
    words.partition("new").segment([1], floats(1, 8))
    assert placed(server) == [("", 4), ("p", 2), ("p", 3), ("p", 1), ("new", 1)]


def test_a_restart_begins_a_new_file(tmp_path: Path) -> None:
    server = Server(tmp_path)
    words = server.collection("words", 8)
    server.log.insert(words, [1], floats(1, 8))
    server.log.flushed(words)
    server.log.restart()
    record = server.log.insert(words, [2], floats(1, 8))
    server.write()
    assert [path.name for path in server.wal.glob("*.wal")] == ["1.wal"]
    assert record.lsn >> 32 == 1
    assert [row.id for row in server.truth("replay")["words"].rows] == [2]


def test_what_of_the_log_is_pending() -> None:
    server, words = logged()
    first = server.log.insert(words, [10], floats(1, 8))
    server.log.insert(words, [11], floats(1, 8), tag="p")
    server.log.insert(words, [12], floats(1, 8))
    server.log.insert(words, [13], floats(1, 8), applied=False)
    assert server.pending()["words"].inserts == 3
    server.log.flushed(words, first)
    assert [number for _, number in placed(server)][5:] == [11, 12]
    words.partitions[0].flush_lsn = server.log.applied
    assert [number for _, number in placed(server)][5:] == [12]
    server.log.torn = True
    assert server.pending() == {}
    server.log.torn = False
    server.global_lsn = server.log.applied
    assert server.pending() == {}


def test_bytes_of_the_log(tmp_path: Path) -> None:
    server = Server(tmp_path)
    words = server.collection("words", 8, Metric.JACCARD)
    first = server.log.insert(words, [5], np.array([[0xAB]], np.uint8), tag="p")
    server.log.next_file()
    second = server.log.delete(words, [5, -1])
    server.write()
    size = 21 + 5 + 1 + 8 + 1
    assert (first.lsn, second.lsn) == (size, 1 << 32 | 21 + 5 + 16)
    head = first.lsn.to_bytes(8, "little").hex() + "01" + "0500" + "0100" + "01000000" + "01000000"
    body = b"wordsp".hex() + "0500000000000000" + "ab"
    assert (server.wal / "0.wal").read_bytes().hex() == head + body
    applied = (server.wal / "mxlog.meta").read_bytes()
    assert struct.unpack("<3Q", applied) == (first.lsn, second.lsn, second.lsn)


def test_log_after_a_cut_off_write(tmp_path: Path) -> None:
    server = Server(tmp_path)
    words = server.collection("words", 8)
    lsns = [server.log.insert(words, [i], floats(1, 8)).lsn for i in range(3)]
    server.log.torn = True
    server.write()
    assert struct.unpack("<3Q", (server.wal / "mxlog.meta").read_bytes()) == (*lsns[1:], lsns[1])
    assert [row.id for row in server.truth("replay")["words"].rows] == [0, 1]


def records(path: Path) -> list[tuple[int, int, str, str, tuple[int, ...], bytes]]:
    content, at, found = path.read_bytes(), 0, []
    while at < len(content):
        lsn, kind, name, tag, ids, data = struct.unpack_from("<QBHHII", content, at)
        names = content[at + 21 : at + 21 + name + tag]
        at += 21 + name + tag
        numbers = struct.unpack_from(f"<{ids}q", content, at)
        at += ids * 8 + data
        assert lsn == int(path.stem) << 32 | at
        text = (names[:name].decode(), names[name:].decode())
        found.append((lsn, kind, *text, numbers, content[at - data : at]))
    assert at == len(content)
    return found


@pytest.mark.parametrize("seed", seeds(10))
def test_generated_log_reads_back(seed: int, tmp_path: Path) -> None:
    server = generate(tmp_path, seed)
    files = sorted(server.wal.glob("*.wal"), key=lambda path: int(path.stem))
    assert [record for path in files for record in records(path)] == [
        (r.lsn, r.type, r.collection, r.tag, r.ids, b"".join(r.vectors))
        for r in server.log.records
        if r.lsn >> 32 >= server.log.deleted_before
    ]
