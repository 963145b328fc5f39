"""The vocabulary of schemas: Milvus field types, source (Arrow) types, fields, indexes,
collections.

Lowest layer of the pipe; imports nothing of mmc and no third-party library, so that `mmc validate`
stays fast. Every value here is immutable and prints to, and parses from, one canonical text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    JsonValue: TypeAlias = (
        bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"] | None
    )
else:
    JsonValue = Any

MAX_VARCHAR = 65_535
"""Largest `max_length` of a Milvus varchar, in bytes (milvus.io, limits)."""
MAX_CAPACITY = 4_096
"""Largest `max_capacity` of a Milvus array, in elements."""
MAX_DIM = 32_768
"""Largest dimension of a Milvus vector; binary vectors count bits (262,144)."""
MAX_BINARY_DIM = 262_144


class TypeKind(StrEnum):
    """The Milvus data types, by the names that specs and plans use."""

    BOOL = "bool"
    INT8 = "int8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT = "float"
    DOUBLE = "double"
    VARCHAR = "varchar"
    JSON = "json"
    ARRAY = "array"
    FLOAT_VECTOR = "float_vector"
    BINARY_VECTOR = "binary_vector"
    FLOAT16_VECTOR = "float16_vector"
    BFLOAT16_VECTOR = "bfloat16_vector"
    INT8_VECTOR = "int8_vector"
    SPARSE_FLOAT_VECTOR = "sparse_float_vector"


INTEGERS = frozenset({TypeKind.INT8, TypeKind.INT16, TypeKind.INT32, TypeKind.INT64})
FLOATS = frozenset({TypeKind.FLOAT, TypeKind.DOUBLE})
DENSE_VECTORS = frozenset(
    {
        TypeKind.FLOAT_VECTOR,
        TypeKind.BINARY_VECTOR,
        TypeKind.FLOAT16_VECTOR,
        TypeKind.BFLOAT16_VECTOR,
        TypeKind.INT8_VECTOR,
    }
)
VECTORS = DENSE_VECTORS | {TypeKind.SPARSE_FLOAT_VECTOR}
ELEMENTS = frozenset({TypeKind.BOOL, TypeKind.VARCHAR}) | INTEGERS | FLOATS
"""What an array may hold."""

_BITS = {TypeKind.INT8: 8, TypeKind.INT16: 16, TypeKind.INT32: 32, TypeKind.INT64: 64}


class TypeSyntaxError(ValueError):
    """A type text that does not parse; `hint` says what would."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class FieldType:
    """A Milvus data type with its parameters.

    Attributes:
        kind: which data type.
        length: varchar only: longest value, in bytes of UTF-8.
        dim: dense vectors only: dimension (bits for `binary_vector`).
        element: arrays only: the element type (a varchar element has its own `length`).
        capacity: arrays only: most elements in one value.
    """

    kind: TypeKind
    _: KW_ONLY
    length: int | None = None
    dim: int | None = None
    element: FieldType | None = None
    capacity: int | None = None

    def __post_init__(self) -> None:
        kind = self.kind
        if kind is TypeKind.VARCHAR:
            _bound(
                self.length, 1, MAX_VARCHAR, "varchar needs a length in bytes, such as varchar(512)"
            )
        if kind in DENSE_VECTORS:
            most = MAX_BINARY_DIM if kind is TypeKind.BINARY_VECTOR else MAX_DIM
            _bound(self.dim, 1, most, f"{kind} needs a dimension, such as {kind}(768)")
            if kind is TypeKind.BINARY_VECTOR and (self.dim or 0) % 8:
                raise TypeSyntaxError(
                    f"binary_vector({self.dim}): the dimension counts bits and is a multiple of 8"
                )
        if kind is TypeKind.ARRAY:
            if self.element is None:
                raise TypeSyntaxError("array needs an element type", "write array<int64>(100)")
            if self.element.kind not in ELEMENTS:
                raise TypeSyntaxError(
                    f"an array cannot hold {self.element}", "use json for nested values"
                )
            _bound(
                self.capacity, 1, MAX_CAPACITY, "array needs a capacity, such as array<int64>(100)"
            )

    def __str__(self) -> str:
        match self.kind:
            case TypeKind.VARCHAR:
                return f"varchar({self.length})"
            case TypeKind.ARRAY:
                return f"array<{self.element}>({self.capacity})"
            case kind if kind in DENSE_VECTORS:
                return f"{kind}({self.dim})"
            case kind:
                return str(kind)

    @property
    def is_vector(self) -> bool:
        return self.kind in VECTORS

    @property
    def bytes_per_vector(self) -> int:
        """Bytes of one value of a dense vector."""
        dim = self.dim or 0
        match self.kind:
            case TypeKind.FLOAT_VECTOR:
                return dim * 4
            case TypeKind.FLOAT16_VECTOR | TypeKind.BFLOAT16_VECTOR:
                return dim * 2
            case TypeKind.INT8_VECTOR:
                return dim
            case TypeKind.BINARY_VECTOR:
                return dim // 8
            case _:
                raise ValueError(f"{self} has no fixed width")

    @property
    def int_range(self) -> tuple[int, int]:
        """Smallest and largest value of an integer type."""
        bits = _BITS[self.kind]
        return -(1 << (bits - 1)), (1 << (bits - 1)) - 1

    @classmethod
    def parse(cls, text: str) -> FieldType:
        """Read `varchar(512)`, `array<int64>(100)`, `float_vector(768)`, `json`.

        Raises:
            TypeSyntaxError: the text is no type; the message says which part, the hint what would
                be.
        """
        match = _TYPE.fullmatch(text.strip().lower())
        if not match:
            raise TypeSyntaxError(
                f"`{text}` is not a type", "examples: int64, varchar(512), float_vector(768)"
            )
        name, inner, number = match["name"], match["inner"], match["number"]
        try:
            kind = TypeKind(name)
        except ValueError:
            raise TypeSyntaxError(
                f"`{name}` is not a Milvus data type", nearest_hint(name)
            ) from None
        size = int(number) if number else None
        if kind is TypeKind.ARRAY:
            return cls(kind, element=cls.parse(inner) if inner else None, capacity=size)
        if inner:
            raise TypeSyntaxError(f"{kind} takes no element type")
        if kind is TypeKind.VARCHAR:
            return cls(kind, length=size)
        if kind in DENSE_VECTORS:
            return cls(kind, dim=size)
        if size is not None:
            raise TypeSyntaxError(f"{kind} takes no size", f"write {kind}")
        return cls(kind)


