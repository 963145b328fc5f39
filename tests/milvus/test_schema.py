"""Schemas to pymilvus and back, through the very messages that a server gets and sends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pymilvus.client.abstract import CollectionSchema
from pymilvus.client.prepare import Prepare
from pymilvus.grpc_gen import milvus_pb2, schema_pb2

from mmc.milvus.schema import differences, from_description, to_index, to_schema
from mmc.types import Collection, Index, Metric
from tests.sinks.milvus.collections import field

EVERYTHING = Collection(
    "c",
    (
        field("id", "int64", primary_key=True),
        field("b", "bool", nullable=True, default=False),
        field("i8", "int8", default=-5),
        field("i16", "int16"),
        field("i32", "int32", default=0),
        field("i64", "int64", default=2**40, partition_key=True),
        field("f", "float", default=0.5),
        field("d", "double", default=0.1),
        field("t", "varchar(77)", default=""),
        field("j", "json", nullable=True),
        field("a", "array<varchar(9)>(8)", nullable=True),
        field("n", "array<double>(7)"),
        field("v", "float_vector(4)"),
        field("v2", "binary_vector(16)"),
        field("v3", "float16_vector(4)"),
        field("v4", "bfloat16_vector(4)"),
        field("v5", "int8_vector(4)"),
        field("v6", "sparse_float_vector"),
    ),
    dynamic=True,
    shards=2,
    description="what it is",
    properties=(("mmap.enabled", "true"),),
)


def described(collection: Collection, change: Any = None) -> dict[str, Any]:
    """What `describe_collection` would give, of the message that creates the collection."""
    request = Prepare.create_collection_request(
        collection.name, to_schema(collection), properties=dict(collection.properties)
    )
    schema = schema_pb2.CollectionSchema.FromString(request.schema)
    if change:
        change(schema)
    answer = milvus_pb2.DescribeCollectionResponse(
        schema=schema,
        collection_name=collection.name,
        shards_num=collection.shards,
        properties=request.properties,
    )
    found: dict[str, Any] = CollectionSchema(answer).dict()
    return found


def test_there_and_back() -> None:
    found, unknown = from_description(described(EVERYTHING), ["_default"])
    assert unknown == ()
    assert found == EVERYTHING
    assert differences(EVERYTHING, found) == ()


def test_partitions_are_those_made_by_name() -> None:
    plain = Collection("c", (field("id", "int64", primary_key=True), EVERYTHING.field("v")))
    found, _ = from_description(described(plain), ["_default", "p"])
    assert found.partitions == ("p",)
    found, _ = from_description(described(EVERYTHING), ["_default_0", "_default_1"])
    assert found.partitions == ()


def test_auto_id() -> None:
    keyed = field("id", "int64", primary_key=True, auto_id=True)
    wanted = Collection("c", (keyed, EVERYTHING.field("v")))
    found, _ = from_description(described(wanted), [])
    assert found.primary.auto_id
    other = replace(wanted, fields=(replace(keyed, auto_id=False), wanted.fields[1]))
    assert differences(other, found) == ("field id: auto id off wanted, not so found",)


def test_what_an_old_server_drops() -> None:
    def forget(schema: Any) -> None:
        for one in schema.fields:
            one.nullable = False
            one.ClearField("default_value")

    found, _ = from_description(described(EVERYTHING, forget), [])
    lines = differences(EVERYTHING, found)
    assert "field b: nullable on wanted, not so found" in lines
    assert "field i8: default -5 wanted, None found" in lines
    assert "field f: default 0.5 wanted, None found" in lines


def test_types_that_have_no_name_here() -> None:
    def geometry(schema: Any) -> None:
        schema.fields[1].data_type = schema_pb2.DataType.Geometry

    found, unknown = from_description(described(EVERYTHING, geometry), [])
    assert unknown == (("b", "geometry"),)
    assert "b" not in [one.name for one in found.fields]


@pytest.mark.parametrize(
    ("answer", "index"),
    [
        (
            {"index_type": "HNSW", "metric_type": "L2", "params": {"M": 8}, "field_name": "v"},
            Index("HNSW", Metric.L2, (("M", 8),)),
        ),
        (
            {"index_type": "HNSW", "metric_type": "IP", "M": "8", "x": "a", "state": "Finished"},
            Index("HNSW", Metric.IP, (("M", 8), ("x", "a"))),
        ),
        (
            {"index_type": "S", "metric_type": "IP", "drop_ratio_build": "0.2"},
            Index("S", Metric.IP, (("drop_ratio_build", 0.2),)),
        ),
        ({"index_type": "INVERTED", "metric_type": "NONE"}, Index("INVERTED")),
        ({"index_type": "Trie"}, Index("Trie")),
    ],
)
def test_indexes(answer: dict[str, Any], index: Index) -> None:
    assert to_index(answer) == index
