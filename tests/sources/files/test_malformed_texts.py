"""Text files with characters changed at random: what is read is what Python's own strict parsers
read, row for row; the rest is refused. Nothing between the rows vanishes.
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from mmc.errors import SourceError
from tests.sources.files.reading import config, look, read

ROWS = [{"id": f"r{n}", "t": 'a"b,{x}[y]\\ \n'[: n % 12], "o": {"k": [n, None]}} for n in range(9)]


def _array(text: str) -> list[dict[str, Any]]:
    value = json.loads(text)
    if isinstance(value, dict) and set(value) == {"rows"}:
        value = value["rows"]
    if isinstance(value, dict):
        value = [value]
    assert isinstance(value, list) and all(isinstance(row, dict) for row in value)
    return value


def _lines(text: str) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in text.split("\n") if line.strip()]
    assert all(isinstance(row, dict) for row in rows)
    return rows


def _csv(text: str) -> list[dict[str, Any]]:
    parsed = csv.reader(io.StringIO(text, newline=""), strict=True)
    names, *rows = (row for row in parsed if len(row) > 1 or "".join(row).strip())
    assert all(len(row) == len(names) for row in rows)
    return [dict(zip(names, row, strict=True)) for row in rows]


def _quoted() -> str:
    text = io.StringIO()
    rows = [["id", "t", "u"], *([f"r{n}", f'x"{n}"\r\n,y', ""] for n in range(9))]
    csv.writer(text).writerows(rows)
    return text.getvalue()


TEXTS: Mapping[str, tuple[str, str, Callable[[str], list[dict[str, Any]]]]] = {
    "array": ("x.json", json.dumps(ROWS), _array),
    "indented": ("x.json", json.dumps(ROWS, indent=1), _array),
    "rows": ("x.json", json.dumps({"rows": ROWS}), _array),
    "lines": ("x.jsonl", "\n".join(map(json.dumps, ROWS)), _lines),
    "csv": ("x.csv", _quoted(), _csv),
    "plain csv": ("x.csv", "id,t\n" + "".join(f"r{n},t{n}\n" for n in range(9)), _csv),
}
"""File, text, and the oracle: it raises whatever comes to hand where the text is malformed."""

_PIECES = [
    *('"', ",", ",,", "{", "}", "[", "]", "\\", "\n", "\r", "\r\n", " ", "\t", "\x0b", "5", "null"),
    *('"x"', "}{", "},", "]}", "]\n[", "\ufeff", "x", ":", '""', "{}", "[],", "//", "\x00"),
]


def _changed(text: str, chance: random.Random) -> str:
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        at = chance.randrange(len(text) + 1)
        if chance.random() < 0.5:
            # Near what separates rows a change does the most.
            marks = [n for n, sign in enumerate(text) if sign in '{}[],"\r\n']
            at = chance.choice(marks) + chance.choice((0, 1)) if marks else at
        cut = chance.choice((0, 0, 1, 2))
        text = text[:at] + chance.choice([*_PIECES, ""]) + text[at + cut :]
    return text


def _same(found: Any, wanted: Any, *, json_text: bool) -> bool:
    """Whether a value is the one that the oracle gives; CSV has texts only, and "" for null."""
    if found is None or wanted is None:
        return (found or "") == (wanted or "")
    if json_text and found != wanted:
        return bool(json.loads(found) == wanted)
    return found == wanted or str(found) == str(wanted) or float(found) == float(wanted)


def _try(folder: Path, kind: str, seed: int, number: int) -> tuple[int, int]:
    """How many changed texts were read, and how many refused."""
    name, text, oracle = TEXTS[kind]
    chance, done, refused = random.Random(seed), 0, 0
    for round_ in range(number):
        changed = _changed(text, chance)
        (folder / name).write_text(changed, encoding="utf-8", newline="")
        try:
            options = config(folder / name)
            collection = look(options)
            rows = read(options, collection, batch_rows=25).to_pylist()
        except SourceError:
            refused += 1
            continue
        place = f"{kind}, seed {seed}, round {round_}: {changed!r}"
        expected = oracle(changed.removeprefix("\ufeff"))
        assert len(rows) == len(expected), place
        for row, other in zip(rows, expected, strict=True):
            extra = {"row_id", "id", "row_number"} - other.keys()
            assert other.keys() <= row.keys(), place
            for field in collection.fields:
                value, wanted = row[field.name], other.get(field.name)
                same = _same(value, wanted, json_text=field.json_text)
                assert field.name in extra or same, place
        done += 1
    return done, refused


@pytest.mark.parametrize("kind", TEXTS)
def test_changed_texts_are_read_whole_or_refused(tmp_path: Path, kind: str) -> None:
    done, refused = _try(tmp_path, kind, 1, 120)
    assert done and refused


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 103))
@pytest.mark.parametrize("kind", TEXTS)
def test_many_changed_texts_are_read_whole_or_refused(tmp_path: Path, kind: str, seed: int) -> None:
    done, refused = _try(tmp_path, kind, seed, 1_000)
    assert done and refused
