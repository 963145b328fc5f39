"""The files route: splits as Parquet, NumPy or row JSON in Milvus's import layouts, and a manifest.

One split is one part with a fixed name, so writing it again replaces it. Needs no Milvus.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from mmc.copied import CopiedSplit
from mmc.errors import TargetError, TargetUntouched, refused_untouched
from mmc.facts import Capabilities, TargetCollection, TargetFacts
from mmc.layouts import layout
from mmc.layouts.manifest import (
    NAME,
    Manifest,
    ManifestEntry,
    ManifestFile,
    ManifestPart,
    dump,
)
from mmc.plan.ddl import DropCollection
from mmc.plan.model import (
    CopySplits,
    CreateCollection,
    ManifestCollection,
    Mode,
    Split,
    WriteManifest,
)
from mmc.sinks.files import marks
from mmc.sinks.files.folder import WrittenFolder
from mmc.sinks.files.options import FilesTargetOptions
from mmc.sinks.parts import PartSplitWriter
from mmc.spi import (
    ALONE,
    Claim,
    Fence,
    unfenced,
)
from mmc.storage import urls
from mmc.storage.links import refuse_links
from mmc.types import ELEMENTS, TypeKind

VERSION = "1"
"""The version of what is written: layouts and manifest together."""

_BATCH_BYTES = 64 << 20


def capabilities(format_: str) -> Capabilities:
    """What files of a format can hold. Indexes are carried in the manifest, whatever they are."""
    numpy = format_ == "numpy"
    never = {TypeKind.ARRAY, TypeKind.SPARSE_FLOAT_VECTOR} if numpy else set()
    return Capabilities(
        types=frozenset(str(kind) for kind in TypeKind if kind not in never),
        elements=frozenset() if numpy else frozenset(str(kind) for kind in ELEMENTS),
        nullable=not numpy,
        nullable_vectors=not numpy,
        needs_vector=False,
        keyed_replay=False,
        whole_files=True,
        auto_id=True,
        max_batch_bytes=_BATCH_BYTES,
        formats=(format_,),
    )


class FilesSink:
    """Writes a folder of import files."""

    type = "files"
    route = "files"

    def inspect(self, options: FilesTargetOptions, collections: Sequence[str]) -> TargetFacts:
        """The collections of the manifest that is there, if one is; all when none are named.

        Raises:
            TargetError: the manifest cannot be read.
        """
        target = FilesFolder(options)
        manifest = target.manifest()
        return TargetFacts(
            type=self.type,
            route=self.route,
            version=VERSION,
            capabilities=capabilities(target.format),
            collections=tuple(
                TargetCollection(schema=entry.schema, rows=entry.rows, indexes=entry.indexes)
                for entry in manifest.collections
                if not collections or entry.name in collections
            ),
        )

    @contextmanager
    def open(self, options: FilesTargetOptions, fence: Fence = unfenced) -> Iterator[FilesFolder]:
        """The folder; nothing is made before `ensure`."""
        yield FilesFolder(options, fence)


class FilesFolder(WrittenFolder):
    """A folder of import files as a Target (`mmc.spi`)."""

    def ensure(self, step: CreateCollection, claim: Claim = ALONE) -> dict[str, str]:
        """Makes sure that no collection of that name is in the folder, nor parts of one, and that
        no other run writes there. With `replace`, parts that no manifest records are left alone:
        they will be written over.
        """
        self._fence()
        with refused_untouched():
            folder = self._own_folder(step.collection.name)
            marks.refuse_others(folder, self.storage, claim.run)
        self._prepare(step)
        if claim.run:
            marks.mark(folder, self.storage, claim.run)
        return {}

    def release(self, step: CreateCollection, claim: Claim) -> None:
        """Takes the mark of a run off the folder of a collection."""
        marks.unmark(self._own_folder(step.collection.name), self.storage, claim.run)

    def _own_folder(self, name: str) -> str:
        """URL of the folder of a collection. Raises TargetError where it is a link (MMC577)."""
        refuse_links(self.url, [name])
        return urls.join_url(self.url, name)

    def _prepare(self, step: CreateCollection) -> None:
        name = step.collection.name
        if step.mode in (Mode.APPEND, Mode.UPSERT):
            raise TargetUntouched(
                f"load.mode {step.mode} has no meaning for a files target",
                hint="use replace, or another folder",
                code="MMC531",
            )
        if self.manifest().entry(name) is not None:
            raise TargetUntouched(
                f"{self.url} holds a collection {name} already",
                hint="choose another folder, or plan again with `load: {mode: replace}`",
                code="MMC530",
            )
        if step.mode is Mode.FAIL:
            self._refuse_unrecorded(name)
        self._make_folder(name)

    def drop_collection(self, step: DropCollection) -> None:
        """Removes the files that the manifest records for a collection, and its entry, unless
        another run writes there.

        Files first: a kill in between leaves an entry that names what is still to be removed.
        """
        manifest = self.manifest()
        parts = manifest.parts(step.collection)
        with refused_untouched():
            folder = self._own_folder(step.collection)
            marks.refuse_others(folder, self.storage, step.claimed)
            self._refuse_links(file.path for part in parts for file in part.stored)
        self._remove(file.path for part in parts for file in part.stored)
        if manifest.entry(step.collection) is not None:
            rest = manifest.without(step.collection)
            urls.write_text(urls.join_url(self.url, NAME), dump(rest), self.storage)

    def _refuse_unrecorded(self, name: str) -> None:
        """Parts that no manifest records are not ours to overwrite. No attempt of this run wrote
        them: it writes only after this step.
        """
        parts = self._parts_of(None, name)
        if parts:
            raise TargetUntouched(
                f"{urls.join_url(self.url, parts[0][0])} is there, and no manifest records it",
                hint="choose another folder, or `load: {mode: replace}`, which removes such parts",
                code="MMC530",
            )

    def _make_folder(self, name: str) -> None:
        if not urls.is_local(self.url):
            return
        folder = urls.local_path(urls.join_url(self.url, name))
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TargetError(f"{folder}: {error.strerror}", code="MMC444") from None

    def _remove(self, paths: Any) -> None:
        """Files of ours, and the part folders that are empty then."""
        found = sorted(set(paths))
        self._refuse_links(found)
        urls.delete((urls.join_url(self.url, path) for path in found), self.storage)
        if not urls.is_local(self.url):
            return
        for path in found:
            part = layout.part_of(path)
            if part is not None and part[1] == "numpy":
                urls.remove_empty(urls.join_url(self.url, part[0]))

    def _refuse_links(self, files: Iterable[str]) -> None:
        refuse_links(self.url, (path.rpartition("/")[0] for path in files if "/" in path))

    def writer(self, step: CopySplits, split: Split, *, replay: bool) -> PartSplitWriter:
        """A writer for one split. A replay writes the same names, so nothing depends on it."""
        return PartSplitWriter(self.url, self.storage, step, split, fence=self._fence)

    def write_manifest(
        self,
        step: WriteManifest,
        plan_digest: str,
        files: Mapping[str, Sequence[CopiedSplit]],
    ) -> None:
        """Writes the manifest, then removes parts and half-written files that it does not record.

        Only files named like parts, below the directories of this step's collections, are removed.
        """
        known = {entry.copy for entry in step.collections}
        if unknown := sorted(set(files) - known):
            raise ValueError(f"step {step.id} does not describe what {unknown[0]} wrote")
        manifest = self.manifest()
        for described in step.collections:
            parts = _parts(described, files.get(described.copy, ()))
            manifest = manifest.adding(_entry(described, plan_digest, parts), parts)
        manifest = Manifest(plan_digest, manifest.collections, manifest.files)
        for described in step.collections:
            stored = [file for done in files.get(described.copy, ()) for file in done.result.files]
            refuse_links(self.url, [described.layout.directory])
            for path, why in self._faults(described.layout.directory, stored, content=False):
                raise TargetError(
                    f"{urls.join_url(self.url, path)}, written by this run: {why}",
                    hint="apply the plan again: it looks for such files, and copies their rows"
                    " again; let nothing else delete or write there meanwhile",
                    code="MMC576",
                )
        self._fence()
        urls.write_text(urls.join_url(self.url, step.path), dump(manifest), self.storage)
        recorded = {file.path for part in manifest.files for file in part.stored}
        for described in step.collections:
            found = self._files_below(described.layout.directory)
            self._remove(path for path, _ in found if path not in recorded)

    def claim_again(self, step: CreateCollection, claim: Claim) -> None:
        """Marks the folder of a collection of this run, where the mark was deleted too."""
        marks.mark(self._own_folder(step.collection.name), self.storage, claim.run)


def _parts(
    described: ManifestCollection, written: Sequence[CopiedSplit]
) -> tuple[ManifestPart, ...]:
    parts = []
    for done in sorted(written, key=lambda found: found.split.id):
        if not done.result.files:
            continue
        files = tuple(
            ManifestFile(file.path, file.bytes, file.sha256) for file in done.result.files
        )
        whole = len(files) == 1 and described.layout.format != "numpy"
        name = layout.part_name(described.layout.format, done.split.id)
        parts.append(
            ManifestPart(
                path=f"{described.layout.directory}/{name}",
                collection=described.collection.name,
                partition=done.split.partition,
                split=done.split.id,
                rows=done.result.rows_written,
                bytes=sum(file.bytes for file in files),
                sha256=files[0].sha256 if whole else "",
                files=() if whole else files,
            )
        )
    return tuple(parts)


def _entry(
    described: ManifestCollection, plan_digest: str, parts: tuple[ManifestPart, ...]
) -> ManifestEntry:
    return ManifestEntry(
        name=described.collection.name,
        plan=plan_digest,
        format=described.layout.format,
        directory=described.layout.directory,
        rows=sum(part.rows for part in parts),
        bytes=sum(part.bytes for part in parts),
        schema=described.collection,
        indexes=described.indexes,
    )
