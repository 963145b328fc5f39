"""The files source: finds the files, asks their format, adds key and evidence; reads pieces back.

All matched files are one collection. Knows no format's bytes (one module each beside this one).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

import pyarrow as pa

from mmc.arrow.column import Column, shortest_vector, vector_hint
from mmc.arrow.evidence import Observed
from mmc.arrow.schema import arrow_text, with_origin
from mmc.documents.unmapped import UNMAPPED_FIELD, noted
from mmc.errors import FileMissing, SourceChanged, SourceError
from mmc.facts import Decoding, Extent, Locator, SourceCollection, SourceFacts, SourceField
from mmc.plan.model import Split
from mmc.sources.files.formats import (
    Format,
    Reading,
    Rows,
    format_module,
    format_of,
    only_one,
    text_of,
    with_locator,
)
from mmc.sources.files.location import locate
from mmc.sources.files.options import FilesOptions
from mmc.sources.files.partitions import clashes, partitions, refuse_two_meanings, values_of
from mmc.sources.files.sample import observe
from mmc.sources.files.tables import look_for_tables
from mmc.spi import Sample
from mmc.storage.listing import find_files
from mmc.storage.opened import Opened
from mmc.storage.urls import is_local, local_path
from mmc.types import UNMAPPED, FieldType, JsonValue, nearest

_KEYS = ("id", "_id", "pk", "key")
_ROW_NUMBERS = ("id", "row_id", "row_number")


class FilesSource:
    """Parquet, NumPy, JSON, CSV, fvecs, bvecs and HDF5 files, local or by URL."""

    type = "files"

    def locate(self, location: str) -> tuple[dict[str, JsonValue], bool]:
        """See `mmc.spi.Locates.locate`."""
        return locate(location)

    def inspect(
        self, options: FilesOptions, collections: Sequence[str], sample: Sample
    ) -> SourceFacts:
        """Looks at headers, footers and a seeded sample; scans text files once to count rows."""
        if options.manifest:
            from mmc.sources.files.manifest import inspect_manifest

            return inspect_manifest(options, collections, sample)
        listing = find_files(options.path or (), options.files)
        refuse_two_meanings(listing)
        tables = tuple(look_for_tables(listing, options.files))
        files = listing.files
        name = _collection_name(files)
        for wanted in collections:
            if wanted != name:
                raise _unknown_collection(wanted, name)
        opened = Opened(options.files)
        seen = {file: opened.fingerprint(file) for file in files}
        kind = format_of(files, options.format)
        reading = Reading(kind, opened, options.csv, sample)
        found = _collection(name, format_module(kind), files, seen, reading)
        collection = replace(
            found, notes=(listing.text, *found.notes), problems=(*tables, *found.problems)
        )
        return SourceFacts(
            type="files",
            version=kind,
            collections=(collection,),
            sample_rows=sample.rows,
            sample_seed=sample.seed,
        )

    def read(
        self,
        options: FilesOptions,
        collection: str,
        split: Split,
        columns: Sequence[str],
        batch_rows: int,
    ) -> Iterator[pa.RecordBatch]:
        """Yields the split's rows. Raises SourceChanged when a file is not the planned one."""
        if options.manifest:
            from mmc.sources.files.manifest import read_manifest

            yield from read_manifest(options, collection, split, columns, batch_rows)
            return
        opened = Opened(options.files)
        checked: Mapping[str, str] = {}
        for piece in split.pieces:
            locator = piece.place
            marks = _marks(locator)
            if marks != checked:
                _check_unchanged(marks, opened)
            reading = Reading(text_of(locator, "format"), opened, options.csv, Sample())
            try:
                yield from _batches(piece, locator, columns, batch_rows, reading)
            except SourceError:
                # A file that is replaced while it is read may look like a damaged one.
                _check_unchanged(marks, opened)
                raise
            # Again at the end: what was read while the file was replaced is a mixture.
            _check_unchanged(marks, opened)
            checked = marks


def _collection_name(files: Sequence[str]) -> str:
    """The stem of the one file, else the name of the deepest folder that holds all."""
    paths = [
        str(local_path(file).absolute()) if is_local(file) else file.partition("://")[2]
        for file in files
    ]
    if len(paths) == 1:
        name = PurePosixPath(paths[0]).stem
    else:
        name = PurePosixPath(
            os.path.commonpath([str(PurePosixPath(path).parent) for path in paths])
        ).name
    return re.sub(r"[^A-Za-z0-9_]", "_", name) or "files"


def _unknown_collection(wanted: str, name: str) -> SourceError:
    near = nearest(wanted, [name])
    return SourceError(
        f"there is no collection `{wanted}` in these files: they form one, `{name}`",
        hint=f"did you mean `{near}`?" if near else f"write `from: {name}`, or leave `from` out",
        code="MMC446",
    )


