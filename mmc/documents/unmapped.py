"""What documents have beyond the columns of their source: by row for a batch, or as one column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from mmc.arrow.unmapped import with_unmapped
from mmc.documents.exact import json_text
from mmc.facts import SourceField
from mmc.types import UNMAPPED

UNMAPPED_FIELD = SourceField(
    UNMAPPED,
    "string",
    json_text=True,
    on_request=True,
    note="what no other column takes, as one JSON object",
)
"""For the facts of a source that notes what its documents have beyond their columns."""


def without(document: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Members that are not known. Null and empty lists are no values."""
    return {
        name: value
        for name, value in document.items()
        if name not in known and value is not None and value != []
    }


def as_column(outside: Mapping[int, Mapping[str, Any]], rows: int) -> pa.Array:
    """The column `$unmapped` of so many documents."""
    texts = [json_text(outside[row]) if row in outside else None for row in range(rows)]
    return pa.array(texts, pa.string())


def noted(
    batch: pa.RecordBatch, outside: Mapping[int, Mapping[str, Any]], start: int
) -> pa.RecordBatch:
    """A part of the documents, from `start` on, with the names of what is outside."""
    here = range(start, start + batch.num_rows)
    return with_unmapped(batch, {row - start: list(outside[row]) for row in here if row in outside})
