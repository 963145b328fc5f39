"""Beside a clear vector, coordinates and boxes stay lists; alone, a short list is the vector."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.sources.files.reading import config, look


@pytest.mark.parametrize("format_", ["jsonl", "parquet"])
def test_coordinates_beside_an_embedding(tmp_path: Path, format_: str) -> None:
    rows = [{"place": [1.1, 2.2], "box": [1, 2, 3, 4], "e": [0.5] * 8} for _ in range(9)]
    path = tmp_path / f"rows.{format_}"
    if format_ == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    fields = look(config(path)).fields
    hints = {field.name: (field.vector, field.arrow) for field in fields}
    assert hints["e"][0] == "float_vector(8)"
    assert hints["place"] == ("", "list<double>")
    assert hints["box"] == ("", "list<int64>")


def test_a_short_list_alone_is_the_vector(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": 1, "v": [1.5, 2.5]}\n')
    fields = look(config(path)).fields
    assert [field.vector for field in fields] == ["", "float_vector(2)"]
