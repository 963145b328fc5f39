"""One split as one part of import files below a folder: what the routes that write files share."""

from __future__ import annotations

import pyarrow as pa

from mmc.layouts import layout
from mmc.layouts.files import FileRecord
from mmc.plan.model import CopySplits, Split
from mmc.spi import Fence, unfenced
from mmc.storage import urls
from mmc.storage.links import refuse_links


class PartSplitWriter:
    """Writes one split; a split without rows has no file. See `mmc.spi.Writer`.

    Args:
        root: URL of the folder that the paths of its FileRecords are relative to.
        below: folder in it that the directory of the layout is in, "" for itself.
        fence: asked before anything is written.
    """

    def __init__(
        self,
        root: str,
        storage: layout.Storage,
        step: CopySplits,
        split: Split,
        below: str = "",
        fence: Fence = unfenced,
    ) -> None:
        if step.layout is None:
            raise ValueError(f"step {step.id} has no layout")
        self._root, self._storage, self._fence = root, storage, fence
        self._format = step.layout.format
        name = layout.part_name(self._format, split.id)
        self._path = "/".join(filter(None, (below, step.layout.directory, name)))
        self._collection = step.collection
        self._planned = split.rows
        self._rows = 0
        self._part: layout.PartWriter | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        if not len(batch):
            return
        self._fence()
        if self._part is None:
            folder = self._path if self._format == "numpy" else self._path.rpartition("/")[0]
            refuse_links(self._root, [folder])
            self._part = layout.open_part(
                self._format, self._url, self._storage, self._collection, self._planned
            )
        self._part.write(batch)
        self._rows += len(batch)

    @property
    def _url(self) -> str:
        return urls.join_url(self._root, self._path)

    def commit(self) -> tuple[FileRecord, ...]:
        if self._part is None:
            return ()
        self._fence()
        return tuple(
            # A file of a part has the part's own URL, or is in the folder of that URL.
            FileRecord(
                self._path + file.url.removeprefix(self._url), file.bytes, file.sha256, self._rows
            )
            for file in self._part.commit()
        )

    def abort(self) -> None:
        if self._part is not None:
            self._part.abort()
