"""What a run can say: one frozen dataclass an event. Views and the NDJSON stream consume these,
nothing else prints.

Versioned: line 1 of a stream is `Started` with `schema_version`; a field is only ever added.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias, get_args

from mmc.diagnostics import Diagnostic
from mmc.errors import Stopped

SCHEMA_VERSION = "1.0"


@dataclass(frozen=True, slots=True)
class Started:
    """A command begins."""

    command: str
    version: str
    schema_version: str = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """One finding of validate, plan or apply."""

    diagnostic: Diagnostic


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan was compiled or read: its digest and counts."""

    digest: str
    name: str
    create: int
    change: int
    replace: int
    rows: int | None
    bytes: int
    splits: int
    warnings: int
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """An attempt begins. `resumed`: an earlier attempt of the same plan left splits done."""

    run: str
    plan_digest: str
    attempt: int
    resumed: bool
    splits_done: int
    splits_total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NothingToDo:
    """The plan is applied already; `rows_quarantined` of its rows are in quarantine files."""

    run: str
    plan_digest: str
    finished_at: str
    rows_quarantined: int = 0
    rows_unmapped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStarted:
    """A step begins. For copies: what is planned, and what earlier attempts did of it; for bars."""

    step: str
    kind: str
    label: str
    rows: int | None = None
    bytes: int = 0
    splits: int = 0
    rows_done: int = 0
    bytes_done: int = 0
    splits_done: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDone:
    """`skipped`: an earlier attempt did it."""

    step: str
    kind: str
    label: str
    seconds: float
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class SplitStarted:
    step: str
    split: str
    attempt: int


@dataclass(frozen=True, slots=True)
class SplitProgress:
    """Rows and source bytes of one split so far; for bars and rates."""

    step: str
    split: str
    rows_read: int
    bytes_read: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitDone:
    step: str
    split: str
    rows_read: int
    rows_written: int
    rows_filtered: int
    rows_quarantined: int
    bytes_read: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportAsked:
    """The server was asked to import files. `adopted`: an earlier attempt had asked already, and
    its task goes on.
    """

    step: str
    request: str
    task: str
    splits: int
    attempt: int
    adopted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportProgress:
    """Where the imports of a step stand; `progress` is 0..100 over all of them, by rows."""

    step: str
    requests: int
    requests_done: int
    rows: int
    rows_done: int
    progress: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportDone:
    step: str
    request: str
    task: str
    rows: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportStalled:
    """No import of a collection has made progress for `seconds`. `tasks` are waited for, for
    `left_seconds` at most if nothing moves.
    """

    step: str
    collection: str
    tasks: tuple[str, ...]
    seconds: float
    left_seconds: float


@dataclass(frozen=True, slots=True)
class Retrying:
    """A call failed in a way that may pass; it is tried again after `wait_seconds`."""

    what: str
    error: str
    attempt: int
    wait_seconds: float


@dataclass(frozen=True, slots=True)
class Paced:
    """The target refused rows because of a rate limit or quota. It gets them again after
    `wait_seconds`, and from then on at most `bytes_per_second`, which grows slowly.
    """

    what: str
    error: str
    bytes_per_second: int
    wait_seconds: float


class Rejection(NamedTuple):
    """Why some rows do not fit, and how many. In JSON, a list of these four."""

    code: str
    field: str
    reason: str
    rows: int


@dataclass(frozen=True, slots=True)
class Unmapped:
    """Rows with values that no column took.

    Attributes:
        names: (name in the source, rows that have it), the most frequent first; the last may stand
            for all that are not named: see `mmc.copied.Tally`.
    """

    rows: int = 0
    names: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """Rows went to a quarantine file; `reasons` say why."""

    step: str
    split: str
    rows: int
    path: str
    reasons: tuple[Rejection, ...]


@dataclass(frozen=True, slots=True)
class IndexProgress:
    """How far the server is with an index: rows that are in it, of those that it holds."""

    step: str
    rows: int
    total: int


@dataclass(frozen=True, slots=True)
class VerifyProgress:
    step: str
    rows: int
    total: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Verdict on one collection. Digests are hex; "" when not asked for. `looked_at` names what was
    compared with the plan, `notes` what is there beside it. `damaged`: files that hold the rows are
    gone or changed.
    """

    step: str
    collection: str
    ok: bool
    rows_expected: int
    rows_found: int
    digest_expected: str
    digest_found: str
    problems: tuple[str, ...] = ()
    looked_at: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    damaged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished:
    """The end. `outcome`: applied | partial | failed | stopped. `rows_left` were changed after the
    plan; `rows_unmapped` of those written had values that no column took.
    """

    run: str
    outcome: str
    rows_read: int
    rows_written: int
    rows_filtered: int
    rows_quarantined: int
    seconds: float
    report: str = ""
    rows_left: int = 0
    rows_unmapped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The command ends with this error."""

    error: str
    message: str
    hint: str
    exit_code: int
    code: str = ""


Event: TypeAlias = (
    Started
    | Diagnosed
    | Planned
    | RunStarted
    | NothingToDo
    | StepStarted
    | StepDone
    | SplitStarted
    | SplitProgress
    | SplitDone
    | ImportAsked
    | ImportProgress
    | ImportStalled
    | ImportDone
    | Retrying
    | Paced
    | Quarantined
    | IndexProgress
    | VerifyProgress
    | Verified
    | RunFinished
    | Failed
)

Emit: TypeAlias = Callable[[Event], None]
_WORD = re.compile(r"(?<!^)(?=[A-Z])")


def kind_of(event: type[Event]) -> str:
    """The name of an event in NDJSON and in the state store: `SplitDone` is `split_done`."""
    return _WORD.sub("_", event.__name__).lower()


EVENTS: Mapping[str, Any] = {kind_of(event): event for event in get_args(Event)}
"""The classes of events by name."""


def failure(error: BaseException, message: str = "") -> Failed:
    """An error as the last event of a command."""
    code = getattr(error, "exit_code", 1)
    if isinstance(error, Stopped):
        code = 128 + error.signal_number
    hint, number = getattr(error, "hint", ""), getattr(error, "code", "")
    return Failed(
        error=type(error).__name__,
        message=message or str(error),
        hint=hint,
        exit_code=code,
        code=number,
    )
