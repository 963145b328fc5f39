"""Bulk imports into a real Milvus 2.3.5: what each format brings in, where, and the traps."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mmc.arrow.schema import canonical_schema
from mmc.errors import TargetBusy, TargetError
from mmc.facts import Extent
from mmc.layouts.files import FileRecord
from mmc.layouts.manifest import Manifest, dump
from mmc.layouts.staging import StagingPlace
from mmc.plan.model import (
    AwaitIndexes,
    BuildIndex,
    CopySplits,
    FileFormat,
    Layout,
    LoadCollection,
    Split,
    Staging,
    Write,
)
from mmc.sinks.milvus import built
from mmc.sinks.milvus.built import Built
from mmc.sinks.milvus.bulk.grpcimports import VERDICT_SECONDS, GrpcImports
from mmc.sinks.milvus.bulk.sink import MilvusBulkSink
from mmc.sinks.milvus.bulk.target import BulkTarget
from mmc.sinks.milvus.options import MilvusTargetOptions
from mmc.spi import FileGroup, ImportTask, TaskState
from mmc.storage.filesystems import filesystem
from mmc.types import Collection, Index, Metric
from mmc.verify.digest import Digest
from tests.servers.milvus_lite import copy_step, create_step, options_at
from tests.servers.milvus_server import MilvusServer, own_server
from tests.servers.s3 import Bucket, s3_bucket
from tests.sinks.milvus.collections import KEYS, batch_of, field, read, same, small, small_rows
from tests.sinks.milvus.test_round_trip import VALUES

FLAT = Index("FLAT", Metric.L2)
FORMATS = ("parquet", "numpy", "json")
METAS = ["{}", '{"x":1,"y":[1,null,{"z":"é😀"}],"f":1.0}', '{"":0,"n":123456789012345678901}']
KEY = "5ab1"


@pytest.fixture
def options(milvus_server: MilvusServer) -> MilvusTargetOptions:
    return options_at(milvus_server.uri)


@pytest.fixture
def target(options: MilvusTargetOptions) -> Iterator[BulkTarget]:
    with MilvusBulkSink().open(options) as opened:
        yield opened


def named(collection: Collection, **changes: Any) -> Collection:
    """The collection under a name that no other test has: they share one server."""
    return replace(collection, name=f"c{uuid.uuid4().hex}", **changes)


def copy_of(collection: Collection, format_: str, url: Any, key: str = KEY) -> CopySplits:
    step = copy_step(collection, "file")
    layout = Layout(FileFormat(format_), collection.name)
    return replace(step, route="milvus.bulk", layout=layout, staging=Staging(str(url), key=key))


def in_bucket(copy: CopySplits, bucket: Bucket) -> CopySplits:
    assert copy.staging is not None
    return replace(copy, staging=replace(copy.staging, storage=tuple(bucket.storage.items())))


def in_place(copy: CopySplits, part: str) -> CopySplits:
    extent = Extent(locator=(("path", part),), start=0, stop=3, unit="row", rows=3, bytes=0)
    return replace(
        copy, write=Write.IN_PLACE, splits=(Split(id="00000", pieces=(extent,), rows=3, bytes=0),)
    )


def stage(
    target: BulkTarget, copy: CopySplits, rows: pa.RecordBatch, part: str = "00000"
) -> tuple[FileRecord, ...]:
    writer = target.writer(
        copy, Split(id=part, pieces=(), rows=rows.num_rows, bytes=0), replay=False
    )
    writer.write(rows.slice(0, 3))
    writer.write(rows.slice(3))
    return writer.commit()


def ask(
    target: BulkTarget, copy: CopySplits, files: Sequence[FileRecord], partition: str = ""
) -> str:
    group = FileGroup("00000", partition, tuple(file.path for file in files))
    return target.submit(copy, [group], "")


def ended(target: BulkTarget, copy: CopySplits, *ids: str) -> list[ImportTask]:
    deadline = time.monotonic() + 120
    while True:
        tasks = list(target.tasks(copy, ids))
        if all(task.state in (TaskState.COMPLETED, TaskState.FAILED) for task in tasks):
            return tasks
        assert time.monotonic() < deadline, tasks
        time.sleep(0.05)


def ready(target: BulkTarget, collection: Collection, index: Index = FLAT) -> None:
    target.build_index(BuildIndex(id="i", collection=collection.name, field="v", index=index))
    target.await_indexes(AwaitIndexes("w", collection.name))
    target.load(LoadCollection(id="l", collection=collection.name))


def digest_of(collection: Collection, batches: Iterator[pa.RecordBatch] | list[Any]) -> str:
    digest = Digest.of(collection)
    for batch in batches:
        digest.add(batch)
    return digest.hex()


def found_digest(target: BulkTarget, collection: Collection) -> str:
    names = canonical_schema(collection).names
    return digest_of(collection, list(target.read_back(collection, names, None, 1000)))


def wide(kinds: Sequence[str], texts: Sequence[str]) -> tuple[Collection, pa.RecordBatch]:
    """A field of each type, a dynamic field, and a vector; awkward keys and values, each twice.

    The key is a number up to its limits; 2**63-1 is refused.
    """
    values = VALUES | {"varchar(50)": texts}
    rows = 2 * max(len(values[kind]) for kind in kinds)
    columns: dict[str, list[Any]] = {"id": [-(2**63), *range(rows - 2), 2**63 - 2]}
    fields = [field("id", "int64", primary_key=True)]
    for number, kind in enumerate(kinds):
        fields.append(field(f"f{number}", kind))
        columns[f"f{number}"] = list(islice(cycle(values[kind]), rows))
    fields.append(field("v", "float_vector(3)"))
    vectors = [[-0.0, 2.0**-149, 3.4028234663852886e38], [0.1, 1 / 3, -1e-30]]
    columns["v"] = list(islice(cycle(vectors), rows))
    columns["$meta"] = list(islice(cycle(METAS), rows))
    collection = named(Collection("", tuple(fields), dynamic=True))
    return collection, batch_of(collection, columns)


def by_partitions(collection: Collection, names: Sequence[str]) -> Collection:
    return replace(collection, partitions=tuple(names))


@pytest.mark.parametrize("format_", FORMATS)
def test_every_type(target: BulkTarget, tmp_path: Path, format_: str) -> None:
    unfit = {"numpy": "array", "json": "array<double>"}.get(format_, "none")
    kinds = [kind for kind in VALUES if not kind.startswith(unfit)]
    texts = VALUES["varchar(50)"]
    if format_ == "numpy":
        texts = [text for text in texts if "\0" not in text]
    collection, rows = wide(kinds, texts)
    copy = copy_of(collection, format_, tmp_path)
    target.ensure(create_step(collection))
    files = stage(target, copy, rows)
    (task,) = ended(target, copy, ask(target, copy, files))
    assert (task.state, task.rows, task.progress) == (TaskState.COMPLETED, rows.num_rows, 100)
    assert task.files == tuple(file.path for file in files)
    ready(target, collection)
    assert target.count(collection) == rows.num_rows
    same(read(target, collection), rows)  # type: ignore[arg-type]
    assert found_digest(target, collection) == digest_of(collection, [rows])
    StagingPlace.of(copy).remove([file.path for file in files])
    assert list(tmp_path.iterdir()) == []


def test_binary_vectors_and_text_keys_by_partition(target: BulkTarget, tmp_path: Path) -> None:
    fields = (field("id", "varchar(200)", primary_key=True), field("v", "binary_vector(16)"))
    collection = by_partitions(named(Collection("", fields)), FORMATS)
    target.ensure(create_step(collection))
    sent, ids = [], []
    for format_ in FORMATS:
        keys = [f"{key}{format_}" for key in KEYS if format_ != "numpy" or "\0" not in key]
        if format_ == "json":
            keys.append("")
        vectors = [bytes([n, 255 - n]) for n in range(len(keys))]
        rows = batch_of(collection, {"id": keys, "v": vectors})
        copy = copy_of(collection, format_, tmp_path)
        ids.append(ask(target, copy, stage(target, copy, rows), format_))
        sent.append(rows)
    tasks = ended(target, copy, *ids)
    assert [task.rows for task in tasks] == [rows.num_rows for rows in sent]
    assert [task.id for task in target.find_tasks(copy)] == ids
    ready(target, collection, Index("BIN_FLAT", Metric.HAMMING))
    assert target.count_partitions(collection, FORMATS) == [rows.num_rows for rows in sent]
    assert target.count(collection) == sum(rows.num_rows for rows in sent)
    assert found_digest(target, collection) == digest_of(collection, sent)


def test_keys_that_the_server_makes_and_rows_in_a_loaded_collection(
    target: BulkTarget, tmp_path: Path
) -> None:
    fields = (
        field("id", "int64", primary_key=True, auto_id=True),
        field("t", "varchar(100)"),
        field("v", "float_vector(2)"),
    )
    collection = named(Collection("", fields))
    target.ensure(create_step(collection))
    sent, ids = [], []
    for number, format_ in enumerate(FORMATS):
        texts = [f"{format_} {n}" for n in range(5)]
        rows = batch_of(collection, {"t": texts, "v": [[n, number] for n in range(5)]})
        copy = copy_of(collection, format_, tmp_path)
        ids.append(ask(target, copy, stage(target, copy, rows)))
        sent.append(rows)
        if number == 0:
            ended(target, copy, *ids)
            ready(target, collection)
    assert [task.rows for task in ended(target, copy, *ids)] == [5, 5, 5]
    # The collection was loaded before two of the imports: their rows are not seen by themselves.
    assert target.count(collection) == 5
    ready(target, collection)
    assert target.count(collection) == 15
    assert found_digest(target, collection) == digest_of(collection, sent)
    textual = named(
        Collection("", (field("id", "varchar(9)", primary_key=True, auto_id=True), fields[2]))
    )
    with pytest.raises(TargetError, match=r"an import makes no varchar\(9\) keys") as caught:
        target.ensure(create_step(textual))
    assert caught.value.code == "MMC511"


def test_a_database_has_its_own_collections(
    target: BulkTarget, options: MilvusTargetOptions, tmp_path: Path
) -> None:
    collection = named(small())
    database = f"d{uuid.uuid4().hex}"
    target.ensure(create_step(collection))
    copy = copy_of(collection, "json", tmp_path)
    mine = stage(target, copy, small_rows(collection, [1]))
    with MilvusBulkSink().open(options_at(options.uri, database=database)) as other:
        other.ensure(create_step(collection))
        files = stage(other, copy, small_rows(collection, [1, 2, 3]), "00001")
        id_ = ask(other, copy, files)
        own = ask(target, copy, mine)
        assert ended(other, copy, id_)[0].rows == 3
        assert ended(target, copy, own)[0].rows == 1
        assert [task.id for task in other.find_tasks(copy)] == [id_]
        assert [task.id for task in target.find_tasks(copy)] == [own]
        for place, rows in ((database, 3), ("", 1)):
            where = options_at(options.uri, database=place)
            (seen,) = MilvusBulkSink().inspect(where, [collection.name]).collections
            assert (seen.rows, seen.schema) == (rows, collection)
        for opened in (target, other):
            opened._connection.client.drop_collection(collection.name)
        other._connection.client.drop_database(database)


def test_what_fails(target: BulkTarget, tmp_path: Path) -> None:
    collection = named(small())
    copy = copy_of(collection, "json", tmp_path)
    target.ensure(create_step(collection))
    folder = tmp_path / KEY
    folder.mkdir()
    bad = {
        "cut.json": '{"rows":[{"id":1,"t":"x","v":[1,2]},',
        "dim.json": '{"rows":[{"id":1,"t":"x","v":[1]}]}',
        "garbage.parquet": "PAR1",
    }
    for name, text in bad.items():
        (folder / name).write_text(text)
    ids = [
        ask(target, copy, [FileRecord(f"{KEY}/{name}", 1, "", 1)]) for name in [*bad, "none.json"]
    ]
    with pytest.raises(TargetError, match="partition"):
        ask(target, copy, [FileRecord(f"{KEY}/dim.json", 1, "", 1)], "nowhere")
    tasks = ended(target, copy, *ids)
    assert {task.state for task in tasks} == {TaskState.FAILED}
    assert not any(task.again for task in tasks)
    cut, dim, garbage, none = tasks
    assert "failed to parse row value" in cut.reason and cut.code == ""
    assert "doesn't equal to vector dimension 2" in dim.reason
    assert "parquet" in garbage.reason
    assert none.code == "MMC542"
    assert str(tmp_path) in none.reason and "Milvus's own bucket" in none.reason
    (gone,) = target.tasks(copy, ["12345"])
    assert (gone.state, gone.again) == (TaskState.GONE, False)
    ready(target, collection)
    assert target.count(collection) == 0


def test_rows_that_an_import_would_change(target: BulkTarget, tmp_path: Path) -> None:
    collection = named(small(dynamic=True))
    copy = copy_of(collection, "parquet", tmp_path)
    for keys, meta, text in [
        ([2**63 - 1], "{}", "never find it"),
        ([1], '{"t":1}', "would lose"),
    ]:
        writer = target.writer(copy, Split(id="00000", pieces=(), rows=1, bytes=0), replay=False)
        with pytest.raises(TargetError, match=text):
            writer.write(small_rows(collection, keys, meta=[meta]))
        writer.abort()
    assert not list(tmp_path.rglob("*.parquet*"))


@pytest.mark.parametrize(
    ("kind", "format_"),
    [
        ("float16_vector(2)", "parquet"),
        ("bfloat16_vector(2)", "json"),
        ("sparse_float_vector", "parquet"),
        ("array<int8>(3)", "numpy"),
        ("array<double>(3)", "json"),
    ],
)
def test_types_that_files_cannot_bring(
    target: BulkTarget, tmp_path: Path, kind: str, format_: str
) -> None:
    fields = (field("id", "int64", primary_key=True), field("x", kind))
    copy = copy_of(named(Collection("", fields)), format_, tmp_path)
    for act in (
        lambda: target.check_staging(copy, dropping=False, manifest=""),
        lambda: target.writer(copy, Split(id="00000", pieces=(), rows=1, bytes=0), replay=False),
    ):
        with pytest.raises(
            TargetError, match=rf"Milvus 2\.3\.5 imports no .* from {format_}"
        ) as caught:
            act()
        assert caught.value.code == "MMC510"
    assert list(tmp_path.iterdir()) == []


def test_a_staging_place_is_tried_before_the_collection_is_there(
    target: BulkTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(GrpcImports, "see", lambda _, name, path, needed: asked.append(name) or "")
    collection = named(small())
    copy = copy_of(collection, "parquet", tmp_path)
    target.check_staging(copy, dropping=False, manifest="")
    assert asked == []
    target.ensure(create_step(collection))
    target.check_staging(copy, dropping=False, manifest="")
    assert asked == [collection.name]
    assert list(tmp_path.iterdir()) == []


def test_a_staging_place_is_tried_before_the_database_is_there(
    milvus_server: MilvusServer, tmp_path: Path
) -> None:
    with MilvusBulkSink().open(options_at(milvus_server.uri, database="not_yet_there")) as target:
        target.check_staging(copy_of(small(), "parquet", tmp_path), dropping=False, manifest="")


def test_a_staging_place_is_tried(target: BulkTarget, tmp_path: Path) -> None:
    collection = named(small())
    target.ensure(create_step(collection))
    copy = copy_of(collection, "parquet", tmp_path)
    began = time.monotonic()
    target.check_staging(copy, dropping=False, manifest="")
    # Where imports of other tests are before it, it does not wait for its turn.
    assert time.monotonic() - began < VERDICT_SECONDS + 5
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(TargetError) as caught:
        target.check_staging(
            copy_of(collection, "parquet", "sftp://host/x"), dropping=False, manifest=""
        )
    assert caught.value.code == "MMC546"


def test_a_staging_place_that_the_server_does_not_see(
    target: BulkTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Imports of other tests may be before it on the same server.
    monkeypatch.setattr("mmc.sinks.milvus.bulk.grpcimports.VERDICT_SECONDS", 60.0)
    collection = named(small())
    target.ensure(create_step(collection))
    with s3_bucket() as bucket:
        copy = in_bucket(copy_of(collection, "parquet", f"{bucket.url}/files"), bucket)
        with pytest.raises(TargetError, match="no such file") as caught:
            target.check_staging(copy, dropping=False, manifest="")
    assert caught.value.code == "MMC542"
    assert bucket.url in str(caught.value) and f"files/{KEY}" in str(caught.value)


def test_a_collection_is_not_given_up_while_the_server_does_not_answer(
    target: BulkTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Imports that were asked for before come first: each takes two seconds."""
    collection = named(small())
    target.ensure(create_step(collection))
    copy = copy_of(collection, "parquet", tmp_path)
    busy = tmp_path / "busy.json"
    busy.write_text('{"rows":[]}')
    with monkeypatch.context() as patch:
        patch.setattr("mmc.sinks.milvus.bulk.grpcimports.VERDICT_SECONDS", 0.3)
        for _ in range(4):
            ask(target, copy, [FileRecord(busy.name, 0, "", 0)])
        target.check_staging(copy, dropping=False, manifest="")
        assert list(tmp_path.iterdir()) == [busy]
        with pytest.raises(TargetBusy, match="is not dropped before") as caught:
            target.check_staging(copy, dropping=True, manifest="")
    assert caught.value.code == "MMC550"
    tried = len(target.find_tasks(copy))
    assert list(tmp_path.glob("*/*/check.json"))
    monkeypatch.setattr("mmc.sinks.milvus.bulk.grpcimports.VERDICT_SECONDS", 60.0)
    target.check_staging(copy, dropping=True, manifest="")
    assert len(target.find_tasks(copy)) == tried  # The same one has been waited for.
    assert list(tmp_path.iterdir()) == [busy]


