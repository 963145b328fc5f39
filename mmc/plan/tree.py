"""A plan as lines for people: pure data and text, no colour and no printing.

`plan_tree` says what each step does, `layout` aligns it in columns, `plan_lines` is both as plain
text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from mmc.casts import CASTS
from mmc.plan.ddl import AlterCollection, CreateAlias, DropAlias, DropCollection
from mmc.plan.mapping import Column, Constant, Expression, Generated, Mapping, Origin
from mmc.plan.model import (
    AwaitIndexes,
    BuildIndex,
    CheckKeys,
    CheckStaging,
    CopySplits,
    CountCheck,
    CreateCollection,
    DigestCheck,
    ImportFiles,
    LoadCollection,
    Mode,
    OnError,
    Plan,
    RemoveStaged,
    Step,
    Verify,
    Write,
    WriteManifest,
)
from mmc.plan.reading import UnmappedMode
from mmc.text import bytes_text, many, rows_text
from mmc.types import DYNAMIC_FIELD, UNMAPPED, JsonValue

CHANGING = frozenset(
    {"round", "parse", "text", "utf8", "base64", "hex", "iso", "json"}
    | {"epoch_s", "epoch_ms", "epoch_us", "epoch_ns"}
)
"""Casts after which a value does not look as it did in the source: their fields are drawn with
`~`."""
_FORMATS = {"parquet": "Parquet", "numpy": "NumPy", "json": "JSON"}


class Symbol(StrEnum):
    """What a line does: adds, changes, removes, copies rows, only checks."""

    ADD = "+"
    CHANGE = "~"
    REMOVE = "-"
    COPY = ">"
    CHECK = "?"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that will happen. `cells` stand in columns with those of its siblings, the note
    after them."""

    symbol: Symbol
    cells: tuple[str, ...]
    note: str = ""
    children: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """A laid-out line. `text` starts after the symbol; a continued note has no symbol."""

    depth: int
    symbol: Symbol | None
    text: str

    def __str__(self) -> str:
        return f"{'    ' * self.depth}  {self.symbol or ' '} {self.text}".rstrip()


def plan_tree(plan: Plan, *, folder: str = "", verbose: bool = False) -> tuple[Line, ...]:
    """The steps in order.

    Args:
        folder: URL of the folder that the target writes files to, where it does.
        verbose: adds what is usual: exact casts, batch sizes, splits.
    """
    copies = {copy.id: copy for copy in plan.copies}
    several = len(copies) > 1
    lines: list[Line] = []
    for step in plan.steps:
        lines += _step(step, plan, copies, several, folder, verbose)
    return tuple(lines)


def plan_lines(
    plan: Plan, *, folder: str = "", verbose: bool = False, width: int | None = None
) -> list[str]:
    """The drawn plan, a line each, without its summary. `folder` as in `plan_tree`."""
    return [str(row) for row in layout(plan_tree(plan, folder=folder, verbose=verbose), width)]


def summary_line(plan: Plan) -> str:
    """`Plan: 2 to create, 0 to change; 1,204,331 rows to copy in 24 splits. 1 warning.`"""
    counts = plan.summary
    parts = [f"{counts.create:,} to create", f"{counts.change:,} to change"]
    if counts.replace:
        parts.append(f"{counts.replace:,} to replace")
    text = f"Plan: {', '.join(parts)}; {rows_text(counts.rows)} to copy in "
    text += f"{many(counts.splits, 'split')}."
    return text + (f" {many(counts.warnings, 'warning')}." if counts.warnings else "")


