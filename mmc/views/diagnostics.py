"""Diagnostics as plain text, the way a person and an editor read them: file:line:column first, then
the line itself.

No colour and no width of a terminal: the same text everywhere, so that it can be compared.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from mmc.diagnostics import Diagnostic, Span

MAX_WIDTH = 100
"""Longest part of a line that is shown, in columns of a terminal."""
TAB = 4


def render(diagnostics: Sequence[Diagnostic]) -> str:
    """All diagnostics, a blank line between two; ends with a line break unless there is none to
    show.

    A span without text (the line may hold a secret) shows its place only.
    """
    return "\n".join(map(_one, diagnostics))


def _one(diagnostic: Diagnostic) -> str:
    span = diagnostic.span
    place = f"{_clean(span.file)}:{span.line}:{span.column}: " if span else ""
    lines = [f"{place}{diagnostic.severity}[{diagnostic.code}]: {_clean(diagnostic.message)}"]
    if span and span.text:
        lines += _snippet(span, _clean(diagnostic.label))
    elif diagnostic.label:
        lines.append(f"   = note: {_clean(diagnostic.label)}")
    if diagnostic.hint:
        lines.append(f"   = hint: {_clean(diagnostic.hint)}")
    return "\n".join(lines) + "\n"


def _snippet(span: Span, label: str) -> list[str]:
    start, stop = span.column - 1, max(span.end_column - 1, span.column)
    before, marked, after = (
        _clean(part) for part in (span.text[:start], span.text[start:stop], span.text[stop:])
    )
    before, marked, after = _cut(before, marked, after)
    gutter = max(5, len(str(span.line)) + 1)
    carets = "^" * max(1, _width(marked))
    under = f"{'':{gutter}} | {' ' * _width(before)}{carets} {label}"
    return [f"{span.line:>{gutter}} | {before}{marked}{after}".rstrip(), under.rstrip()]


def _cut(before: str, marked: str, after: str) -> tuple[str, str, str]:
    """The three parts of a line, cut around the marked one where the whole is too wide."""
    if _width(before + marked + after) <= MAX_WIDTH:
        return before, marked, after
    if _width(marked) > MAX_WIDTH // 2:
        marked = _head(marked, MAX_WIDTH // 2 - 3) + "..."
        after = ""
    room = MAX_WIDTH - _width(marked)
    if _width(before) > room // 2:
        kept = min(_width(before), max(room // 2, room - _width(after))) - 3
        before = "..." + _head(before[::-1], kept)[::-1]
    room -= _width(before)
    if _width(after) > room:
        after = _head(after, room - 3) + "..."
    return before, marked, after


def _head(text: str, width: int) -> str:
    """The longest beginning that fits into `width` columns."""
    used = 0
    for i, character in enumerate(text):
        used += _width(character)
        if used > width:
            return text[:i]
    return text


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def _clean(text: str) -> str:
    """Without tabs, line breaks and control characters, which would move the caret or drive the
    terminal.
    """
    text = text.replace("\t", " " * TAB)
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp") else "?" for c in text
    )
