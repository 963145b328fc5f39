"""A target in memory, at our own seam: what was written can be spoilt row by row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pyarrow as pa

from mmc.arrow.schema import canonical_schema
from mmc.copied import CopiedSplit, SplitResult
from mmc.facts import Extent, TargetCollection
from mmc.plan.model import (
    CopySplits,
    CountCheck,
    CreateCollection,
    DigestCheck,
    Mode,
    Split,
    Verify,
    Write,
)
from mmc.plan.reading import Batches, Reading
from mmc.spi import NOT_COUNTED, Look, Target
from mmc.types import Collection, Field, FieldType
from mmc.verify.digest import Digest
from mmc.verify.planned import Planned

Rows = list[dict[str, Any]]

COLLECTION = Collection(
    "words",
    (
        Field("id", FieldType.parse("int64"), primary_key=True),
        Field("word", FieldType.parse("varchar(64)"), nullable=True),
        Field("doc", FieldType.parse("json"), nullable=True),
        Field("vec", FieldType.parse("float_vector(4)")),
    ),
    dynamic=True,
)


def make_rows(start: int, count: int) -> Rows:
    return [
        {
            "id": number,
            "word": f"word {number}" if number % 5 else None,
            "doc": f'{{"n": {number}}}',
            "vec": [number / 4, -number / 4, 0.0, 1.0],
            "$meta": "{}",
        }
        for number in range(start, start + count)
    ]


@dataclass
class MemoryTarget:
    """Only what verification asks of a Target. `asked` notes the keys of each read_back."""

    collection: Collection
    rows: Rows
    asked: list[int | None] = field(default_factory=list)
    found: TargetCollection | None = None
    """Where it is not the collection as planned."""

    def count(self, collection: Collection) -> int:
        assert collection == self.collection
        return len(self.rows)

    def look(self, collection: Collection) -> Look:
        assert collection == self.collection
        return Look(found=self.found or TargetCollection(schema=collection, rows=NOT_COUNTED))

    def count_partitions(self, collection: Collection, partitions: Sequence[str]) -> list[int]:
        assert collection == self.collection
        held = [row.get("partition", "") for row in self.rows]
        return [held.count(name) for name in partitions]

    def read_back(
        self, collection: Collection, columns: Sequence[str], keys: pa.Array | None, batch_rows: int
    ) -> Iterable[pa.RecordBatch]:
        self.asked.append(None if keys is None else len(keys))
        rows = self.rows
        if keys is not None:
            key = next(f.name for f in collection.fields if f.primary_key)
            wanted = set(keys.to_pylist())
            rows = [row for row in rows if row[key] in wanted]
        yield from reversed(list(batches(rows, collection, columns, batch_rows)))


def batches(
    rows: Rows, collection: Collection, columns: Sequence[str], batch_rows: int
) -> Iterator[pa.RecordBatch]:
    schema = canonical_schema(collection)
    schema = pa.schema([schema.field(name) for name in columns])
    for start in range(0, len(rows), batch_rows):
        part = [{name: row[name] for name in columns} for row in rows[start : start + batch_rows]]
        yield pa.RecordBatch.from_pylist(part, schema=schema)


@dataclass
class Migration:
    """What was sent, split by split, and the steps that sent it."""

    sent: list[Rows]
    collection: Collection = COLLECTION
    mode: Mode = Mode.FAIL
    before: int = 0
    count: CountCheck = CountCheck.EXACT
    digest: DigestCheck = DigestCheck.FULL
    quarantined: dict[str, Rows] = field(default_factory=dict)
    """Rows of a split that were bad in another column than the key."""
    partitions: tuple[str, ...] = ()
    """Of the splits, in their order."""
    reads: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    @property
    def splits(self) -> list[Split]:
        made = []
        for number, rows in enumerate(self.sent):
            extent = Extent(
                locator=(), start=0, stop=len(rows), unit="row", rows=len(rows), bytes=1
            )
            partition = self.partitions[number] if self.partitions else ""
            made.append(
                Split(
                    id=f"{number:05}",
                    pieces=(extent,),
                    rows=len(rows),
                    bytes=1,
                    partition=partition,
                )
            )
        return made

    @property
    def copy(self) -> CopySplits:
        return CopySplits(
            id="copy.words",
            read=Reading(collection="words", columns=()),
            collection=self.collection,
            mappings=(),
            splits=tuple(self.splits),
            route="memory",
            reason="",
            write=Write.INSERT,
            batches=Batches(700, 1 << 20),
        )

    @property
    def step(self) -> Verify:
        name = self.collection.name
        return Verify(
            id="verify.words",
            copy="copy.words",
            collection=name,
            mode=self.mode,
            count=self.count,
            digest=self.digest,
        )

    shape: Planned | None = None

    @property
    def planned(self) -> Planned:
        return self.shape or Planned(schema=self.collection)

    @property
    def create(self) -> CreateCollection:
        exists = self.mode in (Mode.APPEND, Mode.UPSERT)
        return CreateCollection(
            id="create.words",
            collection=self.collection,
            mode=self.mode,
            exists=exists,
            rows_before=self.before,
        )

    def done(self) -> list[CopiedSplit]:
        made = []
        for split, rows in zip(self.splits, self.sent, strict=True):
            digest = Digest.of(self.collection)
            columns = canonical_schema(self.collection).names
            for batch in batches(rows, self.collection, columns, 256):
                digest.add(batch)
            result = SplitResult(rows_written=len(rows), digest=digest.hex())
            made.append(CopiedSplit(split, result))
        return made

    def read_split(self, split: Split, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        self.reads.append((split.id, tuple(columns)))
        rows = self.sent[int(split.id)]
        if len(columns) == 1:
            rows = rows + self.quarantined.get(split.id, [])
        return batches(rows, self.collection, columns, 512)


def as_target(target: MemoryTarget) -> Target:
    return cast(Target, target)