def _step(
    step: Step, plan: Plan, copies: dict[str, CopySplits], several: bool, folder: str, verbose: bool
) -> Iterator[Line]:
    match step:
        case DropAlias():
            yield Line(Symbol.REMOVE, (f"alias {step.alias}",), f"leads to {step.collection}")
        case DropCollection():
            lost = tuple(Line(Symbol.REMOVE, (what,), "not made again") for what in step.lost)
            name = f"collection {step.collection}"
            yield Line(Symbol.REMOVE, (name,), "dropped, with all rows in it", lost)
        case CreateAlias():
            yield Line(Symbol.ADD, (f"alias {step.alias}",), f"leads to {step.collection}")
        case AlterCollection():
            yield Line(Symbol.CHANGE, (f"alter {step.collection}",), "", tuple(_altered(step)))
        case CreateCollection():
            yield from _collection(step, plan, verbose)
        case CheckKeys():
            name = copies[step.copy].collection.name
            what = "no primary key twice" + (" or there already" if step.existing else "")
            counts = "; counts the rows that will be replaced" if step.counted else ""
            note = f"{what}, before anything is written{counts}"
            yield Line(Symbol.CHECK, (f"keys {name}",), note)
        case CheckStaging():
            copy = copies[step.copy]
            place = copy.staging.url if copy.staging else ""
            note = f"{place} can be written, and the target sees it"
            yield Line(Symbol.CHECK, (f"staging {copy.collection.name}",), note)
        case CopySplits():
            yield _copy(step, plan, folder, verbose)
        case ImportFiles():
            files = many(len(copies[step.copy].splits), "file")
            together = f", up to {step.files} in one request" if step.files > 1 else ""
            note = f"{files}, each as soon as it is staged{together}"
            yield Line(Symbol.COPY, (f"import {step.collection}",), note)
        case RemoveStaged():
            staging = copies[step.copy].staging
            place = f" below {staging.url}" if staging else ""
            name = copies[step.copy].collection.name
            note = f"that this plan wrote for {name}{place}, once all is verified"
            yield Line(Symbol.REMOVE, ("staged files",), note)
        case BuildIndex():
            name = f"{step.collection}.{step.field}" if several else step.field
            params = [f"{key}={_text(value)}" for key, value in step.index.params]
            metric = [step.index.metric.value] if step.index.metric else []
            note = " ".join([step.index.type, *metric, *params])
            yield Line(
                Symbol.ADD, (f"index {name}",), note + (f" ({step.note})" if step.note else "")
            )
        case LoadCollection():
            note = "ready for queries" if step.wait else "begun before the copy"
            note += ", with the partitions that are not loaded" if step.refresh else ""
            yield Line(Symbol.CHANGE, (f"load {step.collection}",), note)
        case AwaitIndexes():
            note = "waits until they cover every row"
            yield Line(Symbol.CHECK, (f"indexes {step.collection}",), note)
        case WriteManifest():
            yield Line(Symbol.ADD, (f"manifest {step.path}",), "names every file, with checksums")
        case Verify():
            asked = [
                text
                for text, on in (
                    ("count", step.count is not CountCheck.OFF),
                    ("digest", step.digest is not DigestCheck.OFF),
                )
                if on
            ]
            yield Line(Symbol.CHECK, (f"verify {step.collection}",), ", ".join(asked))
        case _:
            assert_never(step)


def _collection(step: CreateCollection, plan: Plan, verbose: bool) -> Iterator[Line]:
    made = step.collection
    copy = next((copy for copy in plan.copies if copy.collection.name == made.name), None)
    fields = tuple(_field(mapping, verbose) for mapping in copy.mappings) if copy else ()
    if copy and copy.rest:
        sources = ", ".join(_rest_text(column.source) for column in copy.rest)
        fields += (Line(Symbol.ADD, (DYNAMIC_FIELD, "json", f"<- {sources}")),)
    name = f"collection {made.name}"
    if step.exists and step.mode in (Mode.APPEND, Mode.UPSERT):
        note = f"{step.mode} to {rows_text(step.rows_before)} that are there"
        fields += tuple(
            Line(Symbol.CHECK, (left, "left out"), "rows come without it") for left in step.left_out
        )
        shown = f"collection {step.asked} -> {made.name}" if step.asked else name
        yield Line(Symbol.CHANGE, (shown,), note, fields)
    else:
        properties = tuple(
            Line(Symbol.ADD, (f"property {key}",), value) for key, value in made.properties
        )
        yield Line(Symbol.ADD, (name,), _shape(step), fields + properties)


def _rest_text(source: str) -> str:
    return f"{source} (values without a column)" if source == UNMAPPED else source


def _altered(step: AlterCollection) -> Iterator[Line]:
    for change in step.changes:
        of = "" if change is step.description else "property "
        before = "none" if change.before is None else _text(change.before)
        note = f"{before} -> {_text(change.after)}"
        yield Line(Symbol.CHANGE, (f"{of}{change.name}",), note)


def _shape(step: CreateCollection) -> str:
    made = step.collection
    parts = [
        many(len(made.fields), "field"),
        f"dynamic {'on' if made.dynamic else 'off'}",
        many(made.shards, "shard"),
    ]
    if made.partitions:
        parts.append(many(len(made.partitions), "partition"))
    if step.key_partitions:
        parts.append(f"{many(step.key_partitions, 'partition')} by key")
    if step.consistency:
        parts.append(f"consistency {step.consistency}")
    if made.description:
        parts.append(_text(made.description))
    return ", ".join(parts)


def _field(mapping: Mapping, verbose: bool) -> Line:
    made = mapping.field
    origin, name = _origin(mapping.origin)
    changed = isinstance(mapping.origin, Expression) or mapping.normalize or name in CHANGING
    cast_note = CASTS[name].note if name in CASTS else ""
    own_note = mapping.note.removesuffix(cast_note).rstrip("; ") if cast_note else mapping.note
    said = cast_note if verbose else cast_note.partition(";")[0]
    cast = f"{name}: {said}" if name in CHANGING or verbose else ""
    notes = [
        "primary key" if made.primary_key else "",
        "partition key" if made.partition_key else "",
        "nullable" if made.nullable else "",
        f"null becomes {_text(mapping.default)}" if mapping.default is not None else "",
        own_note,
        cast if name else "",
        "divided by its length" if mapping.normalize else "",
    ]
    symbol = Symbol.CHANGE if changed else Symbol.ADD
    return Line(symbol, (made.name, str(made.type), origin), "; ".join(filter(None, notes)))


