"""Data and comments -> what ruamel writes in the canonical form of `mmc fmt`."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from mmc.spec.format import WIDTH
from mmc.spec.scalars import resolve
from mmc.types import JsonValue

_PLAIN = re.compile(r"[A-Za-z_./][\w./:@<>() -]*", re.ASCII)


def node(value: JsonValue) -> Any:
    """As ruamel writes it in the canonical form: texts plain where that is safe."""
    if isinstance(value, dict):
        return flow(value)
    if isinstance(value, list):
        made = CommentedSeq([node(item) for item in value])
        made.fa.set_flow_style()
        return made
    if isinstance(value, str):
        return value if _is_plain(value) else DoubleQuotedScalarString(value)
    return value


def _is_plain(text: str) -> bool:
    if not _PLAIN.fullmatch(text) or text.endswith((":", " ")) or ": " in text:
        return False
    try:
        return resolve(text) == text
    except ValueError:
        return False


def flow(value: Mapping[str, JsonValue]) -> CommentedMap:
    """In braces; `fmt` breaks what is too wide."""
    made = CommentedMap({name: node(item) for name, item in value.items()})
    made.fa.set_flow_style()
    return made


def inline(value: JsonValue) -> str:
    """About what `fmt` prints on one line, for its length."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {inline(item)}" for name, item in value.items()) + "}"
    written = node(value)
    quoted = isinstance(written, DoubleQuotedScalarString)
    return f'"{written}"' if quoted else "true" if value is True else str(written)


def comment(lines: Sequence[str], indent: int) -> str:
    """A comment of as many lines as these need. What comes from a source cannot leave it."""
    return "\n".join(
        textwrap.fill(
            clean(line),
            WIDTH - indent - 2,
            break_long_words=False,
            break_on_hyphens=False,
            subsequent_indent="  ",
        )
        for line in lines
    )


def clean(text: str) -> str:
    """On one line, and only what can be printed."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())
