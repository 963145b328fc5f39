"""The sign of life of a step that runs where there is no terminal."""

from __future__ import annotations

import threading
from collections.abc import Callable

from mmc.progress import StepProgress


class Heartbeat:
    """A line every so often, from a thread of its own: a step may be silent for long."""

    def __init__(
        self, progress: StepProgress, beat: Callable[[StepProgress], None], seconds: float
    ) -> None:
        self.progress = progress
        self._beat = beat
        self._seconds = seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mmc-heartbeat", daemon=True)

    def _run(self) -> None:
        while not self._over.wait(self._seconds):
            self._beat(self.progress)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()
