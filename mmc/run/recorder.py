"""Records what a run says in its state store while views show it.

A thread writes a few times a second, all that was said since in one transaction, so that a run with
many small splits does not wait for the disk once more a split.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from mmc.diagnostics import Diagnostic, Severity
from mmc.errors import StateError
from mmc.events import (
    Diagnosed,
    Emit,
    Event,
    ImportProgress,
    IndexProgress,
    Quarantined,
    SplitDone,
    SplitProgress,
    StepDone,
    StepStarted,
    VerifyProgress,
)
from mmc.progress import StepProgress
from mmc.state.eventlog import EventLog

WRITE_SECONDS = 0.25
"""Between two looks for what is to be written."""
PROGRESS_SECONDS = 1.0
"""Between two records of how far the running steps are."""
MOST_WAITING = 10_000
"""Events kept while the state store does not answer. Beyond, the oldest are dropped."""


class Recorder:
    """Takes the events of an apply, passes each on at once, and records it.

    Args:
        emit: gets every event.
        most_waiting: events kept for a store that does not answer.
        clock: gives the time, aware, in UTC.
    """

    def __init__(
        self,
        emit: Emit,
        *,
        most_waiting: int = MOST_WAITING,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._emit = emit
        self._clock = clock
        self._guard = threading.Lock()
        self._waiting: deque[tuple[datetime, Event]] = deque()
        self._most_waiting = most_waiting
        self._first = 0
        self._dropped = 0
        self._steps: dict[str, StepProgress] = {}
        self._ended = threading.Event()
        self._ours = True
        self._told = 0.0

    def __call__(self, event: Event) -> None:
        """From any thread."""
        self.note(event)
        self._emit(event)

    def note(self, event: Event) -> None:
        """Records an event that views get in another way."""
        now = time.monotonic()
        with self._guard:
            match event:
                case StepStarted():
                    self._steps[event.step] = StepProgress.of(event, now)
                case StepDone():
                    self._steps.pop(event.step, None)
                case (
                    SplitProgress()
                    | SplitDone()
                    | VerifyProgress()
                    | IndexProgress()
                    | ImportProgress()
                    | Quarantined()
                ):
                    if (step := self._steps.get(event.step)) is not None:
                        step.take(event, now)
            if isinstance(event, (SplitProgress, VerifyProgress, IndexProgress, ImportProgress)):
                return
            self._waiting.append((self._clock(), event))
            while len(self._waiting) > self._most_waiting:
                self._waiting.popleft()
                self._first += 1
                self._dropped += 1

    @contextmanager
    def into(self, log: EventLog) -> Iterator[None]:
        """Records into `log`, what was said before too, until the block ends. Then all is
        recorded, or a warning says how much is not.
        """
        thread = threading.Thread(
            target=self._write_until_ended, args=(log,), name="mmc-events", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()
            reason = self._write(log, self._clock()) if self._ours else ""
            lost = self._dropped + (len(self._waiting) if self._ours else 0)
            if lost:
                self._emit(Diagnosed(_not_recorded(lost, reason)))

    def _write_until_ended(self, log: EventLog) -> None:
        while not self._ended.wait(WRITE_SECONDS):
            due = time.monotonic() - self._told >= PROGRESS_SECONDS and bool(self._steps)
            if self._ours and (self._waiting or due):
                self._write(log, self._clock())

    def _write(self, log: EventLog, now: datetime) -> str:
        """Writes what waits; "" or why it waits on."""
        with self._guard:
            first, said = self._first, list(self._waiting)
            began = time.monotonic()
            running = {step: progress.at(began) for step, progress in self._steps.items()}
        try:
            self._ours = log.write(said, running, now)
        except StateError as error:
            return str(error)
        self._told = began
        with self._guard:
            # What was dropped meanwhile was the oldest: it is recorded now.
            self._dropped -= self._first - first
            while self._first < first + len(said):
                self._waiting.popleft()
                self._first += 1
        return ""


def _not_recorded(lost: int, reason: str) -> Diagnostic:
    return Diagnostic(
        "MMC664",
        f"{lost:,} events of this run are not in the state store"
        + (f": {reason}" if reason else ", which did not answer for long"),
        severity=Severity.WARNING,
        hint="the run itself is recorded; `--json-into FILE` writes events into a file",
    )
