"""One live collection -> SourceCollection: segments measured, log applied, repeated ids found.

What is wrong becomes a problem of the collection, so that one look names all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from mmc.diagnostics import Diagnostic
from mmc.facts import Extent, SourceCollection
from mmc.sources.milvus1.columns import describe_fields, vector_type
from mmc.sources.milvus1.extents import Place, log_extents, segment_extents
from mmc.sources.milvus1.findings import Findings
from mmc.sources.milvus1.folders import find_folder
from mmc.sources.milvus1.ids import Deletes, Run, find_repeats, taken_away
from mmc.sources.milvus1.indexes import map_index
from mmc.sources.milvus1.live import LiveCollection, LiveSegment
from mmc.sources.milvus1.names import partition_names
from mmc.sources.milvus1.options import Milvus1Options
from mmc.sources.milvus1.read import live_ids, live_places
from mmc.sources.milvus1.segment import Segment, look
from mmc.sources.milvus1.wal.log import Log, Pending, count_pending, read_pending
from mmc.spi import Sample
from mmc.text import many
from mmc.types import JsonValue

if TYPE_CHECKING:
    from typing import TypeAlias

    import numpy as np
    from numpy.typing import NDArray

    Numbers: TypeAlias = NDArray[np.int64]


_AHEAD = 16
"""Segments that are looked at together where each look waits for a network."""
_SHOWN = 40
"""Renamed partitions in a note; the plan has all of them, beside the rows of each."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A segment or an insert of the log, with its ids."""

    run: Run
    segment: Segment | None = None
    insert: Pending | None = None


def build_collection(
    live: LiveCollection,
    problems: Sequence[Diagnostic],
    log: Log | None,
    options: Milvus1Options,
    sample: Sample,
) -> SourceCollection:
    """Looks at all files of a collection. Raises SourceError where the world fails.

    Args:
        problems: of the metadata as a whole.
    """
    findings = Findings(live.name, [*problems, *live.problems])
    if findings.failed:
        return _broken(live, findings)
    segments = _segments(live, options, findings)
    pending = _pending(live, log, options, findings)
    if findings.failed:
        return _broken(live, findings)
    mapped = map_index(live)
    findings.problems += mapped.problems
    pieces = [
        *(_Piece(_segment_run(found, at, options.files), found) for at, found in segments),
        *(
            _Piece(_log_run(record, options.files), insert=record)
            for record in pending
            if record.kind == "insert"
        ),
    ]
    runs = [piece.run for piece in pieces]
    deletes = _deletes(live, pending, options.files)
    gone = [taken_away(run, deletes[run.table_id]) for run in runs]
    wanted = options.duplicates == "keep_last"
    repeats = find_repeats(runs, gone, rows=wanted, ahead=_AHEAD if options.far else 0)
    findings.repeats(repeats, runs, options.duplicates)
    if wanted:
        gone = [_union(one, two) for one, two in zip(gone, repeats.superseded, strict=True)]
    places = _places(live, options)
    marks = {piece.segment.name: piece.segment.seen for piece in pieces if piece.segment}
    if log is not None:
        marks |= {one.file: log.seen[one.file] for one in pending}
    extents = tuple(_extents(places, pieces, gone, marks))
    findings.notes += _partition_notes(live, places, options)
    kept = options.duplicates == "keep_all" and repeats.ids > 0
    fields = describe_fields(live, mapped, extents, options, sample, unique=not kept, repeated=kept)
    return SourceCollection(
        live.name,
        fields,
        extents=extents,
        rows=sum(extent.rows or 0 for extent in extents),
        bytes=sum(extent.bytes for extent in extents),
        fingerprint=tuple(sorted(marks.items())),
        partitions=tuple(sorted({place.partition for place in places.values()} - {""})),
        notes=tuple(findings.notes),
        problems=tuple(findings.problems),
    )


def _broken(live: LiveCollection, findings: Findings) -> SourceCollection:
    """A collection that cannot be migrated as it is: its problems stand in the place of a plan."""
    return SourceCollection(
        live.name, (), extents=(), rows=None, bytes=0, problems=tuple(findings.problems)
    )


def _segments(
    live: LiveCollection, options: Milvus1Options, findings: Findings
) -> list[tuple[LiveSegment, Segment]]:
    """Those without damage, in the order in which Milvus 1.x made them."""
    found = []
    every = [segment for part in live.partitions for segment in part.segments]
    every.sort(key=lambda segment: segment.order)
    with ThreadPoolExecutor(_AHEAD) as pool:
        one = partial(_look, options, live.row_bytes)
        for at, (segment, lost, wrong) in zip(
            every, pool.map(one, every) if options.far else map(one, every), strict=True
        ):
            if lost:
                findings.error("MMC423", lost, "give all data folders, and each segment once")
            for line in wrong:
                findings.error(
                    "MMC418",
                    line,
                    "copy it again from the server, or give up the collection: list the others"
                    " under `collections`",
                )
            if segment is not None:
                found.append((at, segment))
    findings.counts([segment for _, segment in found])
    return found


