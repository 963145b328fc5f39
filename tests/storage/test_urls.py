"""URLs: the same behaviour on a disk, in fsspec's memory and on S3."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mmc.errors import PluginMissing, SecretError, SourceBusy, SourceError, TargetError
from mmc.storage import urls
from mmc.storage.blobs import BlobFile
from mmc.storage.listing import find_files
from mmc.types import JsonValue
from tests.servers.s3 import Bucket, s3_bucket


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with s3_bucket() as made:
        yield made


@pytest.fixture(params=["disk", "memory", "s3"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, bucket: Bucket
) -> tuple[str, dict[str, JsonValue]]:
    """A folder that does not exist yet, and its storage options."""
    if request.param == "disk":
        return str(tmp_path / "folder"), {}
    name = uuid.uuid4().hex
    if request.param == "memory":
        return f"memory://{name}", {}
    return f"{bucket.url}/{name}", bucket.storage


def test_text_round_trip_makes_folders(place: tuple[str, dict[str, JsonValue]]) -> None:
    base, storage = place
    url = urls.join_url(base, "a/b.txt")
    assert not urls.exists(url, storage)
    urls.write_text(url, "häß\n𝄞", storage)
    assert urls.exists(url, storage)
    assert urls.read_text(url, storage) == "häß\n𝄞"


def test_fingerprint_changes_with_the_content(place: tuple[str, dict[str, JsonValue]]) -> None:
    base, storage = place
    url = urls.join_url(base, "x")
    urls.write_text(url, "one", storage)
    before = urls.fingerprint(url, storage)
    assert before == urls.fingerprint(url, storage)
    urls.write_text(url, "two", storage)
    assert before != urls.fingerprint(url, storage)


def test_listing_finds_folders_globs_and_lists(place: tuple[str, dict[str, JsonValue]]) -> None:
    base, storage = place
    for name in (
        "b.npy",
        "a.npy",
        "deep/c.npy",
        "_SUCCESS",
        ".hidden",
        "deep/.x/d.npy",
        "e.partial",
    ):
        urls.write_text(urls.join_url(base, name), name, storage)

    def names(paths: str | list[str]) -> list[str]:
        return [found.rpartition("/")[2] for found in find_files(paths, storage).files]

    assert names(base) == ["a.npy", "b.npy", "c.npy"]
    assert names(urls.join_url(base, "*.npy")) == ["a.npy", "b.npy"]
    assert names(urls.join_url(base, "*")) == ["_SUCCESS", "a.npy", "b.npy", "c.npy", "e.partial"]
    assert names(urls.join_url(base, "**/*.npy"))[-1] == "c.npy"
    both = [urls.join_url(base, "b.npy"), urls.join_url(base, "*.npy")]
    assert names(both) == ["a.npy", "b.npy"]
    for found in find_files(base, storage).files:
        assert urls.read_text(found, storage)


def test_listing_takes_an_existing_name_literally(tmp_path: Path) -> None:
    (tmp_path / "a[1].npy").write_text("x")
    (tmp_path / "a1.npy").write_text("x")
    assert find_files(str(tmp_path / "a[1].npy"), {}).files == (str(tmp_path / "a[1].npy"),)


def test_listing_names_the_pattern_that_finds_nothing(
    place: tuple[str, dict[str, JsonValue]],
) -> None:
    base, storage = place
    urls.write_text(urls.join_url(base, "a.npy"), "x", storage)
    missing = urls.join_url(base, "*.parquet")
    with pytest.raises(SourceError, match=r"\*\.parquet: no file found"):
        find_files([urls.join_url(base, "*.npy"), missing], storage)


def test_list_and_delete(place: tuple[str, dict[str, JsonValue]]) -> None:
    base, storage = place
    assert urls.list_files(base, storage) == []
    for name in ("x/1", "x/.2", "3"):
        urls.write_text(urls.join_url(base, name), name, storage)
    assert urls.list_files(base, storage) == [("3", 1), ("x/.2", 4), ("x/1", 3)]
    gone = [urls.join_url(base, name) for name in ("x/1", "never", "3")]
    assert urls.delete(gone, storage) == [gone[0], gone[2]]
    assert urls.delete(gone, storage) == []
    assert urls.list_files(base, storage) == [("x/.2", 4)]


def test_blob_reads_any_range(place: tuple[str, dict[str, JsonValue]]) -> None:
    base, storage = place
    data = np.random.default_rng(1).bytes(300_000)
    url = urls.join_url(base, "blob")
    with urls.open_atomic(url, storage) as file:
        file.write(data)
        file.commit()
    with urls.open_blob(url, storage) as blob:
        assert blob.size == len(data)
        for offset, length in ((0, 10), (299_990, 10), (4_095, 8_200), (7, 0), (0, 300_000)):
            assert bytes(blob.read_at(offset, length)) == data[offset : offset + length]
            window = blob.map(offset, length)
            assert window is None or bytes(window) == data[offset : offset + length]
        assert (blob.map(0, 1) is not None) == urls.is_local(url)
        with pytest.raises(SourceError, match=r"ends at byte 300,000"):
            blob.read_at(299_999, 2)
        wrapped = BlobFile(blob)
        wrapped.seek(-4, 2)
        assert wrapped.read() == data[-4:]
        assert wrapped.read() == b""


def test_a_file_that_shrinks_while_open_is_short_not_wrong(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"a" * 100_000)
    with urls.open_blob(str(path)) as blob:
        os.truncate(path, 10)
        with pytest.raises(SourceError, match="ends at byte 10,"):
            blob.read_at(0, 100_000)
        with pytest.raises(SourceError, match="ends at byte 10,"):
            blob.map(0, 100)


def test_missing_file_is_named(place: tuple[str, dict[str, JsonValue]]) -> None:
    base, storage = place
    url = urls.join_url(base, "nope")
    for call in (urls.open_blob, urls.fingerprint, urls.read_text):
        with pytest.raises(SourceError, match=r"nope: no such file"):
            call(url, storage)


def test_atomic_file_is_not_there_before_commit(place: tuple[str, dict[str, JsonValue]]) -> None:
    base, storage = place
    url = urls.join_url(base, "out/part")
    with urls.open_atomic(url, storage) as file:
        file.write(b"head....")
        file.write(memoryview(np.arange(4, dtype=np.int32)))
        assert file.tell() == 24
        assert not urls.exists(url, storage)
        file.patch(4, b"1234")
        assert file.tell() == 24
        with pytest.raises(ValueError, match="outside"):
            file.patch(22, b"1234")
        file.write(b"!")
        file.commit()
    with urls.open_blob(url, storage) as blob:
        assert blob.read_at(0, 8) == b"head1234"
        assert blob.read_at(24, 1) == b"!"
    assert [name for name, _ in urls.list_files(base, storage)] == ["out/part"]


def test_abandoned_file_leaves_the_old_one_and_no_partial(
    place: tuple[str, dict[str, JsonValue]],
) -> None:
    base, storage = place
    url = urls.join_url(base, "part")
    urls.write_text(url, "old", storage)
    with pytest.raises(RuntimeError), urls.open_atomic(url, storage) as file:
        file.write(b"new")
        raise RuntimeError
    assert urls.read_text(url, storage) == "old"
    assert [name for name, _ in urls.list_files(base, storage)] == ["part"]
    urls.write_text(url, "new", storage)
    assert urls.read_text(url, storage) == "new"


def test_killed_writer_leaves_only_a_partial(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "from mmc.storage.urls import open_atomic\n"
        "file = open_atomic(sys.argv[1])\n"
        "file.write(b'x' * 5_000_000)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "part")], check=False)
    assert [path.name for path in tmp_path.iterdir()] == ["part.partial"]
    urls.write_text(str(tmp_path / "part"), "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["part"]


def test_a_partial_is_never_what_a_link_leads_to(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("theirs")
    (tmp_path / "part.partial").symlink_to("victim")
    urls.write_text(str(tmp_path / "part"), "ours")
    assert (tmp_path / "victim").read_text() == "theirs"
    assert not (tmp_path / "part").is_symlink() and (tmp_path / "part").read_text() == "ours"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["part", "victim"]


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every new file is one that takes no byte."""

    def opened(path: Path) -> int:
        path.touch()
        return os.open("/dev/full", os.O_WRONLY)

    monkeypatch.setattr("mmc.storage.atomic.new_file", opened)


