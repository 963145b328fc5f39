"""`mmc fmt`: a spec's text in canonical form: order of keys, indentation, quotes, types as text.
Comments stay.

The text is printed anew from its nodes and compared with what it was: were a value or a comment
different, it would be refused rather than written. Formatting twice changes nothing.
"""

from __future__ import annotations

import json
import re
import types
import typing

from pydantic import BaseModel, ValidationError

from mmc.diagnostics import Diagnostic, Span
from mmc.errors import PluginMissing, SpecInvalid
from mmc.spec.document import parse
from mmc.spec.layout import Entry, Tree, lay_out
from mmc.spec.models import NO_INDEX, FieldSpec, SpecModel, TypeMapping, field_type
from mmc.spec.nodes import Node, compose
from mmc.spec.options import Kind, Models
from mmc.spec.scalars import resolve
from mmc.types import JsonValue, TypeSyntaxError

WIDTH = 100
"""A mapping or list in braces that is wider is written out, one key or item a line."""
STEP = 2
_ENDPOINTS: dict[str, Kind] = {"source": "source", "target": "target"}


def format_spec(text: str, models: Models, file: str = "<spec>") -> str:
    """The canonical text of a spec.

    Args:
        models: of the plug-ins that are installed: the order of their options.

    Raises:
        SpecInvalid: the text does not parse, or cannot be formatted without changing what it says.
    """
    before = parse(text, file)
    if before.diagnostics:
        raise SpecInvalid(before.diagnostics)
    text = text.removeprefix("\ufeff")
    tree = lay_out(compose(text, file))
    anchored = any(entry.value.anchor or entry.value.kind == "alias" for entry in tree.root.walk())
    formatted = _Printer(text, models, sort=not anchored).print(tree)
    after = parse(formatted, file)
    same = not after.diagnostics and _meaning(before.data) == _meaning(after.data)
    if not same or tree.comments != lay_out(compose(formatted, file)).comments:
        message = "cannot be formatted without changing what it says"
        hint = "please report this file; comments in unusual places, or anchors, may be the cause"
        raise SpecInvalid(
            [
                Diagnostic(
                    "MMC118",
                    message,
                    span=Span(file=file, line=1, column=1, end_column=2),
                    hint=hint,
                )
            ]
        )
    return formatted


def _meaning(data: JsonValue) -> str:
    """A text that is equal for equal specs: order of keys and form of types do not count."""
    return json.dumps(_plain_types(data, SpecModel), sort_keys=True)


def _plain_types(data: JsonValue, model: type[BaseModel] | None) -> JsonValue:
    if isinstance(data, list):
        return [_plain_types(item, model) for item in data]
    if not isinstance(data, dict):
        return data
    result: dict[str, JsonValue] = {}
    for key, value in data.items():
        said = _text_of(model, key, value)
        result[key] = said if said is not None else _plain_types(value, _below(model, key))
    return result


def _text_of(model: type[BaseModel] | None, key: str, value: JsonValue) -> str | None:
    """The text that says as much as the value under a key; None where there is none."""
    if model is not FieldSpec:
        return None
    return _type_text(value) if key == "type" else _index_text(value) if key == "index" else None


