"""What ends an apply that has files imported: the errors, with what a person can do about each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from mmc.errors import TargetError
from mmc.spi import ImportTask, TaskState

EMPTY: Final = "is completed without a row: the server could not read its files"
_GONE_HINT: Final = (
    "compare count(*) of the collection with the rows of its files; then plan again with load.mode:"
    " replace, or drop the collection, `mmc state forget` the run, and apply again"
)
_REPLACE_HINT: Final = (
    "begin again: `mmc state forget` the run, plan with load.mode: replace, and apply with"
    " --allow-replace; if it happens again, report it"
)


def wrong_rows(collection: str, what: str) -> TargetError:
    """The collection has not the rows that it should have, and asking again could double some."""
    return TargetError(f"{collection}: {what}", hint=_REPLACE_HINT, code="MMC543")


def imported_twice(collection: str, request: str, tasks: Sequence[str]) -> TargetError:
    return TargetError(
        f"{collection}: the server has imported the files of request {request}"
        f" {len(tasks)} times (tasks {', '.join(tasks)})",
        hint="its rows are doubled: plan again with load.mode: replace",
        code="MMC547",
    )


def not_listed(collection: str, request: str, asked_at: datetime, memory: float) -> TargetError:
    """Nobody knows whether a request arrived, and the server would not list it any more."""
    return TargetError(
        f"{collection}: it cannot be told whether the import of request {request}, asked for at"
        f" {asked_at:%Y-%m-%d %H:%M:%S}Z, arrived: the server does not list it, and forgets"
        f" imports after {memory:,.0f} seconds",
        hint=_GONE_HINT,
        code="MMC544",
    )


def failed(collection: str, task: ImportTask, files: Sequence[str]) -> TargetError:
    what = f"{collection}: import {task.id} of {files[0]}"
    if len(files) > 1:
        what += f" and {len(files) - 1:,} more files"
    if task.state is TaskState.GONE:
        text = f"{what}: it cannot be told whether its rows arrived: {task.reason}"
        return TargetError(text, hint=_GONE_HINT, code="MMC544")
    return TargetError(
        f"{what} failed: {task.reason}",
        hint="nothing of it is in the collection; mend the cause and apply again",
        code=task.code or "MMC543",
    )


def stalled(collection: str, tasks: Sequence[str], seconds: int) -> TargetError:
    return TargetError(
        f"{collection}: imports made no progress for {seconds:,} seconds"
        f" (tasks {', '.join(tasks)})",
        hint="look at the server's log and load; apply again goes on waiting for them",
        code="MMC548",
    )
