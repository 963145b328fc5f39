"""The staging place of a copy: files that Milvus will import, by our paths and by its own.

Knows URLs and plans; sends nothing to Milvus.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from mmc.errors import SourceError, TargetError
from mmc.layouts import layout
from mmc.layouts.files import FileRecord
from mmc.plan.model import CopySplits
from mmc.storage import urls
from mmc.storage.links import refuse_links
from mmc.storage.stillthere import faults

NO_ROWS = '{"rows":[]}'
"""An import file without rows, which a server takes for any collection."""

_BUCKETS = {
    *("s3", "s3a", "gs", "gcs", "oss", "cos", "cosn", "obs"),
    *("az", "abfs", "abfss"),
}
"""Schemes of URLs whose first part is the bucket; `abfs://container@account/path` has the account
there too."""


def server_path(url: str) -> str:
    """What Milvus calls a staged file: with local storage its absolute path, else the key in its
    bucket. Milvus takes keys as they are, without its own root path before them.

    Raises:
        TargetError: no Milvus reads files from such a place (MMC546).
    """
    if urls.is_local(url):
        return str(urls.local_path(url).absolute())
    scheme, _, rest = url.partition("://")
    if scheme not in _BUCKETS:
        raise TargetError(
            f"{url}: Milvus imports no files from {scheme}://",
            hint="stage in the bucket that Milvus itself uses (s3://, gs://, oss://, abfs://), or"
            " on the disk of a server with local storage",
            code="MMC546",
        )
    return rest.partition("/")[2].strip("/")


@dataclass(frozen=True, slots=True)
class StagingPlace:
    """Where a copy stages its files. Paths are those of `FileRecord.path`: relative to `url`."""

    url: str
    storage: urls.Storage
    key: str
    directory: str

    @classmethod
    def of(cls, copy: CopySplits) -> StagingPlace:
        if copy.staging is None or copy.layout is None:
            raise ValueError(f"step {copy.id} has no staging place")
        staging = copy.staging
        return cls(staging.url, dict(staging.storage), staging.key, copy.layout.directory)

    def url_of(self, path: str) -> str:
        """Where a staged file lies."""
        return urls.join_url(self.url, path)

    def on_server(self, path: str) -> str:
        """What the server calls a staged file. Raises TargetError (MMC546)."""
        return server_path(urls.join_url(self.url, path))

    def ours(self, told: str) -> tuple[str, ...]:
        """Paths of the files of this place that a text of the server names, in its order.

        2.3 joins the files of a task by commas; 2.4 and later print Go's list of each group's
        files, `[a b]`, or a protobuf message that quotes them.
        """
        root = server_path(self.url)
        before = re.escape(root + "/") if root and root != "/" else root
        found = re.finditer(
            rf'(?:^|(?<=[\s,\["])){before}([^\s,\[\]"]+\.(?:parquet|json|npy))(?=[\s,\]"]|$)', told
        )
        return tuple(dict.fromkeys(match[1] for match in found))

    def remove(self, files: Iterable[str]) -> tuple[str, ...]:
        """Deletes files of ours, and folders of ours that are empty then; gives the files that were
        there. Raises TargetError.
        """
        files = list(files)
        if foreign := [path for path in files if not self._is_ours(path)]:
            raise ValueError(f"{foreign[0]} is not below the key of the plan")
        refuse_links(self.url, (path.rpartition("/")[0] for path in files))
        named = {self.url_of(path): path for path in sorted(set(files))}
        gone = urls.delete(named, self.storage)
        if urls.is_local(self.url):
            self._remove_empty(list(named.values()))
        return tuple(named[url] for url in gone)

    def lost(self, files: Sequence[FileRecord]) -> dict[str, str]:
        """Staged files that are not there any more as they were written, and what is wrong with
        each. Raises TargetError (MMC541).
        """
        folder = f"{self.key}/{self.directory}"
        with _staging():
            return dict(faults(self.url, folder, self.storage, files, content=False))

    def _is_ours(self, path: str) -> bool:
        steps = path.split("/")
        return bool(self.key) and steps[0] == self.key and ".." not in steps

    def _remove_empty(self, files: Sequence[str]) -> None:
        root = urls.local_path(self.url)
        folders = {folder for path in files for folder in (root / path).parents}
        ours = (folder for folder in folders if (root / self.key) in (folder, *folder.parents))
        for folder in sorted(ours, key=lambda one: len(one.parts), reverse=True):
            urls.remove_empty(str(folder))

    @property
    def _probe(self) -> str:
        return f"{self.key}/{self.directory}/check.json"

    def left_over(self, copy: CopySplits, begun: Iterable[str]) -> list[str]:
        """Paths of all that attempts which were killed may have left and that no record names: a
        probe, and files of the splits that were begun, whole or half-written.
        """
        assert copy.layout is not None
        paths = [self._probe]
        for split in begun:
            part = f"{self.key}/{self.directory}/{layout.part_name(copy.layout.format, split)}"
            paths += layout.files_of(copy.layout.format, part, copy.collection)
        halves = [f"{path}.partial" for path in paths] if urls.is_local(self.url) else []
        return paths + halves

    def probe(self) -> str:
        """Writes a file without rows and reads it back; gives its path. It has one name for all
        attempts, so that the next one removes what a killed one left.

        Raises:
            TargetError: the place cannot be written or read (MMC541).
        """
        path = self._probe
        url = urls.join_url(self.url, path)
        with _staging():
            refuse_links(self.url, [f"{self.key}/{self.directory}"])
            urls.write_text(url, NO_ROWS, self.storage)
            if urls.read_text(url, self.storage) != NO_ROWS:
                raise TargetError(f"{url}: what was written does not come back")
        return path

    def refuse_unreadable(self, copy: CopySplits) -> None:
        """Reads the first byte of the first file that is imported where it lies.

        Raises:
            TargetError: it is not there, or cannot be read (MMC541).
        """
        assert copy.layout is not None
        parts = (str(dict(one.locator)["path"]) for split in copy.splits for one in split.pieces)
        part = next(parts, None)
        if part is None:
            return
        first = layout.files_of(copy.layout.format, part, copy.collection)[0]
        with _staging(), urls.open_blob(self.url_of(first), self.storage) as blob:
            blob.read_at(0, min(1, blob.size))

    def remove_probe(self, path: str) -> None:
        """Raises TargetError: the place allows no deleting (MMC541)."""
        with _staging():
            self.remove([path])


@contextmanager
def _staging() -> Iterator[None]:
    try:
        yield
    except (TargetError, SourceError) as error:
        raise TargetError(
            f"files cannot be staged: {error}",
            hint=error.hint
            or "check load.staging: the place, its `storage` options, and that they allow writing,"
            " reading and deleting",
            code="MMC541",
        ) from None