@pytest.mark.usefixtures("full_disk")
def test_full_disk_names_file_and_need(tmp_path: Path) -> None:
    file = urls.open_atomic(str(tmp_path / "part"))
    with pytest.raises(TargetError, match=r"part: no space left .* needs 3,000,000 bytes") as info:
        file.write(b"x" * 3_000_000)
    file.abort()
    assert info.value.code == "MMC443"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("full_disk")
def test_small_write_on_a_full_disk_fails_at_commit(tmp_path: Path) -> None:
    with urls.open_atomic(str(tmp_path / "part")) as file:
        file.write(b"x")
        with pytest.raises(TargetError, match="no space left"):
            file.commit()
    assert list(tmp_path.iterdir()) == []


def test_file_size_limit_counts_as_no_space(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with (
            pytest.raises(TargetError, match="no space left"),
            urls.open_atomic(str(tmp_path / "part")) as file,
        ):
            file.write(b"x" * 4_000_000)
            file.commit()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_folder_in_the_way_is_a_target_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(TargetError, match="cannot be written") as info:
        urls.open_atomic(str(tmp_path / "file" / "part"))
    assert info.value.code == "MMC444"
    with pytest.raises(TargetError):
        urls.delete([str(tmp_path)])


def test_unreachable_server_is_retryable() -> None:
    storage: dict[str, JsonValue] = {
        "key": "x",
        "secret": "x",
        "endpoint_url": "http://127.0.0.1:1",
        "config_kwargs": {"retries": {"max_attempts": 0}},
    }
    with pytest.raises(SourceBusy) as info:
        urls.open_blob("s3://bucket/key", storage)
    assert info.value.retryable


def test_storage_secrets_are_resolved(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_S3_SECRET", "testing-secret")
    storage = {**bucket.storage, "secret": {"secret": "env:TEST_S3_SECRET"}}
    system, path = urls.filesystem(f"{bucket.url}/x", storage)
    assert system.storage_options["secret"] == "testing-secret"
    assert path.endswith("/x")
    with pytest.raises(SecretError, match="TEST_NOT_SET"):
        urls.filesystem(bucket.url, {"secret": {"secret": "env:TEST_NOT_SET"}})


def test_missing_package_tells_the_pip_line() -> None:
    with pytest.raises(PluginMissing) as info:
        urls.open_blob("oss://bucket/key")
    assert info.value.hint == "pip install 'mmc[oss]'"
    with pytest.raises(SourceError, match="cannot open a file system"):
        urls.open_blob("nosuch://bucket/key")


def test_local_paths_do_not_import_fsspec(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from mmc.storage import urls\n"
        "urls.write_text(sys.argv[1], 'x')\n"
        "from mmc.storage.listing import find_files\n"
        "find_files(sys.argv[1], {}), urls.fingerprint(sys.argv[1])\n"
        "urls.open_blob('file://' + sys.argv[1]).read_at(0, 1)\n"
        "assert 'fsspec' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "x")], check=True)


def test_join_url() -> None:
    assert urls.join_url("s3://b/x/", "a/b") == "s3://b/x/a/b"
    assert urls.join_url("out", "a") == "out/a"
    assert urls.join_url("out", "/abs") == "/abs"
    assert urls.join_url("out", "s3://b/x") == "s3://b/x"
    assert urls.join_url("file:///x", "a") == "file:///x/a"
