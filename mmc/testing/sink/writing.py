"""A target call by call: made once, written, counted, read back, and never without the fence."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pyarrow as pa
import pytest

from mmc import registry
from mmc.arrow.schema import canonical_schema
from mmc.copied import CopiedSplit, SplitResult
from mmc.errors import StateBusy, TargetError
from mmc.plan.ddl import DropCollection
from mmc.plan.model import (
    AwaitIndexes,
    BuildIndex,
    CopySplits,
    CreateCollection,
    LoadCollection,
    Split,
    WriteManifest,
)
from mmc.run.split import read_split
from mmc.spi import Claim, Manifested, Sink, Target
from mmc.testing.sink.case import Fill, SinkCase
from mmc.testing.source.compare import expected_rows
from mmc.testing.values import difference, rows_of
from mmc.transform.transform import Transform

OURS = Claim("kit-run", begun=True)
OTHERS = Claim("another-run", begun=False)


class Switch:
    """A fence that can be closed, and counts how often it was asked."""

    def __init__(self) -> None:
        self.closed = False
        self.asked = 0

    def __call__(self) -> float:
        self.asked += 1
        if self.closed:
            raise StateBusy("the lease has no time left", hint="apply again continues")
        return 60.0


class Writing(SinkCase):
    """What each call does. A target that imports files is tried by whole runs alone."""

    def test_what_was_written_is_counted_and_read_back(self, sink: Sink, fill: Fill) -> None:
        self._not_by_imports(sink, fill)
        expected = expected_rows(fill.copy, fill.data)
        collection = fill.copy.collection
        schema = canonical_schema(collection)
        with self.opened(sink, fill) as target:
            self._carry_out(target, fill)
            assert target.count(collection) == len(expected)
            batches = list(target.read_back(collection, schema.names, None, 5))
            wrong = difference(rows_of(batches, schema.names), expected)
            assert not wrong, wrong
            for batch in batches:
                assert batch.num_rows <= 5
                assert batch.schema.equals(schema), f"{batch.schema} is not canonical: {schema}"
            for name in schema.names:
                some = list(target.read_back(collection, [name], None, 1000))
                assert all(batch.schema.names == [name] for batch in some)
                assert sum(batch.num_rows for batch in some) == len(expected)
            look = target.look(collection)
            names = [field.name for field in collection.fields]
            assert [field.name for field in look.found.schema.fields] == names
            if sink.inspect(self._options(fill), []).capabilities.partitions:
                assert list(target.count_partitions(collection, [""])) == [len(expected)]

    def test_rows_are_found_by_their_keys(self, sink: Sink, fill: Fill) -> None:
        self._not_by_imports(sink, fill)
        collection = fill.copy.collection
        with self.opened(sink, fill) as target:
            self._carry_out(target, fill)
            keys = pa.array([3, 5, 4_000_000], pa.int64())
            found = [
                key
                for batch in target.read_back(collection, ["id"], keys, 100)
                for key in batch["id"].to_pylist()
            ]
            assert sorted(found) == [3, 5]
            if not sink.inspect(self._options(fill), []).capabilities.whole_files:
                assert target.count_keys(collection, keys) == 2

    def test_a_collection_is_made_once(self, sink: Sink, fill: Fill) -> None:
        """Again by the run that made it: harmless. By another one: refused."""
        with self.opened(sink, fill) as target:
            target.ensure(fill.create, Claim("kit-run", begun=False))
            target.ensure(fill.create, OURS)
            with pytest.raises(TargetError):
                target.ensure(fill.create, OTHERS)
            target.release(fill.create, OURS)
            target.release(fill.create, OURS)

    def test_a_split_that_is_written_again_replaces_itself(self, sink: Sink, fill: Fill) -> None:
        self._not_by_imports(sink, fill)
        expected = expected_rows(fill.copy, fill.data)
        names = canonical_schema(fill.copy.collection).names
        with self.opened(sink, fill) as target:
            self._before_copy(target, fill)
            first = fill.copy.splits[0]
            batches = list(_batches(fill, first))
            half = target.writer(fill.copy, first, replay=False)
            for batch in batches[: max(1, len(batches) // 2)]:
                half.write(batch)
            half.abort()
            results = [_written(target, fill, split, replay=True) for split in fill.copy.splits]
            results[0] = _written(target, fill, first, replay=True)
            self._after_copy(target, fill, results)
            found = rows_of(target.read_back(fill.copy.collection, names, None, 1000), names)
            wrong = difference(found, expected)
            assert not wrong, f"after a split was cut off and written twice: {wrong}"

    def test_splits_are_written_side_by_side(self, sink: Sink, fill: Fill) -> None:
        """Several threads share the open target, each with a writer of its own."""
        self._not_by_imports(sink, fill)
        if sink.inspect(self._options(fill), []).capabilities.embedded:
            pytest.skip("an embedded target is written by one thread")
        with self.opened(sink, fill) as target:
            self._before_copy(target, fill)
            with ThreadPoolExecutor(len(fill.copy.splits)) as pool:
                results = list(pool.map(partial(_written, target, fill), fill.copy.splits))
            self._after_copy(target, fill, results)
            assert target.count(fill.copy.collection) == len(expected_rows(fill.copy, fill.data))

    def test_nothing_is_written_when_the_fence_is_closed(self, sink: Sink, fill: Fill) -> None:
        fence = Switch()
        with self.opened(sink, fill, fence) as target:
            fence.closed = True
            with pytest.raises(StateBusy):
                target.ensure(fill.create, OURS)
            fence.closed = False
            self._before_copy(target, fill)
            split = fill.copy.splits[0]
            writer = target.writer(fill.copy, split, replay=False)
            fence.closed = True
            with pytest.raises(StateBusy):
                for batch in _batches(fill, split):
                    writer.write(batch)
                writer.commit()
            writer.abort()
            fence.closed = False
            _written(target, fill, split, replay=True)

    def test_the_fence_is_asked_for_each_batch(self, sink: Sink, fill: Fill) -> None:
        fence = Switch()
        with self.opened(sink, fill, fence) as target:
            self._before_copy(target, fill)
            split = fill.copy.splits[0]
            writer = target.writer(fill.copy, split, replay=False)
            before, batches = fence.asked, list(_batches(fill, split))
            for batch in batches:
                writer.write(batch)
            writer.commit()
            assert fence.asked - before >= len(batches), (
                f"{len(batches)} batches were written, and the fence was asked"
                f" {fence.asked - before} times"
            )

    def test_a_dropped_collection_is_gone(self, sink: Sink, fill: Fill) -> None:
        self._not_by_imports(sink, fill)
        name = fill.copy.collection.name
        with self.opened(sink, fill) as target:
            self._carry_out(target, fill)
            target.release(fill.create, OURS)
            for _ in range(2):
                target.drop_collection(DropCollection(id=f"drop.{name}", collection=name))
        assert not sink.inspect(self._options(fill), [name]).collections

    def test_finishing_twice_is_harmless(self, sink: Sink, fill: Fill) -> None:
        self._not_by_imports(sink, fill)
        with self.opened(sink, fill) as target:
            self._before_copy(target, fill)
            results = [_written(target, fill, split) for split in fill.copy.splits]
            for _ in range(2):
                self._after_copy(target, fill, results)
            assert target.count(fill.copy.collection) == len(expected_rows(fill.copy, fill.data))

    def _options(self, fill: Fill) -> Any:
        return registry.options_of("target", fill.plan.target)

    def _not_by_imports(self, sink: Sink, fill: Fill) -> None:
        if sink.inspect(self._options(fill), []).capabilities.imports:
            pytest.skip(f"{self.type}.{self.route} imports files: see the tests of whole runs")

    def _carry_out(self, target: Target, fill: Fill) -> None:
        self._before_copy(target, fill)
        self._after_copy(
            target, fill, [_written(target, fill, split) for split in fill.copy.splits]
        )

    def _before_copy(self, target: Any, fill: Fill) -> None:
        for step in fill.plan.steps:
            match step:
                case CopySplits():
                    return
                case CreateCollection():
                    target.ensure(step, OURS)
                case BuildIndex():
                    target.build_index(step)
                case LoadCollection():
                    target.load(step)
                case _:
                    continue

    def _after_copy(self, target: Any, fill: Fill, results: list[CopiedSplit]) -> None:
        behind = fill.plan.steps.index(fill.copy) + 1
        for step in fill.plan.steps[behind:]:
            match step:
                case BuildIndex():
                    target.build_index(step)
                case AwaitIndexes():
                    target.await_indexes(step)
                case LoadCollection():
                    target.load(step)
                case WriteManifest():
                    assert isinstance(target, Manifested)
                    target.write_manifest(step, "0" * 64, {fill.copy.id: results})
                case _:
                    continue


def _batches(fill: Fill, split: Split) -> Iterator[pa.RecordBatch]:
    """Canonical batches of a split, as a run makes them."""
    transform = Transform(fill.copy)
    for batch in read_split(fill.plan.source, fill.copy, split, fill.copy.read.columns):
        for done in transform(batch):
            if done.batch.num_rows:
                yield done.batch


def _written(target: Target, fill: Fill, split: Split, *, replay: bool = False) -> CopiedSplit:
    writer, rows = target.writer(fill.copy, split, replay=replay), 0
    for batch in _batches(fill, split):
        writer.write(batch)
        rows += batch.num_rows
    files = writer.commit()
    return CopiedSplit(split, SplitResult(rows_read=rows, rows_written=rows, files=files))
