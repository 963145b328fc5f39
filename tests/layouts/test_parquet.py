from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmc.arrow.schema import arrow_text, canonical_schema
from mmc.errors import SourceError, TargetError
from mmc.layouts import parquet
from mmc.types import Collection
from tests.layouts.batches import (
    FULL,
    assert_same,
    batches,
    columns_of,
    field,
    rows_of,
    some_fields,
)

SMALL = Collection(
    "small",
    (
        field("id", "int64", primary_key=True),
        field("text", "varchar(99)"),
        field("v", "float_vector(4)"),
    ),
    dynamic=True,
)


def write(path: Path, collection: Collection, *found: pa.RecordBatch) -> None:
    part = parquet.ParquetPart(str(path), {}, collection)
    for batch in found:
        part.write(batch)
    part.commit()


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), collection=some_fields(FULL))
def test_every_type_comes_back_with_the_same_bits(
    data: st.DataObject, collection: Collection, tmp_path: Path
) -> None:
    batch = data.draw(batches(collection))
    path = tmp_path / "part-0.parquet"
    write(path, collection, batch, batch.slice(len(batch) // 2))
    names = columns_of(collection)
    rows = len(batch)
    (found,) = parquet.read_rows(str(path), {}, collection, names, 0, rows, 100)
    assert_same(found, batch)
    last = parquet.count_rows(str(path), {})
    (found,) = parquet.read_rows(str(path), {}, collection, names, rows, last, 100)
    assert_same(found, batch.slice(rows // 2))


def test_columns_are_of_types_that_every_milvus_reads() -> None:
    texts = {f.name: arrow_text(f.type) for f in parquet.layout_schema(FULL)}
    assert texts["v"] == "list<float>"
    assert texts["bin"] == texts["half"] == texts["brain"] == "list<uint8>"
    assert texts["tiny"] == "list<int8>"
    assert texts["sparse"] == texts["doc"] == texts["$meta"] == "string"
    assert texts["words"] == "list<string>"
    kinds = {text.partition("<")[0].partition("[")[0] for text in texts.values()}
    assert not kinds & {"fixed_size_list", "large_list", "large_string", "dictionary", "map"}
    assert not any("halffloat" in text for text in texts.values())


def test_the_file_holds_those_types_with_zstd_and_checksums(tmp_path: Path) -> None:
    path = tmp_path / "part-0.parquet"
    write(path, SMALL, rows_of(SMALL, 300))
    file = pq.ParquetFile(path)
    assert file.schema_arrow.equals(parquet.layout_schema(SMALL))
    group = file.metadata.row_group(0)
    assert {group.column(c).compression for c in range(group.num_columns)} == {"ZSTD"}


def test_row_groups_follow_the_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP_BYTES", 10_000)
    path = tmp_path / "part-0.parquet"
    write(path, SMALL, *(rows_of(SMALL, 100, start=100 * n) for n in range(10)))
    groups = parquet.row_groups(str(path), {})
    assert len(groups) > 2
    assert [group.start for group in groups[1:]] == [group.stop for group in groups[:-1]]
    assert groups[-1].stop == parquet.count_rows(str(path), {}) == 1000
    found = list(parquet.read_rows(str(path), {}, SMALL, ["id"], 150, 777, 64))
    assert [row for batch in found for row in batch["id"].to_pylist()] == list(range(150, 777))


def test_the_same_rows_make_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.parquet", "b.parquet"):
        write(tmp_path / name, SMALL, rows_of(SMALL, 500))
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_a_null_inside_an_array_is_refused(tmp_path: Path) -> None:
    collection = Collection(
        "c", (field("id", "int64", primary_key=True), field("a", "array<int64>(5)"))
    )
    schema = canonical_schema(collection)
    batch = pa.record_batch([pa.array([1]), pa.array([[1, None]], schema.field("a").type)], schema)
    part = parquet.ParquetPart(str(tmp_path / "part-0.parquet"), {}, collection)
    with pytest.raises(TargetError, match="field a: an array holds a null"):
        part.write(batch)
    part.abort()
    assert list(tmp_path.iterdir()) == []


def test_abort_after_rows_leaves_nothing(tmp_path: Path) -> None:
    part = parquet.ParquetPart(str(tmp_path / "part-0.parquet"), {}, SMALL)
    part.write(rows_of(SMALL, 100))
    part.abort()
    part.abort()
    assert list(tmp_path.iterdir()) == []


def test_a_flipped_byte_in_a_page_is_found(tmp_path: Path) -> None:
    path = tmp_path / "part-0.parquet"
    write(path, SMALL, rows_of(SMALL, 2000))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"part-0\.parquet"):
        list(parquet.read_rows(str(path), {}, SMALL, columns_of(SMALL), 0, 2000, 100))


def test_vectors_of_another_length_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "part-0.parquet"
    pq.write_table(pa.table({"v": pa.array([[1.0, 2.0]], pa.list_(pa.float32()))}), path)
    with pytest.raises(SourceError, match=r"column v"):
        list(parquet.read_rows(str(path), {}, SMALL, ["v"], 0, 1, 10))
    with pytest.raises(SourceError, match="no column id"):
        list(parquet.read_rows(str(path), {}, SMALL, ["id"], 0, 1, 10))
    path.write_bytes(b"PAR1 no")
    with pytest.raises(SourceError, match=r"part-0\.parquet"):
        parquet.count_rows(str(path), {})
