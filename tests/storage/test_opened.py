"""What is kept of remote files between reads, and what is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from mmc.errors import SourceError
from mmc.storage.opened import Opened

MIB = 1 << 20
Reads = list[tuple[int, int]]


@pytest.fixture
def reads() -> Iterator[Reads]:
    """(start, stop) of every request for content."""
    asked: Reads = []
    fetch = MemoryFileSystem.cat_file

    def count(system: Any, path: str, start: int, end: int) -> bytes:
        asked.append((start, end))
        return fetch(system, path, start, end)

    with patch.object(MemoryFileSystem, "cat_file", count):
        yield asked


def put(name: str, data: bytes) -> str:
    fsspec.filesystem("memory").pipe_file(f"/opened/{name}", data)
    return f"memory://opened/{name}"


def test_a_small_file_is_fetched_whole_and_once(reads: Reads) -> None:
    url, data = put("small", bytes(range(200))), bytes(range(200))
    opened = Opened()
    opened.fingerprint(url)
    for start, length in ((0, 10), (150, 50), (20, 0), (0, 200)):
        with opened.open(url) as blob:
            assert blob.read_at(start, length) == data[start : start + length]
    assert reads == [(0, 200)]


def test_small_reads_of_a_large_file_are_kept_for_a_while(reads: Reads) -> None:
    url = put("large", b"a" * (2 * MIB) + b"b" * (16 * MIB))
    with Opened().open(url) as blob:
        assert blob.read_at(2 * MIB - 2, 4) == b"aabb"
        assert blob.read_at(2 * MIB, 2) == b"bb"
        assert reads == [(2 * MIB - 2, 2 * MIB + 2)]
        reads.clear()
        for _ in range(2):  # too large to be kept
            blob.read_at(0, MIB + 1)
        assert len(reads) == 2
        blob.read_at(2 * MIB, 2)
        assert len(reads) == 2
        for number in range(8):
            blob.read_at(number * MIB, MIB)
        reads.clear()
        blob.read_at(7 * MIB, MIB)
        assert reads == []
        blob.read_at(2 * MIB - 2, 4)
        assert len(reads) == 1, "the oldest go"


def test_a_file_that_another_replaced_is_read_anew(reads: Reads) -> None:
    url = put("same", b"old")
    opened = Opened()
    before = opened.fingerprint(url)
    with opened.open(url) as blob:
        assert blob.read_at(0, 3) == b"old"
    put("same", b"newer")
    assert opened.fingerprint(url) != before
    with opened.open(url) as blob:
        assert blob.size == 5
        assert blob.read_at(0, 5) == b"newer"


def test_an_end_that_comes_early_is_an_error(reads: Reads) -> None:
    url = put("cut", b"0123456789")
    opened = Opened()
    with opened.open(url) as blob:
        put("cut", b"0123")
        with pytest.raises(SourceError) as caught:
            blob.read_at(2, 4)
        assert caught.value.code == "MMC432"
    with opened.open(url) as blob, pytest.raises(SourceError):
        blob.read_at(8, 5)


def test_local_files_are_opened_each_time(tmp_path: Path) -> None:
    path = tmp_path / "local"
    opened = Opened()
    for text in ("one", "three"):
        path.write_text(text)
        with opened.open(str(path)) as blob:
            assert blob.read_at(0, blob.size) == text.encode()
