from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmc.copied import CopiedSplit, SplitResult
from mmc.errors import TargetError
from mmc.plan.ddl import DropCollection
from mmc.plan.model import (
    CopySplits,
    CreateCollection,
    FileFormat,
    Layout,
    ManifestCollection,
    Mode,
    Split,
    Write,
    WriteManifest,
)
from mmc.plan.reading import Batches, Reading
from mmc.sinks.files.options import FilesTargetOptions
from mmc.sinks.files.sink import FilesFolder, FilesSink
from mmc.spi import Claim
from mmc.storage import urls
from mmc.types import Collection, Index, Metric
from tests.layouts.batches import assert_same, columns_of, field, rows_of

SCHEMA = Collection(
    "docs",
    (
        field("id", "int64", primary_key=True),
        field("text", "varchar(99)"),
        field("v", "float_vector(4)"),
    ),
    dynamic=True,
)
FORMATS = ("parquet", "numpy", "json")
INDEXES = (("v", Index("HNSW", Metric.L2)),)


def copy_step(format_: str, schema: Collection = SCHEMA) -> CopySplits:
    return CopySplits(
        id=f"copy.{schema.name}",
        read=Reading(collection="s", columns=()),
        collection=schema,
        mappings=(),
        splits=(),
        route="files.files",
        reason="",
        write=Write.FILE,
        batches=Batches(100, 1 << 20),
        layout=Layout(FileFormat(format_), schema.name),
    )


DROP = DropCollection(id="drop.docs", collection="docs")


def create(mode: Mode = Mode.FAIL, schema: Collection = SCHEMA) -> CreateCollection:
    return CreateCollection(id="create", collection=schema, mode=mode, exists=mode is Mode.REPLACE)


def options(
    url: Path | str, format_: str = "parquet", storage: dict[str, Any] | None = None
) -> FilesTargetOptions:
    said = {"type": "files", "url": str(url), "format": format_, "storage": storage or {}}
    return FilesTargetOptions.model_validate(said)


def target(url: Path | str, format_: str = "parquet") -> FilesFolder:
    return FilesFolder(options(url, format_))


def split(number: int, rows: int | None = None, partition: str = "") -> Split:
    return Split(id=f"{number:05d}", pieces=(), rows=rows, bytes=0, partition=partition)


def write_split(
    folder: FilesFolder, found: Split, *batches: pa.RecordBatch, schema: Collection = SCHEMA
) -> CopiedSplit:
    writer = folder.writer(copy_step(folder.format, schema), found, replay=False)
    for batch in batches:
        writer.write(batch)
    rows = sum(map(len, batches))
    return CopiedSplit(found, SplitResult(rows_written=rows, files=writer.commit()))


def finish(folder: FilesFolder, *done: CopiedSplit, schema: Collection = SCHEMA) -> None:
    described = ManifestCollection(
        f"copy.{schema.name}", schema, Layout(FileFormat(folder.format), schema.name), INDEXES
    )
    step = WriteManifest("manifest", "manifest.json", (described,))
    folder.write_manifest(step, "beef" * 16, {described.copy: done})


def fill(folder: FilesFolder, schema: Collection = SCHEMA) -> tuple[CopiedSplit, ...]:
    """Three splits: 0 and 2 with rows, 1 empty."""
    folder.ensure(create(schema=schema))
    two = (rows_of(schema, 100), rows_of(schema, 50, 100))
    done = (
        write_split(folder, split(0, 150), *two, schema=schema),
        write_split(folder, split(1, None), schema=schema),
        write_split(folder, split(2, 99, "p"), rows_of(schema, 40, 150), schema=schema),
    )
    finish(folder, *done, schema=schema)
    return done