def _origin(origin: Origin) -> tuple[str, str]:
    """What a field is made of, and the name of the cast that it goes through, if any."""
    match origin:
        case Column(name, _, cast):
            return f"<- {name}", cast
        case Expression(sql, _, cast):
            return f"<- {sql}", cast
        case Constant(value):
            return f"<- constant {_text(value)}", ""
        case Generated():
            return "<- made by the target", ""
        case _:
            assert_never(origin)


def _folder(step: CopySplits, folder: str) -> str:
    """Where the files of a copy are written; "" where they are imported from where they lie."""
    if step.layout is None or step.write is Write.IN_PLACE:
        return ""
    if step.staging is not None:
        root = (step.staging.url.rstrip("/"), step.staging.key)
    else:
        root = (folder.rstrip("/"), "")
    return "/".join(filter(None, (*root, step.layout.directory)))


def _copy(step: CopySplits, plan: Plan, folder: str, verbose: bool) -> Line:
    files = ""
    if step.layout is not None:
        files = f", {many(len(step.splits), f'{_FORMATS[step.layout.format]} file')}"
        files += f" in {place}" if (place := _folder(step, folder)) else ""
    note = (
        f"{rows_text(step.rows)}, about {bytes_text(step.bytes)},"
        f" {many(len(step.splits), 'split')}; {step.reason}{files}"
    )
    children = []
    if step.read.where:
        children.append(Line(Symbol.CHECK, ("where",), step.read.where))
    if step.read.lossy:
        decoded = f"vectors are decoded from {step.read.lossy}"
        children.append(Line(Symbol.CHANGE, ("lossy",), decoded))
    if step.read.moving:
        later = "after this plan are counted, told, and left to another plan"
        children.append(Line(Symbol.CHECK, ("changes",), later))
    if step.read.unmapped is UnmappedMode.FAIL:
        children.append(Line(Symbol.CHECK, ("values without a column",), "stop the run"))
    if step.read.unmapped_drop:
        names = ", ".join(step.read.unmapped_drop)
        children.append(Line(Symbol.CHECK, ("dropped wherever they are",), names))
    if plan.rows.on_error is OnError.QUARANTINE:
        limit = "no limit" if plan.rows.max_errors is None else f"at most {plan.rows.max_errors:,}"
        children.append(Line(Symbol.CHECK, ("bad rows",), f"go to a quarantine file, {limit}"))
    if verbose:
        batch = f"at most {many(step.batches.rows, 'row')} or {bytes_text(step.batches.bytes)}"
        children.append(Line(Symbol.COPY, ("batches",), f"{batch}, by {step.write}"))
        for split in step.splits:
            size = f"{rows_text(split.rows)}, about {bytes_text(split.bytes)}"
            part = f" into partition {split.partition}" if split.partition else ""
            children.append(Line(Symbol.COPY, (f"split {split.id}",), size + part))
    return Line(Symbol.COPY, (f"copy {step.read.collection}",), note, tuple(children))


def _text(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False)


# -- layout --------------------------------------------------------------------------------------

NOTE_COLUMN = 36
"""Where the notes of top lines start at least, so that plans of different names look alike."""
WIDEST_CELL = 40
"""Columns that one long cell may push the others aside."""
LEAST_NOTE = 30
"""Columns that a folded note needs beside its line; with fewer it stands below."""


def layout(lines: Sequence[Line], width: int | None = None, depth: int = 0) -> Iterator[Row]:
    """Lines as aligned rows.

    Args:
        lines: siblings.
        width: of the screen: longer notes are folded below themselves. None: never.
        depth: of `lines`.
    """
    shapes = {len(line.cells) for line in lines}
    widths = {
        count: [
            min(
                WIDEST_CELL,
                max(len(line.cells[place]) for line in lines if len(line.cells) == count),
            )
            for place in range(count)
        ]
        for count in shapes
    }
    for line in lines:
        padded = (
            cell.ljust(size) for cell, size in zip(line.cells, widths[len(line.cells)], strict=True)
        )
        name, *others = padded
        cells = "  ".join([name, " ".join(others)]) if others else name
        if depth == 0:
            cells = cells.ljust(NOTE_COLUMN)
        head = f"{cells}  "
        start = 4 * depth + 4 + len(head)
        if width is not None and start + len(line.note) > width and width - start < LEAST_NOTE:
            yield Row(depth, line.symbol, cells.rstrip())
            folded = _fold(line.note, width, 4 * depth + 8)
            yield from (Row(depth, None, f"    {rest}") for rest in folded)
        else:
            first, *more = _fold(line.note, width, start)
            yield Row(depth, line.symbol, (head + first).rstrip())
            yield from (Row(depth, None, " " * len(head) + rest) for rest in more)
        yield from layout(line.children, width, depth + 1)


def _fold(note: str, width: int | None, start: int) -> list[str]:
    if width is None:
        return [note]
    rows = [""]
    for word in note.split(" "):
        longer = f"{rows[-1]} {word}" if rows[-1] else word
        if len(longer) > width - start and rows[-1]:
            rows.append(word)
        else:
            rows[-1] = longer
    return rows
