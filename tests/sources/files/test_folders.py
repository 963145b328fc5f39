"""What a folder, a glob or a list of names stands for: each file once, none left out in silence."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmc.errors import SourceError
from mmc.sources.milvus1.options import Milvus1Options
from mmc.sources.milvus1.source import Milvus1Source
from mmc.spi import Sample
from mmc.storage.filesystems import filesystem
from mmc.storage.urls import join_url, write_text
from tests.servers.s3 import Bucket
from tests.sources.files.reading import config, field, look, read, rows_of
from tests.storage.stores import STARTS


def _rows(path: Path, *ids: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"id": ids}), path)


def _ids(path: Any, **more: Any) -> list[int]:
    return sorted(row["id"] for row in rows_of(path, **more))


def _notes(path: Any) -> str:
    return look(config(path)).notes[0]


@pytest.mark.parametrize("pattern", ["", "**/*.parquet", "**", "*"])
def test_links_to_folders_are_followed(tmp_path: Path, pattern: str) -> None:
    _rows(tmp_path / "t" / "a.parquet", 1, 2)
    _rows(tmp_path / "real" / "b.parquet", 3)
    _rows(tmp_path / "real" / "deep" / "c.parquet", 4)
    (tmp_path / "t" / "more").symlink_to("../real")
    assert _ids(tmp_path / "t" / pattern) == [1, 2, 3, 4]
    assert _notes(tmp_path / "t" / pattern) == "3 files found, none left out"


@pytest.mark.parametrize("pattern", ["", "**/*.parquet", "**", "*"])
def test_links_in_circles_end(tmp_path: Path, pattern: str) -> None:
    """With two of them `glob` would try 2 ** 40 paths."""
    _rows(tmp_path / "t" / "a" / "x.parquet", 1)
    _rows(tmp_path / "t" / "b" / "y.parquet", 2)
    for name, to in (("a/up", ".."), ("b/up", ".."), ("b/across", "../a"), ("a/self", ".")):
        (tmp_path / "t" / name).symlink_to(to)
    assert _ids(tmp_path / "t" / pattern) == [1, 2]
    if pattern != "*":
        assert "4 left out: a link to a folder above it (3: " in _notes(tmp_path / "t" / pattern)


def test_what_is_left_out_is_counted_with_its_reason(tmp_path: Path) -> None:
    for name in ("a", "_SUCCESS", ".x", "deep/_part1", ".git/b", ".git/c", "d.parquet.partial"):
        _rows(tmp_path / "t" / f"{name}.parquet".replace(".partial.parquet", ".partial"), 1)
    (tmp_path / "t" / "link.parquet").symlink_to("a.parquet")
    told = _notes(tmp_path / "t")
    assert told.startswith("1 file found, 6 left out: ")
    assert "`.` or `_` at the beginning of a name (4: " in told and ", ...)" in told
    assert "another name of what is read already (1: " in told and "half-written (1: " in told
    assert _ids(tmp_path / "t" / "deep" / "_part1.parquet") == [1]
    with pytest.raises(SourceError, match=r"deep: no file found \(0 files found, 1 left out: `\.`"):
        look(config(tmp_path / "t" / "deep"))


def _hard(link: Path, to: Path) -> None:
    os.link(to, link)


@pytest.mark.parametrize(
    "other",
    [
        lambda folder: "a.npy",
        lambda folder: "./a.npy",
        lambda folder: "deep/../a.npy",
        lambda folder: f"file://{folder}/a.npy",
        lambda folder: (folder / "link.npy").symlink_to("a.npy") or "link.npy",
        lambda folder: _hard(folder / "hard.npy", folder / "a.npy") or "hard.npy",
    ],
)
def test_a_file_under_two_names_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: Callable[[Path], str]
) -> None:
    """A link to a column would be another column: the names `link` and `a` say different things."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep").mkdir()
    np.save(tmp_path / "a.npy", np.zeros((5, 2), np.float32))
    name = other(tmp_path)
    paths = [name, str(tmp_path / "a.npy")]
    if name in ("link.npy", "hard.npy"):
        with pytest.raises(SourceError, match="one file or folder under two names") as caught:
            look(config(paths))
        assert caught.value.code == "MMC481"
        return
    assert len(rows_of(paths)) == 5
    if name != f"file://{tmp_path}/a.npy":
        assert "another name of what is read already (1: " in _notes(paths)


