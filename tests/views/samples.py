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
    Severity.WARNING,
    Span(
        "examples/articles.yaml",
        19,
        37,
        48,
        "      - {from: _id, to: id, type: varchar(64), primary_key: true}",
    ),
    label="longest value seen: 91 bytes",
    hint="use varchar(128), or rows.on_error: quarantine",
    path="collections[0].fields[0].type",
)
ERROR = Diagnostic(
    "MMC339",
    "no column `body_vex` in the source: 100%, or|not <b>",
    Severity.ERROR,
    Span("dir, one/a b.yaml", 4, 3, 9, "  from: body_vex"),
    hint="did you mean `body_vec`?",
)
NOTE = Diagnostic("MMC371", "the source names no metric; L2 is taken", Severity.NOTE)


def _fields() -> tuple[Mapping, ...]:
    def field(name: str, type_: str, **options: bool) -> Field:
        return Field(name, FieldType.parse(type_), **options)

    fits = "text longer than the field, in bytes of UTF-8, is a bad row"
    vector = "another length, null, NaN, infinity or an inexact element is a bad row"
    epoch = "milliseconds since 1970-01-01 UTC; a remainder is a bad row"
    return (
        Mapping(
            field("id", "varchar(64)", primary_key=True), Column("_id", "string", "fits"), note=fits
        ),
        Mapping(
            field("embedding", "float_vector(768)"),
            Column("body_vec", "fixed_size_list<float>[768]", "vector"),
            normalize=True,
            note=f"cosine (source `similarity`); {vector}",
        ),
        Mapping(
            field("published", "int64"),
            Column("published", "timestamp[ms]", "epoch_ms"),
            default=0,
            note=epoch,
        ),
        Mapping(
            field("title_key", "varchar(256)", nullable=True),
            Expression("lower(trim(title))", "string", "fits"),
            note=fits,
        ),
        Mapping(field("lang", "varchar(8)", partition_key=True), Constant("en")),
    )


def _splits() -> tuple[Split, ...]:
    extent = Extent((("path", "articles.parquet"),), 0, 50_000, "row", 50_000, 160_000_000)
    return tuple(Split(f"{number:05}", (extent,), 50_000, 160_000_000) for number in range(24))


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
        "articles",
        "0" * 64,
        Endpoint("files", (("path", "articles.parquet"),)),
        Endpoint("milvus", (("token", {"secret": "env:MILVUS_TOKEN"}), ("uri", "./demo.db"))),
        Seen("a", (), ()),
        Seen("b", (), ()),
        (
            CheckKeys("keys.articles", "copy.articles"),
            CreateCollection("create.articles", made, Mode.FAIL, exists=False),
            copy,
            BuildIndex("index.articles.embedding", "articles", "embedding", index, "as the source"),
            LoadCollection("load.articles", "articles"),
            Verify(
                "verify.articles",
                "copy.articles",
                "articles",
                Mode.FAIL,
                CountCheck.EXACT,
                DigestCheck.FULL,
            ),
        ),
        RowPolicy(OnError.QUARANTINE, 100),
        OnDrift.FAIL,
        1,
        ExecutorKind.THREADS,
        Summary(2, 0, 0, 1_204_331, 3_865_470_566, 24, 1),
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
                    made.fields[0], Generated() if auto_ else Column("id", "int64", "identity")
                ),
                Mapping(vector, Column("vec", "fixed_size_binary[8]", "bytes")),
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
            CreateCollection("create.words", first, Mode.APPEND, exists=True, rows_before=1_000),
            AlterCollection(
                "alter.words",
                "words",
                (Change("collection.ttl.seconds", None, "864000"),),
                Change("description", "", "all words"),
            ),
            copies[0],
            DropAlias("unalias.live", "other", "live"),
            DropCollection("drop.other", "other", ("field old", "function bm25")),
            CreateCollection("create.other", second, Mode.REPLACE, exists=True),
            CreateAlias("alias.live", "other", "live"),
            copies[1],
            BuildIndex("index.other.vec", "other", "vec", Index("BIN_FLAT", Metric.HAMMING)),
            WriteManifest("manifest", "manifest.json"),
            Verify(
                "verify.words",
                "copy.words",
                "words",
                Mode.APPEND,
                CountCheck.EXACT,
                DigestCheck.OFF,
            ),
        ),
        rows=RowPolicy(OnError.FAIL, None),
        summary=Summary(0, 2, 1, None, 1_800, 1, 0),
        diagnostics=(),
    )


