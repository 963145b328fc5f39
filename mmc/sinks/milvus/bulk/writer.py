"""Writes the rows of one split into the file that Milvus will import, or only checks them where
that file is there already.
"""

from __future__ import annotations

import pyarrow as pa

from mmc.errors import SourceError, TargetError
from mmc.layouts import layout
from mmc.layouts.files import FileRecord
from mmc.layouts.staging import StagingPlace
from mmc.milvus.dialect import Dialect
from mmc.plan.model import CopySplits, Split
from mmc.sinks.milvus.refuse import refuse_unstorable
from mmc.sinks.parts import PartSplitWriter
from mmc.storage import urls
from mmc.storage.hashed import sha256_of
from mmc.types import Collection


class StagedWriter:
    """Writes one part below the staging place: see `mmc.spi.Writer`."""

    def __init__(self, part: PartSplitWriter, collection: Collection, dialect: Dialect) -> None:
        self._part, self._collection, self._dialect = part, collection, dialect

    def write(self, batch: pa.RecordBatch) -> None:
        """Raises TargetError; also for a value that would not come back as it is (MMC508)."""
        refuse_unstorable(self._collection, batch, self._dialect)
        self._part.write(batch)

    def commit(self) -> tuple[FileRecord, ...]:
        return self._part.commit()

    def abort(self) -> None:
        self._part.abort()


class InPlaceWriter:
    """Checks and counts the rows of a part that a files target wrote, and that will be imported
    from where it lies. The pieces of the split are the whole of one part.
    """

    def __init__(
        self, place: StagingPlace, step: CopySplits, split: Split, dialect: Dialect
    ) -> None:
        (self._path,) = {str(piece.place["path"]) for piece in split.pieces}
        self._sha256 = str(split.pieces[0].place.get("sha256", ""))
        assert step.layout is not None
        self._format = step.layout.format
        self._place, self._collection, self._dialect = place, step.collection, dialect
        self._rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Raises TargetError for a value that would not come back as it is (MMC508)."""
        refuse_unstorable(self._collection, batch, self._dialect)
        self._rows += len(batch)

    def commit(self) -> tuple[FileRecord, ...]:
        """The files of the part, as they are there now. Raises TargetError."""
        if not self._rows:
            return ()
        digest = "" if self._format == "numpy" else self._sha256
        files = layout.files_of(self._format, self._path, self._collection)
        return tuple(self._record(path, digest) for path in files)

    def _record(self, path: str, sha256: str) -> FileRecord:
        url = urls.join_url(self._place.url, path)
        try:
            with urls.open_blob(url, self._place.storage) as blob:
                size = blob.size
            digest = sha256 or sha256_of(url, self._place.storage)
        except SourceError as error:
            raise TargetError(str(error), hint=error.hint, code=error.code) from None
        return FileRecord(path, size, digest, self._rows)

    def abort(self) -> None:
        """Nothing was written."""
