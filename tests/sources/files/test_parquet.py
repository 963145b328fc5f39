"""Parquet: every Arrow type as it is, row groups cut, files that disagree or are damaged."""

from __future__ import annotations

import datetime
import decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmc.errors import SourceError
from mmc.sources.files import parquet
from tests.sources.files.reading import config, cut, field, look, read

RNG = np.random.default_rng(7)


def awkward() -> pa.Table:
    """Every type that a Parquet file can bring, with the values that break things."""
    utc = datetime.UTC
    vectors = np.array([[1.5, -0.0], [1e-42, 2], [3, 4]], np.float32)
    return pa.table(
        {
            "id": pa.array([-(2**63), 0, 2**63 - 1]),
            "text": ["", None, 'häß "𝄞" \\'],
            "big": pa.array(["a", "b", None], pa.large_string()),
            "double": [-0.0, 5e-324, None],
            "half": pa.array(np.array([1, 2, 3], np.float16)),
            "flag": [True, None, False],
            "bytes": [b"", b"\xff\0", None],
            "fixed": pa.array([b"ab", b"cd", None], pa.binary(2)),
            "list": [[1, None], [], None],
            "struct": [{"a": 1, "b": [1]}, None, {"a": 2, "b": []}],
            "map": pa.array([[("a", 1)], [], None], pa.map_(pa.string(), pa.int64())),
            "decimal": pa.array([decimal.Decimal("1.10"), None, None], pa.decimal128(20, 2)),
            "when": pa.array([datetime.datetime(1, 1, 1, tzinfo=utc), None, None]),
            "day": pa.array([datetime.date(1969, 7, 20), None, None]),
            "kind": pa.array(["x", "y", "x"]).dictionary_encode(),
            "nothing": pa.nulls(3),
            "with.dot": [1, 2, 3],
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), 2),
        }
    )


@pytest.mark.parametrize("compression", ["snappy", "zstd", "none"])
def test_all_types_round_trip(tmp_path: Path, compression: str) -> None:
    table = awkward()
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=2, compression=compression)
    options = config(tmp_path / "x.parquet")
    collection = look(options)
    assert collection.rows == 3
    found = read(options, collection)
    assert found.schema.names == table.schema.names
    for name in table.schema.names:
        assert found[name].to_pylist() == table[name].to_pylist(), name
        assert found[name].type == table[name].type or pa.types.is_nested(table[name].type), name
    assert str(found["double"].to_pylist()[0]) == "-0.0"
    reversed_ = list(reversed(table.schema.names))
    again = read(options, collection, reversed_)
    assert again.schema.names == reversed_
    assert field(collection, "struct").arrow == "struct<a: int64, b: list<int64>>"
    assert field(collection, "kind").arrow == "dictionary<string>"


def test_nullable_and_vectors_and_key(tmp_path: Path) -> None:
    pq.write_table(awkward(), tmp_path / "x.parquet")
    collection = look(config(tmp_path / "x.parquet"))
    assert not field(collection, "id").nullable
    assert field(collection, "text").nullable
    assert field(collection, "id").key and not field(collection, "id").unique
    assert field(collection, "vector").vector == "float_vector(2)"
    assert field(collection, "text").evidence.max_bytes == len('häß "𝄞" \\'.encode())
    assert field(collection, "text").evidence.nulls == 1
    assert field(collection, "id").evidence.min_value == -(2**63)


def test_lists_of_one_length_are_vectors_and_others_are_not(tmp_path: Path) -> None:
    lists = pa.list_(pa.float32())
    table = pa.table(
        {
            "pk": ["a", "b"],
            "v": pa.array([[1, 2, 3], [4, 5, 6]], lists),
            "ragged": pa.array([[1, 2, 3], [4]], lists),
            "single": pa.array([[1], [2]], lists),
            "half": pa.array([[1, 2], [3, 4]], pa.list_(pa.float16())),
            "whole": pa.array([[1, 2], [3, 4]], pa.list_(pa.int64())),
        }
    )
    pq.write_table(table, tmp_path / "x.parquet")
    collection = look(config(tmp_path / "x.parquet"))
    hints = {field.name: field.vector for field in collection.fields if field.vector}
    assert hints == {"v": "float_vector(3)", "half": "float16_vector(2)"}
    assert field(collection, "pk").key
    assert field(collection, "v").arrow == "list<float>"


