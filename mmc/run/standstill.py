"""A wait for something that others do: says when it has stood still for a minute, and that it has
stood still too long. Knows no import and no target.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final

QUIET_SECONDS: Final = 60.0
"""Without progress, before it is said for the first time."""
AGAIN_SECONDS: Final = 600.0
"""Between saying it once and once more."""


class Standstill:
    """Watches one wait.

    Args:
        most_seconds: how long nothing may move.
        tell: gets the seconds without progress, and those that are left.
    """

    def __init__(
        self,
        most_seconds: float,
        *,
        clock: Callable[[], float],
        tell: Callable[[float, float], None],
    ) -> None:
        self._most, self._clock, self._tell = most_seconds, clock, tell
        self._moved = clock()
        self._told_at = self._moved + QUIET_SECONDS
        self._marks: Hashable = None

    def moved(self, marks: Hashable) -> bool:
        """Whether `marks` differ from those of the last look."""
        if marks == self._marks:
            return False
        self._marks, self._moved = marks, self._clock()
        self._told_at = self._moved + QUIET_SECONDS
        return True

    def too_long(self) -> bool:
        """Whether nothing moved for longer than allowed; says so on the way there."""
        now = self._clock()
        stood = now - self._moved
        if stood > self._most:
            return True
        if now >= self._told_at:
            self._tell(stood, self._most - stood)
            self._told_at = now + AGAIN_SECONDS
        return False
