"""Nodes and comments of a YAML text -> a tree of entries that own their comments, so that `fmt` can
move them.

An entry is a key with its value, or an item of a list. Comments above an entry are its own, and so
is one behind it on the same line; comments that stand deeper than what follows them belong to the
end of the block before.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from mmc.spec.nodes import Composed, Node

_COMMENT = re.compile(r"(?:(?<=[ \t\r\n])|(?<![\s\S]))#[^\r\n]*")


@dataclass(slots=True, eq=False)
class Entry:
    """A key and its value, or an item (no key), or the root (neither parent nor key).

    Attributes:
        before: comments above, and "" for a blank line.
        after: comment behind it on its line.
        tail: comments below the last of `children`.
    """

    value: Node
    key: Node | None = None
    parent: Entry | None = None
    start: int = 0
    column: int = 0
    before: list[str] = field(default_factory=list)
    after: str = ""
    tail: list[str] = field(default_factory=list)
    children: list[Entry] = field(default_factory=list)

    @property
    def has_comments(self) -> bool:
        """Whether a comment stands anywhere below this entry."""
        return any(self.tail) or any(
            any(child.before) or child.after or child.has_comments for child in self.children
        )

    def walk(self) -> Iterator[Entry]:
        for child in self.children:
            yield child
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class Tree:
    """`header`: comments at the top that belong to the file."""

    root: Entry
    header: list[str]
    comments: list[str]


def lay_out(composed: Composed) -> Tree:
    """The entries of a text with its comments handed out."""
    assert composed.root is not None
    root = Entry(composed.root)
    _grow(root, composed)
    entries = list(root.walk())
    starts = [entry.start for entry in entries]
    comments = list(_comments(composed))
    loose: list[tuple[int, str]] = []
    for at, text in sorted([*comments, *_blanks(composed)]):
        behind = _behind(entries, composed, at) if text else None
        if behind and not behind.after:
            behind.after = text
        else:
            loose.append((at, text))
    header = _header(loose, starts[0] if starts else len(composed.lines.text))
    homes: list[tuple[list[str], str]] = []
    last: tuple[int, list[str]] | None = None
    for at, text in reversed(loose[len(header) :]):
        position = bisect_right(starts, at)
        if not text and last and last[0] == position:
            home = last[1]  # a blank line goes with what follows it
        elif text or position < len(entries):
            home = _home(root, entries, position, composed, at)
        else:
            continue
        homes.append((home, text))
        last = position, home
    for home, text in reversed(homes):
        if text or not home or home[-1]:
            home.append(text)
    return Tree(root, _squeezed(header), sorted(text for _, text in comments))


def _header(loose: list[tuple[int, str]], first: int) -> list[str]:
    """The comments at the top that a blank line parts from the first key; a modeline needs none."""
    top = [text for at, text in loose if at < first]
    count = max((i + 1 for i, text in enumerate(top) if not text), default=0)
    if not count and top and "yaml-language-server" in top[0]:
        count = 1
    return top[:count]


def _squeezed(lines: list[str]) -> list[str]:
    """Without blank lines at the top, or two in a row."""
    return [text for i, text in enumerate(lines) if text or (i and lines[i - 1])]


def _grow(entry: Entry, composed: Composed) -> None:
    node, lines = entry.value, composed.lines
    for key, value in node.pairs:
        start = key.start
        entry.children.append(
            Entry(value, key, entry, start, start - lines.starts[lines.line_of(start)])
        )
    for item in node.items:
        # the column of an item is that of its dash, which no node knows
        mark = item.start if node.flow else lines.text.rfind("-", 0, item.start)
        column = mark - lines.starts[lines.line_of(max(0, mark))]
        entry.children.append(Entry(item, None, entry, item.start, column))
    for child in entry.children:
        _grow(child, composed)


def _scalars(composed: Composed) -> list[tuple[int, int]]:
    """Ranges of the text where `#` is no comment, in order."""
    found: list[tuple[int, int]] = []
    stack = [composed.root]
    while stack:
        node = stack.pop()
        if node is None:
            continue
        if node.kind == "scalar" and node.end > node.start:
            found.append((node.start, _end(node, composed)))
        stack.extend(node.items)
        for pair in node.pairs:
            stack.extend(pair)
    return sorted(found)


def _end(node: Node, composed: Composed) -> int:
    """End of a scalar, without the blank lines that follow a block scalar and are not kept."""
    raw = composed.lines.text[node.start : node.end]
    if node.style not in ("|", ">") or "+" in raw.split("\n", 1)[0].split("#", 1)[0]:
        return node.end
    return node.start + len(raw.rstrip())


def _comments(composed: Composed) -> Iterator[tuple[int, str]]:
    text, ranges = composed.lines.text, _scalars(composed)
    starts = [start for start, _ in ranges]
    at = 0
    while match := _COMMENT.search(text, at):
        inside = bisect_right(starts, match.start()) - 1
        if inside >= 0 and match.start() < ranges[inside][1]:
            at = ranges[inside][1]
            continue
        yield match.start(), match[0].rstrip()
        at = match.end()


def _blanks(composed: Composed) -> Iterator[tuple[int, str]]:
    ranges = _scalars(composed)
    starts = [start for start, _ in ranges]
    for number, start in enumerate(composed.lines.starts):
        inside = bisect_right(starts, start) - 1
        if inside >= 0 and start < ranges[inside][1]:
            continue
        if not composed.lines.line(number).strip() and start < len(composed.lines.text):
            yield start, ""


def _behind(entries: list[Entry], composed: Composed, at: int) -> Entry | None:
    """The entry that ends last before a comment on the comment's own line."""
    lines = composed.lines
    line_start = lines.starts[lines.line_of(at)]
    best, best_end = None, line_start
    for entry in entries:
        if entry.start > at:
            break
        ends = [entry.key.end] if entry.key else []
        if not (entry.value.kind in ("mapping", "sequence") and not entry.value.flow):
            ends.append(entry.value.end)
        for end in ends:
            if best_end < end <= at and lines.line_of(max(0, end - 1)) == lines.line_of(at):
                best, best_end = entry, end
    return best


def _home(
    root: Entry, entries: list[Entry], position: int, composed: Composed, at: int
) -> list[str]:
    """The list that a comment on its own line goes to; `position`: of the entry that follows it."""
    lines = composed.lines
    column = at - lines.starts[lines.line_of(at)]
    following = entries[position] if position < len(entries) else None
    previous = entries[position - 1] if position else None
    if previous is None:
        return following.before if following else root.tail
    value = previous.value
    if (previous.key and not previous.children and at < value.start) or (
        value.flow and value.start < at < value.end
    ):
        return previous.before if not previous.children else previous.tail
    place = previous.parent or root
    while place.parent is not None:
        if at < place.value.end if place.value.flow else place.children[0].column <= column:
            break
        place = place.parent
    if following is None:
        return place.tail
    if place in _ancestors(following) or (column <= following.column and not place.value.flow):
        return following.before
    return place.tail


def _ancestors(entry: Entry | None) -> list[Entry]:
    found = []
    while entry is not None and entry.parent is not None:
        entry = entry.parent
        found.append(entry)
    return found
