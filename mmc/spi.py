"""The seam: what a source and a sink are. A plug-in implements these Protocols and registers an
entry point.

A source never imports a sink or another source. Both are made without arguments and keep no state
between calls; everything they need comes in as plain values, so the same call works in another
process.

Entry point groups: `mmc.sources` (name: the type in a spec), `mmc.sinks` (name: `<target
type>.<route>`) and `mmc.options` (name: `source.<type>` or `target.<type>`): a model derived from
`mmc.spec.options.Options`, in a module that imports no client.

Batches on the way *out of a source* have whatever Arrow schema its facts announced; batches on the
way *into a sink* (and back out of `read_back`) have the canonical schema of the collection,
`mmc.arrow.schema.canonical_schema`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from mmc.copied import CopiedSplit
from mmc.diagnostics import Diagnostic
from mmc.errors import SourceError
from mmc.events import Emit
from mmc.facts import Extent, SourceFacts, TargetCollection, TargetFacts, TokensNumbered
from mmc.layouts.files import FileRecord
from mmc.plan.ddl import AlterCollection, CreateAlias, DropAlias, DropCollection
from mmc.plan.model import (
    AwaitIndexes,
    BuildIndex,
    CopySplits,
    CreateCollection,
    LoadCollection,
    Split,
    Step,
    WriteManifest,
)
from mmc.secrets import SecretRef
from mmc.types import Collection, JsonValue

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Sample:
    """How much `inspect` looks at: `rows` of each collection, spread by `seed`."""

    rows: int = 10_000
    seed: int = 7


class Source(Protocol):
    """A system that rows come from."""

    type: str

    def inspect(self, options: Any, collections: Sequence[str], sample: Sample) -> SourceFacts:
        """Looks, without writing. `options` is the model that the plug-in names in `mmc.options`;
        `collections` names those wanted; empty means all.

        Raises:
            SourceError: it cannot be read, or a wanted collection is not there.
        """

    def read(
        self, options: Any, collection: str, split: Split, columns: Sequence[str], batch_rows: int
    ) -> Iterator[pa.RecordBatch]:
        """Yields the split's rows, in order, in batches of at most `batch_rows`, with exactly
        `columns`.

        `schema.metadata` of each batch carries the place of its first row
        (`mmc.arrow.schema.with_origin`), so that a bad row can be named. Reading the same split
        again yields the same rows. Memory is bounded by a few batches.

        Raises:
            SourceChanged: the content is not what the fingerprint of the plan says.
            SourceError: it cannot be read; `retryable` says whether reading again may help.
        """


@runtime_checkable
class Locates(Protocol):
    """A source that knows what a person types for a place of its own."""

    def locate(self, location: str) -> tuple[dict[str, JsonValue], bool]:
        """Options that say this place, and whether it has the shape of one. Looks at names only,
        and at local folders.
        """


class MetaExport(Protocol):
    """The metadata of a source as a file, and what it holds."""

    @property
    def text(self) -> str:
        """Content of the file: JSON."""

    @property
    def held(self) -> Sequence[tuple[str, int, int, int]]:
        """(collection, partitions beside the collection itself, segments, rows), by name. Rows are
        those of the metadata, which may lag behind the files.
        """

    @property
    def problems(self) -> Sequence[Diagnostic]: ...


@runtime_checkable
class ExportsMeta(Protocol):
    """A source whose metadata are in a place of their own."""

    def meta_options(self, place: str) -> dict[str, JsonValue]:
        """Options that say where the metadata are, and nothing of the data."""

    def export_meta(self, options: Any, password: SecretRef | None) -> MetaExport:
        """`password` of the metadata server, over that of the options."""


@dataclass(frozen=True, slots=True)
class EarlierPlan:
    """A plan that was applied before, and all pieces that it read."""

    path: str
    pieces: tuple[Extent, ...] = ()

    def unusable(self, reason: str) -> SourceError:
        """The error for a plan that the source cannot continue."""
        return SourceError(
            f"the earlier plan {self.path} {reason}",
            hint="name the saved plan of an earlier migration from this source",
            code="MMC468",
        )


@runtime_checkable
class ReadsAfter(Protocol):
    """A source that can leave out what earlier plans have read. Its options name their files:
    `mmc.spec.options.Options.earlier_plans`.
    """

    def inspect_after(
        self,
        options: Any,
        collections: Sequence[str],
        sample: Sample,
        earlier: Sequence[EarlierPlan],
    ) -> SourceFacts:
        """As `Source.inspect`, of the rest. Raises SourceError, also where one of these plans does
        not say how far it read.
        """


@runtime_checkable
class NumbersTokens(Protocol):
    """A source whose sparse vectors name their dimensions by tokens."""

    def number_tokens(
        self, options: Any, collections: Sequence[str], path: str, emit: Emit
    ) -> TokensNumbered:
        """`collections` names those wanted; empty means all. The table is at `path`."""


class Writer(Protocol):
    """Writes one split. Nothing counts before `commit` returns."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Takes a canonical batch of at most `batch_rows` rows.

        Raises:
            TargetThrottled: the target wants less for now; its `rows_written` says how many rows of
                the batch are written. The next call brings the rest.
            TargetError: nobody knows what of the batch is written; the split is replayed, or over.
        """

    def commit(self) -> tuple[FileRecord, ...]:
        """Makes the split durable under its final names. Raises TargetError."""

    def abort(self) -> None:
        """Gives up: removes what it can. Never raises."""


Fence: TypeAlias = Callable[[], float]
"""Asked right before each call that writes: gives the seconds that it may take at most, since
nobody else may write for so long. Raises StateBusy where there are none left.
"""


def unfenced() -> float:
    """The fence of who only reads, or knows that nobody else writes."""
    return float("inf")


Progress: TypeAlias = Callable[[int, int], None]
"""Is told how many rows are done, of how many."""


def no_progress(done: int, total: int) -> None:
    """A progress callback that does nothing."""


NOT_COUNTED = -1


@dataclass(frozen=True, slots=True)
class Look:
    """What a target tells of a collection, to be compared with the plan.

    Attributes:
        found: as `inspect` gives it, but for `rows`: NOT_COUNTED.
        aliases, properties: whether this target has such.
        files: that hold the rows, where they are files of ours: each was read and compared with
            the checksum of its manifest.
        problems: what was wrong with them, with its code.
        damaged: some of the rows cannot be read for that.
    """

    found: TargetCollection
    aliases: bool = True
    properties: bool = True
    files: int = 0
    problems: tuple[str, ...] = ()
    damaged: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """By whom a collection is made.

    Attributes:
        run: names one run of one State, of all that there are: a target that can, writes it on what
            it makes, and takes it off at the end.
        begun: the State says that this run began to make the collection before, so that one which
            is there may be its own.
    """

    run: str
    begun: bool


ALONE = Claim("", begun=True)
"""Of who knows that nobody else writes to the target: what is there is its own."""


class Target(Protocol):
    """An open connection to a target: what `Sink.open` gives.

    `writer` may be called from several threads, each of which uses its own Writer alone.
    """

    def ensure(self, step: CreateCollection, claim: Claim) -> Mapping[str, str]:
        """Brings the collection to what the step says, and gives the properties that it has beside
        those: a target may add some. Harmless when done already by the run that `claim` names.
        Raises TargetError, also where a collection is there that the plan does not
        know and that this run did not make.
        """

    def release(self, step: CreateCollection, claim: Claim) -> None:
        """Called at the end of a run for each collection that it made: whatever says that the run
        is filling it goes away. Harmless when done already. Raises TargetError.
        """

    def drop_collection(self, step: DropCollection) -> None:
        """Drops the collection with its rows. Harmless when done already. Raises TargetError, also
        where it has an alias: that would lead nowhere.
        """

    def writer(self, step: CopySplits, split: Split, *, replay: bool) -> Writer:
        """A writer for one split. `replay`: an earlier attempt may have written some of it."""

    def count(self, collection: Collection) -> int:
        """Exact count(*) at strong consistency. Raises TargetError."""

    def count_partitions(self, collection: Collection, partitions: Sequence[str]) -> Sequence[int]:
        """The same of each of these partitions, in their order; "" is the default one. Raises
        TargetError.
        """

    def look(self, collection: Collection) -> Look:
        """The collection as it is now, without its rows. Raises TargetError, also where it is not
        there.
        """

    def count_keys(self, collection: Collection, keys: pa.Array) -> int:
        """The rows that have one of these primary keys, at strong consistency: each of several rows
        of one key counts. Not called where capabilities say `whole_files`. Raises TargetError.
        """

    def read_back(
        self, collection: Collection, columns: Sequence[str], keys: pa.Array | None, batch_rows: int
    ) -> Iterable[pa.RecordBatch]:
        """Rows as canonical batches of `columns`, in any order; all of them, or those with the
        given primary keys.

        `keys` has at most a few thousand values. Raises TargetError.
        """


@runtime_checkable
class Indexed(Protocol):
    """What a target adds that is a database: indexes, loading, aliases and settings."""

    def drop_alias(self, step: DropAlias) -> None:
        """Drops the alias of a collection that is to be dropped. Harmless when done already, as are
        the next two. Raises TargetError, also where it leads to another collection by now.
        """

    def create_alias(self, step: CreateAlias) -> None:
        """Makes the alias lead to the collection. Raises TargetError, also where it leads to
        another one by now.
        """

    def alter_collection(self, step: AlterCollection) -> None:
        """Sets properties and the description, and leaves the others. Raises TargetError."""

    def build_index(self, step: BuildIndex) -> None: ...

    def load(self, step: LoadCollection) -> None: ...

    def await_indexes(self, step: AwaitIndexes, progress: Progress = no_progress) -> None:
        """Waits until indexes cover every row; not called where capabilities say `embedded`.
        `progress` is told while that lasts, at least every few seconds, and what it
        raises ends the wait. Raises TargetError.
        """


@runtime_checkable
class Manifested(Protocol):
    """What a target adds whose files a manifest names."""

    def write_manifest(
        self, step: WriteManifest, plan_digest: str, files: Mapping[str, Sequence[CopiedSplit]]
    ) -> None:
        """`files` maps the id of each CopySplits step to its splits. Raises TargetError."""


@runtime_checkable
class Guarded(Protocol):
    """What a target adds that gives each login rights of its own."""

    def check_access(self, steps: Sequence[Step]) -> None:
        """Whether the login may do all of these steps; asked before the first of them is done.

        Raises:
            TargetError: it may not; all that it lacks is named.
        """


@runtime_checkable
class KeepsFiles(Protocol):
    """What a target adds that is a folder of files, which anyone can delete or change."""

    def lost(
        self, copy: CopySplits, files: Sequence[FileRecord], *, content: bool
    ) -> Mapping[str, str]:
        """Files of a copy that are not there any more as they were written, by path, and what is
        wrong with each: gone, of another size or, with `content`, of another checksum. Raises
        TargetError.
        """

    def records(self, step: WriteManifest, plan_digest: str) -> bool:
        """Whether the manifest has what the plan of this digest wrote. Raises TargetError."""

    def claim_again(self, step: CreateCollection, claim: Claim) -> None:
        """Called before lost files are written again: says once more that a run fills this
        collection. Harmless where that still stands there. Raises TargetError.
        """


class TaskState(StrEnum):
    """Of an import that the server was asked for."""

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ImportTask:
    """An import as the server tells of it.

    Attributes:
        id: the server's.
        files: what it was asked to import: as `FileRecord.path`, or in the server's words where it
            lies in another place; () where the server does not tell yet.
        rows: imported, once it is completed.
        progress: 0..100.
        reason: of a failure, in the server's words.
        code: of the failure, where it has a diagnostic code of its own.
        again: the failure was no fault of the files: asking again is safe and may help.
    """

    id: str
    state: TaskState
    files: tuple[str, ...] = ()
    rows: int = 0
    progress: int = 0
    reason: str = ""
    code: str = ""
    again: bool = False


class Importer(Target, Protocol):
    """A target that imports staged files. `writer` stages; nothing is in the collection before an
    import is completed, and then all rows of its files are, at once.

    Attributes:
        memory_seconds: how long the server lists a task at least, from the time that it was asked
            for.
    """

    @property
    def memory_seconds(self) -> float: ...

    def check_staging(self, copy: CopySplits, *, dropping: bool, manifest: str) -> None:
        """Writes, reads and removes a small file in the staging place, and has the server look for
        it where the collection is there. Called before the collection is made or replaced, and
        again before it is copied into.

        Args:
            dropping: the collection will be dropped, if it is there: no verdict is an error then.
            manifest: name of the file that lies beside those that are imported where they lie.

        Raises:
            TargetBusy: it is needed, and not known yet, whether the server sees the file.
            TargetError: it cannot be written, or the server does not see it, or files cannot carry
                a field.
        """

    def submit(self, copy: CopySplits, groups: Sequence[FileGroup], key: str) -> str:
        """Asks for one import of these files, all of one partition; gives the task's id.

        `key` names the request: a server that knows it does not begin the same one twice.

        Raises:
            TargetBusy: the request was refused for now, or it is unknown whether it arrived.
            TargetError: it was refused.
        """

    def tasks(self, copy: CopySplits, ids: Sequence[str]) -> Sequence[ImportTask]:
        """How these stand, in their order. A task that the server no longer knows is FAILED."""

    def find_tasks(self, copy: CopySplits) -> Sequence[ImportTask]:
        """Every task that the server knows of this collection, the oldest first, with its files."""

    def rows_there(self, copy: CopySplits) -> int:
        """How many rows the collection of a copy has, those included that were imported and cannot
        be queried yet. Called while none of its imports is under way. Raises TargetError.
        """


@dataclass(frozen=True, slots=True)
class FileGroup:
    """The files of one split: one, or for NumPy one a field. Paths as in `FileRecord.path`."""

    split: str
    partition: str
    files: tuple[str, ...]


class Sink(Protocol):
    """One route into a target."""

    type: str
    route: str

    def inspect(self, options: Any, collections: Sequence[str]) -> TargetFacts:
        """Looks at the target and at the named collections, without writing. Raises TargetError."""

    def open(self, options: Any, fence: Fence = unfenced) -> AbstractContextManager[Target]:
        """Connects. No call that writes begins without a look at `fence`, nor takes longer than it
        says. Raises TargetError, SecretError.
        """