def test_links_among_shards_are_read_once(tmp_path: Path) -> None:
    _rows(tmp_path / "t" / "part-0.parquet", 1)
    _rows(tmp_path / "t" / "part-1.parquet", 2)
    (tmp_path / "t" / "latest.parquet").symlink_to("part-1.parquet")
    os.link(tmp_path / "t" / "part-0.parquet", tmp_path / "t" / "zero.parquet")
    (tmp_path / "t" / "again").symlink_to(".")
    assert _ids(tmp_path / "t") == [1, 2]
    assert _ids([tmp_path / "t", tmp_path / "t" / "*.parquet"]) == [1, 2]


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for path in (tmp_path / "pipe.csv", tmp_path, tmp_path / "*.csv", "/dev/zero"):
        with pytest.raises(SourceError, match="is no regular file"):
            look(config(path, format="csv"))
    (tmp_path / "pipe.csv").unlink()
    (tmp_path / "self.csv").symlink_to("self.csv")
    (tmp_path / "gone.csv").symlink_to("nowhere.csv")
    for name in ("self.csv", "gone.csv"):
        with pytest.raises(SourceError, match=name):
            look(config(tmp_path))
        (tmp_path / name).unlink()
    with pytest.raises(SourceError, match="name"):
        look(config(tmp_path / ("x" * 300)))


def test_a_folder_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _rows(tmp_path / "t" / "a.parquet", 1)
    _rows(tmp_path / "t" / "closed" / "b.parquet", 2)
    scan = os.scandir

    def refuse(path: str) -> Any:
        if path.endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    for pattern in ("", "**/*.parquet", "*/*.parquet"):
        with pytest.raises(SourceError, match=r"closed: permission denied"):
            look(config(tmp_path / "t" / pattern))


def test_folders_name_columns(tmp_path: Path) -> None:
    for number, folder in enumerate(
        ("lang=en/_day=1", "lang=d%3De%20x/_day=2", "lang=__HIVE_DEFAULT_PARTITION__/_day=007")
    ):
        _rows(tmp_path / "t" / folder / "part-0.parquet", number)
    for pattern in ("t", "t/**/*.parquet", "t/*/*/*"):
        collection = look(config(tmp_path / pattern))
        lang, day = field(collection, "lang"), field(collection, "_day")
        assert (lang.arrow, lang.nullable, lang.evidence.nulls) == ("string", True, 1)
        assert (day.nullable, day.evidence.max_bytes, day.note) == (
            False,
            3,
            "from the names of the folders",
        )
        rows = read(config(tmp_path / pattern), collection).sort_by("id").to_pylist()
        assert rows == [
            {"id": 0, "lang": "en", "_day": "1"},
            {"id": 1, "lang": "d=e x", "_day": "2"},
            {"id": 2, "lang": None, "_day": "007"},
        ]
    only = read(config(tmp_path / "t"), look(config(tmp_path / "t")), ["_day"])
    assert sorted(only["_day"].to_pylist()) == ["007", "1", "2"]


@pytest.mark.parametrize("name", ["x.jsonl", "x.csv", "x.npy", "x.npz", "x.fvecs"])
def test_folders_name_columns_of_every_format(tmp_path: Path, name: str) -> None:
    texts = {"x.jsonl": '{"n": 1}\n', "x.csv": "n\n1\n"}
    for value in ("a", "b"):
        folder = tmp_path / "t" / f"lang={value}"
        folder.mkdir(parents=True)
        if name in texts:
            (folder / name).write_text(texts[name])
        elif name == "x.npz":
            np.savez(folder / name, n=np.ones(1))
        elif name == "x.fvecs":
            (folder / name).write_bytes(b"\x02\0\0\0" + bytes(8))
        else:
            np.save(folder / name, np.ones(1))
    assert [row["lang"] for row in rows_of(tmp_path / "t")] == ["a", "b"]


def test_folders_that_disagree_or_clash(tmp_path: Path) -> None:
    _rows(tmp_path / "t" / "lang=en" / "a.parquet", 1)
    _rows(tmp_path / "t" / "b.parquet", 2)
    with pytest.raises(SourceError, match=r"names? no column") as caught:
        look(config(tmp_path / "t"))
    assert caught.value.code == "MMC449"
    (tmp_path / "t" / "b.parquet").unlink()
    _rows(tmp_path / "t" / "lang=en" / "lang=de" / "b.parquet", 2)
    with pytest.raises(SourceError, match="two folders of its path give a value to `lang`"):
        look(config(tmp_path / "t"))
    _rows(tmp_path / "u" / "id=7" / "a.parquet", 1)
    collection = look(config(tmp_path / "u"))
    (problem,) = collection.problems
    assert (problem.code, problem.is_error) == ("MMC449", False)
    assert "`id` is a column of the files, and a folder names it too" in problem.message
    assert _ids(tmp_path / "u") == [1]
    (tmp_path / "u" / "id=8").symlink_to("id=7")
    with pytest.raises(SourceError, match="under two names"):
        look(config(tmp_path / "u"))