def test_row_groups_of_many_files_cut_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "_CUT_ABOVE", 0)
    rows = 0
    for name, count in (("a", 1000), ("b", 1), ("c", 777)):
        numbers = np.arange(rows, rows + count)
        table = pa.table({"number": numbers, "text": [f"t{number}" for number in numbers]})
        pq.write_table(table, tmp_path / f"{name}.parquet", row_group_size=300)
        rows += count
    options = config(tmp_path / "*.parquet")
    collection = look(options)
    assert collection.name == tmp_path.name.replace("-", "_")
    assert [extent.rows for extent in collection.extents] == [300, 300, 300, 100, 1, 300, 300, 177]
    for seed in range(6):
        pieces = cut(collection.extents, seed)
        table = read(options, collection, pieces=pieces, batch_rows=57 + seed)
        assert table["id"].to_pylist() == list(range(rows))
        assert table["number"].to_pylist() == list(range(rows))
        assert table["text"].to_pylist()[-1] == f"t{rows - 1}"
    only = read(options, collection, ["id"], batch_rows=100)
    assert only["id"].to_pylist() == list(range(rows))


def test_files_that_disagree_are_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1], "x": [1.5]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"x": ["t"], "id": [1]}), tmp_path / "b.parquet")
    with pytest.raises(
        SourceError, match=r"about `x`: double in .*a\.p.*, string in .*b\.p"
    ) as info:
        look(config(tmp_path))
    assert info.value.code == "MMC434"
    pq.write_table(pa.table({"id": [1]}), tmp_path / "b.parquet")
    with pytest.raises(SourceError, match=r"about `x`: double in .*, absent in .*b\.p"):
        look(config(tmp_path))
    pq.write_table(pa.table({"x": [2.5], "id": [2]}), tmp_path / "b.parquet")
    options = config(tmp_path)
    assert read(options, look(options)).to_pylist() == [{"id": 1, "x": 1.5}, {"id": 2, "x": 2.5}]


def test_no_rows(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": pa.array([], pa.int64())}), tmp_path / "x.parquet")
    options = config(tmp_path / "x.parquet")
    collection = look(options)
    assert collection.rows == 0
    assert read(options, collection).num_rows == 0


def test_same_name_twice(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(SourceError, match="two columns are named `a`") as info:
        look(config(tmp_path / "x.parquet"))
    assert info.value.code == "MMC447"


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-9], lambda data: b"no parquet", lambda data: b""]
)
def test_damaged_footers_are_named(tmp_path: Path, damage: Any) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(awkward(), path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(SourceError, match=r"x\.parquet: is no Parquet file, or damaged"):
        look(config(path))


def test_damaged_pages_with_a_checksum_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    table = pa.table({"id": np.arange(10_000), "text": [f"t{row}" for row in range(10_000)]})
    pq.write_table(table, path, use_dictionary=False, write_page_checksum=True)
    data = bytearray(path.read_bytes())
    data[300:700] = b"\0" * 400
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"x\.parquet: is no Parquet file, or damaged") as info:
        look(config(path))
    assert info.value.code == "MMC440"


def test_a_file_that_may_not_be_read_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Permissions do not bind every user that runs tests, so the refusal is Arrow's in its place.
    pq.write_table(pa.table({"id": [1]}), tmp_path / "a.parquet")

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Failed to open local file")

    monkeypatch.setattr(pq, "ParquetFile", refused)
    with pytest.raises(SourceError, match=r"a\.parquet: permission denied") as caught:
        look(config(tmp_path / "a.parquet"))
    assert caught.value.code == "MMC431"


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.list_(pa.string())])
def test_texts_that_are_not_utf8_are_refused(tmp_path: Path, kind: pa.DataType) -> None:
    """Some writers take Latin-1 for text; a target would refuse it, or keep what none can read."""
    texts = pa.array([b"a", b"caf\xe9"], pa.large_binary() if kind == pa.large_string() else None)
    array = texts.view(kind if not pa.types.is_list(kind) else pa.string())
    if pa.types.is_list(kind):
        array = pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), array)
    pq.write_table(pa.table({"id": [1, 2], "t": array}), tmp_path / "x.parquet")
    with pytest.raises(SourceError, match=r"x\.parquet: .*UTF8") as caught:
        look(config(tmp_path / "x.parquet"))
    assert caught.value.code == "MMC440"
