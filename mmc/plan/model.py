"""Plan, Step, Split: frozen values that say all that `run` will do.

`run` takes no decision: what it needs and does not find here is a missing field. Steps are run,
explained and drawn from this one list, in order. JSON form and digest: `mmc.plan.codec`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

from pydantic import Discriminator

from mmc.diagnostics import Diagnostic
from mmc.facts import Extent
from mmc.plan.ddl import AlterCollection, CreateAlias, DropAlias, DropCollection
from mmc.plan.mapping import Mapping, RestColumn
from mmc.plan.reading import Batches, Reading
from mmc.types import Collection, Index, JsonValue

FORMAT_VERSION = 2
"""Version of the plan file. A reader refuses every other one."""


class Mode(StrEnum):
    """What to do about a collection that exists: `fail` means it must not exist (the default)."""

    FAIL = "fail"
    APPEND = "append"
    UPSERT = "upsert"
    REPLACE = "replace"


class OnError(StrEnum):
    """What a bad row does: stops the run, or goes to the quarantine file."""

    FAIL = "fail"
    QUARANTINE = "quarantine"


class OnDrift(StrEnum):
    """What differing row counts do at apply. Differing schemas are always stale."""

    FAIL = "fail"
    WARN = "warn"
    IGNORE = "ignore"


class Write(StrEnum):
    """How rows get in."""

    INSERT = "insert"
    """The first attempt of a split inserts, any later one upserts."""
    UPSERT = "upsert"
    FILE = "file"
    IN_PLACE = "in_place"
    """The source's own files are what will be imported: they are read, not written."""


class FileFormat(StrEnum):
    """Milvus's import layouts."""

    PARQUET = "parquet"
    NUMPY = "numpy"
    JSON = "json"


class CountCheck(StrEnum):
    """Whether rows are counted after the copy."""

    EXACT = "exact"
    OFF = "off"


class DigestCheck(StrEnum):
    """Whether everything is read back and compared."""

    FULL = "full"
    OFF = "off"


