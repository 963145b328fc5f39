"""The two tables of docs/casts.md, made from the casts themselves: `python -m mmc.casts.page`."""

from __future__ import annotations

import sys

from mmc.casts.choose import choose
from mmc.casts.table import CASTS, Cast
from mmc.types import ArrowType, FieldType

_SOURCES = (
    "bool",
    "int8",
    "int64",
    "uint8",
    "uint64",
    "halffloat",
    "float",
    "double",
    "decimal128(10, 2)",
    "string",
    "binary",
    "fixed_size_binary[16]",
    "date32[day]",
    "time64[us]",
    "timestamp[us]",
    "list<int64>",
    "list<uint8>",
    "list<float>",
    "list<double>",
    "fixed_size_list<float>[16]",
    "map<uint32, float>",
    "struct<a: int64>",
    "null",
)
_TARGETS = (
    "bool",
    "int8",
    "int64",
    "float",
    "double",
    "varchar(64)",
    "json",
    "array<int64>(16)",
    "float_vector(16)",
    "float16_vector(16)",
    "bfloat16_vector(16)",
    "int8_vector(16)",
    "binary_vector(128)",
    "sparse_float_vector",
)


def tables() -> str:
    """Markdown: every cast, and the default cast from each sort of column to each type."""
    lines = ["| cast | | what it says |", "|---|---|---|"]
    lines += [f"| `{cast.name}` | {cast.exactness} | {cast.note} |" for cast in CASTS.values()]
    lines += ["", "| from \\ to | " + " | ".join(f"`{t}`" for t in _TARGETS) + " |"]
    lines.append("|---" * (len(_TARGETS) + 1) + "|")
    for source in _SOURCES:
        cells = (_cell(ArrowType.parse(source), FieldType.parse(target)) for target in _TARGETS)
        lines.append(f"| `{source}` | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(source: ArrowType, target: FieldType) -> str:
    found = choose(source, target)
    if isinstance(found, Cast):
        return found.name
    named = [name for name in CASTS if isinstance(choose(source, target, wanted=name), Cast)]
    return f"({', '.join(named)})" if named else ""


if __name__ == "__main__":
    sys.stdout.write(tables())
