"""The build parameters of an index, against what the target knows of its type.

A server ignores a name that it does not know, and may take a value that it then never builds: the
plan says so before any row is copied. What a source's own index brings is made to fit instead, for
nobody wrote it and nobody could mend it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from mmc.facts import Capabilities, IndexParam, IndexRule, ParamKind
from mmc.types import FieldType, Index, JsonValue, freeze, nearest

_OF_SEARCHES = frozenset(
    {
        *("ef", "nprobe", "radius", "range_filter", "search_list", "reorder_k", "itopk_size"),
        *("drop_ratio_search", "refine_k", "rbq_query_bits", "search_width", "team_size", "topk"),
    }
)
_OF_THE_INDEX = {"metric": "metric", "metric_type": "metric", "index_type": "type", "type": "type"}


@dataclass(frozen=True, slots=True)
class WrongParam:
    """A build parameter that the target ignores or cannot build with.

    Attributes:
        known: the target knows the name, and the value is wrong.
    """

    name: str
    known: bool
    reason: str
    hint: str


def rule_of(index: Index, type_: FieldType, able: Capabilities) -> IndexRule | None:
    """What the target takes of this type of index on such a field; None where nothing is known."""
    rules = (rule for rule in able.index_rules if rule.type == index.type)
    return next((rule for rule in rules if not rule.fields or type_.kind in rule.fields), None)


def misplaced(index: Index, type_: FieldType, able: Capabilities) -> bool:
    """Whether the target builds this type of index, but not on such a field. Of a field that it
    does not have at all more is said elsewhere.
    """
    if str(type_.kind) not in able.types:
        return False
    known = any(rule.type == index.type for rule in able.index_rules)
    return known and rule_of(index, type_, able) is None


def plain(index: Index, type_: FieldType, able: Capabilities) -> Index:
    """The index with whole numbers and flags that were written as texts or floats as what they are,
    which is how a server shows them.
    """
    rule = rule_of(index, type_, able)
    if rule is None:
        return index
    known = {one.name: one for one in rule.params}
    params = {
        name: _plain(known[name].kind, value) if name in known else value
        for name, value in index.params
    }
    return replace(index, params=freeze(params))


def _plain(kind: ParamKind, value: JsonValue) -> JsonValue:
    if isinstance(value, bool):
        return value
    match kind:
        case ParamKind.INTEGER:
            if isinstance(value, float) and value.is_integer():
                return int(value)
            return int(value) if isinstance(value, str) and _whole(value) else value
        case ParamKind.NUMBER:
            return float(value) if isinstance(value, str) and _decimal(value) else value
        case ParamKind.FLAG if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        case _:
            return value


def _whole(text: str) -> bool:
    return re.fullmatch(r"-?[0-9]{1,18}", text) is not None


def _decimal(text: str) -> bool:
    return re.fullmatch(r"-?[0-9]{1,18}(\.[0-9]{1,18})?", text) is not None


def wrong_params(index: Index, type_: FieldType, able: Capabilities) -> Iterator[WrongParam]:
    """Every parameter that is not known, or whose value is wrong. `index` is plain."""
    rule = rule_of(index, type_, able)
    if rule is None:
        return
    known = {one.name: one for one in rule.params}
    for name, value in index.params:
        if name not in known:
            hint = _instead(name, rule)
            yield WrongParam(name, False, f"{index.type} has no parameter `{name[:60]}`", hint)
        elif reason := _misfit(known[name], value):
            yield WrongParam(
                name, True, f"{name} {reason}", f"{index.type} takes {_takes(known[name])}"
            )


def fitted(index: Index, type_: FieldType, able: Capabilities) -> tuple[Index, tuple[str, ...]]:
    """A source's index as the target takes it, and what was changed of it: a number out of bounds
    becomes the nearest one inside, what is not known is left out.
    """
    index = plain(index, type_, able)
    rule = rule_of(index, type_, able)
    known = {one.name: one for one in rule.params} if rule is not None else {}
    params, changes = dict(index.params), []
    for wrong in wrong_params(index, type_, able):
        value = params.pop(wrong.name)
        inside = _nearest_inside(known[wrong.name], value) if wrong.known else None
        if inside is not None:
            params[wrong.name] = inside
            changes.append(f"{wrong.name}={value} becomes {inside}")
        else:
            changes.append(f"{wrong.name}={value} is left out")
    return replace(index, params=freeze(params)), tuple(changes)


def _instead(name: str, rule: IndexRule) -> str:
    if name.lower() in _OF_THE_INDEX:
        key = _OF_THE_INDEX[name.lower()]
        return f"say it as index.{key}, beside params"
    names = [one.name for one in rule.params]
    close = next((one for one in names if _letters(one) == _letters(name)), None)
    if close is None and name in _OF_SEARCHES:
        return "it belongs to searches, not to an index"
    close = close or nearest(name, names)
    takes = f"{rule.type} takes {', '.join(names)}" if names else f"{rule.type} takes no parameters"
    return f"did you mean {close}?" if close else takes


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _misfit(param: IndexParam, value: JsonValue) -> str:
    """Why a value is wrong; "" when it is not."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    match param.kind:
        case ParamKind.FLAG:
            return "" if isinstance(value, bool) else f"is no true or false: {_shown(value)}"
        case ParamKind.TEXT:
            if not isinstance(value, str):
                return f"is no text: {_shown(value)}"
            fits = not param.texts or value.lower() in [one.lower() for one in param.texts]
            return "" if fits else f"cannot be {_shown(value)}"
        case ParamKind.INTEGER if not isinstance(value, int) or not number:
            return f"is no whole number: {_shown(value)}"
        case _ if not number:
            return f"is no number: {_shown(value)}"
    return "" if _nearest_inside(param, value) == value else f"is out of range: {_shown(value)}"


def _nearest_inside(param: IndexParam, value: JsonValue) -> int | float | None:
    """The number nearest to a number inside the bounds; None for anything but a number."""
    if param.kind not in (ParamKind.INTEGER, ParamKind.NUMBER):
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if param.kind is ParamKind.INTEGER and isinstance(value, float):
        return None
    if param.least is not None and value < param.least:
        return param.least
    return param.most if param.most is not None and value > param.most else value


def _takes(param: IndexParam) -> str:
    if param.texts:
        return f"{param.name}: {', '.join(param.texts)}"
    match param.kind:
        case ParamKind.FLAG:
            return f"{param.name}: true or false"
        case ParamKind.TEXT:
            return f"a text as {param.name}"
        case _:
            if param.least is not None and param.most is not None:
                return f"{param.name} from {param.least:,} to {param.most:,}"
            return f"{param.name} from {param.least:,}" if param.least is not None else "a number"


def _shown(value: JsonValue) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
