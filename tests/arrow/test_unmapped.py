"""What rows have beyond their columns travels with their batch."""

from __future__ import annotations

import pyarrow as pa
import pytest

from mmc.arrow.schema import Origin, origin_of, with_origin
from mmc.arrow.unmapped import unmapped_of, with_unmapped

BATCH = with_origin(pa.record_batch({"id": pa.array(range(4))}), Origin("here", 7))


@pytest.mark.parametrize(
    "rows",
    [
        {},
        {2: ["hidden"]},
        {0: ["a", "b"], 1: ["b"], 3: ["a", "b"]},
        {1: ["", "(other names)", 'quote"', "日本"]},
    ],
)
def test_names_travel_by_row(rows: dict[int, list[str]]) -> None:
    noted = with_unmapped(BATCH, rows)
    assert unmapped_of(noted) == rows
    assert origin_of(noted) == origin_of(BATCH)


def test_names_are_short_and_whole_characters() -> None:
    noted = with_unmapped(BATCH, {0: ["\ud83d", "x" * 1000]})
    assert unmapped_of(noted) == {0: ["\\ud83d", "x" * 197 + "..."]}