DIGEST = "126ceb:0123456789abcdef0123456789abcdef"
OTHER = "126ceb:fedcba9876543210fedcba9876543210"
LOOKED_AT = ("rows", "digest", "partitions", "schema", "1 index", "aliases", "properties")
VERIFIED = Verified(
    "verify.articles",
    "articles",
    True,
    1_204_328,
    1_204_328,
    DIGEST,
    DIGEST,
    looked_at=LOOKED_AT,
    notes=("the plan does not know the alias live",),
)
DIFFERS = Verified(
    "verify.articles",
    "articles",
    False,
    1_204_328,
    1_204_327,
    DIGEST,
    OTHER,
    ("MMC701: the target counts 1,204,327 rows", "MMC703: id = 7: sent, but not in the target"),
    LOOKED_AT,
)
REASONS = (Rejection("MMC651", "id", "text longer than 64 bytes", 3),)

EVENTS: tuple[Event, ...] = (
    Started("apply", "0.1.0"),
    Diagnosed(WARNING),
    Diagnosed(ERROR),
    Planned("9f2c41d0" * 8, "articles", 2, 0, 0, 1_204_331, 3_865_470_566, 24, 1, "a.plan.json"),
    RunStarted("r7", "9f2c41d0" * 8, 2, True, 10, 24),
    StepStarted("create.articles", "create_collection", "create articles"),
    StepDone("create.articles", "create_collection", "create articles", 0.41, skipped=True),
    StepStarted(
        "copy.articles",
        "copy_splits",
        "copy articles",
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
    Quarantined("copy.articles", "00010", 3, ".mmc/runs/r7/00010.jsonl", REASONS),
    SplitDone("copy.articles", "00010", 50_000, 49_990, 7, 3, 160_000_000, 2.5),
    StepDone("copy.articles", "copy_splits", "copy articles", 75.2),
    StepStarted("import.articles", "import_files", "import articles"),
    ImportAsked("import.articles", "00000", "4501", 1, 1),
    ImportAsked("import.articles", "00001", "4502", 1, 2, adopted=True),
    ImportStalled("import.articles", "articles", ("4501", "4502"), 60.5, 3539.5),
    ImportProgress("import.articles", 2, 1, 1_204_328, 900_000, 74),
    ImportDone("import.articles", "00000", "4501", 604_328, 31.5),
    StepDone("import.articles", "import_files", "import articles", 40.0),
    StepStarted("index.articles.embedding", "build_index", "index articles.embedding"),
    IndexProgress("index.articles.embedding", 400_000, 1_204_328),
    StepDone("index.articles.embedding", "build_index", "index articles.embedding", 227.0),
    StepStarted("verify.articles", "verify", "verify articles"),
    VerifyProgress("verify.articles", 600_000, 1_204_328),
    VERIFIED,
    StepDone("verify.articles", "verify", "verify articles", 12.3),
    RunFinished("r7", "partial", 1_204_331, 1_204_328, 0, 3, 88.0, ".mmc/runs/r7/report.json"),
)
OTHER_EVENTS: tuple[Event, ...] = (
    NothingToDo("r7", "9f2c41d0" * 8, "2026-01-02T03:04:05+00:00"),
    DIFFERS,
    RunFinished("r7", "failed", 10, 9, 1, 0, 3725.0),
    RunFinished("r7", "stopped", 10, 9, 1, 0, 0.04),
    Failed("TargetError", "the server refuses", "ask it why", 1),
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