SIGNS = {
    "Delta Lake": "_delta_log/00000000000000000000.json",
    "Hudi": ".hoodie/hoodie.properties",
    "Iceberg": "metadata/v1.metadata.json",
    "Paimon": "snapshot/LATEST",
}


@pytest.mark.parametrize("kind", SIGNS)
def test_tables_with_a_log_are_refused_by_name(tmp_path: Path, kind: str) -> None:
    _rows(tmp_path / "lake" / "t" / "data" / "lang=en" / "a.parquet", 1)
    sign = tmp_path / "lake" / "t" / SIGNS[kind]
    sign.parent.mkdir()
    sign.write_text("{}")
    (tmp_path / "link").symlink_to("lake/t/data/lang=en")
    for pattern in (
        "lake/t/data",
        "lake/t/data/*/*.parquet",
        "lake/*/data/**/*.parquet",
        "lake/t/data/lang=en",
        "link",
    ):
        with pytest.raises(SourceError, match=rf"/lake/t is a table of {kind}") as caught:
            look(config(tmp_path / pattern))
        assert caught.value.code == "MMC480" and "list the files" in caught.value.hint
    if kind in ("Delta Lake", "Hudi"):
        with pytest.raises(SourceError, match=f"is a table of {kind}"):
            look(config(tmp_path / "lake"))
    collection = look(config([tmp_path / "lake/t/data/lang=en/a.parquet"]))
    (problem,) = collection.problems
    assert (problem.code, problem.is_error, collection.rows) == ("MMC480", False, 1)
    _rows(tmp_path / "plain" / "metadata" / "a.parquet", 1)
    assert _ids(tmp_path / "plain") == [1]


@pytest.fixture(scope="module", params=["s3", "gcs"])
def store(request: pytest.FixtureRequest) -> Iterator[Bucket]:
    with STARTS[request.param]() as made:
        yield made


def test_folder_markers_of_a_store(store: Bucket) -> None:
    """The AWS console's "Create folder" leaves an empty object `t/`."""
    base = join_url(store.url, "marked")
    for name in ("a.jsonl", "lang/b.jsonl"):
        write_text(join_url(base, name), '{"id": 1}\n', store.storage)
    system, path = filesystem(base, store.storage)
    for marker in ("/", "/lang/", "/lang_$folder$"):
        system.pipe_file(f"{path}{marker}", b"")
    for pattern in ("", "/", "/**/*.jsonl"):
        collection = look(config(f"{base}{pattern}", storage=store.storage))
        assert collection.rows == 2, pattern
    told = look(config(base, storage=store.storage)).notes[0]
    assert told.startswith("2 files found, ")
    assert "an empty object that stands for a folder (" in told
    assert look(config(f"{base}/*", storage=store.storage, format="json")).rows == 2


@pytest.mark.parametrize("kind", SIGNS)
def test_tables_with_a_log_in_a_store(store: Bucket, kind: str) -> None:
    base = join_url(store.url, f"lake-{kind.split()[0]}")
    files: Mapping[str, str] = {
        "t/data/lang=en/a.jsonl": '{"id": 1}\n',
        f"t/{SIGNS[kind]}": "{}",
    }
    for name, text in files.items():
        write_text(join_url(base, name), text, store.storage)
    for pattern in ("t/data", "t/data/*/*.jsonl", "t/data/lang=en/", "t/**/*.jsonl"):
        with pytest.raises(SourceError, match=rf"/t is a table of {kind}"):
            look(config(join_url(base, pattern), storage=store.storage))
    file = join_url(base, "t/data/lang=en/a.jsonl")
    (row,) = rows_of(file, storage=store.storage)
    assert row == {"id": 1, "lang": "en"}


@pytest.mark.parametrize(
    ("url", "what"),
    [
        *((url, "names no bucket") for url in ("s3://", "s3:///", "s3:///key", "gs://", "az://")),
        *((f"{scheme}://", "names no host") for scheme in ("http", "https", "ftp")),
        ("s3://b*/x", "cannot be read: Cannot traverse all of S3"),
        ("memory://empty_of_files", "no file found"),
    ],
)
def test_urls_that_name_no_bucket(url: str, what: str) -> None:
    """As an empty variable in `s3://{{ vars.bucket }}` leaves it."""
    with pytest.raises(SourceError, match=what):
        look(config(url, format="json"))


def test_data_of_milvus_1_in_no_bucket() -> None:
    options = Milvus1Options(type="milvus1", data="s3://")
    with pytest.raises(SourceError, match="names no bucket"):
        Milvus1Source().inspect(options, [], Sample())
