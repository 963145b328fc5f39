"""Columns told from documents: the narrowest type that holds every value exactly."""

from __future__ import annotations

from typing import Any

import pytest

from mmc.arrow.schema import arrow_text
from mmc.documents.exact import build
from mmc.documents.kinds import infer
from mmc.documents.locator import columns_text, read_columns
from mmc.errors import SourceChanged

LONG = [0.5] * 8


@pytest.mark.parametrize(
    ("values", "type_", "note"),
    [
        ([1, None, -5], "int64", ""),
        ([1, 2.5], "double", ""),
        ([2**53 + 1, 2.5], "json", "integers beyond int64"),
        ([2**63], "json", "integers beyond int64"),
        (["a", 1], "json", "values of several kinds"),
        ([True, 1], "json", "values of several kinds"),
        ([{"a": 1}], "json", "nested objects"),
        ([None], "json", "no value in the sample"),
        ([[], None], "json", "only empty lists"),
        ([["a"], []], "list<string>", ""),
        ([[1, "a"]], "json", "lists of nested or mixed values"),
        ([LONG, LONG], "fixed_size_list<float>[8]", "lists of 8 numbers"),
        ([LONG, [0.5]], "list<double>", ""),
        ([[2**24 + 1] * 8], "list<int64>", ""),
        ([[1e39] * 8], "list<double>", ""),
    ],
)
def test_a_type_holds_all_values_of_its_name(values: list[Any], type_: str, note: str) -> None:
    documents = [{"x": value} for value in values]
    (column,) = infer(documents)
    assert ("json" if column.json_text else arrow_text(column.type)) == type_
    assert column.note.startswith(note) and bool(column.note) == bool(note)
    assert build(values, column)[1] == []


def test_names_stand_in_the_order_in_which_they_come_first() -> None:
    columns = infer([{"b": 1}, {"a": LONG, "b": 2, "place": [1.5, 2.5]}])
    assert [column.name for column in columns] == ["b", "a", "place"]
    assert [column.vector for column in columns] == ["", "float_vector(8)", ""]
    assert columns_text(read_columns(columns_text(columns))) == columns_text(columns)


@pytest.mark.parametrize("text", ["", "[]", '{"a": 5}', '{"a": "blob5"}', '{"a": "list<"}'])
def test_types_that_no_mmc_wrote(text: str) -> None:
    with pytest.raises(SourceChanged, match="`types`"):
        read_columns(text)
