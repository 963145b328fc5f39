"""A line of a golden table: words, `name=value` attributes, `name` for true, `not_name` for false.

A value with a space, or a text that would read as another JSON value, is a JSON string; lists are
JSON. Reads the lines of `facts.txt` and writes those of `plan.txt`; knows no facts and no plan.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Any, TypeVar, cast, get_type_hints

from pydantic import TypeAdapter, ValidationError

from mmc.plan.codec import to_json
from mmc.types import Field, FieldType, Index, Metric, nearest

T = TypeVar("T")

_STRING = r'"(?:[^"\\]|\\.)*"'
_WORD = re.compile(
    rf'\s*(?:([^\s"=\[{{]+)=)?({_STRING}|[\[{{](?:{_STRING}|[^"])*?[\]}}]|[^\s"]+)(?=\s|$)'
)
_PLAIN = re.compile(r'[^\s"=\[{#][^\s"=]*')


@dataclass(frozen=True, slots=True)
class Word:
    """`name=text`, or a text alone (`name` is ""); `quoted`: it was a JSON string."""

    name: str
    text: str
    quoted: bool = False

    def value(self, hint: Any) -> Any:
        """As data for an attribute of this type."""
        if hint in _READ:
            return _READ[hint](Line(self.text))
        if self.quoted or hint is str:
            return self.text
        try:
            return json.loads(self.text)
        except ValueError:
            return self.text


class Line:
    """The words of a line, taken from the left. What is wrong is a ValueError."""

    def __init__(self, text: str) -> None:
        self.words: list[Word] = []
        at, text = 0, text.rstrip()
        while at < len(text):
            match = _WORD.match(text, at)
            if match is None:
                raise ValueError(f"cannot be cut into words at `{text[at:].strip()}`")
            name, word = match[1] or "", match[2]
            quoted = word.startswith('"')
            self.words.append(Word(name, json.loads(word) if quoted else word, quoted))
            at = match.end()

    def take(self, what: str) -> str:
        """The next word."""
        if not self.words or self.words[0].name:
            raise ValueError(f"the {what} is missing")
        return self.words.pop(0).text

    def until(self, end: str) -> Line:
        """What stands before this word, which is taken too."""
        before = Line("")
        while self.words and (word := self.words.pop(0)) != Word("", end):
            before.words.append(word)
        return before

    def end(self) -> None:
        """Nothing is left."""
        if self.words:
            raise ValueError(f"`{self.words[0].text}` is more than this line has a place for")

    def pairs(self) -> tuple[tuple[str, Any], ...]:
        """All that is left, as sorted `name=value` pairs of JSON values."""
        for word in self.words:
            if not word.name:
                raise ValueError(f"`{word.text}` stands where name=value belongs")
        return tuple(sorted((word.name, word.value(None)) for word in self.words))

    def attributes(self, *classes: type[Any]) -> list[dict[str, Any]]:
        """All that is left, as attributes of these dataclasses: the first that knows a name."""
        hints = [_hints(cast("Any", cls)) for cls in classes]
        made: list[dict[str, Any]] = [{} for _ in classes]
        for word in self.words:
            no = not word.name and word.text.startswith("not_")
            name = word.name or word.text.removeprefix("not_")
            at = next((at for at, known in enumerate(hints) if name in known), None)
            if at is None:
                owners = " or ".join(cls.__name__ for cls in classes)
                near = nearest(name, [one for known in hints for one in known])
                hint = f"; did you mean `{near}`?" if near else ""
                raise ValueError(f"`{name}` is no attribute of {owners}{hint}")
            if name in made[at]:
                raise ValueError(f"`{name}` stands twice")
            made[at][name] = word.value(hints[at][name]) if word.name else not no
        return made


def read_index(line: Line) -> Index:
    """`IVF_FLAT IP nlist=256`; on a scalar field without a metric."""
    type_ = line.take("type of the index")
    metric = line.take("metric") if line.words and not line.words[0].name else None
    return Index(type_, Metric(metric) if metric else None, line.pairs())


def read_field(line: Line) -> Field:
    """`id varchar(64) primary_key`."""
    name, type_ = line.take("name"), FieldType.parse(line.take("type"))
    (said,) = line.attributes(Field)
    return valid(Field, {**said, "name": name, "type": type_})


def valid(cls: type[T], data: dict[str, Any]) -> T:
    """A value of this dataclass from its attributes as data. Raises ValueError."""
    try:
        return cast("T", _adapter(cast("Any", cls)).validate_python(data))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


@cache
def _hints(cls: type[Any]) -> dict[str, Any]:
    return get_type_hints(cls)


@cache
def _adapter(cls: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


_READ: dict[Any, Callable[[Line], Any]] = {Index | None: read_index, Field | None: read_field}
"""Types of attributes that have a text of their own."""


def written(value: Any) -> str:
    """A value as one word."""
    match value:
        case Index():
            return written(index_text(value))
        case Field():
            return written(field_text(value))
        case FieldType():
            return written(str(value))
    if not isinstance(value, str):
        data = to_json(value)
        return json.dumps(data, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    try:
        json.loads(value)
    except ValueError:
        if _PLAIN.fullmatch(value):
            return value
    return json.dumps(value, ensure_ascii=False)


def index_text(index: Index) -> str:
    """Inverse of `read_index`."""
    metric = [str(index.metric)] if index.metric else []
    return " ".join([index.type, *metric, *pairs_text(index.params)])


def field_text(field: Field) -> str:
    """Inverse of `read_field`."""
    words = [written(field.name), written(field.type), *attributes_text(field, "name", "type")]
    return " ".join(words)


def pairs_text(pairs: Sequence[tuple[str, Any]]) -> list[str]:
    """Inverse of `Line.pairs`."""
    return [f"{name}={written(value)}" for name, value in pairs]


def attribute_text(name: str, value: Any) -> str:
    """One attribute; true and false as `name` and `not_name`."""
    if isinstance(value, bool):
        return name if value else f"not_{name}"
    return f"{name}={written(value)}"


def attributes_text(value: Any, *without: str) -> list[str]:
    """Inverse of `Line.attributes`: all that are not as they are by default, but for some."""
    return [
        attribute_text(field.name, getattr(value, field.name))
        for field in fields(value)
        if field.name not in without and not is_default(field, getattr(value, field.name))
    ]


def is_default(field: dataclasses.Field[Any], value: Any) -> bool:
    """Whether a field of a dataclass is as it is when nothing is said of it."""
    return field.default is not MISSING and value == field.default
