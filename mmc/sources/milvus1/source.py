"""The `milvus1` source: metadata, log and segments of a Milvus 1.x server, as collections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mmc.diagnostics import Diagnostic, Severity
from mmc.errors import SourceError
from mmc.facts import SourceFacts
from mmc.plan.model import Split
from mmc.secrets import SecretRef
from mmc.sources.milvus1.catalogue import Catalogue
from mmc.sources.milvus1.contradictions import about_orphans
from mmc.sources.milvus1.describe import build_collection
from mmc.sources.milvus1.folders import check_folders
from mmc.sources.milvus1.live import LIVE, LiveCollection, live_collections
from mmc.sources.milvus1.location import locate
from mmc.sources.milvus1.meta.read import Export, export_meta, load_catalogue
from mmc.sources.milvus1.options import Milvus1Options
from mmc.sources.milvus1.read import read_piece
from mmc.sources.milvus1.wal.log import Log, read_log
from mmc.spi import Sample
from mmc.storage.filesystems import refuse_no_bucket
from mmc.storage.urls import exists
from mmc.types import JsonValue, nearest

if TYPE_CHECKING:
    import pyarrow as pa


class Milvus1Source:
    """Reads the data folders of Milvus 0.7 to 1.1, offline."""

    type = "milvus1"

    def locate(self, location: str) -> tuple[dict[str, JsonValue], bool]:
        """See `mmc.spi.Locates.locate`."""
        return locate(location)

    def inspect(
        self, options: Milvus1Options, collections: Sequence[str], sample: Sample
    ) -> SourceFacts:
        """See `mmc.spi.Source.inspect`."""
        catalogue = _catalogue(options)
        found = live_collections(catalogue)
        wanted = _wanted(found, collections, catalogue)
        check_folders(options.folders, wanted, options.files)
        log = _log(options, wanted, catalogue)
        problems = (*catalogue.problems, *about_orphans(catalogue, LIVE))
        built = tuple(build_collection(live, problems, log, options, sample) for live in wanted)
        return SourceFacts(
            type="milvus1",
            version="",
            collections=built,
            sample_rows=sample.rows,
            sample_seed=sample.seed,
        )

    def read(
        self,
        options: Milvus1Options,
        collection: str,
        split: Split,
        columns: Sequence[str],
        batch_rows: int,
    ) -> Iterator[pa.RecordBatch]:
        """See `mmc.spi.Source.read`."""
        for piece in split.pieces:
            yield from read_piece(
                piece, columns, batch_rows, options.partition_field, options.files
            )

    def meta_options(self, place: str) -> dict[str, JsonValue]:
        """See `mmc.spi.ExportsMeta.meta_options`."""
        return {"data": ".", "meta": place}

    def export_meta(self, options: Milvus1Options, password: SecretRef | None) -> Export:
        """See `mmc.spi.ExportsMeta.export_meta`."""
        return export_meta(options, password)


def _catalogue(options: Milvus1Options) -> Catalogue:
    for url in [options.data] if isinstance(options.data, str) else options.data:
        refuse_no_bucket(url)
    return load_catalogue(options.meta_place, options.meta_password, options.meta_files)


def _wanted(
    found: tuple[LiveCollection, ...], names: Sequence[str], catalogue: Catalogue
) -> tuple[LiveCollection, ...]:
    known = {live.name: live for live in found}
    for name in names:
        if name not in known:
            close = nearest(name, list(known))
            raise SourceError(
                f"{catalogue.where}: there is no collection {name!r}",
                hint=f"did you mean {close}?"
                if close
                else "it has " + (", ".join(sorted(known)[:8]) or "none"),
                code="MMC416",
            )
    return tuple(live for live in found if not names or live.name in names)


def _no_log(folder: str) -> Diagnostic:
    return Diagnostic(
        "MMC428",
        f"{folder}: no write-ahead log is there, so none is looked at",
        severity=Severity.NOTE,
        hint="give the server's wal.path as wal_path if it is elsewhere, or say wal: ignore",
    )


def _log(
    options: Milvus1Options, wanted: tuple[LiveCollection, ...], catalogue: Catalogue
) -> Log | None:
    """The log; None where it is not to be looked at."""
    if options.wal == "ignore":
        return None
    folder = options.log_folder
    if not exists(folder, options.files):
        if options.wal_path:
            raise SourceError(
                f"{folder}: there is no such folder",
                hint="give the server's wal.path, or say wal: ignore",
                code="MMC421",
            )
        return Log({}, {"": (_no_log(folder),)})
    usable = [live for live in wanted if not any(p.is_error for p in live.problems)]
    return read_log(folder, options.files, usable, catalogue.global_lsn)
