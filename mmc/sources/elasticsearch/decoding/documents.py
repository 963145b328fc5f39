"""Documents of a page walked once each: every wanted value into the cells of its column.

A name with dots means what objects mean: `{"a.b": 1}` is `{"a": {"b": 1}}`, and both may stand in
one document. A value below a list of objects is found once an object. Values stay what the parser
gives: proxies of simdjson, or the lists and dicts of Python's decoder.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeAlias

import simdjson

OBJECTS = (simdjson.Object, dict)
LISTS = (simdjson.Array, list)


class Several(list[Any]):
    """Values that one document has at one path, in order; not a list that it writes there."""


class Written(float):
    """A number with the digits that the document has: `1.10` in a text field is not `1.1`."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class DigitsLost(Exception):
    """A number with a point or an exponent in a text field, of which no more is known than its
    value: the page has to be parsed with `Written`.
    """


Outside: TypeAlias = dict[str, list[Any]]
"""Values that nobody knows, by path."""
NUMBERS = frozenset({int, float, Written})
"""Types of numbers; a boolean is none."""


class _Node:
    """A name of a path: the cells of the column that ends here, and the names below.

    Attributes:
        whole: the column takes objects. Where one that does not has names below (`subobjects:
            false`: `cpu` and `cpu.total` are two fields), an object is theirs alone.
        known: somebody takes what stands here; where that may be objects, what is below too.
    """

    __slots__ = ("below", "cells", "known", "whole")

    def __init__(self) -> None:
        self.cells: list[Any] | None = None
        self.whole = True
        self.known = False
        self.below: dict[str, _Node] = {}


class Reader:
    """Fills cells, by row; what a document does not have, or has as null, is left as it is."""

    def __init__(
        self,
        found: Mapping[str, list[Any]],
        single: Collection[str] = (),
        known: Collection[str] = (),
    ) -> None:
        """
        Args:
            found: the cells of a column by its dotted path.
            single: paths of the columns that take no objects.
            known: paths of what is not outside, wherever its values go.
        """
        self._root = _Node()
        for path, cells in found.items():
            node = self._node(path)
            node.cells = cells
            node.whole = path not in single
        for path in known:
            node = self._node(path)
            node.known, node.whole = True, path not in single

    def _node(self, path: str) -> _Node:
        node = self._root
        for part in path.split("."):
            node = node.below.setdefault(part, _Node())
        return node

    def read(self, source: Any, row: int, outside: Outside | None = None) -> None:
        """Reads one `_source`.

        Args:
            outside: takes the values that are not known, by the path to the first name on the way
                that is not.
        """
        _walk(self._root.below, source, row, "", outside)


def _walk(
    wanted: dict[str, _Node], source: Any, row: int, at: str, outside: Outside | None
) -> None:
    names = list(source)
    # One look at all names together: a test of each costs more than the walk.
    if "." in "\n".join(names):
        source = _unfolded(wanted, source, names, at, outside)
        names = list(source)
    for name in names:
        node = wanted.get(name)
        if node is None:
            if outside is not None and _says(source[name]):
                outside.setdefault(at + name, []).append(source[name])
            continue
        cells = node.cells
        if cells is None and not node.below:
            continue
        value = source[name]
        if value is None:
            continue
        own = value
        if not node.whole and node.below:
            own = _without_objects(value)
        if cells is not None and own is not None:
            before = cells[row]
            cells[row] = own if before is None else _joined(before, own)
        if node.below:
            within = None if node.known and node.whole else outside
            if within is not None and cells is None and not node.known and _has_scalars(value):
                within.setdefault(at + name, []).append(value)
            _descend(node.below, value, row, f"{at}{name}.", within)


def _says(value: Any) -> bool:
    """Whether it is a value: neither null nor an empty list."""
    return value is not None and not (isinstance(value, LISTS) and not len(value))


def _has_scalars(value: Any) -> bool:
    """Whether there is anything but objects."""
    if isinstance(value, LISTS):
        return any(map(_has_scalars, value))
    return value is not None and not isinstance(value, OBJECTS)


def _without_objects(value: Any) -> Any:
    if isinstance(value, OBJECTS):
        return None
    if isinstance(value, Several):
        left = [item for item in value if not isinstance(item, OBJECTS)]
        return Several(left) if len(left) > 1 else (left or [None])[0]
    return value


def _descend(
    wanted: dict[str, _Node], value: Any, row: int, at: str, outside: Outside | None
) -> None:
    if isinstance(value, OBJECTS):
        _walk(wanted, value, row, at, outside)
    elif isinstance(value, LISTS):
        for item in value:
            _descend(wanted, item, row, at, outside)


def _unfolded(
    wanted: dict[str, _Node], source: Any, names: list[str], at: str, outside: Outside | None
) -> dict[str, Any]:
    """The wanted members of an object, those with dotted names as objects."""
    made: dict[str, Any] = {}
    for name in names:
        head, *rest = name.split(".")
        if head not in wanted:
            if outside is not None and _says(source[name]):
                outside.setdefault(at + name, []).append(source[name])
            continue
        value = source[name]
        for part in reversed(rest):
            value = {part: value}
        made[head] = _merged(made[head], value) if head in made else value
    return made


def _merged(one: Any, other: Any) -> Any:
    if one is None or other is None:
        return one if other is None else other
    if not (isinstance(one, OBJECTS) and isinstance(other, OBJECTS)):
        return _joined(one, other)
    made = {name: one[name] for name in one}
    for name in other:
        made[name] = _merged(made[name], other[name]) if name in made else other[name]
    return made


def _joined(before: Any, value: Any) -> Several:
    return Several([*(before if isinstance(before, Several) else [before]), value])


def members(value: Any) -> Iterator[str]:
    """Names of the members of an object, and of those in a list."""
    if isinstance(value, OBJECTS):
        yield from value
    elif isinstance(value, LISTS):
        for item in value:
            yield from members(item)


def plain(value: Any) -> Any:
    """The value without proxies."""
    if isinstance(value, simdjson.Object):
        return value.as_dict()
    if isinstance(value, simdjson.Array):
        return value.as_list()
    if isinstance(value, dict):
        return {name: plain(member) for name, member in value.items()}
    if isinstance(value, Several):
        return [plain(item) for item in value]
    return value
