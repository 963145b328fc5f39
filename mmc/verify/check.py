"""Runs a Verify step: counts, compares digests, and on any difference names the first rows that
differ.

What was sent is known from the digests that the splits recorded; what is there is read back from
the target. The source is read again only to learn our keys (append, upsert) or to name rows. Knows
no particular target or source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mmc.arrow.schema import canonical_schema
from mmc.copied import CopiedSplit
from mmc.errors import Stopped
from mmc.events import Emit, Verified, VerifyProgress
from mmc.plan.model import (
    CopySplits,
    CountCheck,
    CreateCollection,
    DigestCheck,
    Mode,
    Split,
    Verify,
)
from mmc.spi import Look, Target
from mmc.text import many
from mmc.types import Collection
from mmc.verify.digest import Digest, combine
from mmc.verify.partitions import Counts, counted_alone, partition_problems
from mmc.verify.planned import Planned
from mmc.verify.rows import differences, key_hashes, shown
from mmc.verify.shape import shape_notes, shape_problems

NAMED = 10
"""Differing rows that a verdict names at most."""
KEY_BLOCK = 1000
"""Keys that one `read_back` asks for."""
PARTITIONS_AT_ONCE = 64
"""Partitions that are counted between two looks at `should_stop`."""
HELD_KEYS = 1 << 24
"""Key hashes held in memory while looking for rows that were never sent (8 bytes each)."""

ReadSplit: TypeAlias = Callable[[Split, Sequence[str]], Iterator[pa.RecordBatch]]
"""Reads and transforms a split again, into canonical batches of the named target columns.

