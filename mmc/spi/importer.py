"""A target that imports staged files by jobs of its server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from mmc.plan.model import (
    CopySplits,
)
from mmc.spi.target import Target

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, slots=True)
class FileGroup:
    """The files of one split: one, or for NumPy one a field. Paths as in `FileRecord.path`."""

    split: str
    partition: str
    files: tuple[str, ...]


class TaskState(StrEnum):
    """State of an import that the server was asked for. GONE: the server does not know it any
    more, so nobody can tell whether it brought its rows.
    """

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    GONE = "gone"


@dataclass(frozen=True, slots=True, kw_only=True)
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
        """How these stand, in their order. A task that the server no longer knows is GONE."""

    def find_tasks(self, copy: CopySplits) -> Sequence[ImportTask]:
        """Every task that the server knows of this collection, the oldest first, with its files."""

    def rows_there(self, copy: CopySplits) -> int:
        """How many rows the collection of a copy has, those included that were imported and cannot
        be queried yet. Called while none of its imports is under way. Raises TargetError.
        """
