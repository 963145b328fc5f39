"""What an executor is handed and gives back: a split to copy, and a split that was copied."""

from __future__ import annotations

from dataclasses import dataclass

from mmc.plan.model import RowPolicy, Split
from mmc.run.split import SplitResult


@dataclass(frozen=True, slots=True)
class Task:
    """A split that may be copied now: its "begun" row is written.

    Attributes:
        replay: an earlier attempt may have written some of it.
        rows: what a bad row does; `max_errors` is what the run has left of it.
    """

    split: Split
    replay: bool
    rows: RowPolicy


@dataclass(frozen=True, slots=True)
class Finished:
    """A task that was carried out whole."""

    task: Task
    result: SplitResult
    seconds: float
