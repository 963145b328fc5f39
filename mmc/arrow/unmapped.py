"""What rows have that no column of their source takes, told beside a batch: see `with_unmapped`.

A source whose documents may have more than its facts announce notes, in each batch, the names that
a row has beyond its columns. They are counted, so that no sample decides what is lost. A source
that can also give them adds to its facts the column `$unmapped` (`mmc.types.UNMAPPED`), on request:
JSON text of an object, null where a row has nothing beyond. When that column is asked for, its
values are taken, and nothing is noted.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

import pyarrow as pa

from mmc.text import cut

_UNMAPPED = b"mmc.unmapped"
_LONGEST = 200
"""Letters of a name."""


def with_unmapped(batch: pa.RecordBatch, rows: Mapping[int, Collection[str]]) -> pa.RecordBatch:
    """The batch with the names that its rows have beyond its columns, in the schema metadata.

    Args:
        rows: names by row of the batch.
    """
    alike: dict[tuple[str, ...], list[int]] = {}
    for row, names in rows.items():
        alike.setdefault(tuple(map(_name, names)), []).append(row)
    if not alike:
        return batch
    metadata = dict(batch.schema.metadata or {})
    noted = json.dumps(list(alike.items())).encode()
    return batch.replace_schema_metadata({**metadata, _UNMAPPED: noted})


def unmapped_of(batch: pa.RecordBatch) -> dict[int, list[str]]:
    """What `with_unmapped` noted: names by row."""
    noted = (batch.schema.metadata or {}).get(_UNMAPPED)
    if noted is None:
        return {}
    return {row: names for names, rows in json.loads(noted) for row in rows}


def _name(name: str) -> str:
    return cut(name.encode(errors="backslashreplace").decode(), _LONGEST)
