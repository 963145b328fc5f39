"""What a replace carries over, and what it says that it loses."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mmc.diagnostics import Severity
from mmc.plan.ddl import CreateAlias, DropAlias, DropCollection
from mmc.plan.model import BuildIndex, CreateCollection
from mmc.types import Field, FieldType, Index, Metric
from tests.compile.targets import FIELDS, HNSW, compiled, there

OLD = there(
    dynamic=True,
    shards=3,
    partitions=("a", "b"),
    description="all words",
    properties=(("collection.ttl.seconds", "864000"), ("mmap.enabled", "true")),
    aliases=("live", "prod"),
    consistency="Strong",
)


def steps(plan: Any, *kinds: type) -> list[Any]:
    return [step for step in plan.steps if isinstance(step, kinds)]


def test_what_is_there_is_made_again() -> None:
    found = compiled("replace", OLD, partitions=("b", "c"))
    assert found.plan is not None and not found.findings
    order = steps(found.plan, DropAlias, DropCollection, CreateCollection, CreateAlias)
    assert [step.id for step in order] == [
        "unalias.live",
        "unalias.prod",
        "drop.words",
        "create.words",
        "alias.live",
        "alias.prod",
    ]
    made = order[3]
    assert made.collection.properties == OLD.schema.properties
    assert made.collection.partitions == ("a", "b", "c")
    assert (made.collection.dynamic, made.collection.shards) == (True, 3)
    assert (made.collection.description, made.consistency) == ("all words", "Strong")
    assert found.plan.copies[0].collection == made.collection
    (index,) = steps(found.plan, BuildIndex)
    assert index.index == HNSW and "that is replaced" in index.note
    drawn = [line.split("  ")[0] for line in found.lines]
    assert [line for line in drawn if re.match("[-+] (alias|collection|property)", line)] == [
        "- alias live",
        "- alias prod",
        "- collection words",
        "+ collection words",
        "+ property collection.ttl.seconds",
        "+ property mmap.enabled",
        "+ alias live",
        "+ alias prod",
    ]


def test_the_spec_comes_before_what_is_there() -> None:
    said = (
        "dynamic: false, shards: 1, description: new, properties: {mmap.enabled: false, k: 1},"
        " fields: [{to: embedding, index: {type: FLAT}}]"
    )
    found = compiled("replace", OLD, said)
    (made,) = steps(found.plan, CreateCollection)
    assert dict(made.collection.properties) == {
        "collection.ttl.seconds": "864000",
        "k": "1",
        "mmap.enabled": "false",
    }
    assert (made.collection.dynamic, made.collection.shards) == (False, 1)
    assert made.collection.description == "new"
    (index,) = steps(found.plan, BuildIndex)
    assert index.index == Index("FLAT", Metric.L2), "the metric is that of the old index"
    (drop,) = steps(found.plan, DropCollection)
    assert drop.lost == ("field lang as varchar(8)", "dynamic field")


@pytest.mark.parametrize(
    ("said", "source", "made", "warned"),
    [
        ("", None, HNSW, False),
        ("", Index("IVF_FLAT", Metric.L2), HNSW, False),
        ("", Index("FLAT", Metric.COSINE), HNSW, True),
        ("{type: HNSW}", None, HNSW, False),
        ("{type: HNSW, metric: IP}", None, Index("HNSW", Metric.IP, HNSW.params), False),
        ("{type: FLAT, metric: IP}", None, Index("FLAT", Metric.IP), False),
        ("none", None, None, False),
    ],
)
def test_a_new_index_is_as_the_old_one(
    said: str, source: Index | None, made: Index | None, warned: bool
) -> None:
    fields = f"fields: [{{to: embedding, index: {said}}}]" if said else ""
    found = compiled("replace", there(), fields, index=source)
    assert [step.index for step in steps(found.plan, BuildIndex)] == ([made] if made else [])
    assert bool(found.said("MMC378")) == warned
    assert not found.said("MMC371") and not found.said("MMC376")


SCALAR = Index("INVERTED")
TRIE = Index("Trie")
KEYED = tuple(
    Field(one.name, one.type, primary_key=one.primary_key, partition_key=one.name == "lang")
    for one in FIELDS
)
FOREIGN = (*KEYED[:1], *FIELDS[2:], Field("tenant", FieldType.parse("int64"), partition_key=True))


@pytest.mark.parametrize(
    ("options", "loss", "words"),
    [
        ({"functions": ("bm25",)}, "functions", "function bm25"),
        (
            {"field_options": ("lang: enable_analyzer", "gone: description")},
            "field_options",
            "enable_analyzer of field lang",
        ),
        (
            {"indexes": (("lang", SCALAR), ("embedding", HNSW))},
            "indexes",
            "index lang (INVERTED)",
        ),
        (
            {"indexes": (("embedding", HNSW), ("$meta", SCALAR)), "dynamic": True},
            "indexes",
            "index $meta (INVERTED)",
        ),
        ({"indexes": (("embedding", Index("NEW", None)),)}, "indexes", "index embedding (NEW)"),
        ({"fields": FOREIGN}, "partition_key", "partition key tenant"),
    ],
)
def test_what_cannot_be_made_again_stops_unless_it_may_go(
    options: dict[str, Any], loss: str, words: str
) -> None:
    """2.3 builds no INVERTED; of a field that is gone nothing is asked."""
    stopped = compiled("replace", there(**options))
    assert stopped.plan is None
    (message,) = stopped.said("MMC376", Severity.ERROR)
    assert words in message
    (found,) = [one for one in stopped.findings if one.code == "MMC376"]
    assert f"load.allow_loss: [{loss}]" in found.hint
    went = compiled("replace", there(**options), load=f"allow_loss: [{loss}]")
    assert went.said("MMC376", Severity.WARNING)
    (drop,) = steps(went.plan, DropCollection)
    assert words in drop.lost
    assert any(line.startswith(f"- {words}") for line in went.lines)


def test_a_scalar_index_is_made_again() -> None:
    old = there(indexes=(("lang", TRIE), ("embedding", HNSW)))
    made = steps(compiled("replace", old).plan, BuildIndex)
    assert {step.field: step.index for step in made} == {"lang": TRIE, "embedding": HNSW}


@pytest.mark.parametrize(
    ("spec", "partitions", "keyed", "lost"),
    [
        ("", (), True, ""),
        ("fields: [{to: lang, partition_key: false}]", (), False, "partition_key"),
        ("", ("a",), False, "partition_key"),
    ],
)
def test_a_partition_key_stays_where_it_can(
    spec: str, partitions: tuple[str, ...], keyed: bool, lost: str
) -> None:
    load = f"allow_loss: [{lost}]" if lost else ""
    old = there(fields=KEYED, key_partitions=64)
    found = compiled("replace", old, spec, load, partitions=partitions)
    (made,) = steps(found.plan, CreateCollection)
    assert made.collection.field("lang").partition_key is keyed
    assert made.key_partitions == (64 if keyed else 0)
    assert bool(found.said("MMC376")) == bool(lost)


def test_partitions_give_way_to_a_partition_key_of_the_spec() -> None:
    key = "fields: [{to: lang, partition_key: true}]"
    old = there(partitions=("a",))
    assert "partition a" in compiled("replace", old, key).said("MMC376")[0]
    allowed = compiled("replace", old, key, "allow_loss: [partitions]")
    (made,) = steps(allowed.plan, CreateCollection)
    assert made.collection.partitions == ()


def test_fields_that_the_spec_leaves_out_are_drawn() -> None:
    old = there(
        fields=(*FIELDS, Field("old", FieldType.parse("int8"))),
        unknown_fields=(("place", "geometry"),),
    )
    (drop,) = steps(compiled("replace", old).plan, DropCollection)
    assert drop.lost == ("field lang as varchar(8)", "field old", "field place (geometry)")


def test_a_new_collection_is_not_dropped() -> None:
    found = compiled("replace", None)
    assert not steps(found.plan, DropAlias, DropCollection, CreateAlias)
