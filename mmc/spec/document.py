"""Nodes -> Document: plain data and the place of every value. Knows YAML, not the spec.

Scalars are resolved by the YAML 1.2 core rules: `on`, `yes`, `010` and dates stay text. What YAML
allows and a spec has no use for (tags, merge keys, keys that are not text) is refused with a hint.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from mmc.diagnostics import Diagnostic, Span
from mmc.spec.nodes import MAX_DEPTH, Composed, Node, compose, unquoted
from mmc.spec.scalars import resolve
from mmc.types import JsonValue

Path: TypeAlias = tuple[str | int, ...]

MAX_BYTES = 1 << 20
"""Largest spec file."""
MAX_ALIASED = 10_000
"""Most nodes that aliases may add; ten lines of aliases to aliases would otherwise make a
billion.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Plain data with places. Paths are tuples such as ("collections", 0, "fields", 1, "type").

    Attributes:
        data: None when the text has no usable root.
        broken: paths whose value could not be taken; what is found under them is no news.
    """

    file: str
    data: JsonValue
    keys: Mapping[Path, Span]
    values: Mapping[Path, Span]
    diagnostics: tuple[Diagnostic, ...] = ()
    broken: frozenset[Path] = frozenset()
    fatal: bool = False

    def span(self, path: Path, *, key: bool = False) -> Span | None:
        """Place of a node, or of its nearest ancestor that is in the text."""
        for length in range(len(path), -1, -1):
            place = path[:length]
            wanted = self.keys if key or length < len(path) else self.values
            found = wanted.get(place) or self.values.get(place)
            if found:
                return found
        return None


def parse(text: str, file: str) -> Document:
    """YAML text as data with places. Never raises: what is wrong is in `diagnostics`."""
    if text.startswith("\ufeff"):
        text = text[1:]
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        spot = Span(file=file, line=1, column=1, end_column=2)
        return Document(
            file=file,
            data=None,
            keys={},
            values={},
            diagnostics=(Diagnostic("MMC103", "the file is larger than 1 MiB", span=spot),),
            fatal=True,
        )
    composed = compose(text, file)
    if composed.root is None:
        return Document(
            file=file, data=None, keys={}, values={}, diagnostics=composed.diagnostics, fatal=True
        )
    builder = _Builder(composed)
    data = builder.build(composed.root, ())
    found = [*composed.diagnostics, *builder.found]
    fatal = not isinstance(data, dict)
    if fatal and not found:
        span = composed.lines.span(composed.root.start, composed.root.end)
        hint = "the smallest spec is version, source and target"
        found.append(
            Diagnostic("MMC117", "a spec is a mapping of keys to values", span=span, hint=hint)
        )
    return Document(
        file=file,
        data=data,
        keys=builder.keys,
        values=builder.values,
        diagnostics=tuple(found),
        broken=frozenset(builder.broken),
        fatal=fatal,
    )


_UNWANTED = re.compile("[\x00\ud800-\udfff]")
"""What a quoted text can escape and neither a file name nor UTF-8 can hold."""


def _is_text(plain: str) -> bool:
    try:
        return isinstance(resolve(plain), str)
    except ValueError:
        return False


class _Builder:
    """Turns nodes into data, noting every place and all that a spec does not take."""

    def __init__(self, composed: Composed) -> None:
        self.lines = composed.lines
        self.targets = composed.anchors
        self.keys: dict[Path, Span] = {}
        self.values: dict[Path, Span] = {}
        self.found: list[Diagnostic] = []
        self.broken: set[Path] = set()
        self.aliased = 0
        self.too_many = False

    def refuse(
        self,
        code: str,
        message: str,
        node: Node,
        path: Path | None,
        *,
        hint: str = "",
        label: str = "",
    ) -> None:
        """Notes a problem; `path` is what is lost by it, None when that is only a key."""
        span = self.lines.span(node.start, node.end)
        self.found.append(
            Diagnostic(code, message, span=span, hint=hint, label=label, path=show(path or ()))
        )
        if path is not None:
            self.broken.add(path)

    def build(self, node: Node, path: Path, *, inside_alias: bool = False) -> JsonValue:
        if inside_alias:
            self.aliased += 1
        if not (node.kind == "scalar" and node.start == node.end and path in self.keys):
            self.values.setdefault(path, self.lines.span(node.start, node.end))
        else:
            self.values.setdefault(path, self.keys[path])
        if node.tag:
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            self.refuse(
                "MMC110", f"a spec takes no tags ({tag})", node, path, hint="write a plain value"
            )
            return None
        match node.kind:
            case "alias":
                return self.expand(node, path, inside_alias=inside_alias)
            case "sequence":
                return [
                    self.build(item, (*path, i), inside_alias=inside_alias)
                    for i, item in enumerate(node.items)
                ]
            case "mapping":
                return self.mapping(node, path, inside_alias=inside_alias)
            case _:
                return self.scalar(node, path)

    def expand(self, node: Node, path: Path, *, inside_alias: bool) -> JsonValue:
        target = self.targets.get(node.start)
        if target is None or self.aliased > MAX_ALIASED or len(path) > MAX_DEPTH:
            if target is not None and not self.too_many:
                self.too_many = True
                message = f"aliases add more than {MAX_ALIASED:,} values"
                self.refuse(
                    "MMC112", message, node, path, hint="write the values out, or use fewer"
                )
            self.broken.add(path)
            return None
        return self.build(target, path, inside_alias=True)

    def mapping(self, node: Node, path: Path, *, inside_alias: bool) -> JsonValue:
        data: dict[str, JsonValue] = {}
        for key, value in node.pairs:
            name = self.key(key, node, path)
            if name is None:
                continue
            place = (*path, name)
            if name in data:
                first = self.keys[place].line
                self.refuse(
                    "MMC108", f"`{name}` is there twice", key, place, label=f"first on line {first}"
                )
                continue
            if not inside_alias:
                self.keys[place] = self.lines.span(key.start, key.end)
            else:
                self.keys.setdefault(place, self.lines.span(key.start, key.end))
            data[name] = self.build(value, place, inside_alias=inside_alias)
        return data

    def key(self, key: Node, parent: Node, path: Path) -> str | None:
        if key.kind == "mapping" and key.flow and parent.flow and len(parent.pairs) == 1:
            end = min(parent.end, self.lines.text.find("}}", key.start) + 2 or parent.end)
            self.found.append(unquoted(self.lines, parent.start, end))
            self.broken.add(path)
            return None
        lost = path if path else None
        if key.kind == "scalar" and key.value == "<<" and not key.style:
            hint = "write the keys out; aliases (*name) are fine"
            self.refuse("MMC111", "a spec takes no merge keys (<<)", key, lost, hint=hint)
            return None
        if key.kind == "scalar" and not key.tag and (key.style or _is_text(key.value)):
            if bad := _UNWANTED.search(key.value):
                self.refuse("MMC115", f"a text cannot hold U+{ord(bad[0]):04X}", key, None)
                return None
            return key.value
        what = {"scalar": "an empty key", "sequence": "a list"}.get(key.kind, f"a {key.kind}")
        shown = f"`{key.value[:40]}`" if key.kind == "scalar" and key.value else what
        message = f"{shown} is not a text, and keys are texts"
        self.refuse("MMC109", message, key, None, hint="put the key in quotes")
        return None

    def scalar(self, node: Node, path: Path) -> JsonValue:
        if bad := _UNWANTED.search(node.value):
            message = f"a text cannot hold U+{ord(bad[0]):04X}"
            self.refuse("MMC115", message, node, path)
            return None
        if node.style:
            return node.value
        try:
            return resolve(node.value)
        except ValueError as error:
            self.refuse(
                "MMC114",
                f"this number {error}",
                node,
                path,
                hint="put it in quotes if it is a text",
            )
            return None


def show(path: Path) -> str:
    """`collections[0].fields[1].type`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