class ExecutorKind(StrEnum):
    """What copies splits side by side: threads where reading and casting happen in native code that
    lets other threads run, processes where they are Python's work.
    """

    THREADS = "threads"
    PROCESSES = "processes"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A source or target: its type and its checked configuration; secrets stand as `{"secret":
    "env:NAME"}`.
    """

    type: str
    config: tuple[tuple[str, JsonValue], ...]

    @property
    def options(self) -> dict[str, JsonValue]:
        return dict(self.config)


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """A bounded, re-readable part of a source: the unit of work, checkpoint, retry and
    verification.

    Attributes:
        id: "00007", unique inside its step; names files.
        pieces: extents, cut or joined; read in order.
        rows: planned rows, None when only reading tells.
        bytes: planned size in the source.
        partition: Milvus partition all rows of the split go to, or "".
    """

    id: str
    pieces: tuple[Extent, ...]
    rows: int | None
    bytes: int
    partition: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """Files of a `files` route. One split makes one file (NumPy: one folder).

    `directory` is relative to the target's URL; the name of part 00007 is
    `<directory>/part-00007.<ext>`.
    """

    format: FileFormat
    directory: str


@dataclass(frozen=True, slots=True)
class Staging:
    """Where files wait for their import: below `url`/`key`, in the collection's directory.

    Attributes:
        url: folder that Milvus reads too: in its own bucket, or on its disk.
        storage: options of the file system; secrets as `{"secret": "env:NAME"}`.
        key: folder of this plan below `url`: the digest of the plan without it; "" where files
            are imported from where they lie.
        keep: leave the files there when all is verified.
    """

    url: str
    storage: tuple[tuple[str, JsonValue], ...] = ()
    key: str = ""
    keep: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateCollection:
    """Makes the database if needed, the collection and its partitions; what a `replace` finds there
    was dropped by an earlier step.

    May be a check only: for append and upsert the collection must be there as `collection` says,
        and nothing is made.

    While the run goes on, a collection that it made says so in its property `mmc.run`; the end of
    the run takes that off.

    Attributes:
        exists: it was there when the plan was made.
        rows_before: the count seen at plan time (0 for a new one).
        asked: alias that the spec names, where it names one; `collection` has the real name, which
            all steps work on.
        claimed: the run that was filling it when planned.
        left_out: fields that are there and not in `collection`; rows come without them.
        consistency: level of a new collection; "" leaves it to the target.
        key_partitions: number of partitions that a partition key spreads rows over; 0 leaves it to
            the target.
        indexes, aliases: of append and upsert: what is there and stays.
    """

    id: str
    collection: Collection
    mode: Mode
    exists: bool
    rows_before: int = 0
    left_out: tuple[str, ...] = ()
    asked: str = ""
    claimed: str = ""
    consistency: str = ""
    key_partitions: int = 0
    indexes: tuple[tuple[str, Index], ...] = ()
    aliases: tuple[str, ...] = ()
    kind: Literal["create_collection"] = "create_collection"

    @property
    def makes(self) -> bool:
        """Whether the collection is made, and not only checked."""
        return not self.exists or self.mode not in (Mode.APPEND, Mode.UPSERT)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckKeys:
    """Reads the primary key (through `where` and casts) of all splits, before anything is written.

    Keys that occur twice stop the run. Not planned when the source guarantees unique keys or the
    target makes them, unless rows are appended: with `existing`, keys that the collection holds
    already stop it too, for appending them would replace or double rows that are not ours. Nor
    left out where rows are upserted and counted: with `counted`, the rows that the collection holds
    under the keys are counted, for those are the ones that go.
    """

    id: str
    copy: str
    existing: bool = False
    counted: bool = False
    kind: Literal["check_keys"] = "check_keys"


@dataclass(frozen=True, slots=True, kw_only=True)
class CopySplits:
    """Reads every split, transforms, writes, records one State row a split. Where its files are to
    be imported, the staging place is tried once more before the first of them is written.

    Attributes:
        read: what of the source.
        collection: target schema (with the dynamic flag); fields in column order of a batch.
        mappings: one a field, in the same order.
        rest: source columns that go into the dynamic field.
        route: name of the sink: "milvus.insert", "files.files".
        reason: why this route, for people.
        layout: where files are written.
        staging: bulk route only.
        rows, bytes: of the source collection; None where only reading tells.
    """

    id: str
    read: Reading
    collection: Collection
    mappings: tuple[Mapping, ...]
    splits: tuple[Split, ...]
    route: str
    reason: str
    write: Write
    batches: Batches
    rest: tuple[RestColumn, ...] = ()
    layout: Layout | None = None
    staging: Staging | None = None
    rows: int | None = None
    bytes: int = 0
    kind: Literal["copy_splits"] = "copy_splits"

    @property
    def partitions(self) -> tuple[str, ...]:
        """Those that rows are written to by name, sorted."""
        return tuple(sorted({split.partition for split in self.splits} - {""}))


@dataclass(frozen=True, slots=True)
class CheckStaging:
    """Writes, reads and removes a small file in the staging place of a copy, and has the server
    look for it where the collection is there already. Before anything is made or dropped: the rows
    of a collection that is replaced cannot be had back. Each attempt does it again, until the copy
    is done.
    """

    id: str
    copy: str
    kind: Literal["check_staging"] = "check_staging"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportFiles:
    """Has the server import the files of a copy: each is submitted as soon as it is staged, so the
    server works while later ones are written; this step waits for the last.

    Attributes:
        copy: id of the CopySplits step that stages them.
        files: most splits in one request.
        stall_seconds: how long a request may make no progress.
    """

    id: str
    copy: str
    collection: str
    files: int
    stall_seconds: int
    kind: Literal["import_files"] = "import_files"


@dataclass(frozen=True, slots=True)
class RemoveStaged:
    """Removes the staged files of a copy, once all is verified. Not planned with `keep`."""

    id: str
    copy: str
    kind: Literal["remove_staged"] = "remove_staged"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildIndex:
    """Creates one index; a server then builds it beside all else.

    `note` says where it comes from ("IVFFlat nlist=256 in the source index").
    """

    id: str
    collection: str
    field: str
    index: Index
    note: str = ""
    kind: Literal["build_index"] = "build_index"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadCollection:
    """Loads the collection so that it can be queried.

    May only ask for it (`wait` is false): loading takes seconds, in which rows can be copied
    already, and a later step waits for it. With `refresh` some partitions were loaded when planned:
    it waits until the rows of the others can be seen too.
    """

    id: str
    collection: str
    wait: bool = True
    refresh: bool = False
    kind: Literal["load_collection"] = "load_collection"


@dataclass(frozen=True, slots=True)
class AwaitIndexes:
    """Waits until every index of the collection covers every row, those that were inserted a moment
    ago too.
    """

    id: str
    collection: str
    kind: Literal["await_indexes"] = "await_indexes"


@dataclass(frozen=True, slots=True)
class ManifestCollection:
    """What a manifest says of one collection, for the load that comes later.

    `copy` is the id of the CopySplits step that wrote its files; `indexes` are (field, index)
    pairs: a files target builds none, but carries them to the system that will.
    """

    copy: str
    collection: Collection
    layout: Layout
    indexes: tuple[tuple[str, Index], ...] = ()


@dataclass(frozen=True, slots=True)
class WriteManifest:
    """Files route: writes `manifest.json` from the recorded splits, and removes what earlier
    attempts left over.

    `path` is relative to the target's URL. Collections of an earlier manifest that are not named
    here stay in it.
    """

    id: str
    path: str
    collections: tuple[ManifestCollection, ...] = ()
    kind: Literal["write_manifest"] = "write_manifest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    """Counts at strong consistency, and reads everything back into an order-free digest, as
    asked.
    """

    id: str
    copy: str
    collection: str
    mode: Mode
    count: CountCheck
    digest: DigestCheck
    kind: Literal["verify"] = "verify"


Step: TypeAlias = Annotated[
    DropAlias
    | DropCollection
    | CreateCollection
    | CreateAlias
    | AlterCollection
    | CheckKeys
    | CheckStaging
    | CopySplits
    | ImportFiles
    | BuildIndex
    | LoadCollection
    | AwaitIndexes
    | WriteManifest
    | Verify
    | RemoveStaged,
    Discriminator("kind"),
]


@dataclass(frozen=True, slots=True)
class RowPolicy:
    """`max_errors`: quarantined rows allowed in the whole run; None means no limit."""

    on_error: OnError
    max_errors: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The part of the facts that must still hold at apply.

    Attributes:
        schema: digest of schema, index, limits and file fingerprints.
        details: (place, value) pairs behind the digest, to name what differs.
        rows: (collection, rows) pairs; None where only reading tells. Differences follow
            `on_drift`.
        sample_rows, sample_seed: of the source's facts. `apply` looks again with the same sample,
            since types that are inferred from values (CSV, JSON lines) depend on it.
    """

    schema: str
    details: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, int | None], ...]
    sample_rows: int = 0
    sample_seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Counts for people and scripts."""

    create: int
    change: int
    replace: int
    rows: int | None
    bytes: int
    splits: int
    warnings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything `apply` needs. Equal spec and facts give a byte-equal plan; `digest` is in
    `codec`.
    """

    name: str
    spec_digest: str
    source: Endpoint
    target: Endpoint
    source_seen: Seen
    target_seen: Seen
    steps: tuple[Step, ...]
    rows: RowPolicy
    on_drift: OnDrift
    workers: int
    executor: ExecutorKind
    summary: Summary
    diagnostics: tuple[Diagnostic, ...] = ()
    format_version: int = FORMAT_VERSION

    def step(self, step_id: str) -> Step:
        """Raises KeyError."""
        for step in self.steps:
            if step.id == step_id:
                return step
        raise KeyError(step_id)

    @property
    def creates(self) -> tuple[CreateCollection, ...]:
        return tuple(step for step in self.steps if isinstance(step, CreateCollection))

    @property
    def copies(self) -> tuple[CopySplits, ...]:
        return tuple(step for step in self.steps if isinstance(step, CopySplits))