def _index_text(value: JsonValue) -> str | None:
    """The text of an index of which only the type is said."""
    if not isinstance(value, dict) or list(value) != ["type"]:
        return None
    type_ = value["type"]
    if not isinstance(type_, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", type_):
        return None
    return type_ if type_ != NO_INDEX and isinstance(resolve(type_), str) else None


def _type_text(value: JsonValue) -> str | None:
    """The canonical text of a type, or None when it is none (a template, or a mistake)."""
    try:
        return str(
            field_type(value if isinstance(value, str) else TypeMapping.model_validate(value))
        )
    except (TypeSyntaxError, ValidationError):
        return None


def _below(model: type[BaseModel] | None, key: str) -> type[BaseModel] | None:
    """The model of the value under a key; None for the endpoints, whose `type` tells."""
    if model is None or (model is SpecModel and key in _ENDPOINTS):
        return None
    for name, info in model.model_fields.items():
        if (info.alias or name) == key:
            return _model_in(info.annotation)
    return None


def _model_in(annotation: object) -> type[BaseModel] | None:
    origin = typing.get_origin(annotation)
    if origin is None:
        is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
        return annotation if is_model else None  # type: ignore[return-value]
    if origin in (list, typing.Union, types.UnionType, typing.Annotated):
        found = (_model_in(part) for part in typing.get_args(annotation))
        return next((model for model in found if model), None)
    return None


def _order(model: type[BaseModel] | None, key: str) -> int:
    names = [info.alias or name for name, info in model.model_fields.items()] if model else []
    return names.index(key) if key in names else len(names)


class _Printer:
    """Prints a tree. `sort`: keys go into the order of the models (not when an alias could lose its
    anchor).
    """

    def __init__(self, text: str, models: Models, *, sort: bool) -> None:
        self.text = text
        self.models = models
        self.sort = sort

    def print(self, tree: Tree) -> str:
        lines = [*tree.header, *self.block(tree.root, 0, SpecModel)]
        return "\n".join(lines) + "\n"

    def below(
        self, model: type[BaseModel] | None, key: str, siblings: JsonValue
    ) -> type[BaseModel] | None:
        """The model of the value under a key."""
        if model is not SpecModel or key not in _ENDPOINTS:
            return _below(model, key)
        value = siblings.get(key) if isinstance(siblings, dict) else None
        type_ = value.get("type") if isinstance(value, dict) else None
        try:
            return self.models.model(_ENDPOINTS[key], type_) if isinstance(type_, str) else None
        except PluginMissing:
            return None

    def block(self, entry: Entry, indent: int, model: type[BaseModel] | None) -> list[str]:
        """The children of an entry, each on lines of its own."""
        children = entry.children
        if self.sort and entry.value.kind == "mapping":
            children = sorted(
                children, key=lambda child: _order(model, child.key.value if child.key else "")
            )
        siblings = _types_of(entry)
        lines: list[str] = []
        for i, child in enumerate(children):
            inner = self.below(model, child.key.value, siblings) if child.key else model
            said = _said(child, model)
            above = [_indented(text, indent) for text in child.before]
            while i == 0 and above and not above[0]:
                del above[0]
            lines += above + self.entry(child, indent, inner, said)
        return lines + [_indented(text, indent) for text in entry.tail]

    def entry(
        self, entry: Entry, indent: int, model: type[BaseModel] | None, said: str | None
    ) -> list[str]:
        """A key with its value, or an item. `said`: the value as a text, where it has one."""
        pad = " " * indent
        head = f"{pad}{_scalar(entry.key)}:" if entry.key else f"{pad}-"
        anchor = f" &{entry.value.anchor}" if entry.value.anchor else ""
        after = f"  {entry.after}" if entry.after else ""
        node = entry.value
        if node.style in ("|", ">"):
            raw = self.text[node.start : node.end]
            return _block_scalar(node, raw, f"{head}{anchor}", pad + " " * STEP, after)
        inline = None if entry.has_comments else said or self.inline(entry, model)
        if inline is not None and (
            not entry.children or (node.flow and len(head) + 1 + len(inline) <= WIDTH) or said
        ):
            return [f"{head}{anchor}{' ' if inline else ''}{inline}{after}"]
        if not entry.children:
            above = [_indented(text, indent) for text in entry.tail]
            return [*above, f"{head}{anchor} {'{}' if node.kind == 'mapping' else '[]'}{after}"]
        below = self.block(entry, indent + STEP, model)
        if entry.key or anchor:
            return [f"{head}{anchor}{after}", *below]
        first = next(
            i for i, line in enumerate(below) if line.strip() and not line.lstrip().startswith("#")
        )
        above = [_indented(line.strip(), indent) for line in below[:first]]
        above += [f"{pad}{entry.after}"] if entry.after else []
        return [*above, f"{pad}- {below[first][indent + STEP :]}", *below[first + 1 :]]

    def inline(self, entry: Entry, model: type[BaseModel] | None) -> str | None:
        """The value on one line, or None where that cannot be."""
        node = entry.value
        if node.kind == "alias":
            return f"*{node.value}"
        if node.kind == "scalar":
            return _scalar(node)
        if not node.flow and entry.children:
            return None
        children = entry.children
        if self.sort and node.kind == "mapping":
            children = sorted(
                children, key=lambda child: _order(model, child.key.value if child.key else "")
            )
        siblings = _types_of(entry)
        parts: list[str] = []
        for child in children:
            name = child.key.value if child.key else ""
            below = self.below(model, name, siblings) if child.key else model
            value = _said(child, model) or self.inline(child, below)
            if value is None:
                return None
            anchor = f"&{child.value.anchor} " if child.value.anchor else ""
            key = f"{_scalar(child.key)}: " if child.key else ""
            parts.append(f"{key}{anchor}{value or 'null'}")
        return ("{%s}" if node.kind == "mapping" else "[%s]") % ", ".join(parts)


def _said(entry: Entry, model: type[BaseModel] | None) -> str | None:
    """The value of a key as a text, where it has one and nobody refers to it."""
    if entry.key is None or entry.value.kind == "alias" or _anchored(entry):
        return None
    return _text_of(model, entry.key.value, _data(entry.value))


def _anchored(entry: Entry) -> bool:
    return any(below.value.anchor or below.value.kind == "alias" for below in entry.walk())


def _types_of(entry: Entry) -> JsonValue:
    """The children of a mapping, but only what names an endpoint's model: their own `type`."""
    found: dict[str, JsonValue] = {}
    for child in entry.children:
        for inner in child.children:
            if child.key and inner.key and inner.key.value == "type":
                found[child.key.value] = {"type": inner.value.value}
    return found


def _data(node: Node) -> JsonValue:
    if node.kind == "mapping":
        return {key.value: _data(value) for key, value in node.pairs}
    if node.kind == "sequence":
        return [_data(item) for item in node.items]
    return node.value if node.style else resolve(node.value)


def _scalar(node: Node | None) -> str:
    """A scalar on one line: plain as it is, texts in double quotes, or in single ones where that
    saves escapes.
    """
    assert node is not None
    value = node.value
    if not node.style and "\n" not in value:
        return value
    if node.style == "'" and re.search(r'["\\]', value) and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    if (
        node.style == '"'
        and '"' in value
        and "'" not in value
        and "\\" not in value
        and value.isprintable()
    ):
        return f"'{value}'"
    escaped = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() or c == " " else _escape(c) for c in escaped)