def names(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def expected_names(format_: str) -> list[str]:
    if format_ == "numpy":
        columns = sorted(columns_of(SCHEMA))
        return [f"docs/part-{n}/{name}.npy" for n in ("00000", "00002") for name in columns]
    return [f"docs/part-{n}.{format_}" for n in ("00000", "00002")]


@pytest.mark.parametrize("format_", FORMATS)
def test_what_was_written_is_read_back(format_: str, tmp_path: Path) -> None:
    folder = target(tmp_path / "out", format_)
    fill(folder)
    assert names(tmp_path / "out") == [*expected_names(format_), "manifest.json"]
    assert folder.count(SCHEMA) == 190
    found = list(folder.read_back(SCHEMA, columns_of(SCHEMA), None, 64))
    assert max(map(len, found)) <= 64
    table = pa.Table.from_batches(found).combine_chunks().to_batches()[0]
    parts = [rows_of(SCHEMA, 100), rows_of(SCHEMA, 50, 100), rows_of(SCHEMA, 40, 150)]
    assert_same(table, pa.Table.from_batches(parts).combine_chunks().to_batches()[0])


@pytest.mark.parametrize("format_", FORMATS)
def test_rows_are_found_by_key_with_the_columns_asked_for(format_: str, tmp_path: Path) -> None:
    folder = target(tmp_path, format_)
    fill(folder)
    keys = pa.array([7, 149, 150, 189, 1000])
    found = pa.Table.from_batches(folder.read_back(SCHEMA, ["text", "$meta"], keys, 64))
    assert found.column_names == ["text", "$meta"]
    assert found["text"].to_pylist() == [f"row {n} 😀" for n in (7, 149, 150, 189)]


@pytest.mark.parametrize("format_", FORMATS)
def test_the_manifest_says_what_is_there(format_: str, tmp_path: Path) -> None:
    folder = target(tmp_path, format_)
    fill(folder)
    body = json.loads((tmp_path / "manifest.json").read_text())
    assert body["plan"] == "beef" * 16
    (entry,) = body["collections"]
    assert (entry["name"], entry["rows"], entry["format"]) == ("docs", 190, format_)
    assert [(p["split"], p["partition"], p["rows"]) for p in body["files"]] == [
        ("00000", "", 150),
        ("00002", "p", 40),
    ]
    stored = [file for part in body["files"] for file in (part["files"] or [part])]
    assert sorted(file["path"] for file in stored) == expected_names(format_)
    for file in stored:
        data = (tmp_path / file["path"]).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file["bytes"], file["sha256"])


@pytest.mark.parametrize("format_", FORMATS)
def test_nothing_has_a_final_name_before_commit_and_abort_removes_all(
    format_: str, tmp_path: Path
) -> None:
    folder = target(tmp_path, format_)
    folder.ensure(create())
    writer = folder.writer(copy_step(format_), split(0, 100), replay=False)
    for start in range(0, 1000, 100):
        writer.write(rows_of(SCHEMA, 100, start))
        assert all(name.endswith(".partial") for name in names(tmp_path))
    assert names(tmp_path)
    writer.abort()
    assert names(tmp_path) == []
    writer.abort()


@pytest.mark.parametrize("format_", FORMATS)
def test_a_replay_replaces_the_part(format_: str, tmp_path: Path) -> None:
    folder = target(tmp_path, format_)
    folder.ensure(create())
    first = write_split(folder, split(0, 100), rows_of(SCHEMA, 100))
    again = folder.writer(copy_step(format_), split(0, 100), replay=True)
    again.write(rows_of(SCHEMA, 100))
    assert again.commit() == first.result.files
    finish(folder, first)
    assert folder.count(SCHEMA) == 100


@pytest.mark.parametrize("format_", FORMATS)
def test_leftovers_of_a_killed_attempt_go_with_the_manifest(format_: str, tmp_path: Path) -> None:
    folder = target(tmp_path, format_)
    folder.ensure(create())
    other = "json" if format_ == "parquet" else "parquet"
    lost = target(tmp_path, other).writer(copy_step(other), split(8), replay=False)
    lost.write(rows_of(SCHEMA, 10))
    lost.commit()
    half = folder.writer(copy_step(format_), split(9), replay=False)
    half.write(rows_of(SCHEMA, 10))
    mine = ["docs/notes.txt", "docs/part-1.csv", "other/part-00000.parquet", "x.partial"]
    for name in mine:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    done = write_split(folder, split(0), rows_of(SCHEMA, 100))
    finish(folder, done)
    wanted = [name for name in expected_names(format_) if "00000" in name]
    assert names(tmp_path) == sorted([*wanted, *mine, "manifest.json"])
    assert sorted(p.name for p in (tmp_path / "docs").iterdir() if p.is_dir()) == (
        ["part-00000"] if format_ == "numpy" else []
    )
    half.abort()


