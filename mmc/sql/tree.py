"""What an SQL expression is made of, read from the engine's own parse tree: columns, functions,
forbidden parts.

Used at plan time to refuse what is not a plain function of one row, and at run time to know which
columns to pass.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from threading import Lock
from typing import Any

from mmc.sql.bounds import ALLOWED, Unbounded, unwrapped
from mmc.sql.growth import LAMBDAS, growth
from mmc.types import nearest

_BEFORE, _AFTER = "SELECT (\n", "\n) AS v FROM t"
_asking = Lock()
_CLOCKS = frozenset({"current_localtime", "current_localtimestamp"})
"""The engine calls these stable, but they read the clock."""
_CLOCK_WORDS = frozenset(
    {"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"}
)
_ZONED = re.compile(r"TIMESTAMPTZ|TIME(STAMP)? WITH TIME ZONE")
_FORBIDDEN = {
    "SUBQUERY": ("a subquery", "join the data before the migration"),
    "WINDOW": ("a window function", "an expression sees one row"),
    "STAR": ("`*`", "name the column"),
    "PARAMETER": ("a parameter", "write the value, or `{{ vars.NAME }}`"),
    "POSITIONAL_REFERENCE": ("a column by its number", "name the column"),
    "DEFAULT": ("DEFAULT", "use `default:` of the field"),
}


class NotAllowed(Exception):
    """The text is no expression over one row. `position` is an index into the text, when it is
    known.
    """

    def __init__(self, message: str, hint: str = "", position: int | None = None) -> None:
        super().__init__(message)
        self.message, self.hint, self.position = message, hint, position


@dataclass(frozen=True, slots=True)
class Reference:
    """A column as an expression names it."""

    name: str
    position: int | None


@dataclass(slots=True)
class Tree:
    """Parts of one expression.

    Attributes:
        growth: how many times larger than its columns a value may become in it.
    """

    references: list[Reference] = field(default_factory=list)
    growth: int = 1


@lru_cache(maxsize=256)
def parse(text: str) -> Tree:
    """Reads one expression.

    Raises:
        NotAllowed: it does not parse, or it is more than a function of the columns of one row.
    """
    try:
        return _read(text)
    except RecursionError:
        raise too_deep() from None


def _read(text: str) -> Tree:
    body = _serialised(_BEFORE + text + _AFTER)
    if body.get("error"):
        message = str(body.get("error_message", "syntax error"))
        if is_too_deep(message):
            raise too_deep()
        at = body.get("position")
        position = _character(text, int(at)) if at is not None else None
        raise NotAllowed(f"not SQL: {message}", "", position)
    tree = Tree()
    expression = _single(body, text)
    _walk(expression, text, frozenset(), tree)
    try:
        tree.growth = growth(expression)
    except Unbounded as error:
        raise NotAllowed(str(error), error.hint, _place(error.node or {}, text)) from None
    return tree


def is_too_deep(message: str) -> bool:
    """Whether the engine's message says so. Its advice is about a setting that is locked here."""
    return "max_expression_depth" in message


def too_deep() -> NotAllowed:
    """Also what stands side by side is nested to the engine: `a || b || c`."""
    return NotAllowed(
        "it is nested too deeply",
        "put fewer functions and operators within each other; `concat(a, b, c)` joins many texts,"
        " `x IN (1, 2, 3)` compares with many values",
    )


def columns_of(trees: Iterable[Tree], known: Sequence[str]) -> tuple[str, ...]:
    """The columns that are named, in the order of `known`.

    Names match exactly or, where only one column is meant, without regard to case.

    Raises:
        NotAllowed: no such column, or two that differ in case only.
    """
    used: set[str] = set()
    for reference in (reference for tree in trees for reference in tree.references):
        used.add(_resolve(reference, known))
    folded: dict[str, str] = {}
    for name in sorted(used):
        other = folded.setdefault(name.lower(), name)
        if other != name:
            raise NotAllowed(
                f"columns `{other}` and `{name}` differ in case only, which SQL does not see",
                "use one of them in expressions",
            )
    return tuple(name for name in known if name in used)


