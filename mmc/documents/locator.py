"""Columns as one text in the locator of a piece: `read` has no sample to infer types from."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pyarrow as pa

from mmc.arrow.column import Column
from mmc.arrow.schema import arrow_text, data_type
from mmc.errors import SourceChanged
from mmc.types import ArrowType

_JSON = "json"


def columns_text(columns: Sequence[Column]) -> str:
    """`{"id":"int64","vector":"fixed_size_list<float>[4]","more":"json"}`, in column order."""
    types = {
        column.name: _JSON if column.json_text else arrow_text(column.type) for column in columns
    }
    return json.dumps(types, ensure_ascii=False, separators=(",", ":"))


def read_columns(text: str) -> list[Column]:
    """Inverse of `columns_text`, but for vectors and notes. Raises SourceChanged."""
    try:
        return [_column(name, type_) for name, type_ in json.loads(text).items()]
    except (ValueError, TypeError, AttributeError):
        raise SourceChanged(
            "the plan does not say the `types` of a piece of the source",
            hint="plan again: the plan was changed, or made by another mmc",
        ) from None


def _column(name: str, type_: str) -> Column:
    if type_ == _JSON:
        return Column(name, pa.string(), json_text=True)
    return Column(name, data_type(ArrowType.parse(type_)))