@pytest.mark.parametrize("format_", FORMATS)
def test_rows_of_a_partition_are_counted(format_: str, tmp_path: Path) -> None:
    folder = target(tmp_path, format_)
    assert folder.count_partitions(SCHEMA, ["p"]) == [0]
    fill(folder)
    assert folder.count_partitions(SCHEMA, ["q", "p"]) == [0, 40]


@pytest.mark.parametrize("format_", FORMATS)
def test_an_orphan_part_is_counted(format_: str, tmp_path: Path) -> None:
    """An import of the folder would read it, so it must not be overlooked."""
    folder = target(tmp_path, format_)
    fill(folder)
    write_split(folder, split(7), rows_of(SCHEMA, 3, 500))
    assert folder.count(SCHEMA) == 193


@pytest.mark.parametrize("format_", FORMATS)
def test_any_changed_byte_is_found(format_: str, tmp_path: Path) -> None:
    folder = target(tmp_path, format_)
    fill(folder)
    seeded = np.random.default_rng(3)
    for name in expected_names(format_):
        path = tmp_path / name
        whole = path.read_bytes()
        for place in seeded.integers(0, len(whole), 3):
            data = bytearray(whole)
            data[place] ^= 1 << int(seeded.integers(0, 8))
            path.write_bytes(data)
            assert damage(folder).endswith("its content is not what was written")
        path.write_bytes(whole[:-1])
        assert f"{len(whole) - 1:,} bytes, but {len(whole):,}" in damage(folder)
        path.unlink()
        assert damage(folder).endswith("in the manifest, but not there")
        path.write_bytes(whole)
    assert not folder.look(SCHEMA).problems
    assert folder.count(SCHEMA) == 190


def damage(folder: FilesFolder) -> str:
    """The one file that is not as the manifest records it."""
    look = folder.look(SCHEMA)
    (problem,) = look.problems
    assert look.damaged and problem.startswith("MMC533: ")
    return problem


def test_a_look_says_what_the_manifest_records(tmp_path: Path) -> None:
    folder = target(tmp_path)
    with pytest.raises(TargetError, match="records no collection docs") as caught:
        folder.look(SCHEMA)
    assert caught.value.code == "MMC539"
    fill(folder)
    look = folder.look(SCHEMA)
    assert (look.found.schema, look.found.indexes) == (SCHEMA, INDEXES)
    assert (look.files, look.aliases, look.properties) == (2, False, False)
    write_split(folder, split(7), rows_of(SCHEMA, 3))
    more = folder.look(SCHEMA)
    assert not more.damaged
    (line,) = more.problems
    assert line.startswith("MMC715: ") and "part-00007.parquet" in line


def test_an_existing_collection_needs_a_mode(tmp_path: Path) -> None:
    folder = target(tmp_path)
    fill(folder)
    with pytest.raises(TargetError, match="holds a collection docs already"):
        folder.ensure(create())
    for mode in (Mode.APPEND, Mode.UPSERT):
        with pytest.raises(TargetError, match="no meaning for a files target"):
            folder.ensure(create(mode))


@pytest.mark.parametrize("format_", FORMATS)
def test_parts_that_nobody_recorded_are_not_written_over(format_: str, tmp_path: Path) -> None:
    folder = target(tmp_path, format_)
    folder.ensure(create())
    write_split(folder, split(7), rows_of(SCHEMA, 10))
    before = names(tmp_path)
    for _ in range(2):
        with pytest.raises(TargetError, match=r"docs/part-00007\S* is there, and no manifest") as e:
            folder.ensure(create())
        assert e.value.code == "MMC530" and names(tmp_path) == before
    folder.ensure(create(Mode.REPLACE))


