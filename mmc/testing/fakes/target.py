"""A target that behaves as a database does: what a write call got is there at once, an insert never
looks at keys, an upsert replaces by key. Rows are in an SQLite file, so that killed processes and
workers meet the same ones.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from mmc.errors import TargetError
from mmc.facts import Capabilities, TargetCollection, TargetFacts
from mmc.layouts.files import FileRecord
from mmc.plan.codec import from_json, to_json
from mmc.plan.ddl import AlterCollection, CreateAlias, DropAlias, DropCollection
from mmc.plan.model import (
    AwaitIndexes,
    BuildIndex,
    CopySplits,
    CreateCollection,
    LoadCollection,
    Split,
)
from mmc.spi import (
    ALONE,
    NOT_COUNTED,
    Claim,
    Fence,
    Look,
    Progress,
    canonical_schema,
    no_progress,
    unfenced,
)
from mmc.testing.fakes.options import KitTargetOptions
from mmc.types import ELEMENTS, Collection, Index, TypeKind

_TABLES = """
CREATE TABLE IF NOT EXISTS made (name TEXT PRIMARY KEY, schema TEXT, run TEXT);
CREATE TABLE IF NOT EXISTS indexes (name TEXT, field TEXT, body TEXT, UNIQUE (name, field));
CREATE TABLE IF NOT EXISTS batches (
    number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, part TEXT, upsert INTEGER, body BLOB);
