"""Text -> nodes with positions, and positions -> spans. Knows YAML's syntax, not what values mean.

The parser's events become a tree of `Node`s, which `document` turns into data and `fmt` prints.
Lines that may hold a secret are marked here, before any diagnostic can quote them.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from mmc.diagnostics import Diagnostic, Span
from mmc.spec.patterns import SECRET_KEY, SECRET_LINE, SECRET_REF, URL_CREDENTIALS

if TYPE_CHECKING:
    from ruamel.yaml.error import YAMLError

MAX_LINE = 2_000
"""Longest line that is shown: a spec may be one line, and every finding holds its own."""
MAX_DEPTH = 48
"""Deepest nesting of lists and mappings."""


@dataclass(slots=True)
class Lines:
    """A text by lines, to turn character positions into spans.

    Lines that may hold a secret (`hide`, or by their look) are never shown: their spans carry no
    text.
    """

    text: str
    file: str
    starts: list[int] = field(init=False)
    hidden: set[int] = field(default_factory=set)
    looked_at: dict[int, tuple[str, bool]] = field(default_factory=dict)
    """Line -> its text, and whether it may be shown by its look: a line may have many spans."""

    def __post_init__(self) -> None:
        self.starts = [0, *(match.end() for match in re.finditer(r"\r\n|\n|\r", self.text))]

    def line_of(self, index: int) -> int:
        """Number of the line that holds a character, from 0."""
        return bisect_right(self.starts, index) - 1

    def line(self, number: int) -> str:
        """Text of a line, from 0, without its line break."""
        stop = self.starts[number + 1] if number + 1 < len(self.starts) else len(self.text)
        return self.text[self.starts[number] : stop].rstrip("\r\n")

    def hide(self, start: int, end: int) -> None:
        self.hidden.update(range(self.line_of(start), self.line_of(max(start, end - 1)) + 1))

    def look_at(self, number: int) -> tuple[str, bool]:
        if number not in self.looked_at:
            text = self.line(number)
            short = len(text) <= MAX_LINE
            harmless = short and not SECRET_LINE.search(text) and not URL_CREDENTIALS.search(text)
            self.looked_at[number] = text, harmless
        return self.looked_at[number]

    def span(self, start: int, end: int) -> Span:
        """The span of text[start:end], cut at the end of its first line."""
        start = min(start, len(self.text))
        number = self.line_of(start)
        text, harmless = self.look_at(number)
        column = min(start - self.starts[number], len(text))
        stop = min(end - self.starts[number], len(text.rstrip()))
        shown = harmless and number not in self.hidden
        return Span(
            file=self.file,
            line=number + 1,
            column=column + 1,
            end_column=max(stop, column + 1) + 1,
            text=text if shown else "",
        )


Kind: TypeAlias = Literal["scalar", "mapping", "sequence", "alias"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node of the YAML tree. `start` and `end` are positions in the text.

    Attributes:
        value: text of a scalar, name of an alias.
        style: "" plain, or the quote or block character of a scalar.
        pairs: keys and values of a mapping; items: of a sequence.
        flow: written in `{}` or `[]`.
    """

    kind: Kind
    start: int
    end: int
    value: str = ""
    style: str = ""
    pairs: tuple[tuple[Node, Node], ...] = ()
    items: tuple[Node, ...] = ()
    flow: bool = False
    anchor: str = ""
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Composed:
    """`root` is None when the text is not YAML, and then there is at least one diagnostic."""

    lines: Lines
    root: Node | None
    anchors: Mapping[int, Node]
    """Start of an alias -> the node it stands for."""
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(slots=True)
class _Open:
    """A container whose end was not seen yet."""

    event: Any
    children: list[Node] = field(default_factory=list)


