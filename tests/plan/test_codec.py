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
EXTENT = Extent(
    locator=(("path", "x"), ("row_group", 3)),
    start=0,
    stop=10,
    unit="row",
    rows=10,
    bytes=400,
    cuttable=True,
    partition="p",
)
TAIL = Extent(
    locator=(("path", "x"), ("row_group", 4)), start=10, stop=20, unit="row", rows=None, bytes=400
)
SEEN = (("a/file x", "400:1"), ("fields.id", "int64"))
LAYOUT = Layout(FileFormat.PARQUET, "a")
COPY = CopySplits(
    id="copy.a",
    read=Reading(collection="a", columns=("id", "x"), fingerprint=(("x", "400:1"),)),
    collection=COLLECTION,
    mappings=(
        Mapping(field=KEY, origin=Column("id", "int64", "identity")),
        Mapping(field=TAGS, origin=Constant({"k": [1.5]})),
    ),
    splits=(
        Split(id="00000", pieces=(EXTENT,), rows=10, bytes=400, partition="p"),
        Split(id="00001", pieces=(TAIL,), rows=None, bytes=400),
    ),
    route="milvus.insert",
    reason="insert: Milvus Lite",
    write=Write.INSERT,
    batches=Batches(100, 1000),
    rest=(RestColumn("x", "string", True),),
    layout=LAYOUT,
)
PLAN = Plan(
    name="x",
    spec_digest="0" * 64,
    source=Endpoint("faiss", (("path", "x"), ("storage", {"key": {"secret": "env:K"}}))),
    target=Endpoint("milvus", (("uri", "./a.db"),)),
    source_seen=Seen(schema=codec.digest(SEEN), details=SEEN, rows=(("a", None),)),
    target_seen=Seen(schema=codec.digest(()), details=(), rows=()),
    steps=(
        CheckKeys(id="keys.a", copy="copy.a"),
        CreateCollection(id="create.a", collection=COLLECTION, mode=Mode.FAIL, exists=False),
        COPY,
        BuildIndex(
            id="i",
            collection="a",
            field="v",
            index=Index("HNSW", Metric.L2, (("M", 16),)),
            note="as in the source",
        ),
        LoadCollection(id="l", collection="a"),
        WriteManifest("m", "manifest.json", (ManifestCollection("copy.a", COLLECTION, LAYOUT),)),
        Verify(
            id="v",
            copy="copy.a",
            collection="a",
            mode=Mode.FAIL,
            count=CountCheck.EXACT,
            digest=DigestCheck.FULL,
        ),
    ),
    rows=RowPolicy(OnError.QUARANTINE, None),
    on_drift=OnDrift.WARN,
    workers=2,
    executor=ExecutorKind.THREADS,
    summary=Summary(create=2, change=0, replace=0, rows=None, bytes=4, splits=2, warnings=6),
)


def test_plan_round_trips() -> None:
    assert codec.read_plan(codec.write_plan(PLAN)) == PLAN


def test_text_is_the_same_for_equal_plans() -> None:
    again = codec.read_plan(codec.write_plan(PLAN))
    assert codec.write_plan(again) == codec.write_plan(PLAN)
    assert codec.digest(again) == codec.digest(PLAN)


def test_facts_round_trip() -> None:
    collection = SourceCollection("a", (), extents=(EXTENT,), rows=10, bytes=400)
    facts = Facts(
        source=SourceFacts(type="faiss", version="1", collections=(collection,)),
        target=TargetFacts(
            type="milvus",
            route="insert",
            version="2",
            capabilities=Capabilities(types=frozenset({"int64"}), elements=frozenset()),
        ),
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
        source=SourceFacts(type="files", version="1", collections=()),
        target=TargetFacts(
            type="milvus",
            route="insert",
            version="2",
            capabilities=Capabilities(types=frozenset({"int64"}), elements=frozenset()),
        ),
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
