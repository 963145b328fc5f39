"""Looks for primary keys that occur twice, or that a collection appended to holds already, before
anything is written: Milvus would keep one row of them, or both.

Exact, and in bounded memory: 64-bit hashes of the keys are sorted, in parts on disk when they are
many. Only when a hash occurs twice is the source read again, to compare and name the keys.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from mmc.arrow.schema import canonical_schema
from mmc.errors import DuplicateKeys, Stopped
from mmc.events import Emit, VerifyProgress
from mmc.plan.model import CopySplits, Endpoint
from mmc.run.pace import call
from mmc.run.split import read_again
from mmc.spi import Target
from mmc.verify.rows import key_hashes

if TYPE_CHECKING:
    import pyarrow as pa

Hashes: TypeAlias = npt.NDArray[np.uint64]
T = TypeVar("T")

NAMED = 10
"""Duplicate keys that the error names at most."""
PLACES = 3
"""Splits that are named for one key at most."""
CANDIDATES = 1000
"""Hashes that occur twice whose keys are compared at most."""
HELD = 1 << 23
"""Hashes held in memory (64 MiB); more go to PARTS files by their highest bits."""
PARTS = 256
ASKED = 1000
"""Keys that a target is asked for at once."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What a look at all keys found: `keys`, all different, and the rows that the target has under
    them, where it was asked.
    """

    keys: int
    held: int | None = None


def check_keys(
    source: Endpoint,
    step: CopySplits,
    *,
    scratch: Path,
    emit: Emit,
    should_stop: Callable[[], bool],
    appended_to: Target | None = None,
    counted_in: Target | None = None,
) -> Keys:
    """Reads the primary key of every split. Rows that are filtered, or whose key is bad, do not
    count.

    Args:
        scratch: a folder for what does not fit in memory; made when needed, removed at the end.
        appended_to: holds the step's collection, in which none of the keys may be.
        counted_in: holds the step's collection, in which the rows under the keys are counted.

    Raises:
        DuplicateKeys: up to NAMED keys, with their counts and the splits that hold them; or keys
            that are there already.
        Stopped: `should_stop` said so. `signal_number` is 0: the caller knows it.
    """
    reader = _Reader(
        source=source, step=step, emit=emit, should_stop=should_stop, counted_in=counted_in
    )
    held = _Held(scratch)
    rows = there_already = 0
    try:
        for number in range(len(step.splits)):
            hashes, counted = reader.hashes(number, rows)
            held.add(hashes)
            rows += len(hashes)
            there_already += counted
        twice = held.twice()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if len(twice):
        found = reader.occurrences(twice)
        if found:
            raise _error(step, found)
    if appended_to is not None and (there := reader.already_in(appended_to)):
        raise _already_there(step, there)
    return Keys(rows, None if counted_in is None else there_already)


@dataclass(slots=True)
class _Held:
    """A multiset of hashes, partly on disk."""

    folder: Path
    arrays: list[Hashes] = field(default_factory=list)
    count: int = 0
    spilled: bool = False

    def add(self, hashes: Hashes) -> None:
        self.arrays.append(hashes)
        self.count += len(hashes)
        if self.count >= HELD:
            self._spill()

    def twice(self) -> Hashes:
        """At most CANDIDATES hashes that occur more than once."""
        if self.spilled:
            self._spill()
        found = [np.empty(0, np.uint64)]
        for part in self._parts():
            part.sort()
            found.append(np.unique(part[1:][part[1:] == part[:-1]]))
            if sum(map(len, found)) >= CANDIDATES:
                break
        return np.concatenate(found)[:CANDIDATES]

    def _parts(self) -> Iterator[Hashes]:
        """Arrays that together hold all hashes; equal ones are in one array."""
        if not self.spilled:
            yield np.concatenate([np.empty(0, np.uint64), *self.arrays])
            return
        for path in sorted(self.folder.iterdir()):
            yield np.fromfile(path, np.uint64)

    def _spill(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        whole = np.concatenate([np.empty(0, np.uint64), *self.arrays])
        whole.sort()
        width = np.uint64((1 << 64) // PARTS)
        bounds = np.searchsorted(whole, np.arange(1, PARTS, dtype=np.uint64) * width)
        for number, part in enumerate(np.split(whole, bounds)):
            with (self.folder / f"{number:03}").open("ab") as file:
                part.tofile(file)
        self.arrays, self.count, self.spilled = [], 0, True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Reads the keys of a step's splits."""

    source: Endpoint
    step: CopySplits
    emit: Emit
    should_stop: Callable[[], bool]
    counted_in: Target | None = None

    @property
    def key(self) -> str:
        return self.step.collection.primary.name

    def hashes(self, number: int, rows_before: int) -> tuple[Hashes, int]:
        """The hashes of one split's keys, and the rows that the target has under them."""

        def read() -> tuple[Hashes, int]:
            parts = [np.empty(0, np.uint64)]
            rows, held = rows_before, 0
            for batch, hashes in self._batches(number):
                parts.append(hashes)
                if self.counted_in is not None and batch.num_rows:
                    keys = batch.column(self.key)
                    held += self.counted_in.count_keys(self.step.collection, keys)
                rows += batch.num_rows
                self.emit(VerifyProgress(self.step.id, rows, self.step.rows))
            return np.concatenate(parts), held

        return self._call(number, read)

    def occurrences(self, wanted: Hashes) -> list[tuple[object, list[int]]]:
        """Keys under the wanted hashes that do occur twice, in order, each with the number of the
        split of each occurrence.
        """
        places: dict[object, list[int]] = {}
        for number in range(len(self.step.splits)):
            for key in self._call(number, partial(self._keys, number, wanted)):
                places.setdefault(key, []).append(number)
        found = [(key, numbers) for key, numbers in places.items() if len(numbers) > 1]
        return sorted(found, key=lambda pair: pair[0])  # type: ignore[arg-type,return-value]

    def already_in(self, target: Target) -> list[object]:
        """The first NAMED keys, in source order, that the target's collection holds."""
        found: list[object] = []
        for number in range(len(self.step.splits)):
            found += self._call(number, partial(self._held, number, target, NAMED - len(found)))
            if len(found) >= NAMED:
                break
        return found

    def _held(self, number: int, target: Target, most: int) -> list[object]:
        found: list[object] = []
        for batch, _ in self._batches(number):
            keys = batch.column(self.key)
            for start in range(0, len(keys), ASKED):
                asked = keys.slice(start, ASKED)
                for held in target.read_back(self.step.collection, [self.key], asked, ASKED):
                    found += held.column(self.key).to_pylist()
                if len(found) >= most:
                    return found[:most]
        return found

    def _keys(self, number: int, wanted: Hashes) -> list[object]:
        keys: list[object] = []
        for batch, hashes in self._batches(number):
            rows = np.flatnonzero(np.isin(hashes, wanted))
            keys += batch.column(self.key).take(rows).to_pylist()
        return keys

    def _batches(self, number: int) -> Iterator[tuple[pa.RecordBatch, Hashes]]:
        schema = canonical_schema(self.step.collection)
        for batch in read_again(self.source, self.step, self.step.splits[number], [self.key]):
            if self.should_stop():
                raise Stopped("stopped while checking keys; nothing was written", 0)
            yield batch, key_hashes(batch, schema, self.key)

    def _call(self, number: int, function: Callable[[], T]) -> T:
        what = f"keys of {self.step.id}/{self.step.splits[number].id}"
        return call(what, function, emit=self.emit, should_stop=self.should_stop)