def _collection(
    name: str,
    module: Format,
    files: Sequence[str],
    seen: Mapping[str, str],
    options: Reading,
) -> SourceCollection:
    look = module.look(files, options)
    only_one([column.name for column in look.columns], files[0])
    parts = partitions(files)
    problems = clashes(parts, look, files[0])
    parts = parts.without([column.name for column in look.columns])
    marked = replace(
        look,
        extents=tuple(parts.mark(_marked(one, options.format, seen)) for one in look.extents),
        windows=tuple(_marked(extent, options.format, seen) for extent in look.windows),
    )
    observed, lists = observe(module, marked, options)
    fields = _vectors_told_from_lists(
        [_field(column, observed.get(column.name)) for column in look.columns]
    )
    rows = max((seen.rows for seen in observed.values()), default=0)
    fields += [_field(column, seen) for column, seen in parts.columns(rows).values()]
    key = _key(fields)
    extents = marked.extents
    if key is not None:
        fields[key] = replace(fields[key], key=True)
    else:
        number = _row_number_name([field.name for field in fields])
        note = "row number over the files in sorted order"
        fields.insert(
            0, SourceField(number, "int64", key=True, unique=True, nullable=False, note=note)
        )
        extents = tuple(with_locator(extent, "row_number", number) for extent in extents)
    if look.open and UNMAPPED not in observed:
        fields.append(UNMAPPED_FIELD)
    return SourceCollection(
        name,
        tuple(fields),
        extents=extents,
        rows=look.rows,
        bytes=sum(extent.bytes for extent in extents),
        fingerprint=tuple(sorted(seen.items())),
        notes=look.notes,
        decodes=Decoding.PYTHON if _are_texts(extents) else Decoding.NATIVE,
        problems=(*look.problems, *problems, *lists),
    )


def _are_texts(extents: Sequence[Extent]) -> bool:
    """Whether the pieces are of JSON lines or CSV."""
    return any(extent.unit == "byte" for extent in extents)


def _marked(extent: Extent, kind: str, seen: Mapping[str, str]) -> Extent:
    """The extent with its format, and beside each path the fingerprint of the file."""
    pairs = extent.place
    for key, value in extent.locator:
        if key == "path" or key.startswith("path:"):
            pairs[key.replace("path", "fingerprint", 1)] = seen[str(value)]
    pairs["format"] = kind
    return replace(extent, locator=tuple(sorted(pairs.items())))


def _field(column: Column, observed: Observed | None) -> SourceField:
    vector = column.vector or vector_hint(column.type)
    note = column.note
    if observed is not None and not vector and not column.json_text:
        vector = vector_hint(column.type, observed.constant_length)
        note = note or ("lists of one length in the sample: taken as a vector" if vector else "")
    return SourceField(
        column.name,
        arrow_text(column.type),
        vector=vector,
        nullable=column.nullable,
        json_text=column.json_text,
        index=column.index,
        evidence=observed.evidence if observed is not None else SourceField("", "").evidence,
        note=note,
    )


def _vectors_told_from_lists(fields: list[SourceField]) -> list[SourceField]:
    lengths = {f.name: FieldType.parse(f.vector).dim if f.vector else None for f in fields}
    shortest = shortest_vector(lengths.values())
    return [
        replace(f, vector="", note="") if (lengths[f.name] or shortest) < shortest else f
        for f in fields
    ]


def _key(fields: Sequence[SourceField]) -> int | None:
    """Place of the column that identifies rows by its name, type and absence of nulls."""
    for name in _KEYS:
        for place, field in enumerate(fields):
            if (
                field.name.lower() == name
                and re.fullmatch(r"u?int\d+|(large_)?string", field.arrow)
                and not field.evidence.nulls
                and not field.json_text
            ):
                return place
    return None


def _row_number_name(taken: Iterable[str]) -> str:
    lowered = {name.lower() for name in taken}
    for name in _ROW_NUMBERS:
        if name not in lowered:
            return name
    number = 2
    while f"row_number_{number}" in lowered:
        number += 1
    return f"row_number_{number}"


def _marks(locator: Locator) -> dict[str, str]:
    """The files of a piece, with their fingerprints in the plan."""
    return {
        str(value): str(locator[key.replace("path", "fingerprint", 1)])
        for key, value in locator.items()
        if key == "path" or key.startswith("path:")
    }


def _check_unchanged(marks: Mapping[str, str], opened: Opened) -> None:
    for file, planned in marks.items():
        try:
            found = opened.fingerprint(file)
        except FileMissing:
            found = "not there"
        if found != planned:
            raise SourceChanged(
                f"{file} changed since the plan was made ({planned} then, {found} now)",
                hint="make a new plan",
                code="MMC436",
            )


def _batches(
    piece: Extent,
    locator: Locator,
    columns: Sequence[str],
    batch_rows: int,
    options: Reading,
) -> Iterator[pa.RecordBatch]:
    module = format_module(options.format)
    number, constant = locator.get("row_number"), values_of(locator)
    stored = [name for name in columns if name != number and name not in constant]
    done = 0
    for rows in module.read(piece, stored, batch_rows, options):
        done += rows.count
        yield _batch(rows, stored, columns, number, constant)
    if piece.rows is not None and done != piece.rows:
        raise SourceError(
            f"{_place(locator)}: {done:,} rows read where the plan says {piece.rows:,}",
            hint="make a new plan; if it stays, the file is damaged",
            code="MMC440",
        )


def _batch(
    rows: Rows,
    stored: Sequence[str],
    columns: Sequence[str],
    number: JsonValue,
    constant: Mapping[str, str | None],
) -> pa.RecordBatch:
    by_name = dict(zip(stored, rows.arrays, strict=True))
    for name in constant.keys() & set(columns):
        by_name[name] = pa.array([constant[name]] * rows.count, pa.string())
    if number in columns:
        import numpy as np

        by_name[str(number)] = pa.array(
            np.arange(rows.number, rows.number + rows.count, dtype=np.int64)
        )
    batch = pa.RecordBatch.from_arrays([by_name[name] for name in columns], names=list(columns))
    return noted(with_origin(batch, rows.origin), rows.outside, rows.offset)


def _place(locator: Locator) -> str:
    paths = (str(value) for key, value in sorted(locator.items()) if key.startswith("path"))
    return next(paths, "the source")
