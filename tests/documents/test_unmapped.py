"""What documents have beyond the columns of their source."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from mmc.arrow.unmapped import unmapped_of
from mmc.documents.unmapped import UNMAPPED_FIELD, as_column, noted, without


@pytest.mark.parametrize(
    ("document", "outside"),
    [
        ({"id": 1}, set()),
        ({"id": 1, "note": None, "tags": []}, set()),
        ({"id": 1, "note": "", "flag": False, "no": 0, "of": {}}, {"note", "flag", "no", "of"}),
    ],
)
def test_a_value_is_neither_null_nor_an_empty_list(
    document: dict[str, Any], outside: set[str]
) -> None:
    assert without(document, {"id": None}).keys() == outside


def test_a_part_of_the_documents_has_its_own_names() -> None:
    outside: dict[int, dict[str, Any]] = {1: {"a": 1}, 4: {"b": {"c": 2**70}}}
    batch = pa.record_batch({"id": pa.array(range(3))})
    assert unmapped_of(noted(batch, outside, 0)) == {1: ["a"]}
    assert unmapped_of(noted(batch, outside, 3)) == {1: ["b"]}
    assert noted(batch, outside, 5).schema.metadata is None
    texts = as_column(outside, 6).to_pylist()
    assert texts == [None, '{"a":1}', None, None, f'{{"b":{{"c":{2**70}}}}}', None]
    assert UNMAPPED_FIELD.on_request and UNMAPPED_FIELD.json_text
