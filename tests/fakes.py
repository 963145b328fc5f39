"""A source and a target at our own seam, for tests of the machinery between them.

Both keep what they have on disk and are found by real entry points (`installed`), so that worker
processes and killed children meet the same ones. The target behaves as a server does: what a write
call got is there at once, an insert never looks at keys, an upsert replaces by key.

Faults are files: `fault(folder, "write.00002.1", "kill")` makes the second write call of split
    00002 kill its process. A fault strikes once.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from mmc.arrow.schema import Origin, canonical_schema, with_origin
from mmc.arrow.unmapped import with_unmapped
from mmc.casts import Cast, choose
from mmc.copied import CopiedSplit
from mmc.errors import (
    SourceBusy,
    SourceError,
    TargetBusy,
    TargetError,
    TargetThrottled,
    TargetUntouched,
)
from mmc.facts import (
    Capabilities,
    Extent,
    SourceCollection,
    SourceFacts,
    SourceField,
    TargetCollection,
    TargetFacts,
)
from mmc.layouts.files import FileRecord
from mmc.plan.ddl import AlterCollection, CreateAlias, DropAlias, DropCollection
from mmc.plan.drift import seen_source, seen_target
from mmc.plan.mapping import Column
from mmc.plan.model import (
    AwaitIndexes,
    BuildIndex,
    CheckKeys,
    CopySplits,
    CountCheck,
    CreateCollection,
    DigestCheck,
    ExecutorKind,
    LoadCollection,
    Mode,
    OnDrift,
    OnError,
    Plan,
    RowPolicy,
    Split,
    Step,
    Summary,
    Verify,
    Write,
    WriteManifest,
)
from mmc.plan.model import (
    Mapping as FieldMapping,
)
from mmc.plan.places import normal_address
from mmc.plan.reading import Batches, Reading
from mmc.spec.options import Options
from mmc.spi import (
    ALONE,
    NOT_COUNTED,
    Claim,
    Fence,
    Look,
    Progress,
    Sample,
    no_progress,
    unfenced,
)
from mmc.types import ArrowType, Collection, Field, FieldType, Index, Metric
from tests.spec.reading import endpoint_of

DIM = 4


class Crash(BaseException):
    """The process is as good as dead: nothing of ours may catch it to go on."""


def fault(folder: Path, place: str, action: str) -> None:
    """Plants a fault: crash | kill | busy | throttle | error | sleep | bug."""
    (folder / f"fault.{place}").write_text(action)


def strike(folder: Path, place: str) -> None:
    """Meets the fault at this place, if one is planted."""
    path = folder / f"fault.{place}"
    if not path.exists():
        return
    action = path.read_text()
    path.unlink()
    source = place.startswith(("read", "keys"))
    match action:
        case "crash":
            raise Crash(place)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "busy":
            raise (SourceBusy if source else TargetBusy)(f"busy at {place}")
        case "throttle":
            raise TargetThrottled(f"slower, at {place}")
        case "error":
            raise (SourceError if source else TargetError)(f"failed at {place}", hint="mend it")
        case "refused":
            raise TargetUntouched(f"refused at {place}")
        case "bug":
            raise KeyError(place)
        case "sleep":
            (folder / f"asleep.{place}").write_text(str(os.getpid()))
            time.sleep(60)
        case _:
            raise AssertionError(action)


class FakeOptions(Options):
    """`rows` rows; keys are row numbers but for `twice`, which has key 0; `bad` rows have NaN, and
    `hidden` ones a value that no column takes. The first batch of the second split is `short` of
    some.
    """

    type: Literal["fake"] = "fake"
    folder: Path
    rows: int = 0
    twice: tuple[int, ...] = ()
    bad: tuple[int, ...] = ()
    hidden: tuple[int, ...] = ()
    short: int = 0


class FakeTargetOptions(Options):
    """A target in `folder`. `path` names what is leased."""

    type: Literal["fake"] = "fake"
    folder: Path
    path: str = ""

    def identity(self) -> str:
        return f"{self.type} {normal_address(self.path)}"


def rows_of(start: int, stop: int, *, bad: Sequence[int], twice: Sequence[int]) -> dict[str, Any]:
    """Columns of the source's rows start..stop-1."""
    ids = np.arange(start, stop, dtype=np.int64)
    vectors = (ids[:, None] * 8 + np.arange(DIM)).astype(np.float32)
    for row in bad:
        if start <= row < stop:
            vectors[row - start, 0] = np.nan
    keys = np.where(np.isin(ids, twice), 0, ids)
    return {"id": keys, "vector": vectors, "text": [f"row {row}" for row in ids.tolist()]}


