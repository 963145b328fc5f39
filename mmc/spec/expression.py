"""One template: its pieces, whether they are safe, and what they give.

A leaf's parsed nodes are walked before anything runs: what is not on the list (calls, statements,
`*`, `**`, `%`, `~`, slices) is refused, so an expression can neither run long nor grow large.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from mmc.spec.filters import FILTERS
from mmc.types import JsonValue, nearest

if TYPE_CHECKING:
    from jinja2 import nodes
    from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_LEAF = 1 << 16
"""Largest result of one leaf, in characters or values."""
MAX_NODES = 100
"""Most operations in one leaf."""


class TemplateFault(Exception):
    """A template that is refused or fails."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint


class NotDefined(Exception):
    """An expression asks for something that is not there; the message is jinja's."""


def evaluate(node: nodes.Expr, roots: Mapping[str, Mapping[str, JsonValue]]) -> JsonValue:
    """What a checked expression gives.

    Args:
        roots: the values under `vars` and `env`.

    Raises:
        NotDefined: something is not there.
        TemplateFault: it fails otherwise, or gives too much.
    """
    from jinja2 import StrictUndefined, nodes
    from jinja2.environment import TemplateExpression
    from jinja2.exceptions import SecurityError, UndefinedError

    environment = _environment()
    body: list[nodes.Node] = [nodes.Assign(nodes.Name("result", "store"), node, lineno=1)]
    parsed = nodes.Template(body, lineno=1)
    parsed.set_environment(environment)
    template = environment.from_string(parsed)
    try:
        result = TemplateExpression(template, undefined_to_none=False)(**roots)
        if isinstance(result, StrictUndefined):
            str(result)
    except UndefinedError as error:
        raise NotDefined(str(error)) from None
    except (TypeError, ValueError, SecurityError, OverflowError) as error:
        raise TemplateFault("MMC214", f"the template fails: {error}") from None
    return _plain(result)


@lru_cache(maxsize=1)
def _environment() -> ImmutableSandboxedEnvironment:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Environment(ImmutableSandboxedEnvironment):
        def getattr(self, obj: Any, attribute: str) -> Any:
            # a mapping has its keys and nothing else: `vars.items` is a variable, not a method
            return self.getitem(obj, attribute)

        def getitem(self, obj: Any, argument: Any) -> Any:
            try:
                if isinstance(obj, (dict, list)):
                    return obj[argument]
            except (KeyError, IndexError, TypeError):
                pass
            return self.undefined(obj=obj, name=argument)

    environment = Environment(
        undefined=StrictUndefined,
        autoescape=False,
        keep_trailing_newline=True,
        comment_start_string="\x00#",
        comment_end_string="#\x00",
    )
    environment.globals.clear()
    environment.filters = dict(FILTERS)
    environment.tests = {
        name: environment.tests[name] for name in ("defined", "undefined", "none", "true", "false")
    }
    return environment


@lru_cache(maxsize=512)
def pieces_of(text: str) -> tuple[Any, ...]:
    """The pieces of a leaf: texts as they stand, and expression nodes that are safe to run."""
    from jinja2 import nodes
    from jinja2.exceptions import TemplateSyntaxError

    if len(text) > MAX_LEAF:
        raise TemplateFault("MMC215", f"a template of more than {MAX_LEAF} characters")
    try:
        if any(kind == "block_begin" for _, kind, _ in _environment().lex(text)):
            hint = "only {{ expressions }} are rendered; a literal {% is written {{ '{%' }}"
            raise TemplateFault("MMC131", "a template statement ({% %})", hint)
        parsed = _environment().parse(text)
    except TemplateSyntaxError as error:
        raise TemplateFault("MMC130", f"not a template: {error.message}") from None
    except (RecursionError, ValueError, OverflowError):
        raise TemplateFault("MMC130", "not a template: too complicated") from None
    pieces: list[Any] = []
    for output in parsed.body:
        assert isinstance(output, nodes.Output)
        pieces.extend(
            piece.data if isinstance(piece, nodes.TemplateData) else piece for piece in output.nodes
        )
    count = 0
    for piece in pieces:
        if not isinstance(piece, str):
            count += _check(piece)
    if count > MAX_NODES:
        raise TemplateFault("MMC215", f"a template of more than {MAX_NODES} operations")
    return tuple(pieces)