"""


class KitSink:
    """The one route into the fake target."""

    type = "kit"
    route = "insert"

    def inspect(self, options: KitTargetOptions, collections: Sequence[str]) -> TargetFacts:
        """See `mmc.spi.Sink.inspect`."""
        able = Capabilities(
            types=frozenset(str(kind) for kind in TypeKind),
            elements=frozenset(str(kind) for kind in ELEMENTS),
            nullable_vectors=True,
            needs_vector=False,
        )
        if not (Path(options.folder) / "target.db").exists():
            return self._facts(able, ())
        with self.open(options) as target:
            names = collections or target.names()
            found = [target.described(name) for name in names]
        return self._facts(able, tuple(one for one in found if one is not None))

    def _facts(self, able: Capabilities, found: tuple[TargetCollection, ...]) -> TargetFacts:
        return TargetFacts(
            type=self.type, route=self.route, version="1", capabilities=able, collections=found
        )

    @contextmanager
    def open(self, options: KitTargetOptions, fence: Fence = unfenced) -> Iterator[KitTarget]:
        """See `mmc.spi.Sink.open`."""
        folder = Path(options.folder)
        folder.mkdir(parents=True, exist_ok=True)
        target = KitTarget(folder / "target.db", fence)
        target.script(_TABLES)
        yield target


class KitTarget:
    """Each call is a connection and a transaction of its own."""

    def __init__(self, path: Path, fence: Fence) -> None:
        self._path, self._fence = path, fence

    def script(self, text: str) -> None:
        with closing(sqlite3.connect(self._path, timeout=60)) as base:
            base.executescript(text)

    def ask(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self._path, timeout=60)) as base:
            return base.execute(sql, values).fetchall()

    def change(self, *statements: tuple[str, Sequence[Any]]) -> None:
        """All of these or none, when the fence says that this may be done."""
        self._fence()
        with closing(sqlite3.connect(self._path, timeout=60)) as base, base:
            base.execute("PRAGMA synchronous = OFF")  # a killed process loses nothing
            for sql, values in statements:
                base.execute(sql, values)

    def names(self) -> list[str]:
        return [name for (name,) in self.ask("SELECT name FROM made ORDER BY 1")]

    def described(self, name: str) -> TargetCollection | None:
        found = self.ask("SELECT schema, run FROM made WHERE name = ?", name)
        if not found:
            return None
        ((schema, run),) = found
        collection = from_json(Collection, json.loads(schema))
        built = self.ask("SELECT field, body FROM indexes WHERE name = ? ORDER BY 1", name)
        indexes = tuple((field, from_json(Index, json.loads(body))) for field, body in built)
        rows = len(self._table(collection))
        return TargetCollection(schema=collection, rows=rows, indexes=indexes, run=run)

    def ensure(self, step: CreateCollection, claim: Claim = ALONE) -> Mapping[str, str]:
        name = step.collection.name
        there = self.described(name)
        if there is None and step.makes:
            schema = json.dumps(to_json(step.collection))
            self.change(("INSERT INTO made VALUES (?, ?, ?)", [name, schema, claim.run]))
        elif there is None:
            raise TargetError(f"collection {name} is not there", hint="plan again")
        elif step.makes and not (claim.begun and there.run in (claim.run, "")):
            raise TargetError(
                f"collection {name} is there, and this run did not make it", hint="plan again"
            )
        return {}

    def release(self, step: CreateCollection, claim: Claim) -> None:
        self.change(
            (
                "UPDATE made SET run = '' WHERE name = ? AND run = ?",
                [step.collection.name, claim.run],
            )
        )

    def drop_collection(self, step: DropCollection) -> None:
        tables = ("made", "indexes", "batches")
        self.change(*((f"DELETE FROM {it} WHERE name = ?", [step.collection]) for it in tables))

    def writer(self, step: CopySplits, split: Split, *, replay: bool) -> KitWriter:
        return KitWriter(self, step, split, upsert=replay or step.write == "upsert")

    def count(self, collection: Collection) -> int:
        return len(self._table(collection))

    def count_partitions(self, collection: Collection, partitions: Sequence[str]) -> Sequence[int]:
        parts = self._table(collection)["#part"].to_pylist()
        return [parts.count(name) for name in partitions]

    def look(self, collection: Collection) -> Look:
        found = self.described(collection.name)
        if found is None:
            raise TargetError(f"collection {collection.name} is not there")
        counted = TargetCollection(schema=found.schema, rows=NOT_COUNTED, indexes=found.indexes)
        return Look(found=counted, aliases=False, properties=False)

    def count_keys(self, collection: Collection, keys: pa.Array) -> int:
        wanted = set(keys.to_pylist())
        return sum(key in wanted for key in self._table(collection)[_key(collection)].to_pylist())

    def read_back(
        self, collection: Collection, columns: Sequence[str], keys: pa.Array | None, batch_rows: int
    ) -> Iterator[pa.RecordBatch]:
        table = self._table(collection)
        if keys is not None:
            wanted = set(keys.to_pylist())
            has = table[_key(collection)].to_pylist()
            table = table.take(pa.array([n for n, key in enumerate(has) if key in wanted], "int64"))
        chosen = table.select(list(columns)).combine_chunks()
        yield from chosen.to_batches(max_chunksize=batch_rows)

    def build_index(self, step: BuildIndex) -> None:
        values = [step.collection, step.field, json.dumps(to_json(step.index))]
        self.change(("INSERT OR REPLACE INTO indexes VALUES (?, ?, ?)", values))

    def load(self, step: LoadCollection) -> None:
        """Everything is loaded."""

    def await_indexes(self, step: AwaitIndexes, progress: Progress = no_progress) -> None:
        progress(1, 1)

    def alter_collection(self, step: AlterCollection) -> None:
        raise TargetError("the fake target alters nothing")

    def create_alias(self, step: CreateAlias) -> None:
        raise TargetError("the fake target has no aliases")

    def drop_alias(self, step: DropAlias) -> None:
        raise TargetError("the fake target has no aliases")

    def _table(self, collection: Collection) -> pa.Table:
        """The rows that are there, and their partitions in a last column."""
        schema = canonical_schema(collection)
        found = self.ask(
            "SELECT part, upsert, body FROM batches WHERE name = ? ORDER BY number", collection.name
        )
        tables: list[pa.Table] = []
        keys: list[Any] = []
        gone: set[int] = set()
        for part, upsert, body in found:
            table = pa.ipc.open_stream(body).read_all()
            new = table[_key(collection)].to_pylist()
            if upsert:
                replaced = set(new)
                gone.update(number for number, key in enumerate(keys) if key in replaced)
            keys += new
            tables.append(table.append_column("#part", pa.array([part] * len(table), pa.string())))
        if not tables:
            return schema.append(pa.field("#part", pa.string())).empty_table()
        left = [number for number in range(len(keys)) if number not in gone]
        return pa.concat_tables(tables).take(pa.array(left, pa.int64()))


class KitWriter:
    """Writes a batch at each call; nothing is undone."""

    def __init__(self, target: KitTarget, step: CopySplits, split: Split, *, upsert: bool) -> None:
        self._target, self._upsert = target, upsert
        self._name, self._split = step.collection.name, split
        self._rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        values = [self._name, self._split.partition, self._upsert, sink.getvalue().to_pybytes()]
        insert = "INSERT INTO batches (name, part, upsert, body) VALUES (?, ?, ?, ?)"
        self._target.change((insert, values))
        self._rows += batch.num_rows

    def commit(self) -> tuple[FileRecord, ...]:
        return ()

    def abort(self) -> None:
        """A database keeps what it got."""


def _key(collection: Collection) -> str:
    return next(field.name for field in collection.fields if field.primary_key)
