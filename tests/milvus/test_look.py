"""What the facts of a collection say of its names, functions and load."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmc.plan.model import BuildIndex, LoadCollection
from mmc.sinks.milvus.bulk.sink import MilvusBulkSink
from mmc.sinks.milvus.insert.sink import MilvusInsertSink
from mmc.sinks.milvus.insert.target import InsertTarget
from mmc.sinks.milvus.options import MilvusTargetOptions
from mmc.types import Collection, Index, Metric
from tests.servers.milvus_lite import create_step, lite_options, open_lite, options_at
from tests.servers.milvus_server import MilvusServer
from tests.sinks.milvus.collections import small, small_rows, write

FLAT = Index("FLAT", Metric.L2)


def made(target: InsertTarget) -> Collection:
    """Five rows in each of the partitions a and b, indexed, loaded, with an alias."""
    name = f"c{uuid.uuid4().hex}"
    collection = replace(small(), name=name, partitions=("a", "b"), properties=(("k", "v"),))
    target.ensure(create_step(collection))
    for partition, start in (("a", 0), ("b", 5)):
        rows = small_rows(collection, list(range(start, start + 5)))
        write(target, collection, rows, partition=partition)
    target.build_index(BuildIndex(id="i", collection=name, field="v", index=FLAT))
    target.load(LoadCollection(id="l", collection=name))
    target._client.create_alias(name, f"{name}_prod")
    target._client.create_alias(name, f"{name}_live")
    return collection


def check_names(sink: Any, options: MilvusTargetOptions, name: str) -> None:
    alias = f"{name}_prod"
    facts = sink.inspect(options, [name, alias, name.upper(), "nope"])
    by_name, by_alias = facts.collections
    assert (by_name.schema.name, by_name.asked) == (name, "")
    assert (by_alias.schema.name, by_alias.asked) == (name, alias)
    assert by_name == replace(by_alias, asked="")
    assert by_name.aliases == (f"{name}_live", alias)
    assert by_name.schema.properties == (("k", "v"),)
    assert (by_name.rows, by_name.loaded, by_name.unloaded) == (10, True, ())
    assert facts.collection(alias) == by_alias and facts.collection(name) == by_name


@pytest.mark.milvus_lite
def test_names_on_lite(tmp_path: Path) -> None:
    with open_lite(tmp_path) as target:
        name = made(target).name
    check_names(MilvusInsertSink(), lite_options(tmp_path), name)


@pytest.mark.milvus_lite
def test_functions(tmp_path: Path) -> None:
    from pymilvus import DataType, Function, FunctionType

    with open_lite(tmp_path) as target:
        schema = target._client.create_schema()
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("text", DataType.VARCHAR, max_length=9, enable_analyzer=True)
        schema.add_field("lang", DataType.INT64, is_partition_key=True)
        schema.add_field("words", DataType.SPARSE_FLOAT_VECTOR)
        schema.add_function(Function("bm", FunctionType.BM25, ["text"], ["words"]))
        target._client.create_collection("f", schema=schema)
    (found,) = MilvusInsertSink().inspect(lite_options(tmp_path), ["f"]).collections
    assert found.functions == ("bm",)
    assert found.field_options == ("text: enable_analyzer",)
    assert found.key_partitions > 1 and not found.schema.partitions


def test_names_and_load_on_a_server(milvus_server: MilvusServer, tmp_path: Path) -> None:
    # In a database of its own, where 2.3.5 cannot list the aliases of a collection.
    options = options_at(milvus_server.uri, database="looked_at")
    with MilvusInsertSink().open(options) as target:
        name = made(target).name
        check_names(MilvusInsertSink(), options, name)
        check_names(MilvusBulkSink(), options, name)
        client = target._client
        client.flush(name)
        for change, unloaded in (
            (lambda: client.release_partitions(name, ["b"]), ("b",)),
            (lambda: client.release_collection(name), ()),
            (lambda: client.load_partitions(name, ["a"]), ("_default", "b")),
        ):
            change()
            (found,) = MilvusInsertSink().inspect(options, [name]).collections
            # Where not all is loaded, what is stored tells the rows.
            assert (found.loaded, found.unloaded, found.rows) == (False, unloaded, 10)
