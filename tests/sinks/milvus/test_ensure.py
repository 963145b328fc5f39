"""What `ensure` makes of each mode, and what it says when a target is not as planned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmc.errors import TargetError
from mmc.milvus.schema import to_schema
from mmc.plan.ddl import DropCollection
from mmc.plan.model import BuildIndex, LoadCollection, Mode
from mmc.sinks.milvus.insert.sink import MilvusInsertSink
from mmc.spi import Claim
from mmc.types import Collection, Field, Index, Metric
from tests.servers.milvus_lite import create_step, lite_options, open_lite
from tests.sinks.milvus.collections import field, read, same, small, small_rows, write

pytestmark = pytest.mark.milvus_lite


def full() -> Collection:
    """A collection with everything that a schema can say."""
    fields = (
        field("id", "varchar(64)", primary_key=True),
        field("n", "int8", nullable=True, default=5),
        field("f", "float", default=0.1),
        field("b", "bool", default=False),
        field("t", "varchar(10)", default=""),
        field("j", "json", nullable=True),
        field("a", "array<varchar(20)>(4)", nullable=True),
        field("v", "float_vector(4)"),
        field("s", "sparse_float_vector"),
    )
    return Collection(
        "c", fields, dynamic=True, partitions=("p1", "p2"), properties=(("k", "v"),), shards=1
    )


def seen(folder: Path, *names: str, database: str = "") -> Any:
    return MilvusInsertSink().inspect(lite_options(folder, database), names)


def test_create_and_describe(tmp_path: Path) -> None:
    wanted = full()
    with open_lite(tmp_path) as target:
        target.ensure(create_step(wanted))
        target.ensure(create_step(wanted))  # Done already and equal: nothing happens.
    (found,) = seen(tmp_path, "c", "nope").collections
    longer = field("a", "array<varchar(65535)>(4)", nullable=True)
    default = replace(wanted.field("f"), default=0.10000000149011612)
    expected = {one.name: one for one in wanted.fields} | {"a": longer, "f": default}
    assert found.schema == replace(wanted, fields=tuple(expected.values()))
    assert (found.rows, found.indexes) == (0, ())


def test_mode_fail_refuses_what_existed_when_it_was_planned(tmp_path: Path) -> None:
    with open_lite(tmp_path) as target:
        target.ensure(create_step(small()))
        with pytest.raises(TargetError, match="collection c exists") as caught:
            target.ensure(create_step(small(), exists=True))
    assert caught.value.code == "MMC520"
    assert "append, upsert or replace" in caught.value.hint


def test_another_was_faster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not there when looked for, and is when it is to be made."""
    with open_lite(tmp_path) as target:
        target.ensure(create_step(small()), Claim("other@1", begun=False))
        looks = iter([False])
        monkeypatch.setattr("mmc.sinks.milvus.ensure.has", lambda *_: next(looks, True))
        with pytest.raises(TargetError, match="made by run other@1") as caught:
            target.ensure(create_step(small()), Claim("one@1", begun=True))
    assert caught.value.code == "MMC520"


def test_replace_drops_what_is_there(tmp_path: Path) -> None:
    old, new = small(), small("varchar(9)")
    with open_lite(tmp_path) as target:
        target.ensure(create_step(old))
        write(target, old, small_rows(old, [1]))
        target.drop_collection(DropCollection(id="drop", collection="c"))
        target.ensure(create_step(new, Mode.REPLACE, exists=True))
        assert target.count(new) == 0
        rows = small_rows(new, ["1"])
        write(target, new, rows)
        same(read(target, new), rows)


@pytest.mark.parametrize("mode", [Mode.APPEND, Mode.UPSERT])
def test_append_and_upsert_only_check(tmp_path: Path, mode: Mode) -> None:
    collection = small()
    with open_lite(tmp_path) as target:
        with pytest.raises(TargetError, match="not there any more") as caught:
            target.ensure(create_step(collection, mode, exists=True))
        assert caught.value.code == "MMC522"
        target.ensure(create_step(collection, mode))
        write(target, collection, small_rows(collection, [1]))
        target.ensure(create_step(collection, mode, exists=True))
        with pytest.raises(TargetError, match="partition p is missing"):
            target.ensure(create_step(replace(collection, partitions=("p",)), mode, exists=True))
        assert target.count(collection) == 1


def changed(number: int, **options: Any) -> tuple[Field, ...]:
    fields = list(small().fields)
    fields[number] = replace(fields[number], **options)
    return tuple(fields)


@pytest.mark.parametrize(
    ("other", "line"),
    [
        (replace(small(), dynamic=True), "dynamic field on wanted, off found"),
        (replace(small(), properties=(("a", "1"),)), "property a: 1 wanted, nothing found"),
        (
            replace(small(), fields=changed(1, type=field("t", "varchar(7)").type)),
            r"field t: varchar\(7\) wanted, varchar\(100\) found",
        ),
        (
            replace(small(), fields=changed(1, nullable=True)),
            "field t: nullable on wanted, not so found",
        ),
        (
            replace(small(), fields=changed(1, default="x")),
            "field t: default 'x' wanted, None found",
        ),
        (
            replace(small(), fields=(*small().fields, field("new", "int8"))),
            "field new is missing",
        ),
        (replace(small(), fields=(small().fields[0], small().fields[2])), "field t is not wanted"),
        (small("varchar(9)"), r"field id: varchar\(9\) wanted, int64 found"),
    ],
)
def test_a_different_collection_is_named(tmp_path: Path, other: Collection, line: str) -> None:
    with open_lite(tmp_path) as target:
        target.ensure(create_step(small()))
        with pytest.raises(TargetError, match=line) as caught:
            target.ensure(create_step(other))
        assert caught.value.code == "MMC522"