def _error(step: CopySplits, found: list[tuple[object, list[int]]]) -> DuplicateKeys:
    lines = []
    for value, numbers in found[:NAMED]:
        names = sorted({step.splits[number].id for number in numbers})
        shown = ", ".join(names[:PLACES]) + ("..." if len(names) > PLACES else "")
        where = f"split{'s' if len(names) > 1 else ''} {shown}"
        lines.append(f"{json.dumps(value, ensure_ascii=False)} {len(numbers)} times ({where})")
    many = f"at least {NAMED}" if len(found) >= NAMED else str(len(found))
    return DuplicateKeys(
        f"{step.read.collection}: {many} values of the primary key {step.collection.primary.name}"
        " occur more than once: " + "; ".join(lines),
        hint="nothing was written: filter rows with `where`, choose another key or mend the source",
        code="MMC650",
    )


def _already_there(step: CopySplits, found: list[object]) -> DuplicateKeys:
    many = f"at least {NAMED}" if len(found) >= NAMED else str(len(found))
    named = ", ".join(json.dumps(value, ensure_ascii=False) for value in found)
    return DuplicateKeys(
        f"{step.read.collection}: {many} values of the primary key {step.collection.primary.name}"
        f" are in {step.collection.name} already: {named}",
        hint="nothing was written: append adds rows only. Say load.mode: upsert to replace those"
        " rows, or filter with `where`",
        code="MMC651",
    )
