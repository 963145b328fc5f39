from __future__ import annotations

import json

import pytest

from mmc.errors import SpecInvalid
from mmc.facts import Capabilities, Extent, Facts, SourceCollection, SourceFacts, TargetFacts
from mmc.plan import codec
from mmc.plan.mapping import (
    Column,
    Constant,
    Mapping,
    RestColumn,
)
from mmc.plan.model import (
    BuildIndex,
    CheckKeys,
    CopySplits,
    CountCheck,
    CreateCollection,
    DigestCheck,
    Endpoint,
    ExecutorKind,
    FileFormat,
    Layout,
    LoadCollection,
    ManifestCollection,
    Mode,
    OnDrift,
    OnError,
    Plan,
    RowPolicy,
    Seen,
    Split,
    Summary,
    Verify,
    Write,
    WriteManifest,
)
from mmc.plan.reading import Batches, Reading
from mmc.types import Collection, Field, FieldType, Index, Metric

KEY = Field("id", FieldType.parse("int64"), primary_key=True)
TAGS = Field("tags", FieldType.parse("array<varchar(10)>(5)"), nullable=True, default=["a", 1])
COLLECTION = Collection("a", (KEY, TAGS), dynamic=True, partitions=("p",))
EXTENT = Extent((("path", "x"), ("row_group", 3)), 0, 10, "row", 10, 400, True, "p")
TAIL = Extent((("path", "x"), ("row_group", 4)), 10, 20, "row", None, 400)
SEEN = (("a/file x", "400:1"), ("fields.id", "int64"))
LAYOUT = Layout(FileFormat.PARQUET, "a")
COPY = CopySplits(
    id="copy.a",
    read=Reading(collection="a", columns=("id", "x"), fingerprint=(("x", "400:1"),)),
    collection=COLLECTION,
    mappings=(
        Mapping(KEY, Column("id", "int64", "identity")),
        Mapping(TAGS, Constant({"k": [1.5]})),
    ),
    splits=(Split("00000", (EXTENT,), 10, 400, "p"), Split("00001", (TAIL,), None, 400)),
    route="milvus.insert",
    reason="insert: Milvus Lite",
    write=Write.INSERT,
    batches=Batches(100, 1000),
    rest=(RestColumn("x", "string", True),),
    layout=LAYOUT,
)
PLAN = Plan(
    "x",
    "0" * 64,
    Endpoint("faiss", (("path", "x"), ("storage", {"key": {"secret": "env:K"}}))),
    Endpoint("milvus", (("uri", "./a.db"),)),
    Seen(codec.digest(SEEN), SEEN, (("a", None),)),
    Seen(codec.digest(()), (), ()),
    (
        CheckKeys("keys.a", "copy.a"),
        CreateCollection("create.a", COLLECTION, Mode.FAIL, False),
        COPY,
        BuildIndex("i", "a", "v", Index("HNSW", Metric.L2, (("M", 16),)), "as in the source"),
        LoadCollection("l", "a"),
        WriteManifest("m", "manifest.json", (ManifestCollection("copy.a", COLLECTION, LAYOUT),)),
        Verify("v", "copy.a", "a", Mode.FAIL, CountCheck.EXACT, DigestCheck.FULL),
    ),
    RowPolicy(OnError.QUARANTINE, None),
    OnDrift.WARN,
    2,
    ExecutorKind.THREADS,
    Summary(2, 0, 0, None, 4, 2, 6),
)


def test_plan_round_trips() -> None:
    assert codec.read_plan(codec.write_plan(PLAN)) == PLAN


def test_text_is_the_same_for_equal_plans() -> None:
    again = codec.read_plan(codec.write_plan(PLAN))
    assert codec.write_plan(again) == codec.write_plan(PLAN)
    assert codec.digest(again) == codec.digest(PLAN)


def test_facts_round_trip() -> None:
    collection = SourceCollection("a", (), (EXTENT,), 10, 400)
    facts = Facts(
        SourceFacts("faiss", "1", (collection,)),
        TargetFacts("milvus", "insert", "2", Capabilities(frozenset({"int64"}), frozenset())),
    )
    assert codec.read_facts(codec.write_facts(facts)) == facts


def _code(text: str) -> str:
    with pytest.raises(SpecInvalid) as caught:
        codec.read_plan(text, "p.json")
    (found,) = caught.value.diagnostics
    assert found.span is not None and found.span.file == "p.json"
    return found.code


def test_a_plan_changed_by_hand_is_refused() -> None:
    body = json.loads(codec.write_plan(PLAN))
    body["plan"]["workers"] = 7
    assert _code(json.dumps(body)) == "MMC124"


def test_facts_of_an_older_version_are_read_and_a_plan_is_not() -> None:
    facts = Facts(
        SourceFacts("files", "1", ()),
        TargetFacts("milvus", "insert", "2", Capabilities(frozenset({"int64"}), frozenset())),
    )
    body = json.loads(codec.write_facts(facts))
    del body["facts"]["source"]["sample_seed"]
    body["digest"] = codec.digest(body["facts"])
    assert codec.read_facts(json.dumps(body)) == facts
    body = json.loads(codec.write_plan(PLAN))
    del body["plan"]["format_version"]
    body["digest"] = codec.digest(body["plan"])
    assert _code(json.dumps(body)) == "MMC122"


def test_other_files_are_refused_by_name() -> None:
    body = json.loads(codec.write_plan(PLAN))
    assert _code("{") == "MMC120"
    assert _code("[]") == "MMC121"
    assert _code(json.dumps({**body, "format": "mmc-facts"})) == "MMC121"
    assert _code(json.dumps({**body, "version": 99})) == "MMC122"
    body["plan"]["steps"][0]["kind"] = "dance"
    assert _code(json.dumps(body)) == "MMC123"


def test_no_value_outside_json_gets_into_a_plan() -> None:
    with pytest.raises(TypeError):
        codec.to_json(object())
    with pytest.raises(ValueError, match="JSON"):
        codec.canonical(float("nan"))


def test_a_real_plan_file_fits_its_schema() -> None:
    import jsonschema

    schema = codec.plan_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(json.loads(codec.write_plan(PLAN)))
