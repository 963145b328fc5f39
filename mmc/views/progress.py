"""How far a step is, from events: counts, rates and time left, and the one line that says so. Pure;
draws nothing."""

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
from mmc.plan.tree import bytes_text, many
from mmc.views.messages import clock_text

Counted: TypeAlias = (
    SplitProgress | SplitDone | VerifyProgress | IndexProgress | ImportProgress | Quarantined
)
"""Events that move a running step."""

WINDOW_SECONDS = 20.0
"""Rates are of this last while: old enough to be calm, young enough to show a stall."""
BAR_CELLS = 24
LEAST_BAR_CELLS = 6
_BESIDE = 11
"""Columns of the percentage and of the gaps in a line with a bar."""


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

    @property
    def share(self) -> float | None:
        """Done, 0 to 1; by rows, else by bytes; None when nothing tells."""
        if self.total_rows:
            return min(1.0, self.rows / self.total_rows)
        return min(1.0, self.bytes / self.total_bytes) if self.total_bytes else None

    def rates(self, now: float) -> tuple[float, float]:
        """Rows and bytes a second over the last while."""
        then, rows, bytes_ = self._seen[0] if self._seen else (self.begun, 0, 0)
        seconds = max(now - then, 1e-3)
        return max(0.0, (self.rows - rows) / seconds), max(0.0, (self.bytes - bytes_) / seconds)

    def seconds_left(self, now: float) -> float | None:
        rows_rate, bytes_rate = self.rates(now)
        if self.total_rows and rows_rate:
            return max(0.0, (self.total_rows - self.rows) / rows_rate)
        if not self.total_rows and self.total_bytes and bytes_rate:
            return max(0.0, (self.total_bytes - self.bytes) / bytes_rate)
        return None

    def line(self, now: float, width: int | None = None) -> str:
        """`copy articles: 34 %, 409,472 of 1,204,331 rows, 52,300 rows/s, 24 MiB/s, 0:15 left, 3
        quarantined`

        With `width` a bar stands after the label. What does not fit is left out: splits, the total
        (the percentage tells it), what is quarantined, then the bar; rates and time left stay.
        """
        share, elapsed = self.share, f"{clock_text(now - self.begun)} elapsed"
        if not self.rows and share is None:
            return f"{self.label}: {elapsed}"
        rows_rate, bytes_rate = self.rates(now)
        left = self.seconds_left(now)
        of = f" of {self.total_rows:,}" if self.total_rows else ""
        rates = [
            f"{rows_rate:,.0f} rows/s",
            f"{bytes_text(round(bytes_rate))}/s" if bytes_rate else "",
            f"{clock_text(left)} left" if left is not None else elapsed,
            f"{self.quarantined:,} quarantined" if self.quarantined else "",
        ]
        splits = f"{self.splits_done:,} of {many(self.splits, 'split')}" if self.splits else ""
        percent = f"{int(share * 100)} %" if share is not None else ""
        if width is None:
            parts = [percent, f"{self.rows:,}{of} rows", *rates, splits]
            return f"{self.label}: " + ", ".join(part for part in parts if part)
        tails = (
            [f"{self.rows:,}{of} rows", *rates, splits],
            [f"{self.rows:,}{of} rows", *rates],
            [f"{self.rows:,} rows", *rates],
            [f"{self.rows:,} rows", *rates[:3]],
        )
        return self._fit(["  ".join(filter(None, tail)) for tail in tails], percent, width)

    def _fit(self, tails: list[str], percent: str, width: int) -> str:
        beside = len(self.label) + _BESIDE
        fitting = [
            tail
            for bar in (LEAST_BAR_CELLS, 0)
            for tail in tails
            if beside + bar + len(tail) <= width
        ]
        tail = fitting[0] if fitting else tails[-1]
        room = min(BAR_CELLS, width - beside - len(tail))
        drawn = ""
        if self.share is not None and room >= LEAST_BAR_CELLS:
            full = int(self.share * room)
            drawn = "█" * full + "░" * (room - full)
        return "  ".join(text for text in (self.label, drawn, percent.rjust(5), tail) if text)[
            :width
        ]
