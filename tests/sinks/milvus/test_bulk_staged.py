"""The staging place: what Milvus calls a staged file, and what is written and removed there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mmc.errors import TargetError
from mmc.facts import Extent
from mmc.layouts.staging import StagingPlace, server_path
from mmc.milvus.dialect import version_of
from mmc.plan.model import (
    CopySplits,
    FileFormat,
    Layout,
    Split,
    Staging,
)
from mmc.sinks.milvus.bulk.target import _ours
from mmc.sinks.milvus.bulk.writer import InPlaceWriter
from mmc.sinks.parts import PartSplitWriter
from mmc.spi import ImportTask, TaskState
from mmc.storage import urls
from mmc.storage.hashed import sha256_of
from mmc.types import Collection
from tests.servers.milvus_lite import copy_step
from tests.servers.s3 import Bucket, s3_bucket
from tests.sinks.milvus.collections import small, small_rows


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with s3_bucket() as made:
        yield made


def _copy(
    url: str, format_: str = "parquet", key: str = "5ab1", collection: Collection | None = None
) -> CopySplits:
    step = copy_step(collection or small(), "file" if key else "in_place")
    return replace(step, layout=Layout(FileFormat(format_), "c"), staging=Staging(url, key=key))


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/data/mmc/x.json", "/data/mmc/x.json"),
        ("file:///data/a%20b/x.json", "/data/a b/x.json"),
        ("s3://bucket/prefix/x", "prefix/x"),
        ("s3a://bucket/x", "x"),
        ("s3://bucket", ""),
        ("s3://bucket/", ""),
        ("s3://bucket/p/", "p"),
        ("gs://bucket/p/x", "p/x"),
        ("gcs://bucket/p/x", "p/x"),
        ("oss://bucket/p/x", "p/x"),
        ("cos://bucket/p/x", "p/x"),
        ("abfs://container@account.dfs.core.windows.net/p/x", "p/x"),
        ("abfss://container/p/x", "p/x"),
        ("az://container/p/x", "p/x"),
    ],
)
def test_what_milvus_calls_a_file(url: str, path: str) -> None:
    assert server_path(url) == path


def test_a_relative_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert server_path("staging") == str(tmp_path / "staging")


@pytest.mark.parametrize("url", ["https://host/x", "memory://x", "sftp://h/x", "zip::s3://b/x"])
def test_a_place_that_no_milvus_reads(url: str) -> None:
    with pytest.raises(TargetError) as caught:
        server_path(url)
    assert caught.value.code == "MMC546"


def test_our_files_in_the_words_of_a_server() -> None:
    place = StagingPlace.of(_copy("/data/a, b"))
    one, two = "/data/a, b/5ab1/c/part-0.json", "/data/a, b/5ab1/c/part-1/$meta.npy"
    ours = ("5ab1/c/part-0.json", "5ab1/c/part-1/$meta.npy")
    assert place.ours(f"{one},{two}") == ours
    assert place.ours(f"[{one} {two}]") == ours
    assert place.ours(f'id:5 paths:"{one}" paths:"{two}"') == ours
    assert place.ours(f"[{one}] [{one}]") == ours[:1]
    assert place.ours("/data/other/part-0.json,/x/data/a, b/part-0.json") == ()
    assert place.ours("") == ()


def test_our_files_at_the_root_of_a_bucket() -> None:
    place = StagingPlace.of(_copy("s3://bucket"))
    assert place.ours("[5ab1/c/part-0.parquet]") == ("5ab1/c/part-0.parquet",)
    inner = StagingPlace.of(_copy("s3://bucket/x"))
    assert inner.ours("[y/x/5ab1/c/part-0.parquet x/5ab1/c/part-1.parquet]") == (
        "5ab1/c/part-1.parquet",
    )


@pytest.mark.parametrize("format_", ["parquet", "numpy", "json"])
def test_staged_files_are_removed_with_our_folders(tmp_path: Path, format_: str) -> None:
    (tmp_path / "theirs").mkdir()
    copy = _copy(str(tmp_path), format_)
    place = StagingPlace.of(copy)
    paths = []
    for number in range(2):
        split = Split(id=f"0000{number}", pieces=(), rows=2, bytes=0)
        writer = PartSplitWriter(place.url, place.storage, copy, split, place.key)
        writer.write(small_rows(small(), [1, 2]))
        for file in writer.commit():
            assert (tmp_path / file.path).stat().st_size == file.bytes
            assert sha256_of(str(tmp_path / file.path)) == file.sha256
            paths.append(file.path)
    assert len(paths) == (6 if format_ == "numpy" else 2)
    place.remove(paths[: len(paths) // 2])
    assert all((tmp_path / path).exists() for path in paths[len(paths) // 2 :])
    assert place.remove(paths) == tuple(sorted(paths[len(paths) // 2 :]))
    assert place.remove(paths) == ()
    assert [path.name for path in tmp_path.iterdir()] == ["theirs"]


@pytest.mark.parametrize("path", ["c/part-0.json", "5ab1/../c/part-0.json", "5ab11/x.json"])
def test_only_files_of_the_plan_are_removed(tmp_path: Path, path: str) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "part-0.json").touch()
    with pytest.raises(ValueError, match="not below the key"):
        StagingPlace.of(_copy(str(tmp_path))).remove([path])
    with pytest.raises(ValueError, match="not below the key"):
        StagingPlace.of(_copy(str(tmp_path), key="")).remove(["c/part-0.json"])
    assert (tmp_path / "c" / "part-0.json").exists()


def test_trying_a_local_place(tmp_path: Path) -> None:
    place = StagingPlace.of(_copy(str(tmp_path / "new")))
    path = place.probe()
    assert (tmp_path / "new" / path).read_text() == '{"rows":[]}'
    assert place.probe() == path  # as after a kill: nothing is left of the first
    place.remove_probe(path)
    assert list((tmp_path / "new").iterdir()) == []


def test_trying_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TargetError, match=r"files cannot be staged: .*/file/5ab1") as caught:
        StagingPlace.of(_copy(str(tmp_path / "file"))).probe()
    assert (caught.value.code, caught.value.retryable) == ("MMC541", False)


def test_trying_a_bucket(bucket: Bucket) -> None:
    copy = _copy(f"{bucket.url}/files")
    assert copy.staging is not None
    staging = replace(copy.staging, storage=tuple(bucket.storage.items()))
    place = StagingPlace.of(replace(copy, staging=staging))
    path = place.probe()
    assert place.on_server(path) == f"files/{path}"
    assert StagingPlace.of(replace(copy, staging=staging)).probe() == path  # as after a kill
    place.remove_probe(path)
    place.remove_probe(path)
    assert urls.list_files(bucket.url, bucket.storage) == []
    missing = replace(staging, url="s3://no-such-bucket-here/files")
    with pytest.raises(TargetError, match="no-such-bucket-here") as caught:
        StagingPlace.of(replace(copy, staging=missing)).probe()
    assert (caught.value.code, caught.value.retryable) == ("MMC541", False)


@pytest.mark.parametrize("format_", ["parquet", "numpy", "json"])
def test_files_that_are_imported_in_place(tmp_path: Path, format_: str) -> None:
    rows = small_rows(small(), [1, 2, 3])
    written = PartSplitWriter(
        str(tmp_path),
        {},
        _copy(str(tmp_path), format_),
        Split(id="00000", pieces=(), rows=3, bytes=0),
    )
    written.write(rows)
    files = written.commit()
    copy = _copy(str(tmp_path), format_, key="")
    name = files[0].path if format_ != "numpy" else files[0].path.rpartition("/")[0]
    locator = (("path", name), *((("sha256", files[0].sha256),) if format_ != "numpy" else ()))
    pieces = tuple(
        Extent(locator=locator, start=at, stop=at + 1, unit="row", rows=1, bytes=9)
        for at in range(3)
    )
    place, dialect = StagingPlace.of(copy), version_of("v2.3.5").dialect
    writer = InPlaceWriter(place, copy, Split(id="00000", pieces=pieces, rows=3, bytes=27), dialect)
    for at in range(3):
        writer.write(rows.slice(at, 1))
    assert writer.commit() == files
    writer.abort()
    assert all((tmp_path / file.path).exists() for file in files)
    unfindable = small_rows(small(), [2**63 - 1])
    with pytest.raises(TargetError, match="never find it"):
        writer.write(unfindable)
    (tmp_path / files[0].path).unlink()
    with pytest.raises(TargetError, match="no such file"):
        writer.commit()
    assert (
        InPlaceWriter(place, copy, Split(id="1", pieces=pieces, rows=0, bytes=0), dialect).commit()
        == ()
    )


def test_a_task_of_files_elsewhere_is_told_from_one_that_does_not_tell_yet() -> None:
    place = StagingPlace.of(_copy("s3://bucket/mmc"))
    told = ImportTask(
        id="1", state=TaskState.COMPLETED, files=("elsewhere/part-0.parquet",), rows=5
    )
    assert _ours(place, told).files == ("elsewhere/part-0.parquet",)
    ours = ImportTask(id="2", state=TaskState.RUNNING, files=("mmc/5ab1/c/part-0.parquet",))
    assert _ours(place, ours).files == ("5ab1/c/part-0.parquet",)
    for silent in ((), ("",)):
        assert _ours(place, ImportTask(id="3", state=TaskState.WAITING, files=silent)).files == ()
