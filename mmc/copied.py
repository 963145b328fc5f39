"""What became of a split that was copied: one value that the executors give, the state store
keeps, verification compares with the target, and a manifest is made of. Knows none of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from mmc.events import Rejection
from mmc.layouts.files import FileRecord
from mmc.plan.model import Split


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitResult:
    """The rows of a copied split. `rows_read` = written + filtered + quarantined.

    Attributes:
        bytes_read: size in the source, as planned.
        digest: of the rows written, in the form of `mmc.verify.digest`; "" while nothing was.
        reasons: why rows are in quarantine, the most frequent first.
    """

    rows_read: int = 0
    rows_written: int = 0
    rows_filtered: int = 0
    rows_quarantined: int = 0
    bytes_read: int = 0
    digest: str = ""
    files: tuple[FileRecord, ...] = ()
    reasons: tuple[Rejection, ...] = ()


NOTHING = SplitResult()
"""Of a split that is not copied yet."""


@dataclass(frozen=True, slots=True)
class CopiedSplit:
    """A split of the plan that was copied whole, and its result."""

    split: Split
    result: SplitResult
