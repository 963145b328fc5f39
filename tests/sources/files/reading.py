"""Reading through the files source as a run does: inspect, then read the extents, whole or cut."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa

from mmc.arrow.schema import origin_of
from mmc.facts import Extent, SourceCollection, SourceField
from mmc.plan.codec import from_json, to_json
from mmc.plan.model import Split
from mmc.sources.files.options import FilesOptions
from mmc.sources.files.source import FilesSource
from mmc.spi import Sample
from mmc.types import JsonValue

SOURCE = FilesSource()
SAMPLE = Sample(200, 7)


def config(path: str | Path | Sequence[str | Path], **more: JsonValue) -> FilesOptions:
    """The options of a source over `path`."""
    paths: Any = [str(one) for one in path] if isinstance(path, (list, tuple)) else str(path)
    return FilesOptions.model_validate({"type": "files", "path": paths, **more})


def look(options: FilesOptions, sample: Sample = SAMPLE) -> SourceCollection:
    """The one collection, without what is only there on request; its facts survive a trip through
    JSON.
    """
    facts = SOURCE.inspect(options, [], sample)
    assert from_json(type(facts), to_json(facts)) == facts
    (collection,) = facts.collections
    return replace(collection, fields=tuple(it for it in collection.fields if not it.on_request))


def read(
    options: FilesOptions,
    collection: SourceCollection,
    columns: Sequence[str] | None = None,
    *,
    pieces: Sequence[Extent] | None = None,
    batch_rows: int = 7,
) -> pa.Table:
    """All rows of the pieces (default: all extents) as one table; batches are checked."""
    names = [field.name for field in collection.fields] if columns is None else list(columns)
    taken = tuple(collection.extents if pieces is None else pieces)
    split = Split(id="00000", pieces=taken, rows=None, bytes=0)
    batches = []
    for batch in SOURCE.read(options, collection.name, split, names, batch_rows):
        assert 0 < batch.num_rows <= batch_rows
        assert batch.schema.names == names
        assert origin_of(batch).path
        batches.append(batch.replace_schema_metadata(None))
    return pa.Table.from_batches(batches) if batches else pa.table({name: [] for name in names})


def rows_of(path: str | Path | Sequence[str | Path], **more: JsonValue) -> list[dict[str, Any]]:
    """All rows that a source over `path` gives."""
    options = config(path, **more)
    rows: list[dict[str, Any]] = read(options, look(options)).to_pylist()
    return rows


def cut(extents: Sequence[Extent], seed: int) -> list[Extent]:
    """The extents, those that may be cut at random rows."""
    dice = random.Random(seed)
    made = []
    for extent in extents:
        bounds = {extent.start, extent.stop}
        if extent.cuttable and extent.unit == "row":
            bounds |= {dice.randint(extent.start, extent.stop) for _ in range(dice.randint(0, 5))}
        ordered = sorted(bounds)
        made += [
            replace(extent, start=start, stop=stop, rows=stop - start)
            if extent.unit == "row"
            else extent
            for start, stop in pairwise(ordered)
        ]
    return made


def field(collection: SourceCollection, name: str) -> SourceField:
    return next(field for field in collection.fields if field.name == name)