class FakeSource:
    type = "fake"

    def inspect(
        self, options: FakeOptions, collections: Sequence[str], sample: Sample
    ) -> SourceFacts:
        rows = options.rows
        note = options.folder / "source.version"
        mark = note.read_text() if note.exists() else "1"
        fields = (
            SourceField("id", "int64", key=True, nullable=False),
            SourceField("vector", f"fixed_size_list<float>[{DIM}]", nullable=False),
            SourceField("text", "string"),
        )
        extent = Extent(
            locator=(("path", "fake"),),
            start=0,
            stop=rows,
            unit="row",
            rows=rows,
            bytes=rows * 32,
            cuttable=True,
        )
        found = SourceCollection(
            "rows",
            fields,
            extents=(extent,),
            rows=rows,
            bytes=rows * 32,
            fingerprint=(("fake", mark),),
        )
        return SourceFacts(
            type="fake",
            version="1",
            collections=(found,),
            sample_rows=sample.rows,
            sample_seed=sample.seed,
        )

    def read(
        self,
        options: FakeOptions,
        collection: str,
        split: Split,
        columns: Sequence[str],
        batch_rows: int,
    ) -> Iterator[pa.RecordBatch]:
        number = 0
        what = "keys" if list(columns) == ["id"] else "read"
        hidden = frozenset(options.hidden)
        for piece in split.pieces:
            for start in range(piece.start, piece.stop, batch_rows):
                strike(options.folder, f"{what}.{split.id}.{number}")
                stop = min(start + batch_rows, piece.stop)
                if number == 0 and split.id == "00001":
                    stop -= options.short
                data = rows_of(start, stop, bad=options.bad, twice=options.twice)
                vectors = pa.array(data["vector"].ravel())
                arrays = {
                    "id": pa.array(data["id"]),
                    "vector": pa.FixedSizeListArray.from_arrays(vectors, DIM),
                    "text": pa.array(data["text"]),
                }
                batch = pa.RecordBatch.from_arrays(
                    [arrays[name] for name in columns], names=list(columns)
                )
                batch = with_origin(batch, Origin("fake", start))
                beyond = {row - start: ["hidden"] for row in range(start, stop) if row in hidden}
                yield with_unmapped(batch, beyond)
                number += 1


class FakeSink:
    type = "fake"
    route = "insert"

    def inspect(self, options: FakeTargetOptions, collections: Sequence[str]) -> TargetFacts:
        with FakeTarget.at(options.folder) as target:
            found = target.rows_of_all()
        limit = options.folder / "target.limit"
        capabilities = Capabilities(
            types=frozenset({"int64", "varchar", "float_vector"}),
            elements=frozenset(),
            max_batch_bytes=int(limit.read_text()) if limit.exists() else 1 << 20,
        )
        there = [TargetCollection(schema=schema(name), rows=rows) for name, rows in found.items()]
        return TargetFacts(
            type="fake",
            route="insert",
            version="1",
            capabilities=capabilities,
            collections=tuple(there),
        )

    @contextmanager
    def open(self, options: FakeTargetOptions, fence: Fence = unfenced) -> Iterator[FakeTarget]:
        strike(options.folder, "open")
        with FakeTarget.at(options.folder, fence) as target:
            yield target


