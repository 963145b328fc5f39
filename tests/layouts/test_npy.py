from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmc.arrow.schema import canonical_schema
from mmc.errors import SourceError, TargetError
from mmc.layouts import npy, npypart
from mmc.types import Collection
from tests.layouts.batches import (
    DENSE,
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
)

WIDE = Collection("w", (field("id", "int64", primary_key=True), field("v", "float_vector(1024)")))


def write(
    folder: Path, collection: Collection, *found: pa.RecordBatch, rows: int | None = None
) -> dict[str, str]:
    part = npypart.NumpyPart(str(folder), {}, collection, rows)
    for batch in found:
        part.write(batch)
    return {Path(file.url).name: file.sha256 for file in part.commit()}


def texts(*values: str) -> tuple[Collection, pa.RecordBatch]:
    collection = Collection("t", (field("id", "varchar(99)", primary_key=True),))
    return collection, pa.record_batch([pa.array(values)], schema=canonical_schema(collection))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), collection=some_fields(DENSE))
def test_every_type_comes_back_with_the_same_bits(
    data: st.DataObject, collection: Collection, tmp_path: Path
) -> None:
    batch = data.draw(batches(collection))
    again = batch.slice(len(batch) // 2)
    write(tmp_path, collection, batch, again)
    names = columns_of(collection)
    assert npy.count_rows(str(tmp_path), names, {}) == len(batch) + len(again)
    (found,) = npy.read_rows(str(tmp_path), {}, collection, names, 0, len(batch), 100)
    assert_same(found, batch)
    stop = len(batch) + len(again)
    (found,) = npy.read_rows(str(tmp_path), {}, collection, names, len(batch), stop, 100)
    assert_same(found, again)


def test_files_are_what_the_importer_reads(tmp_path: Path) -> None:
    """Exact dtypes, C order, one file a field named like it; read by NumPy itself."""
    write(tmp_path, DENSE, *[_dense(5)])
    found = {path.stem: np.load(path) for path in tmp_path.iterdir()}
    assert sorted(found) == sorted(columns_of(DENSE))
    shapes = {name: (array.dtype.str, array.shape) for name, array in found.items()}
    assert shapes["id"] == ("<i8", (5,))
    assert shapes["flag"] == ("|b1", (5,))
    assert shapes["v"] == ("<f4", (5, 3))
    assert shapes["bin"] == ("|u1", (5, 2))
    assert shapes["half"] == shapes["brain"] == ("|u1", (5, 4))
    assert shapes["tiny"] == ("|i1", (5, 4))
    assert shapes["text"] == ("|S4", (5,))
    assert all(array.flags.c_contiguous for array in found.values())
    assert found["text"][0].decode() == "éab"


def _dense(rows: int) -> pa.RecordBatch:
    schema = canonical_schema(DENSE)
    one = {
        "flag": True,
        "text": "éab",
        "doc": "{}",
        "v": [1.0, 2.0, 3.0],
        "bin": b"\x01\x02",
        "brain": b"\x80\x3f\x80\x3f",
        "half": [np.float16(1.0), np.float16(0.5)],
        "tiny": [1, -2, 3, -4],
        "$meta": "{}",
    }
    arrays = [pa.array([one.get(f.name, 1)] * rows, f.type) for f in schema]
    return pa.record_batch(arrays, schema=schema)


@pytest.mark.parametrize("guess", [None, 0, 10, 30, 31, 10**9])
def test_the_row_count_is_right_whatever_was_guessed(guess: int | None, tmp_path: Path) -> None:
    three = (rows_of(SMALL, 10, start=10 * n) for n in range(3))
    found = write(tmp_path, SMALL, *three, rows=guess)
    for name, sha256 in found.items():
        data = (tmp_path / name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == sha256
        assert len(np.load(tmp_path / name)) == 30
    assert np.array_equal(np.load(tmp_path / "id.npy"), np.arange(30))


def test_large_buffers_are_hashed_in_order(tmp_path: Path) -> None:
    eight = (rows_of(WIDE, 500, start=500 * n) for n in range(8))
    found = write(tmp_path, WIDE, *eight, rows=4000)
    for name, sha256 in found.items():
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == sha256


def test_texts_are_utf8_bytes_unless_one_is_empty(tmp_path: Path) -> None:
    """Milvus takes an empty `|S` value for a string of NULs (its importer cuts at a NUL that is not
    the first byte), so a part with an empty text is `<U`.
    """
    write(tmp_path / "full", *texts("日本", "a"))
    assert np.load(tmp_path / "full" / "id.npy").dtype.str == "|S6"
    write(tmp_path / "empty", *texts("日本", "", "😀"))
    found = np.load(tmp_path / "empty" / "id.npy")
    assert found.dtype.str == "<U2"
    assert found.tolist() == ["日本", "", "😀"]


def test_spooled_texts_go_to_a_file_without_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(npypart, "_SPOOL_BYTES", 100)
    monkeypatch.setattr(npypart, "_CHUNK_BYTES", 64)
    collection, batch = texts(*(f"text {n} {'x' * (n % 7)}" for n in range(500)))
    part = npypart.NumpyPart(str(tmp_path / "part-0"), {}, collection, 1000)
    part.write(batch)
    part.write(batch.slice(0, 100))
    assert list((tmp_path / "part-0").iterdir()) == []
    part.commit()
    found = [text.decode() for text in np.load(tmp_path / "part-0" / "id.npy").tolist()]
    assert found == batch["id"].to_pylist() + batch["id"].to_pylist()[:100]


@pytest.mark.parametrize("value", ["a\0b", "\0", "end\0"])
def test_a_nul_inside_a_text_is_refused(value: str, tmp_path: Path) -> None:
    collection, batch = texts("fine", value)
    part = npypart.NumpyPart(str(tmp_path / "part-0"), {}, collection, 2)
    with pytest.raises(TargetError, match=r"field id: .* U\+0000"):
        part.write(batch)
    part.abort()
    assert list(tmp_path.iterdir()) == []


def test_texts_that_would_pad_beyond_an_import_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(npypart, "_MOST_TEXT_BYTES", 5000)
    collection, batch = texts("x" * 90, *("y" for _ in range(99)))
    part = npypart.NumpyPart(str(tmp_path / "part-0"), {}, collection, 2)
    part.write(batch)
    with pytest.raises(TargetError, match="100 texts padded to the longest"):
        part.commit()
    part.abort()
    assert list(tmp_path.iterdir()) == []


def test_nulls_arrays_and_sparse_vectors_are_refused(tmp_path: Path) -> None:
    key = field("id", "int64", primary_key=True)
    nullable = Collection("n", (key, field("n", "int64", nullable=True)))
    part = npypart.NumpyPart(str(tmp_path / "a"), {}, nullable, 1)
    schema = canonical_schema(nullable)
    with pytest.raises(TargetError, match="field n: a NumPy import cannot hold nulls"):
        part.write(pa.record_batch([[1], pa.array([None], pa.int64())], schema=schema))
    part.abort()
    for text in ("array<int64>(4)", "sparse_float_vector"):
        with pytest.raises(TargetError, match="a NumPy import cannot hold"):
            npypart.NumpyPart(str(tmp_path / "b"), {}, Collection("c", (key, field("x", text))), 1)
    assert list(tmp_path.iterdir()) == []


def test_damage_is_named(tmp_path: Path) -> None:
    write(tmp_path, SMALL, rows_of(SMALL, 10))
    names = columns_of(SMALL)
    whole = (tmp_path / "v.npy").read_bytes()

    def failing(data: bytes) -> str:
        (tmp_path / "v.npy").write_bytes(data)
        with pytest.raises(SourceError) as caught:
            npy.count_rows(str(tmp_path), names, {})
        return str(caught.value)

    assert "but its header says" in failing(whole[:-1])
    assert "but its header says" in failing(whole + b"x")
    assert "the bytes of a NumPy file" in failing(b"x" + whole[1:])
    assert "Fortran" in failing(whole.replace(b"False", b"True "))
    assert "the bytes of a NumPy file" in failing(b"")
    np.save(tmp_path / "v.npy", np.zeros((9, 4), "<f4"))
    with pytest.raises(SourceError, match=r"row counts differ: .* v\.npy 9"):
        npy.count_rows(str(tmp_path), names, {})
    np.save(tmp_path / "v.npy", np.zeros((10, 4), "<f8"))
    with pytest.raises(SourceError, match=r"is not the layout of float_vector\(4\)"):
        list(npy.read_rows(str(tmp_path), {}, SMALL, ["v"], 0, 10, 100))


def test_vectors_go_to_the_file_without_a_copy(tmp_path: Path) -> None:
    """The memory of a 64 MB column is not allocated again by Arrow or Python."""
    import tracemalloc

    flat = pa.array(np.ones(16_000 * 1024, dtype="f4"))
    batch = pa.record_batch(
        [pa.array(range(16_000)), pa.FixedSizeListArray.from_arrays(flat, 1024)],
        schema=canonical_schema(WIDE),
    )
    part = npypart.NumpyPart(str(tmp_path / "part-0"), {}, WIDE, 16_000)
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    part.write(batch)
    part.commit()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20
    assert pa.total_allocated_bytes() - before < 4 << 20
