"""Kinds of Arrow types by what can be done with them, and `Ways` from one type to another."""

from __future__ import annotations

from dataclasses import dataclass

INT_BITS = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}
UINT_BITS = {"uint8": 8, "uint16": 16, "uint32": 32, "uint64": 64}
MANTISSA = {"halffloat": 11, "float": 24, "double": 53}
TEXT = frozenset({"string", "large_string", "string_view"})
BINARY = frozenset({"binary", "large_binary", "binary_view", "fixed_size_binary"})
LISTS = frozenset({"list", "large_list", "fixed_size_list"})
DECIMALS = frozenset({"decimal32", "decimal64", "decimal128", "decimal256"})
DATES = frozenset({"date32", "date64"})
TIMES = frozenset({"time32", "time64"})
UNKNOWN = "write `expr:` with SQL that makes another type, or drop the column"


@dataclass(frozen=True, slots=True)
class Ways:
    """Casts between two types: the one taken when none is named, those taken only by name, or why
    there is none.
    """

    default: str = ""
    named: tuple[str, ...] = ()
    reason: str = ""
    hint: str = UNKNOWN

    @property
    def all(self) -> tuple[str, ...]:
        return (self.default, *self.named) if self.default else self.named