class FakeTarget:
    """Rows in an SQLite file, without any uniqueness. A connection for each thread that writes."""

    def __init__(self, folder: Path, fence: Fence = unfenced) -> None:
        self.folder = folder
        self.fence = fence
        self._mine = threading.local()
        self._all: list[sqlite3.Connection] = []

    @property
    def base(self) -> sqlite3.Connection:
        if not hasattr(self._mine, "base"):
            self._mine.base = sqlite3.connect(
                self.folder / "target.db", timeout=30, check_same_thread=False
            )
            self._all.append(self._mine.base)
        found: sqlite3.Connection = self._mine.base
        return found

    def close(self) -> None:
        for base in self._all:
            base.close()

    @classmethod
    @contextmanager
    def at(cls, folder: Path, fence: Fence = unfenced) -> Iterator[FakeTarget]:
        with closing(cls(folder, fence)) as target:
            target.base.executescript(
                "CREATE TABLE IF NOT EXISTS made (name TEXT PRIMARY KEY, what TEXT);"
                "CREATE TABLE IF NOT EXISTS rows (name TEXT, id INTEGER, row TEXT, part TEXT);"
                "CREATE TABLE IF NOT EXISTS calls (what TEXT);"
            )
            yield target

    def did(self, what: str) -> None:
        with self.base:
            self.base.execute("INSERT INTO calls VALUES (?)", [what])

    def calls(self) -> list[str]:
        return [what for (what,) in self.base.execute("SELECT what FROM calls")]

    def rows_of_all(self) -> dict[str, int]:
        names = [name for (name,) in self.base.execute("SELECT name FROM made")]
        return {name: self._count(name) for name in names}

    def ensure(self, step: CreateCollection, claim: Claim = ALONE) -> dict[str, str]:
        strike(self.folder, "ensure.before")
        name = step.collection.name
        if step.makes and not step.exists and not claim.begun and name in self.rows_of_all():
            raise TargetError(f"{name} is there, and this run did not begin to make it")
        with self.base:
            self.base.execute("INSERT OR IGNORE INTO made VALUES (?, 'collection')", [name])
        self.did("ensure")
        strike(self.folder, "ensure.after")
        return {}

    def release(self, step: CreateCollection, claim: Claim) -> None:
        self.did("release")
        strike(self.folder, "release")

    def look(self, collection: Collection) -> Look:
        index = (("vector", Index("FLAT", Metric.L2)),)
        return Look(found=TargetCollection(schema=collection, rows=NOT_COUNTED, indexes=index))

    def drop_alias(self, step: DropAlias) -> None:
        raise AssertionError("the fake target has no aliases")

    def drop_collection(self, step: DropCollection) -> None:
        strike(self.folder, "drop.before")
        with self.base:
            self.base.execute("DELETE FROM rows WHERE name = ?", [step.collection])
            self.base.execute("DELETE FROM made WHERE name = ?", [step.collection])
        self.did("drop")
        strike(self.folder, "drop.after")

    def create_alias(self, step: CreateAlias) -> None:
        raise AssertionError("the fake target has no aliases")

    def alter_collection(self, step: AlterCollection) -> None:
        self.did("alter")

    def writer(self, step: CopySplits, split: Split, *, replay: bool) -> FakeWriter:
        self.did(f"writer {split.id}{' replay' if replay else ''}")
        return FakeWriter(self, step, split, upsert=replay or step.write == "upsert")

    def build_index(self, step: BuildIndex) -> None:
        strike(self.folder, "index")
        self.did("index")

    def load(self, step: LoadCollection) -> None:
        strike(self.folder, "load")
        self.did("load")

    def await_indexes(self, step: AwaitIndexes, progress: Progress = no_progress) -> None:
        progress(3, 10)
        progress(3, 10)
        self.did("await indexes")

    def write_manifest(
        self, step: WriteManifest, plan_digest: str, files: Mapping[str, Sequence[CopiedSplit]]
    ) -> None:
        listed = {
            copy: [
                [done.split.id, done.result.rows_written, [file.path for file in done.result.files]]
                for done in splits
            ]
            for copy, splits in files.items()
        }
        text = json.dumps({"plan": plan_digest, "files": listed})
        (self.folder / step.path).write_text(text)

    def count(self, collection: Collection) -> int:
        strike(self.folder, "count")
        return self._count(collection.name)

    def count_partitions(self, collection: Collection, partitions: Sequence[str]) -> list[int]:
        asked = "SELECT count(*) FROM rows WHERE name = ? AND part = ?"
        found = [
            self.base.execute(asked, [collection.name, name]).fetchone() for name in partitions
        ]
        return [int(rows) for (rows,) in found]

    def _count(self, name: str) -> int:
        (found,) = self.base.execute("SELECT count(*) FROM rows WHERE name = ?", [name]).fetchone()
        return int(found)

    def count_keys(self, collection: Collection, keys: pa.Array) -> int:
        strike(self.folder, "count_keys")
        wanted = set(keys.to_pylist())
        found = self.base.execute("SELECT id FROM rows WHERE name = ?", [collection.name])
        return sum(id_ in wanted for (id_,) in found)

    def read_back(
        self, collection: Collection, columns: Sequence[str], keys: pa.Array | None, batch_rows: int
    ) -> Iterator[pa.RecordBatch]:
        wanted = None if keys is None else set(keys.to_pylist())
        found = self.base.execute("SELECT id, row FROM rows WHERE name = ?", [collection.name])
        rows = [json.loads(row) for id_, row in found if wanted is None or id_ in wanted]
        whole = canonical_schema(collection)
        names = pa.schema([whole.field(name) for name in columns])
        table = pa.Table.from_pylist([{n: row[n] for n in columns} for row in rows], schema=names)
        yield from table.to_batches(max_chunksize=batch_rows)