def test_a_folder_that_another_run_writes_to(tmp_path: Path) -> None:
    one, other = Claim("one@1", begun=False), Claim("other@1", begun=False)
    folder = target(tmp_path)
    folder.ensure(create(), one)
    folder.ensure(create(), one)
    for mode in (Mode.FAIL, Mode.REPLACE):
        with pytest.raises(TargetError, match="one@1 is writing") as caught:
            target(tmp_path).ensure(create(mode), other)
        assert caught.value.code == "MMC581"
    done = write_split(folder, split(0, 100), rows_of(SCHEMA, 100))
    finish(folder, done)
    assert folder.count(SCHEMA) == 100
    folder.release(create(), one)
    folder.release(create(), one)
    assert names(tmp_path) == ["docs/part-00000.parquet", "manifest.json"]
    folder.drop_collection(DROP)
    folder.ensure(create(Mode.REPLACE), other)
    with pytest.raises(TargetError, match="other@1 is writing"):
        folder.drop_collection(DROP)
    folder.drop_collection(replace(DROP, claimed="other@1"))


def test_a_mark_that_a_killed_attempt_made_by_half_is_its_own(tmp_path: Path) -> None:
    one, other = Claim("one@1", begun=True), Claim("other@1", begun=False)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "written-by-one@1.partial").touch()
    folder = target(tmp_path)
    with pytest.raises(TargetError, match="run one@1 is writing") as caught:
        folder.ensure(create(), other)
    assert "remove the file written-by-one@1.partial there" in caught.value.hint
    folder.ensure(create(), one)
    assert names(tmp_path) == ["docs/written-by-one@1"]
    folder.release(create(), one)
    assert names(tmp_path) == []