def compose(text: str, file: str) -> Composed:
    """Reads one YAML document into nodes. Never raises on any text."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    lines = Lines(text, file)
    if bad := _unprintable(text):
        return _failed(
            lines,
            "MMC115",
            f"a character that YAML does not allow: U+{ord(text[bad.start()]):04X}",
            bad.start(),
        )
    try:
        return _tree(lines, YAML(typ="safe", pure=True).parse(text))
    except YAMLError as error:
        return Composed(lines, None, {}, _syntax(lines, error))
    except (ValueError, OverflowError, IndexError) as error:
        # ruamel's scanner lets chr() fail on "\UFFFFFFFF" and int() on absurd version directives
        return _failed(lines, "MMC105", f"not YAML: {error}", 0)


def _unprintable(text: str) -> re.Match[str] | None:
    return re.search(
        "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]", text
    )


def _failed(lines: Lines, code: str, message: str, at: int, hint: str = "") -> Composed:
    return Composed(
        lines, None, {}, (Diagnostic(code, message, span=lines.span(at, at + 1), hint=hint),)
    )


def _tree(lines: Lines, events: Iterator[Any]) -> Composed:
    stack: list[_Open] = []
    named: dict[str, Node] = {}
    targets: dict[int, Node] = {}
    lost: list[Node] = []
    root: Node | None = None
    for event in events:
        start, end = event.start_mark.index, event.end_mark.index
        node: Node | None = None
        match type(event).__name__:
            case "DocumentStartEvent" if event.version or event.tags:
                line = re.search(r"(?m)^%", lines.text)
                at = line.start() if line else start
                return _failed(
                    lines, "MMC119", "a spec takes no directives", at, "remove this line"
                )
            case "DocumentStartEvent" if root is not None:
                return _failed(
                    lines,
                    "MMC107",
                    "a second document begins here",
                    start,
                    "one spec a file; remove the `---`",
                )
            case "MappingStartEvent" | "SequenceStartEvent":
                stack.append(_Open(event))
                if len(stack) > MAX_DEPTH:
                    return _failed(lines, "MMC116", f"nested deeper than {MAX_DEPTH} levels", start)
            case "MappingEndEvent" | "SequenceEndEvent":
                node = _container(stack.pop(), end)
            case "ScalarEvent":
                style = event.style or ""
                node = Node(
                    kind="scalar",
                    start=start,
                    end=end,
                    value=event.value,
                    style=style,
                    anchor=event.anchor or "",
                    tag=_tag(event),
                )
            case "AliasEvent":
                node = Node(kind="alias", start=start, end=end, value=event.anchor)
                if event.anchor in named:
                    targets[start] = named[event.anchor]
                else:
                    lost.append(node)
        if node is None:
            continue
        if node.anchor:
            named[node.anchor] = node
        if stack:
            stack[-1].children.append(node)
        elif root is None:
            root = node
    if root is None or (root.kind == "scalar" and not root.value and not root.style):
        return _failed(
            lines,
            "MMC104",
            "the file is empty",
            0,
            "the smallest spec is version, source and target",
        )
    _hide_secrets(lines, root)
    found = (
        Diagnostic(
            "MMC112",
            f"alias *{node.value} has no anchor before it, or is inside it",
            span=lines.span(node.start, node.end),
            hint=f"an anchor is written &{node.value}, before the value",
        )
        for node in lost
    )
    return Composed(lines, root, targets, tuple(found))


def _container(opened: _Open, end: int) -> Node:
    event, children = opened.event, opened.children
    start, flow, anchor = event.start_mark.index, bool(event.flow_style), event.anchor or ""
    if type(event).__name__ == "SequenceStartEvent":
        return Node(
            kind="sequence",
            start=start,
            end=end,
            items=tuple(children),
            flow=flow,
            anchor=anchor,
            tag=_tag(event),
        )
    pairs = tuple(zip(children[::2], children[1::2], strict=True))
    return Node(
        kind="mapping", start=start, end=end, pairs=pairs, flow=flow, anchor=anchor, tag=_tag(event)
    )


def _tag(event: Any) -> str:
    return str(event.tag) if event.tag else ""


def _hide_secrets(lines: Lines, root: Node) -> None:
    """Marks the lines of plain values under keys that name secrets, so that no snippet shows
    them.
    """
    stack = [root]
    while stack:
        node = stack.pop()
        stack.extend(node.items)
        if node.kind == "scalar" and URL_CREDENTIALS.search(node.value):
            lines.hide(node.start, node.end)
        for key, value in node.pairs:
            stack.extend((key, value))
            if (
                value.kind == "scalar"
                and SECRET_KEY.fullmatch(key.value)
                and value.value
                and not (key.value == "secret" and SECRET_REF.fullmatch(value.value))
            ):
                lines.hide(value.start, value.end)


_ADVICE = (
    (
        "mapping values are not allowed",
        "a text that contains `: ` must be quoted; or check the indentation",
    ),
    ("could not find expected ':'", "is a `:` missing after the key, or a space after the `:`?"),
    (
        "cannot start any token",
        "quote the text: it begins with a character that means something in YAML",
    ),
    ("expected <block end>", "check the indentation: this does not line up with what is above"),
    ("end of stream", "a quote or bracket is not closed"),
    ("expected ',' or", "a comma or closing bracket is missing"),
)


def _syntax(lines: Lines, error: YAMLError) -> tuple[Diagnostic, ...]:
    mark = getattr(error, "problem_mark", None)
    at = (
        min(mark.index, len(lines.text))
        if mark
        else min(getattr(error, "position", 0) or 0, len(lines.text))
    )
    problem = " ".join(
        (getattr(error, "problem", "") or getattr(error, "reason", "") or "cannot be read").split()
    )
    context_mark = getattr(error, "context_mark", None)
    if context_mark and "end of stream" in problem:
        at, context_mark = min(context_mark.index, len(lines.text)), None
    number = lines.line_of(at)
    if "'\\t'" in problem or lines.text[at : at + 1] == "\t":
        return _tabs(lines, at)
    line = lines.line(number)
    if template := re.search(r"""(?:[:,\[-]|^)\s*(\{\{[^"']*?\}\})""", line):
        start = lines.starts[number]
        return (unquoted(lines, start + template.start(1), start + template.end(1)),)
    hint = next((advice for part, advice in _ADVICE if part in problem), "")
    label = ""
    if context_mark and lines.line_of(min(context_mark.index, len(lines.text))) != number:
        label = f"{error.context}, which begins on line {lines.line_of(context_mark.index) + 1}"  # type: ignore[attr-defined]
    return (
        Diagnostic(
            "MMC105", f"not YAML: {problem}", span=lines.span(at, at + 1), label=label, hint=hint
        ),
    )


def _tabs(lines: Lines, at: int) -> tuple[Diagnostic, ...]:
    """One diagnostic for every line that is indented by tabs, or for the tab that stopped the
    parser.
    """
    found = [re.compile(r" *\t\s*(?=[^\s#])").match(lines.text, start) for start in lines.starts]
    spans = [lines.span(match.start(), match.end()) for match in found if match]
    return tuple(
        Diagnostic("MMC106", "a tab where YAML wants spaces", span=span, hint="indent with spaces")
        for span in spans or [lines.span(at, at + 1)]
    )


def unquoted(lines: Lines, start: int, end: int) -> Diagnostic:
    return Diagnostic(
        "MMC113",
        "a template must be quoted: YAML reads the braces as mappings",
        span=lines.span(start, end),
        hint='write "{{ ... }}" in quotes, around the whole value',
    )
