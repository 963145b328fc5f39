"""Values and texts changed at random, by a seed: for tests that nothing read is answered by a
traceback.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mmc.errors import MmcError

VALUES: list[Any] = [
    *(None, True, 0, -1, 2**70, 1.5, -0.0, "", "../x", "\x1b[2J", "a" * 300, [], {}, [None], [[]]),
    *(
        "\ud800",
        "\0",
        "int64",
        "float_vector(0)",
        "float_vector(99999999999)",
        "list<",
        "NaN",
        "\u202e",
    ),
]
TEXTS = [
    *("{{ vars.x }}", "{{ env.HOME * 9 }}", "{{ 'a' * 99999999 }}", "{% for a in b %}", "{{", "}}"),
    *(
        "&a ",
        "*a",
        "<<: *a",
        "!!python/object ",
        "!x ",
        "%YAML 9.9\n",
        "---\n",
        "...\n",
        "? ",
        "- ",
    ),
    *("\t", "\0", "\x1b", "\x85", "\u2028", "\ufeff", "\r", "#", "|\n", ">-\n", "'", '"', "\\U"),
    *("[" * 60, "{" * 60, "- " * 60, "9" * 5000, "0x", "1e999", ".inf", "~", "@", "`", ": ", ","),
    *("varchar(", "array<", "where: 'repeat(a, 9999999999)'", "expr: '1 +'", "\nversion: 1\n"),
]
BYTES = [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xff\xfe", b"\0", b"\x80"]


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a value can be changed: of a list in its first items."""
    if at:
        yield at
    if isinstance(value, dict):
        for key in value:
            yield from paths(value[key], (*at, key))
    elif isinstance(value, list):
        for number in range(min(len(value), 4)):
            yield from paths(value[number], (*at, number))


def change(value: Any, chance: random.Random, choices: list[Any] = VALUES) -> list[tuple[Any, ...]]:
    """Changes, or leaves out, one or two parts of a value; gives where."""
    places = [chance.choice(list(paths(value))) for _ in range(chance.choice((1, 1, 2)))]
    for *before, last in places:
        parent = value
        try:
            for step in before:
                parent = parent[step]
            if isinstance(parent, dict) and chance.random() < 0.15:
                parent.pop(last, None)
            else:
                parent[last] = chance.choice(choices)
        except (KeyError, IndexError, TypeError):
            continue  # the first change took the place of the second away
    return places


def change_text(text: bytes, chance: random.Random) -> bytes:
    """Inserts, removes, repeats or swaps a few pieces."""
    for _ in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(len(text) + 1)
        stop = min(len(text), at + chance.choice((1, 3, 20)))
        match chance.randrange(5):
            case 0:
                text = text[:at] + text[stop:]
            case 1:
                text = text[:at] + text[at:stop] * chance.choice((2, 3, 50)) + text[stop:]
            case 2:
                text = text[:at] + chance.choice(BYTES) + text[at:]
            case 3:
                lines = text.split(b"\n")
                chance.shuffle(lines)
                text = b"\n".join(lines)
            case _:
                text = text[:at] + chance.choice(TEXTS).encode() + text[at:]
    return text


def mutated(data: bytes, chance: random.Random) -> bytes:
    """The bytes, some of them changed, lost or added; now and then cut short."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(len(changed))
        match chance.randrange(5):
            case 0:
                changed[at] ^= 1 << chance.randrange(8)
            case 1:
                changed[at] = chance.choice((0, 0xFF, 0x80, 0x7F, chance.randrange(256)))
            case 2:
                changed[at : at + 8] = struct.pack("<q", chance.choice((-1, 0, 1 << 40, 1 << 62)))
            case 3:
                del changed[at : at + chance.choice((1, 7, 64))]
            case _:
                changed[at:at] = chance.randbytes(chance.choice((1, 8)))
        changed = changed or bytearray(b"\0")
    return bytes(changed[: chance.randrange(len(changed))] if chance.random() < 0.1 else changed)


def refusals(
    path: Path, read: Callable[[], int | None], *, named: Sequence[str], seed: int, rounds: int
) -> int:
    """Reads what a file with changed bytes belongs to, again and again.

    Args:
        read: reads all of it; may give a number of refusals that are no errors.
        named: one of these stands in each error.

    Returns:
        How often it was refused.

    Raises:
        AssertionError: something else than an error of mmc came out, or one that names no place.
    """
    data, chance, refused = path.read_bytes(), random.Random(seed), 0
    for round_ in range(rounds):
        path.write_bytes(mutated(data, chance))
        try:
            refused += read() or 0
        except MmcError as error:
            assert any(name in str(error) for name in named), error
            refused += 1
        except Exception as error:
            raise AssertionError(f"{path.name}, seed {seed}, round {round_}: {error!r}") from error
    return refused