Filtered rows are not in them; nor are bad ones, as far as the named columns tell.
"""


@dataclass(frozen=True, slots=True)
class Replaced:
    """What an upsert found before its first row: `keys` of the source, all different, and the
    `rows` that the target had under them, which go when all of them are written.
    """

    keys: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Check:
    """What the parts of one verification share."""

    step: Verify
    copy: CopySplits
    target: Target
    splits: tuple[CopiedSplit, ...]
    read_split: ReadSplit
    emit: Emit
    should_stop: Callable[[], bool]

    @property
    def schema(self) -> pa.Schema:
        return canonical_schema(self.copy.collection)

    @property
    def key(self) -> str:
        """Name of the primary key, or "" when the target makes it."""
        return key_name(self.copy.collection)

    @property
    def rows_written(self) -> int:
        return sum(done.result.rows_written for done in self.splits)


def key_name(collection: Collection) -> str:
    """The field that identifies a row on both sides; "" when there is none."""
    for field in collection.fields:
        if field.primary_key and not field.auto_id:
            return field.name
    return ""


def verify_step(
    step: Verify,
    copy: CopySplits,
    target: Target,
    splits: Sequence[CopiedSplit],
    *,
    create: CreateCollection,
    shape: Planned,
    read_split: ReadSplit,
    emit: Emit,
    should_stop: Callable[[], bool],
    partitions_before: Mapping[str, int] | None = None,
    replaced: Replaced | None = None,
    own_properties: Mapping[str, str] | None = None,
) -> Verified:
    """Verifies one collection.

    Modes `fail` and `replace`: count(*) and the digest of the whole collection must be what was
    written. `append` and `upsert`: rows that were there before must not disturb, so the count is
    judged against `create.rows_before` and the digests compare our rows only, found by their keys.
    Each partition that rows were written to is counted likewise, against `partitions_before`, and
    all others together. Schema, indexes, aliases and properties must be as `shape` says, but for
    `own_properties`, which the target gave the collection when it was made.

    Returns:
        The verdict. `rows_expected` and `rows_found` are count(*); where a range of counts is
        right, the expected one is the nearest of the range; with `count: off` they count
        what the digest saw.

    Raises:
        Stopped: `should_stop` said so. `signal_number` is 0: the caller knows it.
        TargetError, SourceError: from reading.
    """
    check = _Check(
        step=step,
        copy=copy,
        target=target,
        splits=tuple(splits),
        read_split=read_split,
        emit=emit,
        should_stop=should_stop,
    )
    look = target.look(copy.collection)
    misshapen = [*shape_problems(shape, look.found, own_properties or {}), *look.problems]
    looked: list[str] = []
    alone = step.mode in (Mode.FAIL, Mode.REPLACE)
    written = check.rows_written
    problems: list[str] = []
    expected, found = written, -1
    if look.damaged:
        return Verified(
            step=step.id,
            collection=copy.collection.name,
            ok=False,
            rows_expected=expected,
            rows_found=found,
            digest_expected="",
            digest_found="",
            problems=tuple(misshapen),
            looked_at=tuple(_parts(look)),
            damaged=True,
        )
    if step.count is CountCheck.EXACT:
        found = target.count(copy.collection)
        expected = _expected_count(step.mode, create.rows_before, written, found, replaced)
        if found != expected:
            problems.append(f"MMC701: the target counts {found:,} rows, {expected:,} were expected")
        looked.append("rows")
    counted = found

    digest_expected = digest_found = ""
    if step.digest is DigestCheck.FULL:
        digest_expected = combine(done.result.digest for done in splits)
        if not alone and not check.key:
            problems.append(
                "MMC708: the collection had rows before and the target makes the keys, so our"
                " rows cannot be told apart; use verify: {digest: off}"
            )
        else:
            digest_found, differing = _whole(check) if alone else _ours(check)
            if digest_found != digest_expected:
                problems.append(_digest_problem(digest_expected, digest_found))
            if step.count is not CountCheck.EXACT:
                found = int(digest_found.partition(":")[0], 16)
            if problems:
                problems += _name_rows(check, differing, alone)
            looked.append("digest")
    elif problems and check.key:
        problems += _name_rows(check, check.splits, alone)
    if step.count is CountCheck.EXACT:
        before = (0, {}) if alone else (create.rows_before, partitions_before or {})
        problems += _misplaced(check, look.found.schema, counted, *before)
        looked.append("partitions")
    return Verified(
        step=step.id,
        collection=copy.collection.name,
        ok=not (problems or misshapen),
        rows_expected=expected,
        rows_found=found,
        digest_expected=digest_expected,
        digest_found=digest_found,
        problems=(*problems, *misshapen),
        looked_at=(*looked, *_parts(look)),
        notes=tuple(shape_notes(shape, look.found)),
    )


def _parts(look: Look) -> Iterator[str]:
    """What was compared beside the rows."""
    yield "schema"
    yield many(len(look.found.indexes), "index")
    if look.aliases:
        yield "aliases"
    if look.properties:
        yield "properties"
    if look.files:
        yield many(look.files, "file")


def _expected_count(
    mode: Mode, before: int, written: int, found: int, replaced: Replaced | None = None
) -> int:
    """The right count, of a range the one nearest to what was found.

    An upsert takes away every row under a key that it writes, also where a key was there several
    times, and adds one: `before - replaced + written`. `replaced` was counted under all keys of the
    source. Where fewer were written (rows in quarantine, rows of a live source that moved), rows
    under the others stay, nobody knows how many of `replaced`: none to all. Where nothing was
    counted, all rows of before may have been replaced, or none.
    """
    match mode:
        case Mode.FAIL | Mode.REPLACE:
            return written
        case Mode.APPEND:
            return before + written
        case Mode.UPSERT if replaced is None:
            return min(max(found, written), before + written)
        case Mode.UPSERT:
            least = before - replaced.rows + written
            most = least if replaced.keys == written else before + written
            return min(max(found, least), most)


def _misplaced(
    check: _Check, there: Collection, found: int, rows_before: int, before: Mapping[str, int]
) -> Iterator[str]:
    """Rows in another partition than their own, though the whole has every row."""
    names = counted_alone(check.copy, there)
    if not names:
        return
    found_in: dict[str, int] = {}
    for start in range(0, len(names), PARTITIONS_AT_ONCE):
        _go_on(check)
        some = names[start : start + PARTITIONS_AT_ONCE]
        counts = check.target.count_partitions(check.copy.collection, some)
        found_in.update(zip(some, counts, strict=True))
    yield from partition_problems(
        check.step.mode,
        ((done.split.partition, done.result.rows_written) for done in check.splits),
        Counts(found=found, before=rows_before, found_in=found_in, before_in=before),
        there.partitions,
    )


def _digest_problem(expected: str, found: str) -> str:
    rows_expected, rows_found = (int(text.partition(":")[0], 16) for text in (expected, found))
    if rows_expected != rows_found:
        return f"MMC702: {rows_found:,} rows were read back, {rows_expected:,} were sent"
    return f"MMC702: the content read back is not what was sent ({found} is not {expected})"


def _whole(check: _Check) -> tuple[str, tuple[CopiedSplit, ...]]:
    """Digest of everything in the collection; any split may differ."""
    digest = Digest(check.schema)
    batches = check.target.read_back(
        check.copy.collection, check.schema.names, None, check.copy.batches.rows
    )
    for batch in batches:
        _go_on(check)
        digest.add(batch)
        check.emit(VerifyProgress(check.step.id, digest.rows, check.rows_written))
    return digest.hex(), check.splits


def _ours(check: _Check) -> tuple[str, tuple[CopiedSplit, ...]]:
    """Digest of the rows under our keys, and the splits that differ."""
    digests: list[str] = []
    differing: list[CopiedSplit] = []
    rows = 0
    for done in check.splits:
        digest = Digest(check.schema)
        for block in _sent_keys(check, done):
            for batch in _found(check, block.column(0), check.schema.names):
                digest.add(batch)
                check.emit(VerifyProgress(check.step.id, rows + digest.rows, check.rows_written))
        rows += digest.rows
        digests.append(digest.hex())
        if digest.hex() != done.result.digest:
            differing.append(done)
    return combine(digests), tuple(differing)


def _sent_keys(check: _Check, done: CopiedSplit) -> Iterator[pa.RecordBatch]:
    """Blocks of the keys that a split wrote.

    Reading the key alone also gives rows that were put in quarantine for another column. Under
    their keys the target may have rows of before, so when there are too many keys all columns are
    read, which leaves those rows out.
    """
    keys = pa.Table.from_batches(
        [batch.select([check.key]) for batch in check.read_split(done.split, [check.key])],
        pa.schema([check.schema.field(check.key)]),
    )
    if len(keys) == done.result.rows_written:
        yield from _blocks(check, keys.to_batches(max_chunksize=KEY_BLOCK))
        return
    for block in _blocks(check, check.read_split(done.split, check.schema.names)):
        yield block.select([check.key])


def _blocks(check: _Check, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for start in range(0, batch.num_rows, KEY_BLOCK):
            _go_on(check)
            yield batch.slice(start, KEY_BLOCK)


def _found(check: _Check, keys: pa.Array, columns: Sequence[str]) -> Iterable[pa.RecordBatch]:
    _go_on(check)
    return check.target.read_back(check.copy.collection, columns, keys, KEY_BLOCK)


def _go_on(check: _Check) -> None:
    if check.should_stop():
        raise Stopped("stopped while verifying; nothing was changed", 0)


def _name_rows(check: _Check, splits: Iterable[CopiedSplit], alone: bool) -> list[str]:
    """At most NAMED lines that say which rows differ, and how."""
    if not check.key:
        return ["MMC709: the target makes the keys, so the rows that differ cannot be named"]
    lines = list(islice(_differing_rows(check, splits), NAMED))
    if len(lines) < NAMED and alone:
        lines += islice(_never_sent(check), NAMED - len(lines))
    return lines


def _differing_rows(check: _Check, splits: Iterable[CopiedSplit]) -> Iterator[str]:
    """Reads splits again, row by row against the target."""
    schema, columns = check.schema, check.schema.names
    for done in splits:
        digest = Digest(schema)
        for sent in _blocks(check, check.read_split(done.split, columns)):
            digest.add(sent)
            found = pa.Table.from_batches(
                [
                    batch.select(columns).replace_schema_metadata(None)
                    for batch in _found(check, sent.column(check.key), columns)
                ]
                or [sent.select(columns).slice(0, 0).replace_schema_metadata(None)]
            )
            whole = pa.RecordBatch.from_arrays(
                [_one_array(column) for column in found.columns], names=columns
            )
            yield from differences(sent, whole, schema, check.key)
        if digest.hex() != done.result.digest:
            yield (
                f"MMC707: split {done.split.id}: the source now gives {digest.rows:,} rows that are"
                f" not the {done.result.rows_written:,} it gave when they were copied"
            )


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    chunks = column.combine_chunks()
    return chunks if isinstance(chunks, pa.Array) else pa.concat_arrays(chunks.chunks)


def _never_sent(check: _Check) -> Iterator[str]:
    """Rows of the target under keys that no split has.

    Holds the hashes of HELD_KEYS keys; with more rows both sides are read once for each such part.
    """
    parts = max(1, -(-check.rows_written // HELD_KEYS))
    for part in range(parts):
        sent = _hashes_of_part(check, part, parts)
        for batch in check.target.read_back(
            check.copy.collection, [check.key], None, check.copy.batches.rows
        ):
            _go_on(check)
            hashes = key_hashes(batch, check.schema, check.key)
            extra = (hashes % np.uint64(parts) == part) & ~np.isin(hashes, sent)
            for row in np.flatnonzero(extra).tolist():
                value = shown(batch.column(check.key)[row].as_py())
                yield f"MMC706: {check.key} = {value}: in the target, but never sent"


def _hashes_of_part(check: _Check, part: int, parts: int) -> npt.NDArray[np.uint64]:
    found = [np.empty(0, np.uint64)]
    for done in check.splits:
        for batch in _sent_keys(check, done):
            hashes = key_hashes(batch, check.schema, check.key)
            found.append(hashes[hashes % np.uint64(parts) == part])
    return np.concatenate(found)
