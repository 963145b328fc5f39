"""Which index each version builds on which scalar type: data, not code.

For 2.3.5 and Milvus Lite 3.2 as they answered; for later servers as their checks of index
parameters have it (internal/util/indexparamcheck). What a version may take is listed, so that the
plan refuses only what is sure to fail.
"""

from __future__ import annotations

from typing import Final, TypeAlias

Indexes: TypeAlias = tuple[tuple[str, tuple[str, ...]], ...]
"""(Type of index, names of field types); arrays are named with their elements."""

_INTEGERS = ("int8", "int16", "int32", "int64")
_NUMBERS = (*_INTEGERS, "float", "double")
_PLAIN = ("bool", *_NUMBERS, "varchar")
_COUNTABLE = ("bool", *_INTEGERS, "varchar")
_ARRAYS = tuple(f"array<{kind}>" for kind in _PLAIN)

LITE: Final[Indexes] = (("INVERTED", _PLAIN),)

V2_3: Final[Indexes] = (("STL_SORT", _NUMBERS), ("Trie", ("varchar",)))

V2_4: Final[Indexes] = (("AUTOINDEX", _PLAIN), ("INVERTED", (*_PLAIN, *_ARRAYS)), *V2_3)

V2_5: Final[Indexes] = (
    ("AUTOINDEX", (*_PLAIN, *_ARRAYS, "json")),
    ("BITMAP", (*_COUNTABLE, *(f"array<{kind}>" for kind in _COUNTABLE))),
    ("INVERTED", (*_PLAIN, *_ARRAYS, "json")),
    *V2_3,
)

V2_6: Final[Indexes] = (
    ("AUTOINDEX", (*_PLAIN, *_ARRAYS, "json")),
    ("BITMAP", (*_COUNTABLE, *(f"array<{kind}>" for kind in _COUNTABLE), "json")),
    ("INVERTED", (*_PLAIN, *_ARRAYS, "json")),
    ("NGRAM", ("varchar", "json")),
    ("STL_SORT", (*_NUMBERS, "varchar")),
    ("Trie", ("varchar",)),
)
