"""One column of an index as `read` gives it: where it stands in a document, and how it is decoded.

Written into the locator of every piece as text, since `read` has no sample to tell it from.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import KW_ONLY, asdict, dataclass
from enum import StrEnum

from mmc.types import JsonValue

DEFAULT_FORMATS = ("strict_date_optional_time", "epoch_millis")
"""Formats of a date whose mapping names none."""


class Kind(StrEnum):
    """What the values of a column are made into."""

    TEXT = "text"
    BOOL = "bool"
    INT8 = "int8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT = "float"
    DOUBLE = "double"
    DATE = "date"
    """Microseconds are not kept: Elasticsearch's own resolution of `date` is a millisecond."""
    DATE_NANOS = "date_nanos"
    JSON = "json"
    POINT = "point"
    """geo_point in any of its forms, as `{"lat": .., "lon": ..}`."""
    VECTOR = "vector"
    BYTE_VECTOR = "byte_vector"
    BIT_VECTOR = "bit_vector"
    SPARSE = "sparse"


_ARROW = {
    Kind.TEXT: "string",
    Kind.BOOL: "bool",
    Kind.INT8: "int8",
    Kind.INT16: "int16",
    Kind.INT32: "int32",
    Kind.INT64: "int64",
    Kind.FLOAT: "float",
    Kind.DOUBLE: "double",
    Kind.DATE: "timestamp[ms]",
    Kind.DATE_NANOS: "timestamp[ns]",
    Kind.JSON: "string",
    Kind.POINT: "string",
    Kind.SPARSE: "map<uint32, float>",
}

ID, ROUTING, INDEX = "_id", "_routing", "_index"
METADATA = (ID, ROUTING, INDEX)
"""Columns that are not in `_source`."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes:
        path: dotted path in `_source`, or one of METADATA.
        many: the values are lists; a single value is a list of one.
        dim: of vectors; bits for BIT_VECTOR.
        formats: of dates, as the mapping names them, in order.
        constant: value where a document has none (constant_keyword, null_value is not one).
        tokens: digest of the table that numbers the tokens of a sparse vector; "" where they are
            numbers.
    """

    path: str
    kind: Kind
    _: KW_ONLY
    many: bool = False
    dim: int = 0
    formats: tuple[str, ...] = ()
    constant: JsonValue = None
    tokens: str = ""

    @property
    def arrow(self) -> str:
        """`ArrowType` text of the column."""
        match self.kind:
            case Kind.VECTOR:
                return f"fixed_size_list<float>[{self.dim}]"
            case Kind.BYTE_VECTOR:
                return f"fixed_size_list<int8>[{self.dim}]"
            case Kind.BIT_VECTOR:
                return f"fixed_size_binary[{self.dim // 8}]"
            case kind:
                return f"list<{_ARROW[kind]}>" if self.many else _ARROW[kind]

    @property
    def json_text(self) -> bool:
        return self.kind in (Kind.JSON, Kind.POINT)


def columns_text(columns: Sequence[Column]) -> str:
    """Compact JSON, defaults left out."""
    made = []
    for column in columns:
        pairs = {name: value for name, value in asdict(column).items() if value not in _DEFAULTS}
        made.append(pairs)
    return json.dumps(made, ensure_ascii=False, separators=(",", ":"))


_DEFAULTS: tuple[JsonValue | tuple[()], ...] = (False, 0, (), None, "")


def read_columns(text: str) -> list[Column]:
    """Inverse of `columns_text`."""
    made = []
    for pairs in json.loads(text):
        formats = tuple(pairs.pop("formats", ()))
        made.append(Column(pairs.pop("path"), Kind(pairs.pop("kind")), formats=formats, **pairs))
    return made
