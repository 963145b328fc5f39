"""What makes a plan stale is named, one line a difference, and nothing else does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mmc.diagnostics import Severity
from mmc.facts import (
    Capabilities,
    Evidence,
    Extent,
    SourceCollection,
    SourceFacts,
    SourceField,
    TargetCollection,
    TargetFacts,
)
from mmc.plan.drift import compare, seen_source, seen_target, without
from mmc.plan.model import OnDrift
from mmc.plan.seen import fingerprint_of
from mmc.types import Collection, Field, FieldType, Index, Metric

ID = SourceField("id", "int64", key=True, nullable=False)
VECTOR = SourceField("vec", "list<float>", vector="float_vector(4)", index=Index("HNSW", Metric.L2))
ROWS = SourceCollection(
    "a/b.c",
    (ID, VECTOR),
    extents=(),
    rows=100,
    bytes=1000,
    fingerprint=(("s3://x/a.parquet", "10:1"),),
    partitions=("p",),
)
SOURCE = SourceFacts(
    type="files", version="1", collections=(ROWS,), sample_rows=10_000, sample_seed=7
)
SCHEMA = Collection("articles", (Field("id", FieldType.parse("int64"), primary_key=True),))
LIMITS = Capabilities(types=frozenset({"int64", "json"}), elements=frozenset())
THERE = TargetCollection(
    schema=SCHEMA, rows=5, indexes=(("vec", Index("FLAT", Metric.IP, (("nlist", 4),))),)
)
TARGET = TargetFacts(
    type="milvus", route="insert", version="2.6", capabilities=LIMITS, collections=(THERE,)
)


def _source(**change: Any) -> SourceFacts:
    return replace(SOURCE, collections=(replace(ROWS, **change),))


def _target(**change: Any) -> TargetFacts:
    return replace(TARGET, collections=(replace(THERE, schema=replace(SCHEMA, **change)),))


def _lines(one: SourceFacts | TargetFacts, two: SourceFacts | TargetFacts) -> list[str]:
    seen = [
        seen_source(it) if isinstance(it, SourceFacts) else seen_target(it) for it in (one, two)
    ]
    return [str(found) for found in compare(seen[0], seen[1], OnDrift.FAIL)]


def test_equal_facts_are_no_drift_and_equally_seen() -> None:
    assert seen_source(SOURCE) == seen_source(_source())
    assert seen_target(TARGET) == seen_target(_target())
    assert compare(seen_source(SOURCE), seen_source(SOURCE), OnDrift.FAIL) == []


def test_what_a_sample_showed_is_no_drift() -> None:
    other = replace(VECTOR, evidence=Evidence(rows=5, max_items=4), note="changed")
    extent = Extent(locator=(), start=0, stop=1, unit="row", rows=1, bytes=1)
    assert _lines(SOURCE, _source(fields=(ID, other), extents=(extent,), bytes=7)) == []


def test_the_fingerprint_of_a_collection_is_found_again() -> None:
    marks = (("s3://x/a.parquet", "10:1"), ("t.json", "sha256:0"))
    facts = replace(
        SOURCE, collections=(*_source(fingerprint=marks).collections, replace(ROWS, name="a"))
    )
    assert fingerprint_of(seen_source(facts), "a/b.c") == marks


def test_the_sample_is_remembered() -> None:
    seen = seen_source(SOURCE)
    assert (seen.sample_rows, seen.sample_seed) == (10_000, 7)
    assert without(seen, ["x"]).sample_rows == 10_000


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            {"fields": (replace(ID, arrow="string"), VECTOR)},
            "a%2Fb.c/field id: int64 key when planned, string key now",
        ),
        (
            {"fields": (ID, replace(VECTOR, vector="float_vector(8)"))},
            "a%2Fb.c/field vec: float_vector(4) nullable when planned,"
            " float_vector(8) nullable now",
        ),
        (
            {"fields": (ID, replace(VECTOR, index=Index("HNSW", Metric.IP)))},
            "a%2Fb.c/index vec: HNSW L2 when planned, HNSW IP now",
        ),
        (
            {"fields": (ID, replace(VECTOR, index=None))},
            "a%2Fb.c/index vec: HNSW L2 when planned, absent now",
        ),
        (
            {"fingerprint": (("s3://x/a.parquet", "10:2"),)},
            "a%2Fb.c/file s3://x/a.parquet: 10:1 when planned, 10:2 now",
        ),
        ({"lossy": "SQ8"}, "a%2Fb.c/lossy:  when planned, SQ8 now"),
        ({"lost": 3}, "a%2Fb.c/lost rows: 0 when planned, 3 now"),
        ({"partitions": ("p", "q")}, "a%2Fb.c/partitions: p when planned, p, q now"),
        ({"rows": 99}, "a%2Fb.c/rows: 100 rows when planned, 99 rows now"),
        ({"rows": None}, "a%2Fb.c/rows: 100 rows when planned, unknown now"),
    ],
)
def test_each_change_of_a_source_is_named(change: dict[str, Any], line: str) -> None:
    lines = _lines(SOURCE, _source(**change))
    assert line.replace("a%2Fb.c/rows", "a/b.c/rows") in lines
    assert len(lines) == 1


@pytest.mark.parametrize(
    ("now", "line"),
    [
        (replace(TARGET, version="2.7"), "version: 2.6 when planned, 2.7 now"),
        (
            replace(TARGET, capabilities=replace(LIMITS, max_batch_bytes=1)),
            "limit max_batch_bytes: 16777216 when planned, 1 now",
        ),
        (
            replace(TARGET, capabilities=replace(LIMITS, types=frozenset({"json"}))),
            'limit types: ["int64","json"] when planned, ["json"] now',
        ),
        (replace(TARGET, collections=()), "articles: there when planned, absent now"),
        (_target(dynamic=True), "articles/dynamic: false when planned, true now"),
        (_target(partitions=("p",)), "articles/partitions:  when planned, p now"),
        (
            _target(properties=(("ttl", "1"),)),
            'articles/properties: [] when planned, [["ttl","1"]] now',
        ),
        (
            replace(TARGET, collections=(replace(THERE, indexes=()),)),
            "articles/index vec: FLAT IP nlist=4 when planned, absent now",
        ),
        (
            replace(TARGET, collections=(replace(THERE, rows=6),)),
            "articles/rows: 5 rows when planned, 6 rows now",
        ),
    ],
)
def test_each_change_of_a_target_is_named(now: TargetFacts, line: str) -> None:
    assert _lines(TARGET, now) == [line]


def test_a_field_with_a_default_is_not_one_without() -> None:
    field = replace(SCHEMA.fields[0], primary_key=False, default=0)
    (found,) = _lines(TARGET, _target(fields=(field,)))
    assert found == "articles/field id: int64 primary_key when planned, int64 default 0 now"


@pytest.mark.parametrize(
    ("planned", "now", "lines"),
    [
        ({"aliases": ("a", "b")}, {"aliases": ("a",)}, ["articles/aliases: a, b {}, a {}"]),
        ({}, {"aliases": ("a",)}, ["articles/aliases: absent {}, a {}"]),
        ({"functions": ("bm25",)}, {}, ["articles/functions: bm25 {}, absent {}"]),
        ({}, {"run": "f00@1"}, ["articles/run of mmc: absent {}, f00@1 {}"]),
        ({"asked": "prod"}, {"asked": "prod"}, []),
        ({"asked": "prod"}, {"asked": ""}, ["prod: there {}, absent {}"]),
        (
            {"asked": "prod"},
            {"asked": "prod", "schema": replace(SCHEMA, name="new")},
            [
                "articles: there {}, absent {}",
                "new: absent {}, there {}",
                "prod/alias of: articles {}, new {}",
            ],
        ),
    ],
)
def test_names_functions_and_runs_of_a_collection(
    planned: dict[str, Any], now: dict[str, Any], lines: list[str]
) -> None:
    one, two = (replace(TARGET, collections=(replace(THERE, **it),)) for it in (planned, now))
    assert _lines(one, two) == [line.format("when planned", "now") for line in lines]


def test_a_collection_that_is_asked_for_twice() -> None:
    twice = replace(TARGET, collections=(replace(THERE, asked="prod"), THERE))
    assert seen_target(twice).rows == (("articles", 5),)
    found = [twice.collection(name) for name in ("articles", "prod", "other")]
    assert [one and one.asked for one in found] == ["", "prod", None]
    assert (
        compare(
            seen_target(twice),
            seen_target(replace(TARGET, collections=twice.collections[:1])),
            OnDrift.FAIL,
        )
        == []
    )


@pytest.mark.parametrize(
    ("on_drift", "severities"),
    [
        (OnDrift.FAIL, [Severity.ERROR]),
        (OnDrift.WARN, [Severity.WARNING]),
        (OnDrift.IGNORE, []),
    ],
)
def test_row_counts_follow_on_drift(on_drift: OnDrift, severities: list[Severity]) -> None:
    found = compare(seen_source(SOURCE), seen_source(_source(rows=1)), on_drift)
    assert [it.severity for it in found] == severities
    schema = compare(seen_source(SOURCE), seen_source(_source(lost=1)), on_drift)
    assert [it.severity for it in schema] == [Severity.ERROR]


def test_collections_that_a_run_made_itself_are_left_out() -> None:
    new = TargetCollection(schema=replace(SCHEMA, name="new"), rows=9)
    made = replace(TARGET, collections=(THERE, new))
    planned, now = seen_target(TARGET), seen_target(made)
    assert [str(it) for it in compare(planned, now, OnDrift.FAIL)] == [
        "new: absent when planned, there now"
    ]
    assert compare(without(planned, ["new"]), without(now, ["new"]), OnDrift.FAIL) == []
    assert without(planned, ["new"]) == planned
    assert without(seen_source(SOURCE), ["a/b.c"]).rows == ()
