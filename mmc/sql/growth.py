"""How much larger than the columns of its row a value may become inside an SQL expression.

Counted from the parse tree, as so many times the columns and so many characters beside. What stands
side by side adds up, what is nested multiplies, and a width or a number adds what it says. Within
a lambda, sizes are those of all items together. The columns' lists are of a length that is not
known here; what they make of that is left to the limits of the process.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from mmc.sql.bounds import MOST, Arguments, Unbounded, length_of, text_of, unwrapped

Node: TypeAlias = Mapping[str, Any]

_MAPS = frozenset(
    ("list_transform", "array_transform", "list_apply", "array_apply", "apply")
) | frozenset(("list_filter", "array_filter", "filter"))
_REDUCES = frozenset(("list_reduce", "array_reduce", "reduce"))
LAMBDAS = _MAPS | _REDUCES
"""Functions whose second argument is a lambda."""

_LENGTHS = {"lpad": 1, "rpad": 1, "bar": 3, "to_base": 2, "range": -1, "generate_series": -1}
"""Function -> the argument that says how long its value is; -1: all of them together."""
_TIMES = {"repeat": 1, "list_resize": 1, "array_resize": 1}
"""Function -> the argument that says how often its value holds another."""
_FACTORS = {
    **dict.fromkeys(("bin", "to_binary"), 8),
    **dict.fromkeys(("hex", "to_hex", "base64", "to_base64", "regexp_escape"), 2),
    "url_encode": 3,
    **dict.fromkeys(("to_json", "json_quote", "array_to_json", "row_to_json", "json_pretty"), 8),
}
_SEPARATED = frozenset(
    ("array_to_string", "list_aggregate", "list_aggr", "array_aggregate", "array_aggr", "aggregate")
)
"""Functions that put their last argument between the items of their first."""
_SELECTS = frozenset(("list_select", "array_select"))
_FIXED_NAMES = """
!= < <= = > >= ~~ !~~ ~~* !~~* ~~~ ^@ @> <@ - * / // % ** ^ abs sign ceil ceiling floor round trunc
sqrt pow power mod len length char_length character_length strlen octet_length bit_length
length_grapheme ascii ord unicode contains prefix suffix starts_with ends_with instr strpos position
regexp_matches regexp_full_match md5 sha1 sha256 hash levenshtein editdist3 damerau_levenshtein
hamming mismatches jaccard jaro_similarity jaro_winkler_similarity year month day hour minute second
millisecond microsecond quarter week weekday isodow dayofweek dayofmonth dayofyear epoch epoch_ms
epoch_us epoch_ns date_part datepart date_trunc datetrunc date_diff datediff list_sum list_avg
list_count list_contains array_contains list_position array_position list_has array_has array_length
cardinality json_array_length json_valid json_exists json_type
"""
_FIXED = frozenset(_FIXED_NAMES.split())
"""Functions that give a number, a digest or a truth, however long their arguments."""
_KEEPING = frozenset(("+", "add", "||", "concat", "lower", "upper", "trim")) | frozenset(
    ("list_concat", "list_cat", "array_concat", "array_cat", "list_append", "list_prepend")
)
"""Functions whose value holds their arguments once each."""
_CHOOSING = frozenset(("greatest", "least", "coalesce", "nullif", "if"))


@dataclass(frozen=True, slots=True)
class _Size:
    """`columns` times the columns of a row, and `fixed` characters or items."""

    columns: float = 0.0
    fixed: float = 0.0

    def __add__(self, other: _Size) -> _Size:
        return _Size(self.columns + other.columns, self.fixed + other.fixed)

    def __mul__(self, times: float) -> _Size:
        return _Size(self.columns * times, self.fixed * times)

    def __or__(self, other: _Size) -> _Size:
        """The larger of both."""
        return _Size(max(self.columns, other.columns), max(self.fixed, other.fixed))


@dataclass(frozen=True, slots=True)
class _Scope:
    """What holds at a place: how many items its lambdas run over, and the names that they bring."""

    items: float
    names: Mapping[str, tuple[_Size, float]]


def growth(expression: Node) -> int:
    """How large the largest value inside an expression may become, in sizes of its columns.

    Raises:
        Unbounded: of any size, or over `MOST`.
    """
    meter = _Meter()
    meter.size(expression, _Scope(1.0, {}))
    return max(1, int(meter.largest))


class _Meter:
    def __init__(self) -> None:
        self.largest = 1.0
        self._known: dict[int, tuple[_Scope, _Size]] = {}

    def size(self, node: Any, scope: _Scope) -> _Size:
        """The size of the value of a node, or of all in a list of them."""
        if isinstance(node, list):
            return sum((self.size(item, scope) for item in node), _Size())
        if not isinstance(node, dict):
            return _Size()
        match node.get("class"):
            case "CONSTANT":
                return _Size(0, scope.items)
            case "COLUMN_REF":
                return _named(node, scope)
            case "FUNCTION":
                return self._call(node, scope)
            case "CASE":
                for check in node["case_checks"]:
                    self.size(check["when_expr"], scope)
                found = self.size(node["else_expr"], scope)
                for check in node["case_checks"]:
                    found |= self.size(check["then_expr"], scope)
                return found
        found = sum(
            (self.size(value, scope) for key, value in node.items() if key != "type_expr"), _Size()
        )
        return _Size(0, scope.items) if _is_truth(node) else found

    def _call(self, node: Node, scope: _Scope) -> _Size:
        known = self._known.get(id(node))
        if known is not None and known[0] is scope:
            return known[1]
        try:
            found = self._of_call(node, scope)
            reached = found.columns + found.fixed
            if reached > MOST:
                name = node["function_name"].lower()
                raise Unbounded(
                    f"with `{name}` a value may become over {MOST:,} times as large as its columns",
                    "repeat, pad or list less",
                )
        except Unbounded as error:
            error.node = error.node or node
            raise
        self.largest = max(self.largest, reached)
        self._known[id(node)] = scope, found
        return found

    def _of_call(self, node: Node, scope: _Scope) -> _Size:
        name, arguments = node["function_name"].lower(), unwrapped(node["arguments"])
        if name in LAMBDAS and len(arguments) > 1 and arguments[1].get("class") == "LAMBDA":
            return self._over_items(name, arguments, scope)
        sizes = [self.size(argument, scope) for argument in arguments]
        every = sum(sizes, _Size())
        if name in _LENGTHS:
            return _Size(0, scope.items * _length(name, arguments, _LENGTHS[name]))
        if name in _TIMES:
            often = _length(name, arguments, _TIMES[name])
            if name == "repeat":
                return sizes[0] * often
            return sizes[0] + sum(sizes[2:], _Size(0, scope.items)) * often
        if name == "replace":
            return self._replaced(node, scope)
        if name == "regexp_replace":
            return _matches_replaced(name, arguments, sizes)
        if name in ("format", "printf"):
            return _formatted(name, arguments, every, scope)
        if name in _FIXED:
            return _Size(0, scope.items)
        if name in _SELECTS and len(sizes) > 1:
            return sizes[0] * max(1.0, sizes[1].fixed / scope.items) + sizes[1]
        if name in _SEPARATED and len(sizes) > 1:
            return every + sizes[-1] * max(1.0, sizes[0].fixed / scope.items)
        if name == "concat_ws" and sizes:
            return every + sizes[0] * len(sizes)
        return every * _FACTORS.get(name, 1)

    def _over_items(self, name: str, arguments: Arguments, scope: _Scope) -> _Size:
        """A lambda, called for each item of a list."""
        over, rest = self.size(arguments[0], scope), self.size(list(arguments[2:]), scope)
        names, body = _parameters(arguments[1]), arguments[1]["expr"]
        items = max(scope.items, over.fixed)
        brought = {each: (_Size(0, items), items) for each in names}
        if name in _REDUCES:
            if names and _uses(body, names[0]) > 1:
                raise Unbounded(
                    f"`{name}` may give a value of any size here",
                    f"use `{names[0]}` once, in a sum, a joined text, `greatest` or `least`",
                )
            brought |= {each: (_Size(), items) for each in names[:1]}
            brought |= dict.fromkeys(names[1:2], (over, items))
        else:
            brought |= dict.fromkeys(names[:1], (over, items))
        made = self.size(body, _Scope(items, {**scope.names, **brought}))
        if name in _REDUCES:
            return over + rest + made
        return over | made if name.endswith("filter") else made

    def _replaced(self, node: Node, scope: _Scope) -> _Size:
        """Replaced texts inside replaced texts, innermost first. An inner one was counted when the
        arguments of the outer one were.
        """
        chain: list[tuple[str | None, str]] = []
        at = node
        while at.get("class") == "FUNCTION" and at["function_name"].lower() == "replace":
            arguments = unwrapped(at["arguments"])
            if len(arguments) < 3:
                break
            new = text_of(arguments[2])
            if new is None:
                raise _no_constant("replace")
            chain.insert(0, (text_of(arguments[1]), new))
            at = arguments[0]
        return self.size(at, scope) * _chained(chain)


def _chained(chain: Sequence[tuple[str | None, str]]) -> float:
    """How many times longer texts become by replacing one text after the other.

    Where single characters are replaced, by what each character becomes in the end.
    """
    factor = 1.0
    became: dict[str, dict[str, int]] = {}

    def longest() -> float:
        return max(
            (
                sum(count * len(part.encode()) for part, count in parts.items())
                / len(start.encode())
                for start, parts in became.items()
            ),
            default=1.0,
        )

    for old, new in chain:
        if old is not None and len(old) == 1:
            became.setdefault(old, {old: 1})
            for parts in became.values():
                count = parts.pop(old, 0)
                for part in new if count else "":
                    parts[part] = parts.get(part, 0) + count
            continue
        factor *= max(1.0, longest()) * max(1.0, len(new.encode()) / len((old or "x").encode()))
        became = {}
    return factor * max(1.0, longest())


def _length(name: str, arguments: Arguments, place: int) -> int:
    wanted = [place] if place >= 0 else range(len(arguments))
    sizes = [length_of(name, arguments[at]) for at in wanted if at < len(arguments)]
    return max(1, max(sizes, default=1) - min(0, *sizes, 0))


def _no_constant(name: str) -> Unbounded:
    return Unbounded(f"`{name}` may give a value of any size where the new text is no constant")


def _matches_replaced(name: str, arguments: Arguments, sizes: Sequence[_Size]) -> _Size:
    """Every character may become the new text, which may quote what it replaces; without the
    option `g` just one place does.
    """
    new = text_of(arguments[2]) if len(arguments) > 2 else ""
    if new is None:
        raise _no_constant(name)
    options = text_of(arguments[3]) if len(arguments) > 3 else ""
    quotes, length = new.count("\\"), len(new.encode())
    if options is not None and "g" not in options:
        return sizes[0] * max(1, quotes) + sizes[2] * length
    return sizes[0] * max(1, quotes + length)


def _formatted(name: str, arguments: Arguments, every: _Size, scope: _Scope) -> _Size:
    """A width may stand in the format, and be an argument."""
    text = text_of(arguments[0]) if arguments else ""
    if text is None or "*" in text or re.search(r"\{[^{}]*\{", text.replace("{{", "")):
        raise Unbounded(f"`{name}` may give a value of any size where a width is no constant")
    width = sum(int(width) for width in re.findall(r"\d{1,18}", text))
    often = len(re.findall(r"\{\d|%\d+\$", text))
    return every * max(1, often) + _Size(0, scope.items * width)


def _named(node: Node, scope: _Scope) -> _Size:
    known = scope.names.get(node["column_names"][0].lower())
    if known is None:
        return _Size(scope.items, 0)
    size, items = known
    return size * (scope.items / items)


def _is_truth(node: Node) -> bool:
    kind = str(node.get("type", ""))
    return node.get("class") in ("COMPARISON", "CONJUNCTION", "BETWEEN") or (
        node.get("class") == "OPERATOR"
        and (kind.startswith(("COMPARE_", "OPERATOR_IS_")) or "NOT" in kind)
    )


def _parameters(node: Node) -> list[str]:
    """The names of a lambda, in order."""
    names = node["lhs"]
    each = unwrapped(names["arguments"]) if names.get("class") == "FUNCTION" else [names]
    return [one["column_names"][-1].lower() for one in each if one.get("class") == "COLUMN_REF"]


def _mentions(node: Any, name: str) -> bool:
    if isinstance(node, list):
        return any(_mentions(item, name) for item in node)
    if not isinstance(node, dict):
        return False
    if node.get("class") == "COLUMN_REF":
        return bool(node["column_names"][0].lower() == name)
    return any(_mentions(value, name) for value in node.values())


def _uses(node: Node, name: str) -> float:
    """How many times the value of a node holds what `name` does; infinite where it is not known."""
    if not _mentions(node, name) or _is_truth(node):
        return 0
    match node["class"]:
        case "COLUMN_REF":
            return 1
        case "CAST":
            return _uses(node["child"], name)
        case "CASE":
            results = [check["then_expr"] for check in node["case_checks"]]
            return max(_uses(result, name) for result in [*results, node["else_expr"]])
        case "OPERATOR" if node["type"] == "OPERATOR_COALESCE":
            return max(_uses(child, name) for child in node["children"])
        case "FUNCTION":
            called = node["function_name"].lower()
            each = [_uses(argument, name) for argument in unwrapped(node["arguments"])]
            if called in _FIXED:
                return 0
            if called in _KEEPING:
                return sum(each)
            if called in _CHOOSING:
                return max(each)
    return float("inf")