def test_a_collection_that_takes_no_imports_tells_what_the_server_sees(
    target: BulkTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2.3.5 makes collections with vectors that it does not import: they can be replaced."""
    from pymilvus import DataType

    monkeypatch.setattr("mmc.sinks.milvus.bulk.grpcimports.VERDICT_SECONDS", 60.0)
    collection = named(small())
    client = target._connection.client
    schema = client.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("v", DataType.FLOAT16_VECTOR, dim=4)
    client.create_collection(collection.name, schema=schema)
    target.check_staging(copy_of(collection, "parquet", tmp_path), dropping=True, manifest="")
    with s3_bucket() as bucket:
        copy = in_bucket(copy_of(collection, "parquet", f"{bucket.url}/files"), bucket)
        with pytest.raises(TargetError) as caught:
            target.check_staging(copy, dropping=True, manifest="")
    assert caught.value.code == "MMC542"


@pytest.mark.parametrize("format_", FORMATS)
def test_a_place_whose_files_are_imported_where_they_lie_is_tried(
    target: BulkTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format_: str
) -> None:
    """The server has to find the manifest before it can refuse it."""
    monkeypatch.setattr("mmc.sinks.milvus.bulk.grpcimports.VERDICT_SECONDS", 60.0)
    collection = named(small())
    target.ensure(create_step(collection))
    (file, *_) = stage(
        target, copy_of(collection, format_, tmp_path), small_rows(collection, [1, 2, 3])
    )
    (tmp_path / "manifest.json").write_text(dump(Manifest("5ab1")))
    before = sorted(tmp_path.rglob("*"))
    part = file.path.rpartition("/")[0] if format_ == "numpy" else file.path
    copy = in_place(copy_of(collection, format_, tmp_path, key=""), part)
    target.check_staging(copy, dropping=True, manifest="manifest.json")
    assert sorted(tmp_path.rglob("*")) == before
    with s3_bucket() as bucket:
        copy = in_bucket(replace(copy, staging=Staging(f"{bucket.url}/there")), bucket)
        system, there = filesystem(f"{bucket.url}/there", bucket.storage)
        system.put(str(tmp_path), there, recursive=True)
        with pytest.raises(TargetError) as caught:
            target.check_staging(copy, dropping=True, manifest="manifest.json")
        assert caught.value.code == "MMC542"
        system.rm(f"{there}/{part}", recursive=True)
        with pytest.raises(TargetError) as caught:
            target.check_staging(copy, dropping=True, manifest="manifest.json")
        assert caught.value.code == "MMC541"
    assert not any(task.rows for task in target.find_tasks(copy))


def test_an_index_that_is_not_built_in_time(
    target: BulkTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection = named(small())
    target.ensure(create_step(collection))
    target.build_index(BuildIndex(id="i", collection=collection.name, field="v", index=FLAT))
    looks = []
    left = Built(field="v", state="Finished", reason="", rows=5_000, indexed=3_800, left=1_200)
    monkeypatch.setattr(built, "look_at", lambda *_: looks.append(1) or [left])
    monkeypatch.setattr(built, "LOOK_SECONDS", (0.04, 0.04))
    target._connection.long_timeout = 0.1
    told = []
    with pytest.raises(TargetBusy, match="1,200 rows are not in it yet"):
        target.await_indexes(AwaitIndexes("w", collection.name), lambda *rows: told.append(rows))
    assert len(looks) > 1
    assert set(told) == {(3_800, 5_000)}


def test_an_index_that_the_server_gives_up(
    target: BulkTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection = named(small())
    target.ensure(create_step(collection))
    target.build_index(BuildIndex(id="i", collection=collection.name, field="v", index=FLAT))
    failed = Built(field="v", state="Failed", reason="no memory", rows=9, indexed=0, left=9)
    monkeypatch.setattr(built, "look_at", lambda *_: [failed])
    with pytest.raises(TargetError, match="could not build it: no memory") as caught:
        target.await_indexes(AwaitIndexes("w", collection.name))
    assert caught.value.code == "MMC552"


def test_rows_that_others_write_meanwhile_are_not_waited_for(
    target: BulkTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter([(100, 0), (150, 60), (220, 100)])

    def look(*_: Any) -> list[Built]:
        rows, done = next(looks)
        return [
            Built(
                field="v", state="InProgress", reason="", rows=rows, indexed=done, left=rows - done
            )
        ]

    monkeypatch.setattr(built, "look_at", look)
    target.await_indexes(AwaitIndexes("w", "c"))
    assert next(looks, None) is None


def test_what_it_can_take(options: MilvusTargetOptions, tmp_path: Path) -> None:
    facts = MilvusBulkSink().inspect(options, ["there_is_none"])
    able = facts.capabilities
    assert (facts.route, facts.version, facts.collections) == ("bulk", "2.3.5", ())
    assert (able.imports, able.keyed_replay, able.whole_files) == (True, False, False)
    assert able.formats == FORMATS
    assert (able.files_per_import, able.index_first, able.nullable) == (1, False, False)
    types = {name: set(kinds) for name, kinds in able.format_types}
    assert types["parquet"] == types["json"] == types["numpy"] | {"array"} == able.types
    for kind in ("float16_vector", "sparse_float_vector"):
        assert kind not in able.types
    elements = {name: set(kinds) for name, kinds in able.format_elements}
    assert elements["parquet"] - elements["json"] == {"double"}
    assert able.format_nulls == () and not able.auto_text_id


def test_milvus_lite_imports_nothing(tmp_path: Path) -> None:
    lite = options_at(str(tmp_path / "x.db"))
    for act in (lambda: MilvusBulkSink().inspect(lite, []), MilvusBulkSink().open(lite).__enter__):
        with pytest.raises(TargetError, match="Milvus Lite") as caught:
            act()
        assert caught.value.code == "MMC528"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_server_killed_in_mid_import(tmp_path: Path) -> None:
    """The task that ran is failed by the server, and nothing of it is left."""
    rows, width = 60_000, 64
    fields = (field("id", "int64", primary_key=True), field("v", f"float_vector({width})"))
    collection = named(Collection("", fields))
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(range(rows * width), pa.float32()), width)
    batch = pa.record_batch([range(rows), vectors], schema=canonical_schema(collection))
    with own_server(tmp_path / "milvus") as server:
        with MilvusBulkSink().open(options_at(server.uri)) as target:
            copy = copy_of(collection, "json", tmp_path / "staging")
            target.ensure(create_step(collection))
            files = stage(target, copy, batch)
            id_ = ask(target, copy, files)
            while target.tasks(copy, [id_])[0].state is TaskState.WAITING:
                time.sleep(0.01)
            time.sleep(0.5)
            server.kill()
            with pytest.raises(TargetError) as caught:
                target.tasks(copy, [id_])
            assert caught.value.retryable
        server.start()
        with MilvusBulkSink().open(options_at(server.uri)) as target:
            (found,) = target.find_tasks(copy)
            assert (found.id, found.files) == (id_, tuple(file.path for file in files))
            (task,) = ended(target, copy, id_)
            assert (task.state, task.again) == (TaskState.FAILED, True), task
            # A task that is asked for sooner may be handed to the node that is dead, and then stays
            # at 0 for the 15 to 20 minutes until it is timed out.
            time.sleep(60)
            (done,) = ended(target, copy, ask(target, copy, files))
            assert (done.state, done.rows) == (TaskState.COMPLETED, rows)
            ready(target, collection)
            assert target.count(collection) == rows