_TYPE = re.compile(
    r"(?P<name>[a-z0-9_]+)\s*(?:<\s*(?P<inner>.+)\s*>)?\s*(?:\(\s*(?P<number>\d{1,9})\s*\))?"
)


def _bound(value: int | None, least: int, most: int, missing: str) -> None:
    if value is None:
        raise TypeSyntaxError(missing)
    if not least <= value <= most:
        raise TypeSyntaxError(f"{value} is outside {least}..{most}", missing)


MAX_COMPARED = 2_000
"""Most known words that a wrong one is compared with."""


def nearest(word: str, known: Iterator[str] | tuple[str, ...] | list[str]) -> str | None:
    """The known word closest to `word`, or None when nothing is close, or there are too many to
    compare each wrong word with each.
    """
    import difflib

    words = list(known)
    if len(words) > MAX_COMPARED:
        return None
    found = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    return found[0] if found else None


def nearest_hint(word: str) -> str:
    found = nearest(word, [str(kind) for kind in TypeKind])
    return f"did you mean {found}?" if found else "types: " + ", ".join(TypeKind)


@dataclass(frozen=True, slots=True)
class ArrowType:
    """The type of a source column, in Arrow's terms, without Arrow.

    The text form is Arrow's own but for lists, whose item name is left out:
    `int64`, `string`, `timestamp[us]`, `timestamp[us, tz=UTC]`, `list<float>`,
    `fixed_size_list<float>[128]`, `fixed_size_binary[16]`, `struct<a: int64, b: list<string>>`,
    `map<string, int64>`, `decimal128(10, 2)`.

    Attributes:
        kind: the head: `int64`, `list`, `struct`, `timestamp`, ...
        element: item type of a list, fixed_size_list or dictionary (its value type).
        size: items of a fixed_size_list, bytes of a fixed_size_binary.
        detail: what is in brackets otherwise (time unit and zone, precision, struct members), as
            text.
    """

    kind: str
    element: ArrowType | None = None
    size: int | None = None
    detail: str = ""

    def __str__(self) -> str:
        if self.kind == "fixed_size_list":
            return f"fixed_size_list<{self.element}>[{self.size}]"
        if self.element is not None:
            return f"{self.kind}<{self.element}>"
        if self.kind == "fixed_size_binary":
            return f"fixed_size_binary[{self.size}]"
        return self.kind + self.detail

    @property
    def members(self) -> tuple[tuple[str, ArrowType], ...]:
        """Members of a struct by name; of a map its `key` and `value`; else none."""
        if self.kind not in ("struct", "map"):
            return ()
        parts = _split(self.detail[1:-1])
        if self.kind == "map":
            key, value = parts[:2]
            return ("key", ArrowType.parse(key)), ("value", ArrowType.parse(value))
        pairs = (part.partition(": ") for part in parts)
        return tuple((name, ArrowType.parse(type_)) for name, _, type_ in pairs)

    @classmethod
    def parse(cls, text: str) -> ArrowType:
        """Inverse of `str`. Raises TypeSyntaxError."""
        if match := re.fullmatch(r"fixed_size_list<(.+)>\[(\d+)\]", text):
            return cls("fixed_size_list", element=cls.parse(match[1]), size=int(match[2]))
        if match := re.fullmatch(r"fixed_size_binary\[(\d+)\]", text):
            return cls("fixed_size_binary", size=int(match[1]))
        if match := re.fullmatch(r"(list|large_list|dictionary)<(.+)>", text):
            return cls(match[1], element=cls.parse(match[2]))
        if match := re.fullmatch(r"([a-z_0-9]+)([\[(<].*)?", text):
            return cls(match[1], detail=match[2] or "")
        raise TypeSyntaxError(f"`{text}` is not an Arrow type")


