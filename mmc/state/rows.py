"""Rows of the state store as values. Anybody may have edited a row, so each value is checked here
as it is read, and nowhere else. Knows no database.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from itertools import starmap
from typing import Annotated, Any, NoReturn, TypeVar

from annotated_types import Ge, Le
from pydantic import TypeAdapter, ValidationError

from mmc.copied import NOTHING, SplitResult
from mmc.errors import SpecInvalid, StateDamaged
from mmc.events import Rejection, Unmapped, Verified
from mmc.layouts.files import FileRecord
from mmc.paths import stays_below
from mmc.plan import codec
from mmc.plan.model import Plan
from mmc.types import JsonValue

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")
MOST = 2**62
"""No count is more, and one more than that still goes into a database."""
Count = Annotated[int, Ge(0), Le(MOST)]
DIGEST = re.compile(r"[0-9a-f]{64}")
CONTENT = re.compile(r"[0-9a-f]{1,16}:[0-9a-f]{32}")
"""A digest of `mmc.verify.digest`."""
_REJECTIONS = tuple[tuple[str, str, str, Count], ...]
COUNTS = ("rows_read", "rows_written", "rows_filtered", "rows_quarantined", "bytes_read")
_SHOWN = 60
"""Characters of a wrong value that a message has."""


class RunStatus(StrEnum):
    """RUNNING is also what a killed run looks like: whoever holds the lease tells them apart."""

    RUNNING = "running"
    APPLIED = "applied"
    PARTIAL = "partial"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def complete(self) -> bool:
        """Everything was done; applying again does nothing."""
        return self in (RunStatus.APPLIED, RunStatus.PARTIAL)


class _Progress(StrEnum):
    BEGUN = "begun"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One plan digest and how far it got. Times are UTC."""

    id: str
    plan_digest: str
    plan_name: str
    target_key: str
    status: RunStatus
    attempt: int
    started_at: datetime
    finished_at: datetime | None
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """A step that was begun. `result` is what it found or made, as JSON; None until it is done."""

    step: str
    kind: str
    done: bool
    result: JsonValue
    started_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitRecord:
    """A split that was begun. Its result counts nothing until it is done. `quarantine`: path of
    the file with its bad rows, or "".
    """

    step: str
    split: str
    done: bool
    attempt: int = 1
    result: SplitResult = NOTHING
    quarantine: str = ""


@dataclass(frozen=True, slots=True)
class _Created:
    own_properties: dict[str, str]
    rows_before: Count | None = None
    partitions_before: dict[str, Count] | None = None


@dataclass(frozen=True, slots=True)
class _KeysChecked:
    rows: Count
    held: Count | None = None


@dataclass(frozen=True, slots=True)
class _Imported:
    rows: Count


@dataclass(frozen=True, slots=True)
class _Removed:
    files: Count


@dataclass(frozen=True, slots=True)
class _Unmapped:
    rows: Count
    names: tuple[tuple[str, Count], ...]


_RESULTS: Mapping[str, Any] = {
    "create_collection": _Created,
    "check_keys": _KeysChecked,
    "import_files": _Imported,
    "remove_staged": _Removed,
    "verify": Verified,
}
"""What the result of a step has, by its kind. That of any other kind is null."""


class Fields:
    """The values of one row, each checked as it is taken: all methods raise StateDamaged.

    Args:
        table: that the row is of.
        row: its values by column.
        keys: columns that tell which row it is.
        mend: what a person can do about a wrong one.
    """

    def __init__(self, table: str, row: Mapping[Any, Any], keys: Sequence[str], mend: str) -> None:
        self._table, self._row, self._keys, self._mend = table, row, keys, mend

    def text(self, column: str, pattern: re.Pattern[str] | None = None) -> str:
        value = self._row[column]
        if not isinstance(value, str) or (pattern and not pattern.fullmatch(value)):
            self.refuse(column, "what mmc writes there" if isinstance(value, str) else "text")
        return value

    def count(self, column: str, least: int = 0, most: int = MOST) -> int:
        value = self._row[column]
        if not isinstance(value, int) or not least <= value <= most:
            self.refuse(column, f"a whole number from {least}")
        return value

    def count_or_none(self, column: str) -> int | None:
        return None if self._row[column] is None else self.count(column)

    def is_null(self, column: str) -> bool:
        return self._row[column] is None

    def number(self, column: str) -> float:
        value = self._row[column]
        if not isinstance(value, (int, float)) or not 0 <= value <= MOST:
            self.refuse(column, "a number from 0")
        return float(value)

    def time(self, column: str) -> datetime:
        value = self._row[column]
        if not isinstance(value, datetime):
            self.refuse(column, "a time")
        return value.replace(tzinfo=UTC)

    def time_or_none(self, column: str) -> datetime | None:
        return None if self._row[column] is None else self.time(column)

    def one_of(self, column: str, kind: type[E]) -> E:
        value = self.text(column)
        if value not in set(kind):
            self.refuse(column, f"one of {', '.join(kind)}")
        return kind(value)

    def parsed(self, column: str, shape: Any) -> Any:
        """The value of a column that holds JSON; `shape` is a type."""
        try:
            return _adapter(shape).validate_json(self.text(column), strict=True)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            place = "".join(f"[{part!r}]" for part in first["loc"])
            self.refuse(f"{column}{place}", f"as mmc writes it ({first['msg']})", column)

    def refuse(self, what: str, wanted: str, column: str = "") -> NoReturn:
        """Raises StateDamaged. `column`: whose value is shown, where `what` is not its name."""
        which = ", ".join(f"{key} {_shown(self._row[key])}" for key in self._keys)
        value = _shown(self._row[column or what])
        raise StateDamaged(
            f"state store: {self._table}{f', {which}' if which else ''}: {what} is not {wanted},"
            f" but {value}",
            hint=self._mend,
            code="MMC586",
        ) from None


