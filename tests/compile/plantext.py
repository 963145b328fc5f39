"""A plan as the compact text of a golden case, `plan.txt`: what its drawing does not show.

The first line has the digest of the whole plan, so no value changes unseen. Below it stands every
value but those that `expected.txt` shows as text (notes, reasons, diagnostics), the details of what
was seen (their digest stands here, and they are in `facts.txt`), and attributes that are as they
are by default. A collection stands once, where it is created. Splits of one extent each that follow
one another are one line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from mmc.plan import codec
from mmc.plan.model import Plan, Split
from mmc.types import Collection, Field, FieldType, Index
from tests.compile.tableline import (
    attribute_text,
    attributes_text,
    field_text,
    is_default,
    pairs_text,
    written,
)

_ELSEWHERE = {"note", "reason", "diagnostics", "details", "kind", "steps"}


def plan_text(plan: Plan) -> str:
    """The text of a `plan.txt`."""
    text = _Text()
    lines = [f"digest {codec.digest(plan)}", *text.lines("plan", plan)]
    for step in plan.steps:
        lines += text.lines(step.kind, step)
    return "".join(f"{line}\n" for line in lines)


class _Text:
    """Writes values as lines; what hangs below a value is indented."""

    def __init__(self) -> None:
        self.created: dict[str, Collection] = {}

    def lines(self, word: str, value: Any) -> Iterator[str]:
        """A value with its attributes, and below it what has lines of its own."""
        if isinstance(value, Field):
            yield f"{word} {field_text(value)}"
            return
        words, below = [word], list[str]()
        for field in fields(value):
            name, one = field.name, getattr(value, field.name)
            if name in _ELSEWHERE or is_default(field, one):
                continue
            if self._stands_already(one):
                words.append(f"{name}={written(one.name)}")
            elif _has_lines(one):
                below += self.lines(name, one)
            elif isinstance(one, tuple) and one and isinstance(one[0], Split):
                below += _splits(one)
            elif isinstance(one, tuple) and one and _has_lines(one[0]):
                for each in one:
                    below += self.lines(name.removesuffix("s"), each)
            else:
                words.append(attribute_text(name, one))
        if isinstance(value, Collection):
            self.created[value.name] = value
        yield " ".join(words)
        yield from (f"  {line}" for line in below)

    def _stands_already(self, value: Any) -> bool:
        if isinstance(value, Collection):
            return self.created.get(value.name) == value
        known = (field for collection in self.created.values() for field in collection.fields)
        return isinstance(value, Field) and value in known


def _has_lines(value: Any) -> bool:
    return is_dataclass(value) and not isinstance(value, (Index, FieldType))


def _splits(splits: Sequence[Split]) -> Iterator[str]:
    """Splits that follow each other in one extent are one line, with the least and most of each."""
    run: list[Split] = []
    for split in splits:
        if run and not _follows(run[-1], split):
            yield _run(run)
            run = []
        run.append(split)
    if run:
        yield _run(run)


def _follows(before: Split, split: Split) -> bool:
    if not (_is_its_piece(before) and _is_its_piece(split)):
        return False
    last, first = before.pieces[0], split.pieces[0]
    same = replace(first, start=last.start, stop=last.stop, rows=last.rows, bytes=last.bytes)
    return same == last and first.start == last.stop and split.partition == before.partition


def _is_its_piece(split: Split) -> bool:
    sizes = [(piece.rows, piece.bytes) for piece in split.pieces]
    return sizes == [(split.rows, split.bytes)]


def _run(run: Sequence[Split]) -> str:
    first, last = run[0], run[-1]
    without: tuple[str, ...] = ("locator", "start", "stop", "unit")
    if _is_its_piece(first):
        without += ("rows", "bytes")
    head = ["split", _span([split.id for split in run])]
    head += [f"rows={_span([split.rows for split in run])}"]
    head += [f"bytes={_span([split.bytes for split in run])}"]
    head += attributes_text(first, "id", "pieces", "rows", "bytes")
    parts = [" ".join(head)]
    for piece in first.pieces:
        stop = last.pieces[0].stop if len(run) > 1 else piece.stop
        words = [f"{piece.start}..{stop}", piece.unit, *attributes_text(piece, *without)]
        parts.append(" ".join([*words, "at", *pairs_text(piece.locator)]))
    return "; ".join(parts)


def _span(values: Sequence[Any]) -> str:
    """The least and the most, or the one there is; null where one is not known."""
    if None in values:
        return "null"
    return "..".join(str(one) for one in dict.fromkeys((min(values), max(values))))
