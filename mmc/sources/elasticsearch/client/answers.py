"""Values in the JSON of an answer, by their types. Whoever stands between may answer anything with
status 200, and what is no list of shards must not count as an empty one: so nothing is taken from
an answer without a look at its type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")

Read: TypeAlias = Callable[[dict[str, Any]], T]
"""What a request is for, taken from its answer. Raises Misshapen."""


class Misshapen(ValueError):
    """An answer is JSON, and not what this request is answered with."""


def as_object(value: Any, *path: str) -> dict[str, Any]:
    """The object at the end of a path of names. Raises Misshapen."""
    found = _at(value, path)
    if not isinstance(found, dict):
        raise Misshapen(f"no object: {'.'.join(path)}")
    return found


def as_list(value: Any, *path: str) -> list[Any]:
    """Raises Misshapen."""
    found = _at(value, path)
    if not isinstance(found, list):
        raise Misshapen(f"no list: {'.'.join(path)}")
    return found


def as_objects(value: Any, *path: str) -> list[dict[str, Any]]:
    """A list that has nothing but objects. Raises Misshapen."""
    return [as_object(one) for one in as_list(value, *path)]


def as_texts(value: Any, *path: str) -> list[str]:
    """Raises Misshapen."""
    return [as_text(one) for one in as_list(value, *path)]


def as_text(value: Any, *path: str) -> str:
    """A text that is not empty. Raises Misshapen."""
    found = _at(value, path)
    if not isinstance(found, str) or not found:
        raise Misshapen(f"no text: {'.'.join(path)}")
    return found


def as_count(value: Any, *path: str) -> int:
    """A whole number from 0 on. Raises Misshapen."""
    found = _at(value, path)
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        raise Misshapen(f"no count: {'.'.join(path)}")
    return found


def as_whole(value: Any, *path: str) -> int | None:
    """A number without a fraction, as an aggregation answers it; or null. Raises Misshapen."""
    found = _at(value, path)
    if found is None:
        return None
    if not isinstance(found, int | float) or isinstance(found, bool) or found != found // 1:
        raise Misshapen(f"no whole number: {'.'.join(path)}")
    return int(found)


def as_flag(value: Any, *path: str) -> bool:
    """Raises Misshapen."""
    found = _at(value, path)
    if not isinstance(found, bool):
        raise Misshapen(f"neither true nor false: {'.'.join(path)}")
    return found


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if not isinstance(value, dict) or name not in value:
            raise Misshapen(f"not there: {'.'.join(path)}")
        value = value[name]
    return value
