"""One route into a target."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from mmc.facts import TargetFacts
from mmc.spi.target import Fence, Target, unfenced

if TYPE_CHECKING:
    pass


class Sink(Protocol):
    """One route into a target."""

    type: str
    route: str

    def inspect(self, options: Any, collections: Sequence[str]) -> TargetFacts:
        """Looks at the target and at the named collections, without writing. Raises TargetError."""

    def open(self, options: Any, fence: Fence = unfenced) -> AbstractContextManager[Target]:
        """Connects. No call that writes begins without a look at `fence`, nor takes longer than it
        says. Raises TargetError, SecretError.
        """
