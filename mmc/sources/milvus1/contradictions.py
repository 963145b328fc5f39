"""What is odd or wrong in the metadata of one collection, in words. Pure.

What a healthy server writes, and what a crash can leave: `db/meta/` and `db/merge/` of Milvus 1.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from mmc.diagnostics import Diagnostic, Severity
from mmc.sources.milvus1.catalogue import Catalogue, FileRow, FileType, TableRow
from mmc.text import many
from mmc.types import MAX_DIM

DROPPED = 1
"""`Tables.state`."""
_METRICS = range(1, 8)
_TOLD = 3
_ORPHANS = "the metadata are damaged, or were changed by hand: compare with a copy of the server's"


def about_root(catalogue: Catalogue, rows: Sequence[TableRow]) -> Iterator[Diagnostic]:
    """About a collection: all rows of `Tables` that are it; more than one is wrong."""
    root = rows[0]
    name = f"`{root.table_id}`"
    if len(rows) > 1:
        ids = " and ".join(str(row.id) for row in rows)
        yield wrong(f"{name} stands in table `Tables` {len(rows)} times, with the ids {ids}")
    yield from _about_state(name, root)
    if root.dimension <= 0:
        yield wrong(f"{name} has {root.dimension} dimensions")
    most = MAX_DIM if root.metric_type < 3 else 8 * MAX_DIM
    if root.dimension > most:
        yield wrong(f"{name} has {root.dimension:,} dimensions; Milvus has at most {most:,}")
    if root.metric_type not in _METRICS:
        yield wrong(f"{name} has the metric {root.metric_type}; Milvus 1.x knows 1 to 7")
    elif root.metric_type >= 3 and root.dimension % 8:
        yield wrong(
            f"{name} is binary, but {root.dimension} dimensions are no whole number of bytes"
        )
    if root.table_id[:1].isdigit():
        yield Diagnostic(
            "MMC422",
            f"{name} is no name of a collection in Milvus 1.x: it is probably a partition, whose"
            f" collection and tag {catalogue.where} does not hold",
            severity=Severity.WARNING,
            hint="make a meta.json that does, from the server's database:  mmc export-meta META",
        )
    if root.table_id in catalogue.hybrid:
        yield Diagnostic(
            "MMC426",
            f"{name} is a hybrid collection: its vectors are migrated, its attributes are not",
            severity=Severity.WARNING,
            hint="attributes were an experiment of 0.9 and 0.10: read them out with that server",
        )


def about_partitions(root: TableRow, below: Sequence[TableRow]) -> Iterator[Diagnostic]:
    """About the live partitions of a collection, in order of id."""
    seen: dict[str, TableRow] = {}
    for row in below:
        place = f"`{root.table_id}`, partition `{row.partition_tag}`"
        yield from _about_state(place, row)
        first = seen.setdefault(row.partition_tag, row)
        if first is not row:
            yield wrong(
                f"{place} is there twice, as {first.table_id} and {row.table_id}",
                Severity.WARNING,
                "the rows of both are migrated, into one partition",
            )
        if (row.dimension, row.metric_type) != (root.dimension, root.metric_type):
            yield wrong(
                f"{place} has {row.dimension} dimensions and the metric {row.metric_type}, but its"
                f" collection {root.dimension} and {root.metric_type}",
                Severity.WARNING,
                "the collection's are taken, as Milvus 1.x does",
            )


def _about_state(place: str, row: TableRow) -> Iterator[Diagnostic]:
    if row.state not in (0, DROPPED):
        yield wrong(f"{place} has the state {row.state}; Milvus 1.x knows 0 (there), 1 (dropped)")


def unsearched(place: str, segments: Sequence[str]) -> Diagnostic:
    """About segments of which only the BACKUP row is left."""
    more = f" and {len(segments) - 3} more" if len(segments) > 3 else ""
    which = "segment" if len(segments) == 1 else "segments"
    return Diagnostic(
        "MMC427",
        f"{place}, {which} {', '.join(segments[:3])}{more}: marked as replaced by an index that is"
        " not there, so Milvus 1.x did not search or count these rows",
        severity=Severity.WARNING,
        hint="they are migrated: the count will be higher than Milvus 1.x says",
    )


def lost_merges(place: str, groups: Mapping[str, Sequence[FileRow]]) -> Iterator[Diagnostic]:
    """Copies of a merge that was cut off after its sources were marked as deleted; possible with
    MySQL, where each UPDATE commits alone.

    Which segments a copy was made of is written nowhere. They are the newest before it; so it is
    told by the one before the copy being deleted.
    """
    before: set[int] = set()
    for name, rows in groups.items():
        types = {row.file_type for row in rows}
        if types == {FileType.NEW_MERGE} and before == {FileType.TO_DELETE}:
            yield Diagnostic(
                "MMC422",
                f"{place}, segment {name}: a merge that was cut off, and the segment before it is"
                " marked as deleted: if it was a source of the merge, its rows are lost to Milvus"
                " 1.x too",
                severity=Severity.WARNING,
                hint="compare the count with what you expect; a restart of Milvus 1.x removes both",
            )
        if not types <= {FileType.NEW, FileType.NEW_MERGE}:
            before = types


def about_orphans(catalogue: Catalogue, live: frozenset[FileType]) -> Iterator[Diagnostic]:
    """About rows of `TableFiles`, and partitions, whose collection `Tables` does not have at all:
    not even as a dropped one. `live`: types of files that hold rows.
    """
    roots = {row.table_id for row in catalogue.tables if not row.owner_table}
    partitions = [row for row in catalogue.tables if row.owner_table and row.state != DROPPED]
    known = roots | {row.table_id for row in catalogue.tables if row.owner_table}
    segments: dict[str, dict[str, int]] = {}
    for file in catalogue.files:
        if file.table_id not in known and file.file_type in live:
            rows = segments.setdefault(file.table_id, {})
            rows[file.segment_id] = max(file.row_count, rows.get(file.segment_id, 0))
    for table, rows in list(segments.items())[:_TOLD]:
        yield wrong(
            f"{catalogue.where}: `TableFiles` has {many(len(rows), 'segment')} of `{table}` with"
            f" {many(sum(rows.values()), 'row')}, and `Tables` has no such collection: these rows"
            " are not migrated",
            Severity.WARNING,
            _ORPHANS,
        )
    for row in [row for row in partitions if row.owner_table not in roots][:_TOLD]:
        yield wrong(
            f"{catalogue.where}: the partition `{row.partition_tag}` is one of `{row.owner_table}`,"
            " and `Tables` has no such collection: its rows are not migrated",
            Severity.WARNING,
            _ORPHANS,
        )


def is_name(text: str) -> bool:
    """Whether it is one part of a path and stays below its folder."""
    return re.fullmatch(r"[^/\\\0]+", text) is not None and text not in (".", "..")


def unsafe(place: str, column: str, value: str) -> Diagnostic:
    return wrong(f"{place}: the {column} `{value[:60]}` is not the name of a folder")


def wrong(
    message: str,
    severity: Severity = Severity.ERROR,
    hint: str = "no Milvus writes this: the metadata are damaged, or were changed by hand",
) -> Diagnostic:
    return Diagnostic("MMC422", message, severity=severity, hint=hint)