def test_a_field_that_the_target_drops_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_text(collection: Collection) -> Any:
        kept = (one for one in collection.fields if one.name != "t")
        return to_schema(replace(collection, fields=tuple(kept)))

    monkeypatch.setattr("mmc.sinks.milvus.ensure.to_schema", without_text)
    with open_lite(tmp_path) as target, pytest.raises(TargetError, match="field t is missing"):
        target.ensure(create_step(small()))


def test_a_type_that_lite_has_not(tmp_path: Path) -> None:
    fields = (*small().fields, field("h", "float16_vector(2)"))
    with open_lite(tmp_path) as target, pytest.raises(TargetError, match="Float16Vector") as caught:
        target.ensure(create_step(replace(small(), fields=fields)))
    assert caught.value.code == "MMC507"
    assert "create collection c" in str(caught.value)


def test_a_key_named_like_a_word_of_the_filter_language(tmp_path: Path) -> None:
    fields = (field("in", "int64", primary_key=True), *small().fields[1:])
    with open_lite(tmp_path) as target, pytest.raises(TargetError, match="`in`") as caught:
        target.ensure(create_step(replace(small(), fields=fields)))
    assert caught.value.code == "MMC523"


def test_partitions(tmp_path: Path) -> None:
    collection = small(partitions=("p", "q"))
    one, two = small_rows(collection, [1, 2]), small_rows(collection, [3], text="q")
    with open_lite(tmp_path) as target:
        target.ensure(create_step(collection))
        write(target, collection, one, partition="p")
        write(target, collection, two, partition="q")
        assert target.count(collection) == 3
        assert read(target, collection)["t"].to_pylist() == ["t", "t", "q"]
        names = ["p", "q"]
        stats = [target._client.get_partition_stats("c", name)["row_count"] for name in names]
        assert stats == [2, 1]
        assert target.count_partitions(collection, names) == [2, 1]
        with pytest.raises(TargetError, match="nowhere"):
            write(target, collection, one, partition="nowhere")


@pytest.mark.parametrize("key", ["int64", "varchar(9)"])
def test_every_key_of_a_partition_is_counted(tmp_path: Path, key: str) -> None:
    collection = small(key, partitions=("p",))
    keys = [-(2**63), 0, 2**63 - 1] if key == "int64" else ["", "\0", "é"]
    with open_lite(tmp_path) as target:
        target.ensure(create_step(collection))
        write(target, collection, small_rows(collection, keys[:2]), partition="p")
        write(target, collection, small_rows(collection, keys[2:]))
        assert target.count_partitions(collection, ["p", "_default"]) == [2, 1]


def test_partition_key(tmp_path: Path) -> None:
    fields = changed(1, partition_key=True)
    collection = replace(small(), fields=fields)
    rows = small_rows(collection, [1, 2, 3])
    with open_lite(tmp_path) as target:
        target.ensure(create_step(collection))
        target.ensure(create_step(collection, Mode.APPEND, exists=True))
        write(target, collection, rows)
        same(read(target, collection), rows)
    (found,) = seen(tmp_path, "c").collections
    assert found.schema.partitions == ()


def test_database(tmp_path: Path) -> None:
    collection = small()
    assert seen(tmp_path, "c", database="d").collections == ()
    with open_lite(tmp_path) as target:
        target.ensure(create_step(collection))
    assert seen(tmp_path, "c", database="d").collections == ()
    rows = small_rows(collection, [1, 2])
    with open_lite(tmp_path, "d") as target:
        target.ensure(create_step(collection))
        write(target, collection, rows)
        assert target.count(collection) == 2
        same(read(target, collection), rows)
    assert seen(tmp_path, "c", database="d").collections[0].rows == 2
    assert seen(tmp_path, "c").collections[0].rows == 0


@pytest.mark.parametrize("schema_lost", [False, True])
def test_a_folder_left_by_a_kill_is_no_obstacle(tmp_path: Path, schema_lost: bool) -> None:
    collection = small()
    with open_lite(tmp_path) as target:
        if schema_lost:  # Killed half way through a drop.
            target.ensure(create_step(collection))
            write(target, collection, small_rows(collection, [1]))
    folder = tmp_path / "test.db" / "collections" / "c"
    if schema_lost:
        (folder / "schema.json").unlink()
        assert any(folder.iterdir())
    else:  # Killed at the start of a create.
        folder.mkdir()
    with open_lite(tmp_path) as target:
        target.ensure(create_step(collection))
        assert target.count(collection) == 0


def test_index_with_its_parameters(tmp_path: Path) -> None:
    collection = small()
    hnsw = Index("HNSW", Metric.COSINE, (("M", 8), ("efConstruction", 50)))
    with open_lite(tmp_path) as target:
        target.ensure(create_step(collection))
        write(target, collection, small_rows(collection, [1, 2, 3]))
        step = BuildIndex(id="i", collection="c", field="v", index=hnsw)
        target.build_index(step)
        target.build_index(step)
        target.build_index(BuildIndex(id="i2", collection="c", field="t", index=Index("INVERTED")))
        target.load(LoadCollection(id="l", collection="c"))
        target.load(LoadCollection(id="l", collection="c"))
        for other in (replace(hnsw, metric=Metric.L2), replace(hnsw, params=(("M", 9),))):
            with pytest.raises(TargetError, match="has another index: HNSW COSINE M=8") as caught:
                target.build_index(BuildIndex(id="i", collection="c", field="v", index=other))
            assert caught.value.code == "MMC525"
    (found,) = seen(tmp_path, "c").collections
    assert found.indexes == (("t", Index("INVERTED")), ("v", hnsw))
    assert found.rows == 3
