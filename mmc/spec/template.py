"""Document -> data without templates. Runs after parsing, in text leaves only; never on keys or raw
text.

A leaf that is one whole expression keeps its type. `vars` may use `env` and other `vars`, without
circles. What came from the environment is remembered, so that it cannot end up as a secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmc.diagnostics import Diagnostic, Severity
from mmc.spec.document import Document, Path, show
from mmc.spec.expression import (
    NotDefined,
    TemplateFault,
    evaluate,
    pieces_of,
    roots_of,
    size_of,
    text_of,
)
from mmc.spec.patterns import SECRET_KEY
from mmc.spec.scalars import resolve
from mmc.types import JsonValue, nearest

if TYPE_CHECKING:
    from jinja2 import nodes

MAX_TOTAL = 1 << 23
"""Largest sum of all rendered leaves."""
MAX_CHAIN = 20
"""Longest chain of vars that use vars."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """Attributes:
    data: the document's data with every template replaced; None in the place of one that failed.
    templated: leaves that held a template.
    from_env: leaves whose value came, even by way of `vars`, from the environment.
    """

    data: JsonValue
    diagnostics: tuple[Diagnostic, ...] = ()
    broken: frozenset[Path] = frozenset()
    templated: frozenset[Path] = frozenset()
    from_env: frozenset[Path] = frozenset()


def render(document: Document, variables: Mapping[str, str], env: Mapping[str, str]) -> Rendered:
    """Replaces every template of a document. Never raises: what is wrong is in `diagnostics`.

    Args:
        variables: values that override `vars`; text is read as YAML would read it, unless `vars`
            holds a text there.
        env: what `{{ env.NAME }}` sees.
    """
    return _Renderer(document, variables, env).run()


class _Renderer:
    def __init__(
        self, document: Document, variables: Mapping[str, str], env: Mapping[str, str]
    ) -> None:
        self.document = document
        self.env = env
        self.found: list[Diagnostic] = []
        self.broken: set[Path] = set()
        self.templated: set[Path] = set()
        self.from_env: set[Path] = set()
        self.size = 0
        data = document.data if isinstance(document.data, dict) else {}
        declared = data.get("vars")
        self.declared: dict[str, JsonValue] = dict(declared) if isinstance(declared, dict) else {}
        self.overrides = {
            name: _typed(text, self.declared.get(name)) for name, text in variables.items()
        }
        self.values: dict[str, JsonValue] = {}
        self.open: list[str] = []
        self.tainted: set[str] = set()
        self.used: set[str] = set()
        self.taint = False

    def run(self) -> Rendered:
        data: JsonValue = self.document.data
        if isinstance(data, dict):
            for name in self.declared:
                with suppress(TemplateFault):  # noted where it stands
                    self.value_of(name)
            rendered = {
                key: self.walk(value, (key,)) for key, value in data.items() if key != "vars"
            }
            if "vars" in data:
                all_ok = isinstance(data["vars"], dict)
                rendered["vars"] = {**self.values, **self.overrides} if all_ok else data["vars"]
            data = rendered
        self.keys()
        self.unused()
        return Rendered(
            data=data,
            diagnostics=tuple(self.found),
            broken=frozenset(self.broken),
            templated=frozenset(self.templated),
            from_env=frozenset(self.from_env),
        )

    def value_of(self, name: str) -> JsonValue:
        """A variable, rendered when it is first asked for. Raises KeyError, TemplateFault."""
        if name in self.overrides:
            return self.overrides[name]
        if name not in self.values:
            if name in self.open:
                circle = " -> ".join([*self.open[self.open.index(name) :], name])
                raise TemplateFault("MMC216", f"vars go in a circle: {circle}")
            if len(self.open) >= MAX_CHAIN:
                raise TemplateFault("MMC216", f"vars use vars more than {MAX_CHAIN} deep")
            raw = self.declared[name]
            outer, self.taint = self.taint, False
            self.open.append(name)
            self.values[name] = self.walk(raw, ("vars", name))
            self.open.pop()
            if self.taint:
                self.tainted.add(name)
            self.taint = outer
        if ("vars", name) in self.broken:
            raise TemplateFault("", "")
        return self.values[name]

    def walk(self, value: JsonValue, path: Path) -> JsonValue:
        if isinstance(value, dict):
            return {key: self.walk(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.walk(item, (*path, i)) for i, item in enumerate(value)]
        if isinstance(value, str) and ("{{" in value or "{%" in value):
            return self.leaf(value, path)
        return value

    def leaf(self, text: str, path: Path) -> JsonValue:
        self.templated.add(path)
        outer, self.taint = self.taint, False
        try:
            result = self.evaluate(text)
            if self.taint:
                self.from_env.add(path)
        except TemplateFault as fault:
            result = None
            self.broken.add(path)
            if path[0] == "vars" and len(path) > 2:
                self.broken.add(path[:2])
            if fault.code:
                span = self.document.span(path)
                place = show(path)
                self.found.append(
                    Diagnostic(fault.code, str(fault), span=span, hint=fault.hint, path=place)
                )
        self.taint = outer or self.taint
        return result

    def evaluate(self, text: str) -> JsonValue:
        pieces = pieces_of(text)
        parts = [p if isinstance(p, str) else self.expression(p) for p in pieces]
        result = parts[0] if len(parts) == 1 else "".join(map(text_of, parts))
        self.size += size_of(result)
        if self.size > MAX_TOTAL:
            raise TemplateFault(
                "MMC215", f"all templates together give more than {MAX_TOTAL >> 20} MiB"
            )
        return result

    def expression(self, node: nodes.Expr) -> JsonValue:
        roots: dict[str, dict[str, JsonValue]] = {"vars": {}, "env": {}}
        for root, name in roots_of(node):
            self.taint = self.taint or root == "env"
            if root == "env" and name in self.env:
                if SECRET_KEY.fullmatch(name):
                    raise TemplateFault(
                        "MMC223",
                        f"env.{name} looks like a secret, and a template would write it out",
                        f"where a secret is wanted, write {{secret: env:{name}}}",
                    )
                roots["env"][name] = self.env[name]
            elif root == "vars":
                self.used.add(name)
                if name in self.declared or name in self.overrides:
                    roots["vars"][name] = self.value_of(name)
                    self.taint = self.taint or name in self.tainted
        try:
            return evaluate(node, roots)
        except NotDefined as error:
            raise self.undefined(node, roots, str(error)) from None

    def undefined(
        self, node: nodes.Expr, roots: dict[str, dict[str, JsonValue]], problem: str
    ) -> TemplateFault:
        for root, name in roots_of(node):
            if name in roots[root]:
                continue
            if root == "env":
                hint = f"set it, or write env.{name} | default('...')"
                return TemplateFault("MMC211", f"the environment variable {name} is not set", hint)
            close = nearest(name, [*self.declared, *self.overrides])
            hint = (
                f"did you mean vars.{close}?"
                if close
                else f"add it to vars, or pass --var {name}=VALUE"
            )
            return TemplateFault("MMC211", f"vars.{name} is not defined", hint)
        named = re.search(r"has no (?:attribute|element) '?(.*?)'?$", problem)
        what = f"`{named[1]}`" if named else "something"
        return TemplateFault("MMC211", f"the template asks for {what}, which is not there")

    def keys(self) -> None:
        for path, span in self.document.keys.items():
            if "{{" in str(path[-1]):
                self.found.append(
                    Diagnostic(
                        "MMC133",
                        "a template in a key; only values are rendered",
                        span=span,
                        path=show(path),
                    )
                )
                self.broken.add(path)

    def unused(self) -> None:
        for name in self.overrides:
            if name in self.used or name in self.declared:
                continue
            close = nearest(name, [*self.declared, *self.used])
            hint = f"did you mean {close}?" if close else ""
            message = f"--var {name}: the spec has no such variable"
            self.found.append(Diagnostic("MMC217", message, severity=Severity.WARNING, hint=hint))


def _typed(text: str, declared: JsonValue) -> JsonValue:
    """The value of `--var NAME=text`."""
    if isinstance(declared, str):
        return text
    try:
        return resolve(text)
    except ValueError:
        return text
