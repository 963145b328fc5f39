"""Names the rows in which what was sent and what was found differ. Runs only after a digest or
count did not agree.

Works on blocks of canonical rows with a key; knows no target.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mmc.types import JsonValue
from mmc.verify.digest import row_hashes

SHOWN = 48
"""Characters of a value that a message shows."""
Indices: TypeAlias = npt.NDArray[np.intp]


def key_hashes(batch: pa.RecordBatch, schema: pa.Schema, key: str) -> npt.NDArray[np.uint64]:
    """One 64-bit hash a row, of its key."""
    return row_hashes(batch, pa.schema([schema.field(key)]))[:, 0]


def differences(
    sent: pa.RecordBatch, found: pa.RecordBatch, schema: pa.Schema, key: str
) -> Iterator[str]:
    """What is wrong with a block of rows, a line each, in the order they were sent.

    Args:
        sent: rows as the source gives them.
        found: all rows that the target has under the keys of `sent`, in any order.
        schema: the canonical columns to compare.
        key: name of the primary key.
    """
    sent_keys, found_keys = key_hashes(sent, schema, key), key_hashes(found, schema, key)
    order = np.argsort(found_keys, kind="stable")
    first = np.searchsorted(found_keys[order], sent_keys, side="left")
    times = np.searchsorted(found_keys[order], sent_keys, side="right") - first
    match: Indices = np.full(len(sent_keys), -1, np.intp)
    match[times > 0] = order[first[times > 0]]

    wrong = (
        np.any(row_hashes(sent, schema) != row_hashes(found, schema)[match], axis=1)
        if len(found)
        else np.ones(len(sent_keys), bool)
    )
    for row in np.flatnonzero((times != 1) | wrong).tolist():
        name = f"{key} = {shown(sent.column(key)[row].as_py())}"
        if times[row] == 0:
            yield f"MMC703: {name}: sent, but not in the target"
        elif times[row] > 1:
            yield f"MMC704: {name}: {times[row]} times in the target"
        else:
            yield f"MMC705: {name}: " + "; ".join(
                _columns(sent.slice(row, 1), found.slice(int(match[row]), 1), schema)
            )


def _columns(sent: pa.RecordBatch, found: pa.RecordBatch, schema: pa.Schema) -> Iterator[str]:
    """The columns in which two rows differ, with both values."""
    for field in schema:
        one = pa.schema([field])
        if np.array_equal(row_hashes(sent, one), row_hashes(found, one)):
            continue
        before, after = sent.column(field.name)[0].as_py(), found.column(field.name)[0].as_py()
        if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
            places = [
                place
                for place, pair in enumerate(zip(before, after, strict=True))
                if shown(pair[0], limit=0) != shown(pair[1], limit=0)
            ]
            if places:
                at = places[0]
                yield (
                    f"{field.name}[{at}] sent {shown(before[at])}, found {shown(after[at])}"
                    f" ({len(places)} of {len(before)} items differ)"
                )
                continue
        yield f"{field.name} sent {shown(before)}, found {shown(after)}"


def shown(value: object, limit: int = SHOWN) -> str:
    """A value for a message: JSON where it has a form, cut after `limit` characters (0: never)."""
    text = json.dumps(_plain(value), ensure_ascii=False)
    if limit and len(text) > limit:
        return f"{text[:limit]}… ({len(text):,} characters)"
    return text


def _plain(value: object) -> JsonValue:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (float, np.floating)):
        return float(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Sequence):
        return [_plain(item) for item in value]
    return str(value)