def _look(
    options: Milvus1Options, row_bytes: int, at: LiveSegment
) -> tuple[Segment | None, str, list[str]]:
    """The segment, that it was not found, or its damages."""
    folder, lost = find_folder(options.folders, at, options.files)
    if lost:
        return None, lost, []
    segment, wrong = look(folder, at, row_bytes, options.files)
    return segment, "", wrong


def _pending(
    live: LiveCollection, log: Log | None, options: Milvus1Options, findings: Findings
) -> tuple[Pending, ...]:
    """What the log adds, when it is to be replayed; that there is something, when not."""
    if log is None:
        return ()
    findings.problems += log.problems.get("", ()) + log.problems.get(live.name, ())
    pending = log.pending.get(live.name, ())
    if not pending:
        return ()
    inserted, deleted = count_pending(log, live.name)
    told = (
        f"{many(inserted, 'inserted row')} and {many(deleted, 'delete')} only in the"
        " write-ahead log"
    )
    if options.wal == "stop":
        findings.error(
            "MMC417",
            told,
            "start Milvus 1.x once, flush the collection and stop it; or say wal: replay, or"
            " wal: ignore",
        )
        return ()
    findings.notes.append(f"{told}: replayed")
    return pending


def _places(live: LiveCollection, options: Milvus1Options) -> dict[str, Place]:
    """By table id: the tag of its rows and where they go."""
    root, *partitions = live.partitions
    names = partition_names([part.tag for part in partitions])
    type_ = vector_type(live)
    places = {root.table_id: Place(type_, "", "")}
    for part in partitions:
        name = "" if options.partition_field else names[part.tag]
        places[part.table_id] = Place(type_, part.tag, name)
    return places


def _partition_notes(
    live: LiveCollection, places: Mapping[str, Place], options: Milvus1Options
) -> list[str]:
    if options.partition_field:
        count = many(len(places) - 1, "partition")
        return [f"{count} folded into the field {options.partition_field}"]
    renamed = [
        f"{place.tag!r} -> {place.partition}"
        for place in (places[part.table_id] for part in live.partitions[1:])
        if place.tag != place.partition
    ]
    if not renamed:
        return []
    more = len(renamed) - _SHOWN
    shown = ", ".join(renamed[:_SHOWN]) + (f" and {more:,} more" if more > 0 else "")
    return [f"{many(len(renamed), 'partition')} renamed: {shown}"]


def _segment_run(segment: Segment, at: LiveSegment, storage: Mapping[str, JsonValue]) -> Run:
    return Run(
        table_id=at.table_id,
        lsn=0,
        rows=segment.live,
        ids=partial(live_ids, segment.folder, segment.live, segment.deleted, storage),
        name=segment.vectors,
        place=partial(live_places, segment.folder, segment.rows, storage),
    )


def _log_run(record: Pending, storage: Mapping[str, JsonValue]) -> Run:
    return Run(
        table_id=record.tables[0],
        lsn=record.lsn,
        rows=record.rows,
        ids=partial(_log_ids, record, storage),
        name=record.file,
        place=lambda rows: record.ids_at + 8 * rows,
    )


def _log_ids(record: Pending, storage: Mapping[str, JsonValue], at_once: int) -> Iterator[Numbers]:
    for start in range(0, record.rows, at_once):
        yield read_pending(record, storage, start, min(start + at_once, record.rows))[0]


def _deletes(
    live: LiveCollection, pending: Sequence[Pending], storage: Mapping[str, JsonValue]
) -> dict[str, Deletes]:
    """By table id: what the log deletes there, and up to when."""
    found: dict[str, list[tuple[int, Numbers]]] = {part.table_id: [] for part in live.partitions}
    for record in pending:
        if record.kind == "delete":
            ids = read_pending(record, storage, 0, record.rows)[0]
            for table in record.tables:
                found[table].append((record.lsn, ids))
    return {table: Deletes.of(records) for table, records in found.items()}


def _union(one: Numbers, two: Numbers) -> Numbers:
    import numpy as np

    return np.union1d(one, two)


def _extents(
    places: Mapping[str, Place],
    pieces: Sequence[_Piece],
    gone: Sequence[Numbers],
    marks: Mapping[str, str],
) -> Iterator[Extent]:
    """Partition by partition, since a split has one; in each the segments, then the log."""
    tables: dict[str, list[tuple[_Piece, Numbers]]] = {table: [] for table in places}
    for piece, away in zip(pieces, gone, strict=True):
        tables[piece.run.table_id].append((piece, away))
    for table, place in places.items():
        mine = tables[table]
        for piece, away in mine:
            if piece.segment is not None:
                yield from segment_extents(
                    place, piece.segment.folder, piece.segment.seen, piece.run.rows, away
                )
        inserts = [(piece.insert, away) for piece, away in mine if piece.insert is not None]
        yield from log_extents(place, inserts, marks)