class FakeWriter:
    def __init__(self, target: FakeTarget, step: CopySplits, split: Split, *, upsert: bool) -> None:
        self.target = target
        self.name = step.collection.name
        self.split, self.partition = split.id, split.partition
        self.upsert = upsert
        self.calls = 0
        self.rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        try:
            strike(self.target.folder, f"write.{self.split}.{self.calls}")
        except TargetThrottled as error:
            error.rows_written = min(2, batch.num_rows)
            self._write(batch.slice(0, error.rows_written))
            raise
        self._write(batch)
        self.calls += 1
        strike(self.target.folder, f"written.{self.split}.{self.calls}")

    def _write(self, batch: pa.RecordBatch) -> None:
        self.target.fence()
        base = self.target.base
        with base:
            for row in batch.to_pylist():
                if self.upsert:
                    base.execute(
                        "DELETE FROM rows WHERE name = ? AND id = ?", [self.name, row["id"]]
                    )
                base.execute(
                    "INSERT INTO rows VALUES (?, ?, ?, ?)",
                    [self.name, row["id"], json.dumps(row), self.partition],
                )
        self.rows += batch.num_rows

    def commit(self) -> tuple[FileRecord, ...]:
        strike(self.target.folder, f"commit.{self.split}")
        self.target.did(f"commit {self.split}")
        strike(self.target.folder, f"committed.{self.split}")
        return (FileRecord(f"{self.split}.fake", 1, "0" * 64, self.rows),)

    def abort(self) -> None:
        self.target.did(f"abort {self.split}")


def schema(name: str = "articles") -> Collection:
    return Collection(
        name,
        (
            Field("id", FieldType.parse("int64"), primary_key=True),
            Field("vector", FieldType.parse(f"float_vector({DIM})")),
            Field("text", FieldType.parse("varchar(64)")),
        ),
    )


_ARROW = {"id": "int64", "vector": f"fixed_size_list<float>[{DIM}]", "text": "string"}


def _mapping(field: Field) -> FieldMapping:
    cast = choose(ArrowType.parse(_ARROW[field.name]), field.type)
    assert isinstance(cast, Cast)
    return FieldMapping(field=field, origin=Column(field.name, _ARROW[field.name], cast.name))


