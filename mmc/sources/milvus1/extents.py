"""What an extent says of its rows, into its locator and back: where they lie, which are left out.

Rows are counted without the deleted ones: row 0 is the first that `deleted_docs` does not name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmc.facts import Extent
from mmc.sources.milvus1.numbers import from_text, to_text
from mmc.sources.milvus1.wal.log import Pending
from mmc.types import FieldType, JsonValue

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_DROP_ROWS = 65_536
"""Rows of an extent that leaves some out: its text stands in every split made of it."""
_RECORDS = 1_000
"""Log records of one extent, for the same reason."""


@dataclass(frozen=True, slots=True)
class Place:
    """What all rows of a piece share.

    Attributes:
        vector: type of the vectors.
        tag: partition tag in Milvus 1.x, "" for the collection itself.
        partition: Milvus partition, or "".
    """

    vector: FieldType
    tag: str
    partition: str

    @property
    def row_bytes(self) -> int:
        return self.vector.bytes_per_vector


def segment_extents(
    place: Place, folder: str, seen: str, rows: int, drop: NDArray[np.int64]
) -> Iterator[Extent]:
    """Extents of `rows` live rows of a segment, without those in `drop` (ascending)."""
    import numpy as np

    locator: dict[str, JsonValue] = {
        "folder": folder,
        "seen": seen,
        "tag": place.tag,
        "vector": str(place.vector),
    }
    if not len(drop):
        if rows:
            yield _extent(place, locator, 0, rows, rows, cuttable=True)
        return
    for start in range(0, rows, _DROP_ROWS):
        stop = min(start + _DROP_ROWS, rows)
        left_out = drop[np.searchsorted(drop, start) : np.searchsorted(drop, stop)]
        if left := stop - start - len(left_out):
            here = locator | ({"drop": to_text(left_out)} if len(left_out) else {})
            yield _extent(place, here, start, stop, left, cuttable=not len(left_out))


def log_extents(
    place: Place,
    records: Sequence[tuple[Pending, NDArray[np.int64]]],
    seen: Mapping[str, str],
) -> Iterator[Extent]:
    """Extents of pending inserts; each record comes with the rows of it that are left out.

    Rows count through the records of an extent.
    """
    import numpy as np

    group: list[tuple[Pending, NDArray[np.int64]]] = []
    for record in [*records, None]:
        full = len(group) >= _RECORDS
        other = record is not None and group and record[0].file != group[0][0].file
        if group and (record is None or full or other):
            file = group[0][0].file
            places: list[JsonValue] = []
            drops = []
            rows = 0
            for pending, drop in group:
                places.append([pending.ids_at, pending.rows, pending.data_at])
                drops.append(drop + rows)
                rows += pending.rows
            drop = np.concatenate(drops)
            locator: dict[str, JsonValue] = {
                "log": file,
                "records": places,
                "seen": seen[file],
                "tag": place.tag,
                "vector": str(place.vector),
            }
            if len(drop):
                locator["drop"] = to_text(drop)
            if left := rows - len(drop):
                yield _extent(place, locator, 0, rows, left, cuttable=False)
            group = []
        if record is not None:
            group.append(record)


def _extent(
    place: Place,
    locator: dict[str, JsonValue],
    start: int,
    stop: int,
    rows: int,
    *,
    cuttable: bool,
) -> Extent:
    return Extent(
        locator=tuple(sorted(locator.items())),
        start=start,
        stop=stop,
        unit="row",
        rows=rows,
        bytes=rows * (place.row_bytes + 8),
        cuttable=cuttable,
        partition=place.partition,
    )


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Piece:
    """A part of an extent, as `read` gets it back. `drop` counts as `start` and `stop` do."""

    vector: FieldType
    tag: str
    seen: str
    folder: str
    log: str
    records: tuple[tuple[int, int, int], ...]
    start: int
    stop: int
    drop: NDArray[np.int64]

    @classmethod
    def of(cls, extent: Extent) -> Piece:
        locator = extent.place
        records: Any = locator.get("records") or ()
        return cls(
            vector=FieldType.parse(str(locator["vector"])),
            tag=str(locator["tag"]),
            seen=str(locator["seen"]),
            folder=str(locator.get("folder", "")),
            log=str(locator.get("log", "")),
            records=tuple((int(a), int(b), int(c)) for a, b, c in records),
            start=extent.start,
            stop=extent.stop,
            drop=from_text(str(locator.get("drop", ""))),
        )
