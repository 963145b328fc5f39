from __future__ import annotations

import hashlib
import threading
from pathlib import Path

from mmc.storage.hashed import HashedFile, hashing_thread, sha256_of


def test_small_and_large_buffers_are_hashed_in_the_order_of_the_file(tmp_path: Path) -> None:
    """With the thread held up, a small buffer must wait behind the large ones before it."""
    thread = hashing_thread()
    held = threading.Event()
    thread.submit(held.wait)
    file = HashedFile(str(tmp_path / "x"), {}, thread)
    buffers = [b"head", b"a" * 500_000, b"small", b"b" * 500_000, b"end"]
    for data in buffers:
        file.write(data)
    held.set()
    made = file.commit()
    thread.shutdown()
    whole = b"".join(buffers)
    assert (tmp_path / "x").read_bytes() == whole
    assert (made.bytes, made.sha256) == (len(whole), hashlib.sha256(whole).hexdigest())
    assert sha256_of(made.url) == made.sha256


def test_a_patched_file_is_hashed_as_it_is_at_the_end(tmp_path: Path) -> None:
    thread = hashing_thread()
    file = HashedFile(str(tmp_path / "x"), {}, thread)
    file.write(b"0" * 300_000)
    file.patch(0, b"12")
    file.write(b"3" * 300_000)
    made = file.commit()
    thread.shutdown()
    whole = b"12" + b"0" * 299_998 + b"3" * 300_000
    assert made.sha256 == hashlib.sha256(whole).hexdigest()


def test_an_aborted_file_takes_no_more_and_leaves_nothing(tmp_path: Path) -> None:
    thread = hashing_thread()
    file = HashedFile(str(tmp_path / "x"), {}, thread)
    file.write(b"0" * 300_000)
    file.abort()
    assert file.write(b"footer") == 0
    thread.shutdown()
    assert list(tmp_path.iterdir()) == []