def _resolve(reference: Reference, known: Sequence[str]) -> str:
    if reference.name in known:
        return reference.name
    same = [name for name in known if name.lower() == reference.name.lower()]
    if len(same) == 1:
        return same[0]
    if same:
        shown = ", ".join(f"`{name}`" for name in same)
        raise NotAllowed(
            f"`{reference.name}` may be {shown}", "write it exactly", reference.position
        )
    if reference.name.lower() in _CLOCK_WORDS:
        raise _volatile(reference.name, reference.position)
    close = nearest(reference.name, list(known))
    hint = f"did you mean `{close}`?" if close else "columns: " + ", ".join(known[:12])
    raise NotAllowed(f"the source has no column `{reference.name}`", hint, reference.position)


def _single(body: Mapping[str, Any], text: str) -> Mapping[str, Any]:
    """The one expression of the one plain SELECT."""
    statements = body["statements"]
    node = statements[0]["node"]
    plain = (
        len(statements) == 1
        and node["type"] == "SELECT_NODE"
        and len(node["select_list"]) == 1
        and node["from_table"]["type"] == "BASE_TABLE"
        and node["from_table"]["table_name"] == "t"
        and not any(node.get(part) for part in ("where_clause", "group_expressions", "having"))
        and not any(node.get(part) for part in ("modifiers", "sample", "qualify"))
    )
    if not plain or not text.strip():
        raise NotAllowed("this is not one SQL expression", "write a value, such as `lower(title)`")
    expression: Mapping[str, Any] = node["select_list"][0]
    return expression


def _walk(node: Any, text: str, bound: frozenset[str], tree: Tree) -> None:
    """Visits every node. `bound` are the names that enclosing lambdas bring."""
    if isinstance(node, list):
        for item in node:
            _walk(item, text, bound, tree)
        return
    if not isinstance(node, dict):
        return
    kind, position = node.get("class"), _place(node, text)
    if kind in _FORBIDDEN:
        what, hint = _FORBIDDEN[kind]
        raise NotAllowed(f"{what} is not allowed here", hint, position)
    if kind == "COLUMN_REF":
        name = node["column_names"][0]
        if name.lower() not in bound:
            tree.references.append(Reference(name, position))
        return
    if kind == "FUNCTION":
        _check_function(node, position)
        _check_lambdas(node, text)
    if kind == "LAMBDA" and node["syntax_type"] == "LAMBDA_KEYWORD":
        bound |= {name.lower() for name in _lambda_names(node["lhs"])}
        node = {key: value for key, value in node.items() if key != "lhs"}
    for key, value in node.items():
        if key != "type_expr":
            _walk(value, text, bound, tree)


