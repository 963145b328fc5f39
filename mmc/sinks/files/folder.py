"""What lies in the folder of a files target, by its manifest and by the files themselves. Changes
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from mmc.errors import SourceError, TargetBusy, TargetError
from mmc.facts import TargetCollection
from mmc.layouts import layout
from mmc.layouts.files import FileRecord
from mmc.layouts.manifest import NAME, Manifest, ManifestEntry, ManifestError, parse
from mmc.plan.model import CopySplits, WriteManifest
from mmc.sinks.files.options import FilesTargetOptions
from mmc.spi import NOT_COUNTED, Fence, Look, unfenced
from mmc.storage import urls
from mmc.storage.names import as_text
from mmc.storage.stillthere import GONE, faults
from mmc.types import Collection


class WrittenFolder:
    """A folder of import files, to look at, to prove and to read back."""

    def __init__(self, options: FilesTargetOptions, fence: Fence = unfenced) -> None:
        self._fence = fence
        self.url = options.url
        self.format: str = options.format
        self.storage = options.files

    def manifest(self) -> Manifest:
        """The manifest that is there; an empty one when none is. Raises TargetError."""
        url = urls.join_url(self.url, NAME)
        try:
            if not urls.exists(url, self.storage):
                return Manifest(plan="")
            return parse(urls.read_text(url, self.storage))
        except ManifestError as error:
            raise TargetError(f"{url}: {error}", hint=error.hint, code="MMC532") from None
        except SourceError as error:
            raise _as_target_error(error) from None

    def _files_below(self, directory: str) -> list[tuple[str, int]]:
        """Files that parts have, finished or not: (path relative to the target, bytes)."""
        try:
            found = urls.list_files(urls.join_url(self.url, directory), self.storage)
        except SourceError as error:
            raise _as_target_error(error) from None
        paths = [(f"{directory}/{path}", size) for path, size in found]
        return [(path, size) for path, size in paths if layout.part_of(path) is not None]

    def look(self, collection: Collection) -> Look:
        """What the manifest records of a collection, and whether its files are so: there, with
        their bytes and sha256, and no part beside them, for an import would read that too.

        Raises:
            TargetError: no manifest records it (MMC539).
        """
        manifest = self.manifest()
        entry = manifest.entry(collection.name)
        if entry is None:
            raise TargetError(
                f"{urls.join_url(self.url, NAME)} records no collection {collection.name}",
                hint="`mmc apply` the plan again; where it says that there is nothing to do, set"
                " `load: {mode: replace}` in the spec, and apply that",
                code="MMC539",
            )
        stored = [file for part in manifest.parts(collection.name) for file in part.stored]
        try:
            problems = [
                f"MMC533: {urls.join_url(self.url, path)}: "
                f"{'in the manifest, but not there' if why == GONE else why}"
                for path, why in faults(
                    self.url, entry.directory, self.storage, stored, content=True
                )
            ]
            damaged = bool(problems)
            known = {file.path for file in stored}
            problems += [
                f"MMC715: {urls.join_url(self.url, as_text(path))}: the manifest does not record it"
                for path, _ in self._files_below(entry.directory)
                if path not in known
            ]
        except SourceError as error:
            raise _as_target_error(error) from None
        found = TargetCollection(schema=entry.schema, rows=NOT_COUNTED, indexes=entry.indexes)
        return Look(
            found=found,
            aliases=False,
            properties=False,
            files=len(stored),
            problems=tuple(problems),
            damaged=damaged,
        )

    def lost(
        self, copy: CopySplits, files: Sequence[FileRecord], *, content: bool
    ) -> Mapping[str, str]:
        """Files that are not there any more as they were written: see `mmc.spi.KeepsFiles`."""
        assert copy.layout is not None
        return dict(self._faults(copy.layout.directory, files, content=content))

    def _faults(
        self, folder: str, files: Sequence[FileRecord], *, content: bool
    ) -> Iterator[tuple[str, str]]:
        try:
            yield from faults(self.url, folder, self.storage, files, content=content)
        except SourceError as error:
            raise _as_target_error(error) from None

    def records(self, step: WriteManifest, plan_digest: str) -> bool:
        """Whether the manifest has what this plan wrote."""
        entries = (self.manifest().entry(one.collection.name) for one in step.collections)
        return all(entry is not None and entry.plan == plan_digest for entry in entries)

    def count(self, collection: Collection) -> int:
        """Rows of all parts in the folder, by the parts themselves, also of those that the manifest
        does not record.
        """
        try:
            entry = self.manifest().entry(collection.name)
            return sum(
                layout.count_rows(format_, urls.join_url(self.url, part), self.storage, collection)
                for part, format_ in self._parts_of(entry, collection.name)
            )
        except SourceError as error:
            raise _as_target_error(error) from None

    def count_partitions(self, collection: Collection, partitions: Sequence[str]) -> list[int]:
        """Rows of the parts that the manifest puts in each partition, by the parts themselves."""
        manifest = self.manifest()
        entry = manifest.entry(collection.name)
        rows = dict.fromkeys(partitions, 0)
        try:
            for part in manifest.parts(collection.name):
                if part.partition in rows and entry is not None:
                    url = urls.join_url(self.url, part.path)
                    rows[part.partition] += layout.count_rows(
                        entry.format, url, self.storage, collection
                    )
        except SourceError as error:
            raise _as_target_error(error) from None
        return [rows[name] for name in partitions]

    def _parts_of(self, entry: ManifestEntry | None, name: str) -> list[tuple[str, str]]:
        """Parts that are there: (path relative to the target, format)."""
        directory = entry.directory if entry else name
        found = {
            part
            for path, _ in self._files_below(directory)
            if not path.endswith(".partial") and (part := layout.part_of(path)) is not None
        }
        return sorted(found)

    def read_back(
        self, collection: Collection, columns: Sequence[str], keys: pa.Array | None, batch_rows: int
    ) -> Iterator[pa.RecordBatch]:
        """Canonical batches of `columns` from the files, a few in memory at a time."""
        key = "" if keys is None else collection.primary.name
        wanted = list(columns) if keys is None else list(dict.fromkeys([*columns, key]))
        try:
            entry = self.manifest().entry(collection.name)
            for part, format_ in self._parts_of(entry, collection.name):
                url = urls.join_url(self.url, part)
                rows = layout.count_rows(format_, url, self.storage, collection)
                for batch in layout.read_rows(
                    format_, url, self.storage, collection, wanted, 0, rows, batch_rows
                ):
                    if keys is None:
                        yield batch
                        continue
                    kept = batch.filter(pc.is_in(batch.column(key), value_set=keys))
                    if len(kept):
                        yield kept.select(list(columns))
        except SourceError as error:
            raise _as_target_error(error) from None


def _as_target_error(error: SourceError) -> TargetError:
    kind = TargetBusy if error.retryable else TargetError
    return kind(str(error), hint=error.hint, code=error.code)