def _split(text: str) -> list[str]:
    """Cuts at the commas that stand in no bracket: `a: int64, b: map<x, y>` has two parts."""
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(text):
        depth += (letter in "<[(") - (letter in ">])")
        if letter == "," and not depth:
            parts.append(text[start:at].strip())
            start = at + 1
    return [*parts, text[start:].strip()] if text.strip() else parts


class Metric(StrEnum):
    """Distance by which a vector index ranks."""

    L2 = "L2"
    IP = "IP"
    COSINE = "COSINE"
    HAMMING = "HAMMING"
    JACCARD = "JACCARD"
    SUBSTRUCTURE = "SUBSTRUCTURE"
    SUPERSTRUCTURE = "SUPERSTRUCTURE"
    BM25 = "BM25"


@dataclass(frozen=True, slots=True)
class Index:
    """An index on one field. `metric` is None for scalar fields; `params` are Milvus's own
    names, sorted.
    """

    type: str
    metric: Metric | None = None
    params: tuple[tuple[str, JsonValue], ...] = ()


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a Milvus collection.

    `default` of None means no default (Milvus has no null default).
    """

    name: str
    type: FieldType
    _: KW_ONLY
    primary_key: bool = False
    auto_id: bool = False
    nullable: bool = False
    default: JsonValue = None
    partition_key: bool = False


@dataclass(frozen=True, slots=True)
class Collection:
    """What CREATE COLLECTION says: fields in order, dynamic field, shards, partitions,
    properties.
    """

    name: str
    fields: tuple[Field, ...]
    _: KW_ONLY
    dynamic: bool = False
    shards: int = 1
    partitions: tuple[str, ...] = ()
    description: str = ""
    properties: tuple[tuple[str, str], ...] = ()

    @property
    def primary(self) -> Field:
        return next(field for field in self.fields if field.primary_key)

    def field(self, name: str) -> Field:
        """Raises KeyError when there is no such field."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(name)


DYNAMIC_FIELD = "$meta"
"""Column of the dynamic field in batches and import files: JSON text of an object."""
UNMAPPED = "$unmapped"
"""Column of a source with what its rows have beyond all others: see `mmc.arrow.unmapped`."""


def freeze(mapping: Mapping[str, JsonValue] | None) -> tuple[tuple[str, JsonValue], ...]:
    """A mapping as sorted pairs: hashable, one order."""
    return tuple(sorted((mapping or {}).items()))