_ALLOWED = frozenset(
    [
        "Const",
        "Name",
        "Getattr",
        "Getitem",
        "Filter",
        "Test",
        "CondExpr",
        "Compare",
        "Operand",
        "And",
        "Or",
        "Not",
        "Add",
        "Sub",
        "Neg",
        "Pos",
        "List",
        "Tuple",
        "Dict",
        "Pair",
        "Keyword",
    ]
)
_NAMES = {
    "Mul": "`*`",
    "Pow": "`**`",
    "Mod": "`%`",
    "Concat": "`~`",
    "Div": "`/`",
    "FloorDiv": "`//`",
    "Call": "a call",
    "Slice": "a slice",
}


def _check(root: nodes.Expr) -> int:
    """Number of nodes. Raises TemplateFault at the first that is not allowed."""
    count = 0
    for node in _nodes(root):
        count += 1
        kind = type(node).__name__
        if kind not in _ALLOWED:
            what = _NAMES.get(kind, kind)
            raise TemplateFault(
                "MMC132",
                f"{what} is not allowed in a template",
                "compute the value outside the spec",
            )
        if kind == "Name" and node.name not in ("vars", "env"):  # type: ignore[attr-defined]
            hint = f"write vars.{node.name} or env.{node.name}"  # type: ignore[attr-defined]
            raise TemplateFault("MMC211", f"`{node.name}` is not defined", hint)  # type: ignore[attr-defined]
        if kind == "Const":
            _plain(node.value)  # type: ignore[attr-defined]
        if kind == "Filter" and node.name not in FILTERS:  # type: ignore[attr-defined]
            close = nearest(node.name, list(FILTERS))  # type: ignore[attr-defined]
            hint = f"did you mean {close}?" if close else "filters: " + ", ".join(sorted(FILTERS))
            raise TemplateFault("MMC134", f"no filter `{node.name}`", hint)  # type: ignore[attr-defined]
        if kind == "Getattr" and node.attr.startswith("_"):  # type: ignore[attr-defined]
            raise TemplateFault("MMC132", f"`{node.attr}` is not allowed in a template")  # type: ignore[attr-defined]
    uses = list(roots_of(root))
    names = sum(type(node).__name__ == "Name" for node in _nodes(root))
    if names != len(uses):
        raise TemplateFault(
            "MMC132", "vars and env are used by name, as in vars.index or env['HOME']"
        )
    return count


def _nodes(root: nodes.Node) -> Iterator[nodes.Node]:
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(node.iter_child_nodes())


def roots_of(root: nodes.Node) -> Iterator[tuple[str, str]]:
    """Every ("vars" | "env", name) that an expression uses."""
    for node in _nodes(root):
        kind = type(node).__name__
        base = getattr(node, "node", None)
        if kind not in ("Getattr", "Getitem") or type(base).__name__ != "Name":
            continue
        name = node.attr if kind == "Getattr" else getattr(node.arg, "value", None)  # type: ignore[attr-defined]
        if isinstance(name, str):
            yield base.name, name  # type: ignore[union-attr]


def _plain(value: Any) -> JsonValue:
    """A result as JSON data (tuples become lists); counts before it copies, since lists may share
    their parts.
    """
    size_of(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (int, float)) and not -(2.0**63) <= value < 2.0**64:
        raise TemplateFault("MMC214", "the template gives a number that does not fit into 64 bits")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TemplateFault("MMC214", f"the template gives a {type(value).__name__}, not a value")


def size_of(value: Any) -> int:
    """Characters and values in a result. Raises TemplateFault above MAX_LEAF."""
    total, stack = 0, [value]
    while stack:
        item = stack.pop()
        total += 1 + (len(item) if isinstance(item, str) else 0)
        if total > MAX_LEAF:
            raise TemplateFault("MMC215", f"the template gives more than {MAX_LEAF} characters")
        if isinstance(item, dict):
            stack.extend(item)
            stack.extend(item.values())
        elif isinstance(item, (list, tuple)):
            stack.extend(item)
    return total


def text_of(value: JsonValue) -> str:
    """A value inside a longer text, as YAML would write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)):
        return str(value)
    if value is None:
        raise TemplateFault(
            "MMC214", "null cannot stand inside a longer text", "add | default('...')"
        )
    hint = "a list can be joined: vars.x | join(',')"
    raise TemplateFault("MMC214", "a list or mapping cannot stand inside a longer text", hint)
