"""What a copy reads, and in what sizes it writes: part of `mmc.plan.model`'s copy step."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class UnmappedMode(StrEnum):
    """What becomes of values that no column of the source takes: they are counted, and the run ends
    with exit code 3; the first split that has some ends it; they go into the dynamic field; or the
    spec drops them.
    """

    REPORT = "report"
    FAIL = "fail"
    DYNAMIC = "dynamic"
    DROP = "drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a copy reads.

    Attributes:
        collection: of the source.
        columns: source columns that must be read, in order.
        where: SQL over source columns; rows where it is not true are filtered. "" means all.
        fingerprint: of the source collection, checked when a split is opened.
        lossy: name of the quantiser when the source's vectors are approximations, else "".
        moving: a split may give another number of rows than planned, since rows that were changed
            after the plan are somewhere else by now. They are counted and reported, but left to a
            later plan.
        unmapped: what becomes of values that no column of the source takes.
        unmapped_drop: names of such values that the spec drops: they, and those inside, are not
            counted and go nowhere.
    """

    collection: str
    columns: tuple[str, ...]
    where: str = ""
    fingerprint: tuple[tuple[str, str], ...] = ()
    lossy: str = ""
    moving: bool = False
    unmapped: UnmappedMode = UnmappedMode.REPORT
    unmapped_drop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Batches:
    """Sizes of what a copy writes.

    Attributes:
        rows: most rows of a batch.
        bytes: most bytes a write call gets.
        json_bytes: most bytes of a JSON document, also of the dynamic field; a row with a longer
            one is bad. 0 means no limit.
    """

    rows: int
    bytes: int
    json_bytes: int = 0
