"""fvecs, bvecs and ivecs (corpus-texmex.irisa.fr): records of an int32 dimension, then values.

The dimension of every record that is read is checked.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from mmc.errors import SourceError
from mmc.facts import Extent
from mmc.sources.files.arrays import AnyArray, Part, look_parts, read_part
from mmc.sources.files.formats import Look, Reading, Rows, text_of
from mmc.storage.blobs import Blob
from mmc.types import MAX_DIM

_DTYPES: dict[str, np.dtype[Any]] = {
    "fvecs": np.dtype("<f4"),
    "bvecs": np.dtype("u1"),
    "ivecs": np.dtype("<i4"),
}


class Records:
    """The vectors of one file."""

    def __init__(self, blob: Blob, kind: str) -> None:
        self._blob = blob
        self.dtype = _DTYPES[kind]
        if blob.size < 4:
            raise SourceError(f"{blob.url}: is empty or cut short", code="MMC432")
        width = int.from_bytes(blob.read_at(0, 4), "little", signed=True)
        if not 1 <= width <= 1 << 20:
            raise SourceError(
                f"{blob.url}: is no {kind} file: its first record tells {width} dimensions",
                hint="check the file, or set `format`",
                code="MMC440",
            )
        self.width: int | None = width
        self.row_bytes = 4 + width * self.dtype.itemsize
        self.rows, rest = divmod(blob.size, self.row_bytes)
        if rest:
            self._find_damage()
            raise SourceError(
                f"{blob.url}: {self.rows:,} records of {width} dimensions leave "
                f"{rest:,} bytes over",
                hint="the file is cut short; copy it again",
                code="MMC432",
            )

    def read(self, start: int, count: int) -> AnyArray:
        data = self._blob.read_at(start * self.row_bytes, count * self.row_bytes)
        records = np.frombuffer(data, np.uint8).reshape(count, self.row_bytes)
        widths = np.ascontiguousarray(records[:, :4]).view("<i4").reshape(-1)
        wrong = np.flatnonzero(widths != self.width)
        if wrong.size:
            row = int(wrong[0])
            raise SourceError(
                f"{self._blob.url}: record {start + row:,} tells {widths[row]} dimensions, "
                f"the first one {self.width}",
                hint="all vectors of a file must have one dimension; the file may be damaged",
                code="MMC440",
            )
        values: AnyArray = np.ascontiguousarray(records[:, 4:]).view(self.dtype)
        return values

    def _find_damage(self) -> None:
        """Names the first record of another dimension, which says more than a wrong size."""
        for start in range(0, self.rows, step := max(1, (8 << 20) // self.row_bytes)):
            self.read(start, min(step, self.rows - start))


def look(files: Sequence[str], options: Reading) -> Look:
    return look_parts([({"path": file}, partial(_open, file, options)) for file in files])


def read(
    extent: Extent, columns: Sequence[str], batch_rows: int, options: Reading
) -> Iterator[Rows]:
    with _open(text_of(extent.place, "path"), options) as part:
        yield from read_part(part, extent, columns, batch_rows)


@contextlib.contextmanager
def _open(file: str, options: Reading) -> Iterator[Part]:
    with options.files.open(file) as blob:
        records = Records(blob, options.format)
        dim = records.width or 0
        hint = f"float_vector({dim})" if options.format != "ivecs" and 2 <= dim <= MAX_DIM else ""
        yield Part(
            place=file, rows=records.rows, columns={"vector": records}, vectors={"vector": hint}
        )