def _lambda_names(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if node.get("class") == "COLUMN_REF":
            yield node["column_names"][-1]
        for value in node.values():
            yield from _lambda_names(value)
    elif isinstance(node, list):
        for item in node:
            yield from _lambda_names(item)


def _check_function(node: Mapping[str, Any], position: int | None) -> None:
    name = node["function_name"].lower()
    known = _functions().get(name)
    if known is None:
        close = nearest(name, list(_functions()))
        hint = f"did you mean `{close}`?" if close else "see the functions of duckdb"
        raise NotAllowed(f"there is no function `{name}`", hint, position)
    if known == "volatile" or (name == "age" and len(node["arguments"]) == 1):
        raise _volatile(name, position)
    if known != "plain":
        raise NotAllowed(
            f"`{name}` is {known}; an expression sees one row",
            "use a function of one row",
            position,
        )

    if name not in ALLOWED:
        raise NotAllowed(
            f"`{name}` is not among the functions of an expression",
            "docs/spec.md lists them",
            position,
        )


def _check_lambdas(node: Mapping[str, Any], text: str) -> None:
    """`x -> x + 1` is no lambda any more: elsewhere the arrow takes a value out of JSON."""
    if node["function_name"].lower() not in LAMBDAS:
        return
    for argument in unwrapped(node["arguments"])[1:2]:
        if argument.get("class") == "LAMBDA" and argument["syntax_type"] != "LAMBDA_KEYWORD":
            names = ", ".join(_lambda_names(argument["lhs"]))
            raise NotAllowed(
                "a lambda is not written with `->`",
                f"write `lambda {names or 'x'}: ...`",
                _place(argument, text),
            )


def _volatile(name: str, position: int | None) -> NotAllowed:
    return NotAllowed(
        f"`{name}` gives another value each time, so a row read again would differ",
        "write the value itself, or `{{ vars.NAME }}`",
        position,
    )


def _place(node: Mapping[str, Any], text: str) -> int | None:
    at = node.get("query_location")
    return _character(text, at) if isinstance(at, int) else None


def _character(text: str, at: int) -> int | None:
    """Index into `text` of a byte offset into the statement around it."""
    start = at - len(_BEFORE)
    raw = text.encode()
    if not 0 <= start <= len(raw):
        return None
    return len(raw[:start].decode(errors="ignore"))


@lru_cache(maxsize=1)
def _parser() -> Any:
    import duckdb  # 40 ms, and few specs have an expression

    return duckdb.connect(
        ":memory:",
        config={
            "enable_external_access": "false",
            "python_enable_replacements": "false",
            "threads": "1",
        },
    )


def _asked(statement: str, values: Sequence[str] = ()) -> list[Any]:
    """All rows. Splits are copied in threads, and the engine refuses a connection that is busy."""
    with _asking:
        found: list[Any] = _parser().execute(statement, list(values)).fetchall()
    return found


def _serialised(statement: str) -> dict[str, Any]:
    ((found,),) = _asked("SELECT json_serialize_sql(?)", [statement])
    body: dict[str, Any] = json.loads(found)
    return body


@lru_cache(maxsize=1)
def _functions() -> dict[str, str]:
    """Every function by what it is: "plain", "volatile", "an aggregate", "a table function"."""
    rows = _asked(
        "SELECT lower(function_name), function_type, stability, parameters, macro_definition, "
        "list_append(parameter_types, return_type) FROM duckdb_functions()"
    )
    kinds: dict[str, set[str]] = {}
    macros: dict[str, list[tuple[list[str], str]]] = {}
    for name, type_, stability, parameters, definition, types in rows:
        if type_ == "macro":
            macros.setdefault(name, []).append((parameters, definition))
        elif type_ == "scalar":
            fixed = stability == "CONSISTENT" or (
                # Within a query only: these read the time zone of the connection, which is UTC.
                stability == "CONSISTENT_WITHIN_QUERY"
                and bool(parameters)
                and any(_ZONED.match(str(one)) for one in types)
            )
            plain = fixed and name not in _CLOCKS
            kinds.setdefault(name, set()).add("plain" if plain else "volatile")
        elif type_ == "aggregate":
            kinds.setdefault(name, set()).add("an aggregate")
        else:
            kinds.setdefault(name, set()).add("a table function")
    found = {name: _strictest(kind) for name, kind in kinds.items()}
    waiting = [name for name in macros if name not in found]
    while ready := [name for name in waiting if _stable(macros[name], found)]:
        # A macro may be made of other macros.
        found |= dict.fromkeys(ready, "plain")
        waiting = [name for name in waiting if name not in found]
    found |= dict.fromkeys(waiting, "volatile")
    found["unnest"] = "a table function"
    return found


def _strictest(kinds: set[str]) -> str:
    """A name may be a scalar and a table function: in an expression it is the scalar one."""
    for kind in ("volatile", "an aggregate", "plain"):
        if kind in kinds:
            return kind
    return "a table function"


def _stable(overloads: Iterable[tuple[list[str], str]], functions: Mapping[str, str]) -> bool:
    """Whether every definition of a macro is made of plain functions and its own parameters."""
    for parameters, definition in overloads:
        body = _serialised(_BEFORE + (definition or "") + _AFTER)
        if body.get("error"):
            return False
        parts = list(_parts(body["statements"][0]["node"]["select_list"]))
        own = {name.lower() for name in parameters}
        for part in parts:
            kind = part.get("class")
            if kind in _FORBIDDEN:
                return False
            if kind == "FUNCTION" and functions.get(part["function_name"].lower()) != "plain":
                return False
            if kind == "COLUMN_REF" and part["column_names"][0].lower() not in own:
                return False
    return True


def _parts(node: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _parts(value)
    elif isinstance(node, list):
        for item in node:
            yield from _parts(item)
