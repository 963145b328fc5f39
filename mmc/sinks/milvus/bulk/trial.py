"""Trial imports: does the server see what is staged? Asked with a file that brings no rows.

Knows the words of a server, and not by which interface they came.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from mmc.errors import TargetError
from mmc.layouts.staging import StagingPlace
from mmc.plan.model import CopySplits
from mmc.sinks.milvus.bulk.reasons import Reason, reason_of
from mmc.spi import ImportTask, TaskState

_READ = 90
"""Progress of a task whose files have been read ("Persisted" of 2.3)."""

_FOUND = ("invalid JSON format, the root key", "fail to initialize json row-based consumer")
"""What 2.3 and all later say of a manifest, and what 2.3.5 says of any file where the collection
has a field that it does not import. It looks for the file before.
"""


class Trials:
    """Imports that bring no rows, asked for to learn whether the server sees a file."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], str] = {}

    def verdict(
        self,
        what: tuple[str, str],
        submit: Callable[[], str],
        look: Callable[[str], ImportTask],
        *,
        keep: bool,
        seconds: float,
        between: float,
    ) -> str | None:
        """Why the server cannot read the file, "" when it can, None when it does not say within
        `seconds`. `between`: seconds from look to look.

        With `keep`, which says that the file stays there, the next call then goes on with the same
        import, for a server so busy needs no second one.
        """
        if what not in self._open:
            self._open[what] = submit()
        deadline = time.monotonic() + seconds
        while True:
            task = look(self._open[what])
            if task.state in (TaskState.FAILED, TaskState.GONE) or task.progress >= _READ:
                del self._open[what]
                passing = task.again or reason_of(task.reason) is Reason.PASSING
                return None if passing else task.reason
            if time.monotonic() > deadline:
                if not keep:
                    del self._open[what]
                return None
            time.sleep(between)


def not_seen(copy: CopySplits, place: StagingPlace, reason: str) -> TargetError:
    """The error for a trial that failed."""
    elsewhere = reason_of(reason) is Reason.UNSEEN
    told = unseen(place, reason) if elsewhere else reason
    root = place.on_server("") or place.url
    return TargetError(
        f"{copy.collection.name}: a trial import from {root} failed: {told}",
        hint="stage in Milvus's own bucket, or on its disk"
        if elsewhere
        else "mend the cause; a collection that takes no imports and is to be replaced may be"
        " dropped by hand: then plan again",
        code="MMC542" if elsewhere else "MMC543",
    )


def is_found(reason: str) -> bool:
    """Whether an import failed although the server found the file, which says what was asked."""
    return any(part in reason for part in _FOUND)


def unseen(place: StagingPlace, reason: str) -> str:
    """The reason, with the name of the place on both sides."""
    return (
        f"{reason} (Milvus does not see what is staged in {place.url}; it looks in its own storage,"
        f" for {place.on_server(place.key)}: staging must be in Milvus's own bucket, or on its"
        " disk)"
    )
