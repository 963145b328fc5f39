"""Columns of text files as one text in a locator: a plan says the types its pieces have."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pyarrow as pa

from mmc.arrow.column import Column
from mmc.arrow.schema import arrow_text
from mmc.facts import Extent
from mmc.sources.files.formats import Look, with_locator
from mmc.types import ArrowType

_JSON = "json"
_SCALARS = {
    "bool": pa.bool_(),
    "int64": pa.int64(),
    "double": pa.float64(),
    "float": pa.float32(),
    "string": pa.string(),
}


def columns_text(columns: Sequence[Column]) -> str:
    """`{"id":"int64","vector":"fixed_size_list<float>[4]","more":"json"}`, in column order."""
    types = {
        column.name: _JSON if column.json_text else arrow_text(column.type) for column in columns
    }
    return json.dumps(types, ensure_ascii=False, separators=(",", ":"))


def read_columns(text: str) -> list[Column]:
    """Inverse of `columns_text`."""
    types: dict[str, str] = json.loads(text)
    return [
        Column(name, pa.string(), json_text=True)
        if type_ == _JSON
        else Column(name, _arrow(ArrowType.parse(type_)))
        for name, type_ in types.items()
    ]


def typed_look(
    columns: Sequence[Column], extents: Sequence[Extent], windows: Sequence[Extent], rows: int
) -> Look:
    """What was seen of text files, with the types in every piece: `read` has no sample to infer
    them from.
    """
    types = columns_text(columns)
    return Look(
        tuple(columns),
        tuple(with_locator(extent, "types", types) for extent in extents),
        tuple(with_locator(window, "types", types) for window in windows),
        rows,
    )


def _arrow(type_: ArrowType) -> pa.DataType:
    if type_.element is not None:
        return pa.list_(_arrow(type_.element), type_.size if type_.size is not None else -1)
    return _SCALARS[type_.kind]
