"""Plans with something of everything, their diagnostics, and the events of a run, for all views."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from mmc.copied import NOTHING_UNMAPPED
from mmc.diagnostics import Diagnostic, Severity, Span
from mmc.events import (
    Diagnosed,
    Event,
    Failed,
    ImportAsked,
    ImportDone,
    ImportProgress,
    ImportStalled,
    IndexProgress,
    NothingToDo,
    Paced,
    Planned,
    Quarantined,
    Rejection,
    Retrying,
    RunFinished,
    RunStarted,
    SplitDone,
    SplitProgress,
    SplitStarted,
    Started,
    StepDone,
    StepStarted,
    Unmapped,
    Verified,
    VerifyProgress,
)
from mmc.facts import Extent
from mmc.plan.ddl import AlterCollection, Change, CreateAlias, DropAlias, DropCollection
from mmc.plan.mapping import (
    Column,
    Constant,
    Expression,
    Generated,
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
from mmc.types import Collection, Field, FieldType, Index, Metric, freeze

WARNING = Diagnostic(
    "MMC311",
    "varchar(64) is shorter than 3 of 10,000 sampled values",
    severity=Severity.WARNING,
    span=Span(
        file="examples/articles.yaml",
        line=19,
        column=37,
        end_column=48,
        text="      - {from: _id, to: id, type: varchar(64), primary_key: true}",
    ),
    label="longest value seen: 91 bytes",
    hint="use varchar(128), or rows.on_error: quarantine",
    path="collections[0].fields[0].type",
)
ERROR = Diagnostic(
    "MMC339",
    "no column `body_vex` in the source: 100%, or|not <b>",
    severity=Severity.ERROR,
    span=Span(file="dir, one/a b.yaml", line=4, column=3, end_column=9, text="  from: body_vex"),
    hint="did you mean `body_vec`?",
)
NOTE = Diagnostic("MMC371", "the source names no metric; L2 is taken", severity=Severity.NOTE)


def _fields() -> tuple[Mapping, ...]:
    def field(name: str, type_: str, **options: bool) -> Field:
        return Field(name, FieldType.parse(type_), **options)

    fits = "text longer than the field, in bytes of UTF-8, is a bad row"
    vector = "another length, null, NaN, infinity or an inexact element is a bad row"
    epoch = "milliseconds since 1970-01-01 UTC; a remainder is a bad row"
    return (
        Mapping(
            field=field("id", "varchar(64)", primary_key=True),
            origin=Column("_id", "string", "fits"),
            note=fits,
        ),
        Mapping(
            field=field("embedding", "float_vector(768)"),
            origin=Column("body_vec", "fixed_size_list<float>[768]", "vector"),
            normalize=True,
            note=f"cosine (source `similarity`); {vector}",
        ),
        Mapping(
            field=field("published", "int64"),
            origin=Column("published", "timestamp[ms]", "epoch_ms"),
            default=0,
            note=epoch,
        ),
        Mapping(
            field=field("title_key", "varchar(256)", nullable=True),
            origin=Expression("lower(trim(title))", "string", "fits"),
            note=fits,
        ),
        Mapping(field=field("lang", "varchar(8)", partition_key=True), origin=Constant("en")),
    )


def _splits() -> tuple[Split, ...]:
    extent = Extent(
        locator=(("path", "articles.parquet"),),
        start=0,
        stop=50_000,
        unit="row",
        rows=50_000,
        bytes=160_000_000,
    )
    return tuple(
        Split(id=f"{number:05}", pieces=(extent,), rows=50_000, bytes=160_000_000)
        for number in range(24)
    )


def articles() -> Plan:
    """Parquet into Milvus Lite, a new collection."""
    mappings = _fields()
    made = Collection("articles", tuple(mapping.field for mapping in mappings), dynamic=True)
    copy = CopySplits(
        id="copy.articles",
        read=Reading(
            collection="articles",
            columns=("_id", "body_vec", "published", "title"),
            where="lang = 'en' AND price > 0",
        ),
        collection=made,
        mappings=mappings,
        splits=_splits(),
        route="milvus.insert",
        reason="insert: Milvus Lite",
        write=Write.INSERT,
        batches=Batches(2_500, 8 << 20),
        rest=(RestColumn("extra", "string"), RestColumn("more", "int64")),
        rows=1_204_331,
        bytes=3_865_470_566,
    )
    index = Index("HNSW", Metric.COSINE, freeze({"M": 16, "efConstruction": 200}))
    return Plan(
        name="articles",
        spec_digest="0" * 64,
        source=Endpoint("files", (("path", "articles.parquet"),)),
        target=Endpoint(
            "milvus", (("token", {"secret": "env:MILVUS_TOKEN"}), ("uri", "./demo.db"))
        ),
        source_seen=Seen(schema="a", details=(), rows=()),
        target_seen=Seen(schema="b", details=(), rows=()),
        steps=(
            CheckKeys(id="keys.articles", copy="copy.articles"),
            CreateCollection(id="create.articles", collection=made, mode=Mode.FAIL, exists=False),
            copy,
            BuildIndex(
                id="index.articles.embedding",
                collection="articles",
                field="embedding",
                index=index,
                note="as the source",
            ),
            LoadCollection(id="load.articles", collection="articles"),
            Verify(
                id="verify.articles",
                copy="copy.articles",
                collection="articles",
                mode=Mode.FAIL,
                count=CountCheck.EXACT,
                digest=DigestCheck.FULL,
            ),
        ),
        rows=RowPolicy(OnError.QUARANTINE, 100),
        on_drift=OnDrift.FAIL,
        workers=1,
        executor=ExecutorKind.THREADS,
        summary=Summary(
            create=2,
            change=0,
            replace=0,
            rows=1_204_331,
            bytes=3_865_470_566,
            splits=24,
            warnings=1,
        ),
        diagnostics=(WARNING,),
    )


def two_collections() -> Plan:
    """Approximate vectors into a collection that is there, and a collection replaced."""
    plan = articles()
    id_ = Field("id", FieldType.parse("int64"), primary_key=True)
    auto = Field("key", FieldType.parse("int64"), primary_key=True, auto_id=True)
    vector = Field("vec", FieldType.parse("binary_vector(64)"))
    first = Collection("words", (id_, vector), partitions=("a", "b"), shards=2)
    second = Collection("other", (auto, vector), properties=(("mmap.enabled", "true"),))
    copies = [
        CopySplits(
            id=f"copy.{made.name}",
            read=Reading(collection=f"{made.name}.index", columns=("id", "vec"), lossy=lossy),
            collection=made,
            mappings=(
                Mapping(
                    field=made.fields[0],
                    origin=Generated() if auto_ else Column("id", "int64", "identity"),
                ),
                Mapping(field=vector, origin=Column("vec", "fixed_size_binary[8]", "bytes")),
            ),
            splits=_splits()[:splits],
            route="files.files",
            reason="files: the target is a folder",
            write=Write.FILE,
            batches=Batches(1_000, 1 << 20),
            layout=Layout(FileFormat.NUMPY, made.name),
            rows=None,
            bytes=900,
        )
        for made, auto_, splits, lossy in ((first, False, 1, "SQ8"), (second, True, 0, ""))
    ]
    return replace(
        plan,
        name="two",
        steps=(
            CreateCollection(
                id="create.words",
                collection=first,
                mode=Mode.APPEND,
                exists=True,
                rows_before=1_000,
            ),
            AlterCollection(
                id="alter.words",
                collection="words",
                properties=(Change("collection.ttl.seconds", None, "864000"),),
                description=Change("description", "", "all words"),
            ),
            copies[0],
            DropAlias("unalias.live", "other", "live"),
            DropCollection(
                id="drop.other", collection="other", lost=("field old", "function bm25")
            ),
            CreateCollection(id="create.other", collection=second, mode=Mode.REPLACE, exists=True),
            CreateAlias("alias.live", "other", "live"),
            copies[1],
            BuildIndex(
                id="index.other.vec",
                collection="other",
                field="vec",
                index=Index("BIN_FLAT", Metric.HAMMING),
            ),
            WriteManifest("manifest", "manifest.json"),
            Verify(
                id="verify.words",
                copy="copy.words",
                collection="words",
                mode=Mode.APPEND,
                count=CountCheck.EXACT,
                digest=DigestCheck.OFF,
            ),
        ),
        rows=RowPolicy(OnError.FAIL, None),
        summary=Summary(
            create=0, change=2, replace=1, rows=None, bytes=1_800, splits=1, warnings=0
        ),
        diagnostics=(),
    )


DIGEST = "126ceb:0123456789abcdef0123456789abcdef"
OTHER = "126ceb:fedcba9876543210fedcba9876543210"
LOOKED_AT = ("rows", "digest", "partitions", "schema", "1 index", "aliases", "properties")
VERIFIED = Verified(
    step="verify.articles",
    collection="articles",
    ok=True,
    rows_expected=1_204_328,
    rows_found=1_204_328,
    digest_expected=DIGEST,
    digest_found=DIGEST,
    looked_at=LOOKED_AT,
    notes=("the plan does not know the alias live",),
)
DIFFERS = Verified(
    step="verify.articles",
    collection="articles",
    ok=False,
    rows_expected=1_204_328,
    rows_found=1_204_327,
    digest_expected=DIGEST,
    digest_found=OTHER,
    problems=(
        "MMC701: the target counts 1,204,327 rows",
        "MMC703: id = 7: sent, but not in the target",
    ),
    looked_at=LOOKED_AT,
)
REASONS = (Rejection("MMC651", "id", "text longer than 64 bytes", 3),)

EVENTS: tuple[Event, ...] = (
    Started("apply", "0.1.0"),
    Diagnosed(WARNING),
    Diagnosed(ERROR),
    Planned(
        digest="9f2c41d0" * 8,
        name="articles",
        create=2,
        change=0,
        replace=0,
        rows=1_204_331,
        bytes=3_865_470_566,
        splits=24,
        warnings=1,
        path="a.plan.json",
    ),
    RunStarted(
        run="r7",
        plan_digest="9f2c41d0" * 8,
        attempt=2,
        resumed=True,
        splits_done=10,
        splits_total=24,
    ),
    StepStarted(step="create.articles", kind="create_collection", label="create articles"),
    StepDone(
        step="create.articles",
        kind="create_collection",
        label="create articles",
        seconds=0.41,
        skipped=True,
    ),
    StepStarted(
        step="copy.articles",
        kind="copy_splits",
        label="copy articles",
        rows=1_204_331,
        bytes=3_865_470_566,
        splits=24,
        rows_done=500_000,
        bytes_done=1_600_000_000,
        splits_done=10,
    ),
    SplitStarted("copy.articles", "00010", 1),
    SplitProgress("copy.articles", "00010", 25_000, 80_000_000),
    Retrying("read articles.parquet", "timed out", 2, 1.5),
    Paced("write of split copy.articles/00010", "rate limit exceeded", 4_194_304, 0.5),
    Quarantined(
        step="copy.articles",
        split="00010",
        rows=3,
        path=".mmc/runs/r7/00010.jsonl",
        reasons=REASONS,
    ),
    SplitDone(
        step="copy.articles",
        split="00010",
        rows_read=50_000,
        rows_written=49_990,
        rows_filtered=7,
        rows_quarantined=3,
        bytes_read=160_000_000,
        seconds=2.5,
    ),
    StepDone(step="copy.articles", kind="copy_splits", label="copy articles", seconds=75.2),
    StepStarted(step="import.articles", kind="import_files", label="import articles"),
    ImportAsked(step="import.articles", request="00000", task="4501", splits=1, attempt=1),
    ImportAsked(
        step="import.articles", request="00001", task="4502", splits=1, attempt=2, adopted=True
    ),
    ImportStalled(
        step="import.articles",
        collection="articles",
        tasks=("4501", "4502"),
        seconds=60.5,
        left_seconds=3539.5,
    ),
    ImportProgress(
        step="import.articles",
        requests=2,
        requests_done=1,
        rows=1_204_328,
        rows_done=900_000,
        progress=74,
    ),
    ImportDone(step="import.articles", request="00000", task="4501", rows=604_328, seconds=31.5),
    StepDone(step="import.articles", kind="import_files", label="import articles", seconds=40.0),
    StepStarted(
        step="index.articles.embedding", kind="build_index", label="index articles.embedding"
    ),
    IndexProgress("index.articles.embedding", 400_000, 1_204_328),
    StepDone(
        step="index.articles.embedding",
        kind="build_index",
        label="index articles.embedding",
        seconds=227.0,
    ),
    StepStarted(step="verify.articles", kind="verify", label="verify articles"),
    VerifyProgress("verify.articles", 600_000, 1_204_328),
    VERIFIED,
    StepDone(step="verify.articles", kind="verify", label="verify articles", seconds=12.3),
    RunFinished(
        run="r7",
        outcome="partial",
        rows_read=1_204_331,
        rows_written=1_204_328,
        rows_filtered=0,
        rows_quarantined=3,
        seconds=88.0,
        report=".mmc/runs/r7/report.json",
    ),
)
OTHER_EVENTS: tuple[Event, ...] = (
    NothingToDo(run="r7", plan_digest="9f2c41d0" * 8, finished_at="2026-01-02T03:04:05+00:00"),
    DIFFERS,
    RunFinished(
        run="r7",
        outcome="failed",
        rows_read=10,
        rows_written=9,
        rows_filtered=1,
        rows_quarantined=0,
        seconds=3725.0,
    ),
    RunFinished(
        run="r7",
        outcome="stopped",
        rows_read=10,
        rows_written=9,
        rows_filtered=1,
        rows_quarantined=0,
        seconds=0.04,
    ),
    Failed(error="TargetError", message="the server refuses", hint="ask it why", exit_code=1),
)


@dataclass(frozen=True, slots=True)
class Copied:
    """What a state store tells of one copy."""

    step: str
    splits_done: int
    rows_read: int
    rows_written: int
    rows_filtered: int
    rows_quarantined: int
    reasons: tuple[Rejection, ...] = ()
    quarantine: tuple[str, ...] = ()
    rows_left: int = 0
    unmapped: Unmapped = NOTHING_UNMAPPED


@dataclass(frozen=True, slots=True)
class Ran:
    """What a state store tells of one run."""

    run: str
    outcome: str
    started_at: datetime
    finished_at: datetime | None
    copies: tuple[Copied, ...]
    verified: tuple[Verified, ...]


BEGUN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
COPIED = Copied(
    "copy.articles", 24, 1_204_331, 1_204_328, 0, 3, REASONS, (".mmc/runs/r7/00010.jsonl",)
)


def ran(*verified: Verified, copied: Copied = COPIED, outcome: str = "partial") -> Ran:
    end = BEGUN.replace(minute=6)
    return Ran("r7", outcome, BEGUN, end, (copied,), verified)
