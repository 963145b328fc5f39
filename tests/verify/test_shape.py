"""What is not as planned beside the rows is a line with its code; what is as planned is none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mmc.facts import TargetCollection
from mmc.plan.ddl import AlterCollection, Change, CreateAlias
from mmc.plan.model import BuildIndex, CreateCollection, Mode
from mmc.spi import NOT_COUNTED
from mmc.types import Field, FieldType, Index, Metric, freeze
from mmc.verify.planned import Planned, planned
from mmc.verify.shape import shape_notes, shape_problems
from tests.verify.memory import COLLECTION
from tests.views.samples import articles

HNSW = Index("HNSW", Metric.COSINE, freeze({"M": 16}))
SCHEMA = replace(
    COLLECTION,
    partitions=("a",),
    shards=2,
    description="words",
    properties=(("collection.ttl.seconds", "100"),),
)
PLANNED = Planned(
    schema=SCHEMA,
    indexes=(("vec", HNSW),),
    aliases=("prod",),
    consistency="Bounded",
    key_partitions=0,
)
FOUND = TargetCollection(
    schema=SCHEMA,
    rows=NOT_COUNTED,
    indexes=(("vec", HNSW),),
    aliases=("prod",),
    consistency="Bounded",
)


def found(**options: Any) -> TargetCollection:
    schema = {key: options.pop(key) for key in tuple(options) if hasattr(SCHEMA, key)}
    return replace(FOUND, schema=replace(SCHEMA, **schema), **options)


def index(type_: str = "HNSW", metric: Metric | None = Metric.COSINE, **params: Any) -> Any:
    return (("vec", Index(type_, metric, freeze(params))),)


@pytest.mark.parametrize(
    ("there", "lines"),
    [
        (FOUND, []),
        (found(indexes=index(M="16", efConstruction=200)), []),
        (
            found(indexes=index("IVF_FLAT", nlist=128)),
            ["MMC712: the index on vec is IVF_FLAT COSINE nlist=128, HNSW COSINE M=16 was planned"],
        ),
        (
            found(indexes=index(metric=Metric.IP, M=16)),
            ["MMC712: the index on vec is HNSW IP M=16, HNSW COSINE M=16 was planned"],
        ),
        (
            found(indexes=index(M=8)),
            ["MMC712: the index on vec is HNSW COSINE M=8, HNSW COSINE M=16 was planned"],
        ),
        (
            found(indexes=()),
            ["MMC712: the index on vec is missing, HNSW COSINE M=16 was planned"],
        ),
        (
            found(properties=(("collection.ttl.seconds", "1"), ("mmap.enabled", "true"))),
            [
                "MMC713: property collection.ttl.seconds: 100 planned, 1 found",
                "MMC713: property mmap.enabled: nothing planned, true found",
            ],
        ),
        (
            found(properties=()),
            ["MMC713: property collection.ttl.seconds: 100 planned, nothing found"],
        ),
        (found(aliases=("live",)), ["MMC714: the alias prod does not lead to words"]),
        (found(partitions=()), ["MMC711: partition a is missing"]),
        (found(shards=1), ["MMC711: shards: 2 planned, 1 found"]),
        (found(description=""), ["MMC711: description: 'words' planned, '' found"]),
        (
            found(consistency="Strong"),
            ["MMC711: consistency level: Bounded planned, Strong found"],
        ),
        (found(dynamic=False), ["MMC711: dynamic field on wanted, off found"]),
        (found(fields=SCHEMA.fields[:-1]), ["MMC711: field vec is missing"]),
        (
            found(fields=(*SCHEMA.fields, Field("new", FieldType.parse("int8"), nullable=True))),
            ["MMC711: field new is not wanted"],
        ),
        (
            found(unknown_fields=(("at", "geometry"),)),
            ["MMC711: field at (geometry) is not wanted"],
        ),
    ],
)
def test_what_is_not_as_planned(there: TargetCollection, lines: list[str]) -> None:
    assert list(shape_problems(PLANNED, there, {})) == lines
    if lines:
        assert not list(shape_notes(PLANNED, FOUND))


def test_a_property_that_the_target_gave_itself_may_stay() -> None:
    there = found(properties=(("collection.ttl.seconds", "100"), ("timezone", "UTC")))
    assert not list(shape_problems(PLANNED, there, {"timezone": "UTC"}))
    (line,) = shape_problems(PLANNED, there, {"timezone": "CET"})
    assert line == "MMC713: property timezone: CET planned, UTC found"


def test_partitions_by_key() -> None:
    wanted = replace(PLANNED, key_partitions=64)
    (line,) = shape_problems(wanted, replace(FOUND, key_partitions=16), {})
    assert line == "MMC711: partitions by key: 64 planned, 16 found"


def test_what_is_beside_is_a_note() -> None:
    there = found(
        aliases=("live", "prod"),
        partitions=("a", "b"),
        indexes=(("vec", HNSW), ("word", Index("INVERTED"))),
    )
    assert not list(shape_problems(PLANNED, there, {}))
    assert list(shape_notes(PLANNED, there)) == [
        "the plan does not know the index INVERTED on word",
        "the plan does not know the alias live",
        "the plan does not know the partition b",
    ]


def test_what_a_plan_leaves_is_told_from_its_steps() -> None:
    plan = articles()
    schema = replace(SCHEMA, name="words", properties=(("a", "1"), ("b", "2")))
    scalar = Index("INVERTED")
    steps = (
        CreateCollection(
            id="create.words",
            collection=schema,
            mode=Mode.APPEND,
            exists=True,
            indexes=(("vec", HNSW),),
            aliases=("prod",),
        ),
        AlterCollection(
            id="alter.words",
            collection="words",
            properties=(Change("b", "2", "3"), Change("c", None, "4")),
            description=Change("description", "words", "more words"),
        ),
        BuildIndex(id="index.words", collection="words", field="id", index=scalar),
        CreateAlias("alias.live", "words", "live"),
        CreateAlias("alias.other", "other", "other"),
    )
    assert planned(replace(plan, steps=steps), "words") == Planned(
        schema=replace(
            schema, properties=(("a", "1"), ("b", "3"), ("c", "4")), description="more words"
        ),
        indexes=(("id", scalar), ("vec", HNSW)),
        aliases=("live", "prod"),
    )