def test_two_runs_that_come_at_the_same_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has looked before the other marks the folder: whoever looks again sees the other."""
    one, other = Claim("one@1", begun=False), Claim("other@1", begun=False)
    prepare = FilesFolder._prepare

    def meanwhile(folder: FilesFolder, step: CreateCollection) -> None:
        prepare(folder, step)
        monkeypatch.undo()
        target(tmp_path).ensure(create(), other)

    monkeypatch.setattr(FilesFolder, "_prepare", meanwhile)
    with pytest.raises(TargetError, match="other@1 is writing"):
        target(tmp_path).ensure(create(), one)
    assert names(tmp_path) == ["docs/written-by-other@1"]


def test_replace_that_was_planned_of_nothing(tmp_path: Path) -> None:
    fill(target(tmp_path))
    before = names(tmp_path)
    step = CreateCollection(id="create", collection=SCHEMA, mode=Mode.REPLACE, exists=False)
    with pytest.raises(TargetError, match="holds a collection docs") as caught:
        target(tmp_path).ensure(step)
    assert caught.value.code == "MMC530"
    assert names(tmp_path) == before


@pytest.mark.parametrize("format_", FORMATS)
def test_replace_removes_what_the_manifest_records_and_nothing_else(
    format_: str, tmp_path: Path
) -> None:
    other = Collection("other", SCHEMA.fields[:1])
    folder = target(tmp_path, format_)
    fill(folder)
    fill(folder, other)
    (tmp_path / "docs" / "part-77777.parquet").write_text("mine")
    before = [name for name in names(tmp_path) if name.startswith("other/")]
    with pytest.raises(TargetError, match="holds a collection docs already") as caught:
        folder.ensure(create(Mode.REPLACE))
    assert caught.value.code == "MMC530"
    for _ in range(2):
        folder.drop_collection(DROP)
        folder.ensure(create(Mode.REPLACE))
        assert names(tmp_path) == sorted([*before, "docs/part-77777.parquet", "manifest.json"])
        assert not (tmp_path / "docs" / "part-00000").exists()
        assert [entry.name for entry in folder.manifest().collections] == ["other"]
    assert folder.count(other) == 190


def test_inspect_shows_collections_and_what_a_format_can_hold(tmp_path: Path) -> None:
    sink = FilesSink()
    facts = sink.inspect(options(tmp_path / "none"), ())
    assert (facts.type, facts.route, facts.collections) == ("files", "files", ())
    assert not (tmp_path / "none").exists()
    assert facts.capabilities.whole_files
    assert "sparse_float_vector" in facts.capabilities.types
    numpy = sink.inspect(options(tmp_path, "numpy"), ()).capabilities
    assert not numpy.types & {"array", "sparse_float_vector"}
    assert not numpy.nullable
    fill(target(tmp_path))
    (found,) = sink.inspect(options(tmp_path), ("docs",)).collections
    assert (found.schema, found.rows, found.indexes) == (SCHEMA, 190, INDEXES)
    assert sink.inspect(options(tmp_path), ("else",)).collections == ()


@pytest.mark.parametrize("text", ["{", '{"format": "mmc-plan"}'])
def test_a_manifest_that_cannot_be_read_stops_everything(text: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(TargetError, match=r"manifest\.json: ") as caught:
        FilesSink().inspect(options(tmp_path), ())
    assert caught.value.code == "MMC532"
    with pytest.raises(TargetError):
        target(tmp_path).drop_collection(DROP)
    assert (tmp_path / "manifest.json").read_text() == text


def test_auto_id_fields_are_left_out(tmp_path: Path) -> None:
    key = field("id", "int64", primary_key=True, auto_id=True)
    schema = Collection("auto", (key, *SCHEMA.fields[1:]))
    for format_ in FORMATS:
        folder = target(tmp_path / format_, format_)
        folder.ensure(create(schema=schema))
        plain = Collection("auto", SCHEMA.fields[1:])
        done = write_split(folder, split(0), rows_of(plain, 10), schema=schema)
        finish(folder, done, schema=schema)
        assert folder.count(schema) == 10
        (found,) = folder.read_back(schema, ["text", "v"], None, 100)
        assert_same(found, rows_of(plain, 10))
    assert pq.read_schema(tmp_path / "parquet/auto/part-00000.parquet").names == ["text", "v"]
    assert not (tmp_path / "numpy/auto/part-00000/id.npy").exists()


def test_a_local_folder_needs_no_fsspec(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom tests.sinks import test_files as t\n"
        "for name in t.FORMATS:\n"
        "    folder = t.target(sys.argv[1] + '/' + name, name)\n"
        "    t.fill(folder)\n    assert folder.count(t.SCHEMA) == 190\n"
        "assert not any(name.partition('.')[0] == 'fsspec' for name in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


@pytest.fixture
def memory() -> Iterator[str]:
    import fsspec

    url = f"memory://{uuid.uuid4().hex}/out"
    yield url
    fsspec.filesystem("memory").rm(url, recursive=True)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_folder_behind_a_url(format_: str, memory: str) -> None:
    folder = target(memory, format_)
    fill(folder)
    assert folder.count(SCHEMA) == 190
    found = pa.Table.from_batches(folder.read_back(SCHEMA, columns_of(SCHEMA), None, 64))
    assert found["id"].to_pylist() == list(range(190))
    (part, *_) = [name for name, _ in urls.list_files(memory) if "part-" in name]
    urls.write_text(urls.join_url(memory, part), "changed")
    assert "7 bytes, but" in damage(folder)
    write_split(folder, split(7), rows_of(SCHEMA, 3))
    folder.drop_collection(DROP)
    left = [name for name, _ in urls.list_files(memory) if "part-" in name]
    assert left
    assert all("part-00007" in name for name in left)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, dict[str, Any]]]:
    """An empty bucket of a real S3 server in this process, and the options to reach it."""
    import s3fs as fs
    from moto import server as server_of

    monkeypatch.setenv("TEST_S3_KEY", "some-key")
    monkeypatch.setenv("TEST_S3_SECRET", "some-secret")
    server = server_of.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint, name = f"http://{host}:{port}", f"dump-{uuid.uuid4().hex}"
        fs.S3FileSystem(key="some-key", secret="some-secret", endpoint_url=endpoint).mkdir(name)
        storage = {
            "key": {"secret": "env:TEST_S3_KEY"},
            "secret": {"secret": "env:TEST_S3_SECRET"},
            "endpoint_url": endpoint,
        }
        yield f"s3://{name}/out", storage
    finally:
        server.stop()


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("format_", FORMATS)
def test_a_bucket(format_: str, bucket: tuple[str, dict[str, Any]]) -> None:
    url, storage = bucket
    folder = FilesFolder(options(url, format_, storage))
    fill(folder)
    assert folder.count(SCHEMA) == 190
    found = pa.Table.from_batches(folder.read_back(SCHEMA, columns_of(SCHEMA), None, 64))
    assert found["id"].to_pylist() == list(range(190))
    write_split(folder, split(7), rows_of(SCHEMA, 3))
    assert folder.count(SCHEMA) == 193
    folder.drop_collection(DROP)
    left = [name for name, _ in urls.list_files(url, storage)]
    assert left
    assert all("part-00007" in name or name == "manifest.json" for name in left)


_KILLED = """
import sys
from tests.sinks import test_files as t
folder = t.target(sys.argv[1], sys.argv[2])
for _ in t.write_slowly(folder):
    print("on", flush=True)
