"""How far a step is, from events: counts, rates and time left. Pure: views draw it, and a run
records it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TypeAlias

from mmc.events import (
    ImportProgress,
    IndexProgress,
    Quarantined,
    SplitDone,
    SplitProgress,
    StepStarted,
    VerifyProgress,
)

Counted: TypeAlias = (
    SplitProgress | SplitDone | VerifyProgress | IndexProgress | ImportProgress | Quarantined
)
"""Events that move a running step."""

WINDOW_SECONDS = 20.0
"""Rates are of this last while: old enough to be calm, young enough to show a stall."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How far a step was at one moment.

    Attributes:
        seconds: since it began.
        rows_per_second, bytes_per_second: over the last while.
    """

    label: str
    seconds: float
    rows: int = 0
    total_rows: int | None = None
    bytes: int = 0
    total_bytes: int = 0
    quarantined: int = 0
    splits: int = 0
    splits_done: int = 0
    rows_per_second: float = 0.0
    bytes_per_second: float = 0.0

    @property
    def share(self) -> float | None:
        """Done, 0 to 1; by rows, else by bytes; None when nothing tells."""
        if self.total_rows:
            return min(1.0, self.rows / self.total_rows)
        return min(1.0, self.bytes / self.total_bytes) if self.total_bytes else None

    @property
    def seconds_left(self) -> float | None:
        """Until it ends, at the rate of the last while; None when nothing tells."""
        if self.total_rows and self.rows_per_second:
            return max(0.0, (self.total_rows - self.rows) / self.rows_per_second)
        if not self.total_rows and self.total_bytes and self.bytes_per_second:
            return max(0.0, (self.total_bytes - self.bytes) / self.bytes_per_second)
        return None


@dataclass(slots=True)
class StepProgress:
    """The state of one running step. Times are seconds of any steady clock."""

    label: str
    begun: float
    total_rows: int | None = None
    total_bytes: int = 0
    rows: int = 0
    bytes: int = 0
    quarantined: int = 0
    splits: int = 0
    splits_done: int = 0
    _running: dict[str, tuple[int, int]] = field(default_factory=dict)
    _seen: deque[tuple[float, int, int]] = field(default_factory=deque)

    @classmethod
    def of(cls, event: StepStarted, now: float) -> StepProgress:
        made = cls(
            event.label,
            now,
            total_rows=event.rows,
            total_bytes=event.bytes,
            rows=event.rows_done,
            bytes=event.bytes_done,
            splits=event.splits,
            splits_done=event.splits_done,
        )
        made._seen.append((now, made.rows, made.bytes))
        return made

    def take(self, event: Counted, now: float) -> None:
        """Counts an event of this step."""
        match event:
            case SplitProgress():
                self._move(event.split, event.rows_read, event.bytes_read)
            case SplitDone():
                self._move(event.split, event.rows_read, event.bytes_read)
                self._running.pop(event.split, None)
                self.splits_done += 1
            case VerifyProgress() | IndexProgress():
                self.rows, self.total_rows = event.rows, event.total
            case ImportProgress():
                self.rows, self.total_rows = event.rows_done, event.rows
            case Quarantined():
                self.quarantined += event.rows
        self._seen.append((now, self.rows, self.bytes))
        while len(self._seen) > 2 and now - self._seen[1][0] > WINDOW_SECONDS:
            self._seen.popleft()

    def _move(self, split: str, rows: int, bytes_: int) -> None:
        """A split is at `rows`; a retried one may have gone back."""
        rows_before, bytes_before = self._running.get(split, (0, 0))
        self.rows += rows - rows_before
        self.bytes += bytes_ - bytes_before
        self._running[split] = (rows, bytes_)

    def rates(self, now: float) -> tuple[float, float]:
        """Rows and bytes a second over the last while."""
        then, rows, bytes_ = self._seen[0] if self._seen else (self.begun, 0, 0)
        seconds = max(now - then, 1e-3)
        return max(0.0, (self.rows - rows) / seconds), max(0.0, (self.bytes - bytes_) / seconds)

    def at(self, now: float) -> Reading:
        """How far the step is at this time."""
        rows_rate, bytes_rate = self.rates(now)
        return Reading(
            label=self.label,
            seconds=now - self.begun,
            rows=self.rows,
            total_rows=self.total_rows,
            bytes=self.bytes,
            total_bytes=self.total_bytes,
            quarantined=self.quarantined,
            splits=self.splits,
            splits_done=self.splits_done,
            rows_per_second=rows_rate,
            bytes_per_second=bytes_rate,
        )
