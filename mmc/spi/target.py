"""An open target: what every one does, and what some add."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from mmc.copied import CopiedSplit
from mmc.facts import TargetCollection
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
from mmc.types import Collection

if TYPE_CHECKING:
    import pyarrow as pa


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


@dataclass(frozen=True, slots=True, kw_only=True)
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
"""The claim of who knows that nobody else writes to the target: what is there is its own."""


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