"""


def write_slowly(folder: FilesFolder) -> Iterator[None]:
    """A whole attempt, in 17 steps: after each it may be killed. A later one makes no collection:
    that step is done.
    """
    if not names(Path(folder.url)):
        folder.ensure(create())
    done = []
    for number in range(4):
        found = split(number, 2000)
        writer = folder.writer(copy_step(folder.format), found, replay=False)
        for start in (number * 2000, number * 2000 + 1000):
            yield
            writer.write(rows_of(SCHEMA, 1000, start))
        yield
        done.append(CopiedSplit(found, SplitResult(rows_written=2000, files=writer.commit())))
        yield
    finish(folder, *done)
    yield


@pytest.mark.slow
@pytest.mark.parametrize("format_", FORMATS)
def test_killed_anywhere_and_written_again(format_: str, tmp_path: Path) -> None:
    """kill -9 in the middle: final names are whole files, and the next attempt ends right."""
    seeded = np.random.default_rng(11)
    command = [sys.executable, "-c", _KILLED, str(tmp_path), format_]
    for step in seeded.integers(2, 16, 3):
        shutil.rmtree(tmp_path)
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            for _ in range(step):
                assert child.stdout.readline()
            time.sleep(seeded.uniform(0, 0.003))
            child.kill()
        folder = target(tmp_path, format_)
        if not (tmp_path / "manifest.json").exists():
            assert names(tmp_path)
            count = folder.count(SCHEMA) if format_ != "numpy" else 0
            assert count in range(0, 8001, 2000)
            for _ in write_slowly(folder):
                pass
        assert folder.count(SCHEMA) == 8_000
        assert not [name for name in names(tmp_path) if name.endswith(".partial")]
        parts = pa.Table.from_batches(folder.read_back(SCHEMA, ["id"], None, 5000))
        assert parts["id"].to_pylist() == list(range(8_000))


_FILL_DISK = """
import resource, signal, sys
from mmc.errors import TargetError
from tests.sinks import test_files as t
root, format_, limit, guess = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
if limit:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
folder = t.target(root, format_)
folder.ensure(t.create())
writer = folder.writer(t.copy_step(format_), t.split(0, guess), replay=False)
try:
    for start in range(0, 200_000, 10_000):
        writer.write(t.rows_of(t.SCHEMA, 10_000, start))
    writer.commit()
except TargetError as error:
    print(error)
    writer.abort()
else:
    sys.exit("the disk was never full")
"""


def fill_disk(root: Path, format_: str, limit: int = 0) -> str:
    command = [sys.executable, "-W", "error", "-c", _FILL_DISK, str(root), format_, str(limit), "9"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("format_", FORMATS)
def test_a_file_that_may_not_grow(format_: str, tmp_path: Path) -> None:
    """EFBIG, made by a limit on the size of files."""
    message = fill_disk(tmp_path, format_, limit=1 << 20)
    assert "docs/part-00000" in message
    assert "no space left" in message
    assert names(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting needs root")
@pytest.mark.parametrize("format_", FORMATS)
def test_a_full_disk(format_: str, tmp_path: Path) -> None:
    """ENOSPC, made by a file system of 3 MB."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True).returncode:
        required = os.environ.get("MMC_REQUIRE_SERVERS")
        (pytest.fail if required else pytest.skip)("mounting is not allowed here")
    try:
        message = fill_disk(tmp_path, format_)
        assert "docs/part-00000" in message
        assert "o space left" in message
        assert names(tmp_path) == []
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(TargetError, match="out"):
        target(tmp_path / "out").ensure(create())
