"""Object stores, each with its real client on a server: what is written is whole, what is read is
the range that was asked for, and what fails says where and what to do.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from mmc.errors import SourceError, TargetError
from mmc.storage import urls
from mmc.storage.listing import find_files
from tests.servers.s3 import Bucket
from tests.storage.stores import folder, store

__all__ = ["folder", "store"]

LARGE = 120_000_000
"""Every client uploads this in parts: gcsfs from 5 MiB on, Azure's from 64, s3fs from 100."""

# aiohttp would rather have a file than the 50 MiB that gcsfs gives it.
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")


def put(url: str, data: bytes, store: Bucket) -> None:
    with urls.open_atomic(url, store.storage) as file:
        file.write(data)
        file.commit()


def whole(url: str, store: Bucket) -> bytes:
    with urls.open_blob(url, store.storage) as blob:
        return blob.read_at(0, blob.size)


def names(url: str, store: Bucket) -> list[str]:
    return [name for name, _ in urls.list_files(url, store.storage)]


def test_put_read_overwrite_list_delete(store: Bucket, folder: str) -> None:
    url = f"{folder}/a b/é+%41.parquet"
    put(url, b"one", store)
    assert whole(url, store) == b"one"
    seen = urls.fingerprint(url, store.storage)
    assert seen == urls.fingerprint(url, store.storage)
    put(url, b"two", store)
    assert whole(url, store) == b"two"
    assert seen != urls.fingerprint(url, store.storage)
    put(f"{folder}/a b/é+%41.parquet2", b"", store)
    assert whole(f"{folder}/a b/é+%41.parquet2", store) == b""
    assert names(folder, store) == ["a b/é+%41.parquet", "a b/é+%41.parquet2"]
    assert find_files(f"{folder}/a b/*.parquet", store.storage).files == (url,)
    assert urls.delete([f"{folder}/a b", url, f"{folder}/never"], store.storage) == [url]
    assert names(folder, store) == ["a b/é+%41.parquet2"]


def test_a_prefix_exists_and_is_no_file(store: Bucket, folder: str) -> None:
    put(f"{folder}/x/y", b"1", store)
    for there in (folder, f"{folder}/x", f"{folder}/x/y", store.url):
        assert urls.exists(there, store.storage)
    for absent in (f"{folder}/x/y/z", f"{folder}/nope", f"{folder}/x/no"):
        assert not urls.exists(absent, store.storage)
    for call in (urls.open_blob, urls.fingerprint):
        with pytest.raises(SourceError, match="/x: is a folder"):
            call(f"{folder}/x", store.storage)


def test_ranges_are_fetched_and_nothing_is_kept_on_disk(
    store: Bucket, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = random.Random(1).randbytes(7_000_001)
    put(f"{folder}/x", data, store)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with urls.open_blob(f"{folder}/x", store.storage) as blob:
        for offset, length in ((0, 1), (7_000_000, 1), (5_242_879, 3), (0, 7_000_001), (9, 0)):
            assert blob.read_at(offset, length) == data[offset : offset + length]
        assert list(tmp_path.iterdir()) == []
        put(f"{folder}/x", data[:10], store)
        with pytest.raises(SourceError, match=r"/x: "):
            blob.read_at(0, 100)


def test_missing_key_and_missing_bucket_are_named(store: Bucket, folder: str) -> None:
    scheme, _, bucket = store.url.partition("://")
    with pytest.raises(SourceError, match=r"/nope: no such file") as info:
        urls.open_blob(f"{folder}/nope", store.storage)
    assert (info.value.code, info.value.retryable) == ("MMC430", False)
    assert bucket in info.value.hint
    with pytest.raises(SourceError) as info:
        urls.open_blob(f"{store.url}//nope", store.storage)
    assert "empty part" in info.value.hint and "a bucket" not in info.value.hint
    absent = f"{scheme}://no-{bucket}"
    with pytest.raises(SourceError) as info:
        urls.open_blob(f"{absent}/x", store.storage)
    assert f"no-{bucket}" in f"{info.value} {info.value.hint}"
    assert not info.value.retryable
    with pytest.raises(SourceError, match="no file found"):
        find_files(f"{absent}/*", store.storage)
    with pytest.raises(TargetError, match=f"no bucket 'no-{bucket}'") as failed:
        put(f"{absent}/x", b"1", store)
    assert (failed.value.code, failed.value.retryable) == ("MMC444", False)
    assert "make the bucket" in failed.value.hint


def test_a_wrong_option_is_named_with_the_right_one(store: Bucket) -> None:
    with pytest.raises(SourceError, match=r"no option 'use_listing_cache'") as info:
        urls.exists(store.url, {**store.storage, "use_listing_cache": True})
    assert info.value.code == "MMC445"
    assert info.value.hint.startswith("did you mean 'use_listings_cache'?")


def test_a_large_file_in_parts_is_whole(store: Bucket, folder: str) -> None:
    data = np.random.default_rng(2).bytes(LARGE)
    put(f"{folder}/x", data, store)
    with urls.open_blob(f"{folder}/x", store.storage) as blob:
        assert blob.size == LARGE
        for offset in (0, 52_428_790, 104_857_590, LARGE - 20):
            assert blob.read_at(offset, 20) == data[offset : offset + 20]


WRITER = """
import json, sys
from mmc.storage.urls import open_atomic
url, storage = sys.argv[1], json.loads(sys.stdin.read())
with open_atomic(url, storage) as file:
    for _ in range(LARGE // 1_000_000):
        file.write(b"x" * 1_000_000)
    print("commits", flush=True)
    file.commit()
print("committed", flush=True)
"""


def start_writer(url: str, store: Bucket, folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER.replace("LARGE", str(LARGE)), url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "TMPDIR": str(folder)},
    )
    assert process.stdin is not None
    with process.stdin as stdin:
        stdin.write(json.dumps(store.storage))
    return process


@pytest.mark.parametrize("seconds", [0.0, 0.15, 0.3])
def test_killed_in_the_middle_of_an_upload(
    store: Bucket, folder: str, tmp_path: Path, seconds: float
) -> None:
    """kill -9 while parts go out: no object has the name, no file stays behind, the next one is
    whole. A kill that comes after the last part finds the whole object.
    """
    url = f"{folder}/x"
    with start_writer(url, store, tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "commits\n"
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        done = "committed" in process.stdout.read()
    assert list(tmp_path.iterdir()) == []
    if names(folder, store):
        with urls.open_blob(url, store.storage) as blob:
            assert blob.size == LARGE
    assert not done or names(folder, store)
    put(url, b"y" * 1000, store)
    assert whole(url, store) == b"y" * 1000


def test_an_abandoned_file_changes_nothing(store: Bucket, folder: str) -> None:
    put(f"{folder}/x", b"old", store)
    with pytest.raises(RuntimeError), urls.open_atomic(f"{folder}/x", store.storage) as file:
        file.write(b"new" * 10_000)
        raise RuntimeError
    assert whole(f"{folder}/x", store) == b"old"
    assert names(folder, store) == ["x"]


def test_files_put_by_many_threads(store: Bucket, folder: str) -> None:
    def work(number: int) -> None:
        put(f"{folder}/{number:02}", bytes([number]) * 100_000, store)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert urls.list_files(folder, store.storage) == [(f"{n:02}", 100_000) for n in range(12)]
    for number in range(12):
        assert whole(f"{folder}/{number:02}", store) == bytes([number]) * 100_000