def forget_hint(run: object) -> str:
    """What can be done about a wrong value of a run."""
    return (
        f"put the right value back, or `mmc state forget {run}` and plan again with"
        " load.mode: replace: the target stays as it is"
    )


def run_of_row(row: Any) -> Run:
    fields: Mapping[str, Any] = row._mapping
    of = Fields("mmc_runs", fields, ("run",), forget_hint(fields["run"]))
    digest = of.text("plan_digest", DIGEST)
    # Names of folders begin with it.
    run = of.text("run", re.compile(digest[:12]))
    return Run(
        id=run,
        plan_digest=digest,
        plan_name=of.text("plan_name"),
        target_key=of.text("target_key", DIGEST),
        status=of.one_of("status", RunStatus),
        attempt=of.count("attempt", 1, 2**31 - 2),
        started_at=of.time("started_at"),
        finished_at=of.time_or_none("finished_at"),
        error=of.text("error"),
    )


def plan_of_row(row: Any) -> Plan:
    """The plan of a run."""
    fields: Mapping[str, Any] = row._mapping
    of = Fields("mmc_runs", fields, ("run",), forget_hint(fields["run"]))
    try:
        plan = codec.read_plan(of.text("plan"), f"run {fields['run']}")
    except SpecInvalid as error:
        raise StateDamaged(
            f"state store: mmc_runs, run {_shown(fields['run'])}: plan cannot be read: {error}",
            hint=f"use the mmc that wrote it, or `mmc state forget {fields['run']}`",
            code="MMC586",
        ) from None
    if codec.digest(plan) != fields["plan_digest"]:
        of.refuse("plan_digest", "that of the plan")
    return plan


def step_of_row(row: Any) -> StepRecord:
    fields: Mapping[str, Any] = row._mapping
    of = Fields("mmc_steps", fields, ("run", "step"), forget_hint(fields["run"]))
    kind = of.text("kind")
    done = of.one_of("status", _Progress) is _Progress.DONE
    shape = _RESULTS.get(kind)
    if shape is not None and not done:
        shape = shape | None
    of.parsed("result", shape)
    return StepRecord(
        step=of.text("step"),
        kind=kind,
        done=done,
        result=json.loads(of.text("result")),
        started_at=of.time("started_at"),
        finished_at=of.time_or_none("finished_at"),
    )


def attempt_of_row(row: Any) -> int:
    """Which attempt of a split was the last."""
    return _split_fields(row).count("attempt", 1, 2**31 - 2)


def split_of_row(row: Any) -> SplitRecord:
    of = _split_fields(row)
    files: tuple[FileRecord, ...] = of.parsed("files", tuple[FileRecord, ...])
    for file in files:
        if not stays_below(file.path) or file.bytes < 0 or file.rows < 0:
            of.refuse("files", "a list of files below the target")
        if file.sha256 and not DIGEST.fullmatch(file.sha256):
            of.refuse("files", "a list of files with their sha256")
    digest = of.text("digest")
    if digest:
        of.text("digest", CONTENT)
    return SplitRecord(
        step=of.text("step"),
        split=of.text("split"),
        done=of.one_of("status", _Progress) is _Progress.DONE,
        attempt=attempt_of_row(row),
        result=SplitResult(
            digest=digest,
            files=files,
            reasons=tuple(starmap(Rejection, of.parsed("reasons", _REJECTIONS))),
            unmapped=_unmapped(of),
            **{name: of.count(name) for name in COUNTS},
        ),
        quarantine=of.text("quarantine"),
    )


def _unmapped(of: Fields) -> Unmapped:
    if of.is_null("unmapped"):
        return Unmapped()
    read = of.parsed("unmapped", _Unmapped)
    return Unmapped(read.rows, read.names)


def _split_fields(row: Any) -> Fields:
    fields: Mapping[str, Any] = row._mapping
    return Fields("mmc_splits", fields, ("run", "step", "split"), forget_hint(fields["run"]))


def damaged_split(run: str, record: SplitRecord, what: str, wanted: str) -> StateDamaged:
    """What is recorded of a split is not what its plan says."""
    return StateDamaged(
        f"state store: mmc_splits, run {run}, step {_shown(record.step)}, split"
        f" {_shown(record.split)}: {what} is not {wanted}",
        hint=forget_hint(run),
        code="MMC586",
    )


def _shown(value: object) -> str:
    text = value if isinstance(value, str) and value.isprintable() and value else repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


@lru_cache(maxsize=32)
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)