def _escape(character: str) -> str:
    code = ord(character)
    return (
        f"\\x{code:02x}"
        if code < 0x100
        else f"\\u{code:04x}"
        if code < 0x10000
        else f"\\U{code:08x}"
    )


_BLOCK_HEADER = re.compile(r"(?:&\S+\s+)?([|>])([-+]?)([ \t]+#[^\r\n]*)?[ \t]*$")


def _block_scalar(node: Node, raw: str, head: str, pad: str, after: str) -> list[str]:
    """A literal (|) or folded (>) text: only its indentation changes. One that cannot be so kept is
    quoted.
    """
    first, *lines = raw.rstrip().split("\n")
    header = _BLOCK_HEADER.match(first.rstrip())
    value = node.value
    trailing = len(value) - len(value.rstrip("\n"))
    if not header or not lines or not lines[0].strip() or trailing > 1 or "\r" in raw:
        return [f"{head} {_scalar(node)}{after}"]
    deep = len(lines[0]) - len(lines[0].lstrip(" "))
    chomp = "" if trailing else "-"
    note = f"  {header[3].strip()}" if header[3] else after
    return [
        f"{head} {header[1]}{chomp}{note}",
        *(pad + line[deep:] if line[deep:] else "" for line in lines),
    ]


def _indented(text: str, indent: int) -> str:
    return " " * indent + text if text else ""