def make_plan(
    folder: Path,
    *,
    rows: int = 40,
    splits: int = 4,
    batch_rows: int = 5,
    workers: int = 1,
    executor: ExecutorKind = ExecutorKind.PROCESSES,
    write: str = "insert",
    on_error: OnError = OnError.FAIL,
    max_errors: int | None = None,
    on_drift: OnDrift = OnDrift.FAIL,
    mode: Mode = Mode.FAIL,
    name: str = "fake",
    where: str = "",
    partitions: Sequence[str] = ("",),
    **source: Any,
) -> Plan:
    """A plan from the fake source to the fake target, with every kind of step. Splits go to the
    partitions in turn.
    """
    read = FakeOptions(folder=folder, rows=rows, **source)
    written = FakeTargetOptions(folder=folder, path=str(folder))
    facts = FakeSource().inspect(read, [], Sample())
    target_facts = FakeSink().inspect(written, [])
    size = -(-rows // splits)
    collection = schema()
    cut = []
    for number, start in enumerate(range(0, rows, size)):
        stop = min(start + size, rows)
        piece = Extent(
            locator=(("path", "fake"),),
            start=start,
            stop=stop,
            unit="row",
            rows=stop - start,
            bytes=(stop - start) * 32,
        )
        part = partitions[number % len(partitions)]
        cut.append(
            Split(
                id=f"{number:05}",
                pieces=(piece,),
                rows=stop - start,
                bytes=(stop - start) * 32,
                partition=part,
            )
        )
    mappings = tuple(_mapping(field) for field in collection.fields)
    index = Index("FLAT", Metric.L2)
    there = target_facts.collection(collection.name)
    steps: tuple[Step, ...] = (
        CheckKeys(
            id="keys.articles",
            copy="copy.articles",
            existing=there is not None and mode is Mode.APPEND,
            counted=there is not None and mode is Mode.UPSERT,
        ),
        *(
            (DropCollection(id="drop.articles", collection="articles"),)
            if there and mode is Mode.REPLACE
            else ()
        ),
        CreateCollection(
            id="create.articles",
            collection=collection,
            mode=mode,
            exists=there is not None,
            rows_before=there.rows if there else 0,
        ),
        CopySplits(
            id="copy.articles",
            read=Reading(
                collection="rows",
                columns=("id", "vector", "text"),
                where=where,
                fingerprint=facts.collections[0].fingerprint,
            ),
            collection=collection,
            mappings=mappings,
            splits=tuple(cut),
            route="fake.insert",
            reason="the only one",
            write=Write(write),
            batches=Batches(batch_rows, 1 << 20),
            rows=rows,
            bytes=rows * 32,
        ),
        BuildIndex(id="index.articles", collection="articles", field="vector", index=index),
        LoadCollection(id="load.articles", collection="articles"),
        AwaitIndexes("built.articles", "articles"),
        WriteManifest("manifest", "manifest.json"),
        Verify(
            id="verify.articles",
            copy="copy.articles",
            collection="articles",
            mode=mode,
            count=CountCheck.EXACT,
            digest=DigestCheck.FULL,
        ),
    )
    return Plan(
        name=name,
        spec_digest="0" * 64,
        source=endpoint_of(read),
        target=endpoint_of(written),
        source_seen=seen_source(facts),
        target_seen=seen_target(target_facts),
        steps=steps,
        rows=RowPolicy(on_error, max_errors),
        on_drift=on_drift,
        workers=workers,
        executor=executor,
        summary=Summary(
            create=1 if there else 2,
            change=0,
            replace=1 if there and mode is Mode.REPLACE else 0,
            rows=rows,
            bytes=rows * 32,
            splits=len(cut),
            warnings=0,
        ),
    )


def target_rows(folder: Path) -> list[int]:
    """Keys in the target, sorted, doubles and all."""
    with FakeTarget.at(folder) as target:
        return sorted(id_ for (id_,) in target.base.execute("SELECT id FROM rows"))


def target_calls(folder: Path) -> list[str]:
    with FakeTarget.at(folder) as target:
        return target.calls()


def install(folder: Path) -> None:
    """Registers the fakes as a package that is installed in `folder`, by its entry points."""
    info = folder / "mmc_fakes-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mmc-fakes\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[mmc.sources]\nfake = tests.fakes:FakeSource\n"
        "[mmc.sinks]\nfake.insert = tests.fakes:FakeSink\n"
        "[mmc.options]\nsource.fake = tests.fakes:FakeOptions\n"
        "target.fake = tests.fakes:FakeTargetOptions\n"
    )
    sys.path.append(str(folder))
