"""What an executor is handed: a split to copy. It gives a `CopiedSplit` back."""

from __future__ import annotations

from dataclasses import dataclass

from mmc.plan.model import RowPolicy, Split


@dataclass(frozen=True, slots=True)
class Assignment:
    """A split that may be copied now: its "begun" row is written.

    Attributes:
        replay: an earlier attempt may have written some of it.
        rows: what a bad row does; `max_errors` is what the run has left of it.
    """

    split: Split
    replay: bool
    rows: RowPolicy
