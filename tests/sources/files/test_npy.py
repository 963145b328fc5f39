"""NumPy files: every dtype, both orders, archives; refused and damaged ones by name."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmc.errors import SourceError
from tests.sources.files.reading import config, cut, field, look, read, rows_of

RNG = np.random.default_rng(7)


def test_one_matrix_gives_row_numbers_and_vectors(tmp_path: Path) -> None:
    vectors = RNG.standard_normal((100, 8)).astype(np.float32)
    vectors[0, :3] = [-0.0, np.float32(1e-42), np.finfo(np.float32).max]
    np.save(tmp_path / "words.npy", vectors)
    options = config(tmp_path / "words.npy")
    collection = look(options)
    assert (collection.name, collection.rows, collection.bytes) == ("words", 100, 3200)
    key, vector = collection.fields
    assert (key.name, key.key, key.unique, key.nullable) == ("id", True, True, False)
    assert (vector.name, vector.vector) == ("vector", "float_vector(8)")
    table = read(options, collection)
    assert table["id"].to_pylist() == list(range(100))
    assert np.array(table["vector"].to_pylist(), np.float32).tobytes() == vectors.tobytes()


@pytest.mark.parametrize(
    "values",
    [
        np.array([True, False, True]),
        np.array([-128, 0, 127], np.int8),
        np.array([0, 65535, 1], np.uint16),
        np.array([-(2**63), 2**63 - 1, 0], np.int64),
        np.array([0, 2**64 - 1, 5], np.uint64),
        np.array([-0.0, 5e-324, np.inf], np.float64),
        np.array([-0.0, 6e-8, 65504], np.float16),
        np.array([1, -2, 3], ">i4"),
        np.array([1.5, -2.25, 3], ">f8"),
        np.array(["", "häß 𝄞", "x"]),
        np.array(["", "häß", "x"], dtype=">U4"),
        np.array([b"", "é".encode(), b"x"]),
    ],
    ids=lambda values: values.dtype.str,
)
def test_columns_keep_their_values(tmp_path: Path, values: np.ndarray[Any, Any]) -> None:
    np.save(tmp_path / "id.npy", np.arange(3))
    np.save(tmp_path / "value.npy", values)
    rows = rows_of(tmp_path)
    expected = [text.decode() for text in values.tolist()] if values.dtype.kind == "S" else values
    assert [row["id"] for row in rows] == [0, 1, 2]
    assert str([row["value"] for row in rows]) == str(list(np.asarray(expected).tolist()))


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f2", "<i8", "u1", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
@settings(deadline=None, max_examples=15)
@given(st.integers(1, 60), st.integers(1, 9), st.integers(0, 2**32))
def test_matrices_cut_anywhere_are_the_whole(
    tmp_path_factory: pytest.TempPathFactory,
    dtype: str,
    order: Any,
    rows: int,
    width: int,
    seed: int,
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    bits = np.random.default_rng(seed).integers(0, 2, (rows, width))
    values = np.array(bits * 3 if dtype != "?" else bits, dtype=dtype, order=order)
    np.save(folder / "m.npy", values)
    np.save(folder / "pk.npy", np.arange(rows, dtype=">i4"))
    options = config(folder)
    collection = look(options)
    pieces = cut(collection.extents, seed)
    table = read(options, collection, pieces=pieces, batch_rows=seed % 11 + 1)
    assert table["m"].to_pylist() == values.tolist()
    assert table["pk"].to_pylist() == list(range(rows))


def test_vector_hints(tmp_path: Path) -> None:
    for name, dtype in (("h", np.float16), ("d", np.float64), ("b", np.uint8), ("t", np.int8)):
        np.save(tmp_path / f"{name}.npy", np.zeros((4, 16), dtype))
    collection = look(config(tmp_path))
    assert field(collection, "h").vector == "float16_vector(16)"
    assert field(collection, "d").vector == "float_vector(16)"
    assert field(collection, "t").vector == "int8_vector(16)"
    assert field(collection, "b").vector == ""
    assert "packed bits" in field(collection, "b").note


def test_folders_are_parts_and_row_numbers_go_on(tmp_path: Path) -> None:
    for part, start in (("a", 0), ("b", 3)):
        (tmp_path / part).mkdir()
        np.save(tmp_path / part / "score.npy", np.arange(start, start + 3.0))
        np.save(tmp_path / part / "v.npy", np.ones((3, 2), np.float32))
    rows = rows_of(tmp_path)
    assert [(row["id"], row["score"]) for row in rows] == [(n, float(n)) for n in range(6)]


def test_lengths_that_differ_are_named(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(3))
    np.save(tmp_path / "b.npy", np.zeros(4))
    with pytest.raises(SourceError, match=r"a\.npy has 3 rows, .*b\.npy has 4") as info:
        look(config(tmp_path))
    assert info.value.code == "MMC442"


def test_parts_that_disagree_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros(3), y=np.zeros(3))
    np.savez(tmp_path / "b.npz", x=np.zeros(3), y=np.zeros(3, np.int32))
    with pytest.raises(
        SourceError, match=r"about `y`: double in .*a\.npz, int32 in .*b\.npz"
    ) as info:
        look(config(tmp_path))
    assert info.value.code == "MMC434"


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archives(tmp_path: Path, save: Any) -> None:
    vectors = RNG.standard_normal((500, 4)).astype(np.float32)
    save(tmp_path / "x.npz", name=np.array([f"n{row}" for row in range(500)]), v=vectors)
    options = config(tmp_path / "x.npz")
    collection = look(options)
    assert collection.extents[0].cuttable == (save is np.savez)
    table = read(options, collection, ["v", "id", "name"], batch_rows=99)
    assert table["v"].to_pylist() == vectors.tolist()
    assert table["id"].to_pylist() == list(range(500))
    assert table["name"].to_pylist() == [f"n{row}" for row in range(500)]


def test_an_archive_of_one_nameless_matrix_is_vectors(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", np.zeros((3, 2), np.float32))
    assert [field.name for field in look(config(tmp_path / "x.npz")).fields] == ["id", "vector"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([{}, None], dtype=object), "object is refused: .*unpickling"),
        (np.zeros(3, [("a", "i4"), ("b", "f4")]), "structured"),
        (np.zeros(3, complex), "complex"),
        (np.zeros((2, 2, 2)), r"shape \(2, 2, 2\)"),
        (np.array(5), r"shape \(\)"),
        (np.zeros(3, "M8[s]"), "datetime64"),
        (np.zeros((3, 0)), r"shape \(3, 0\)"),
    ],
)
def test_refused_by_name(tmp_path: Path, values: np.ndarray[Any, Any], message: str) -> None:
    np.save(tmp_path / "x.npy", values, allow_pickle=True)
    with pytest.raises(SourceError, match=r"x\.npy.*" + message) as info:
        look(config(tmp_path / "x.npy"))
    assert info.value.code == "MMC441"


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([b"ok", b"\xff"]))
    with pytest.raises(SourceError, match=r"x\.npy.* row 1 is not UTF-8"):
        look(config(tmp_path / "x.npy"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:-1], "cut short"),
        (lambda data: b"PICKLE" + data[6:], "is no .npy file"),
        (lambda data: data[:20], "is no .npy file"),
        (lambda data: data[:6] + b"\x09" + data[7:], "version 9"),
        (lambda data: data.replace(b"'shape'", b"'shapo'"), "cannot be parsed"),
        (lambda data: data.replace(b"<f8", b"<q8"), "cannot be parsed"),
        (lambda data: data.replace(b"(5,)", b"(9,)"), "cut short"),
        (lambda data: data.replace(b"(5,)", b"(3,)"), "stands behind its array"),
        (lambda data: data + data, "stands behind its array"),
        (lambda data: data + b"\n", "stands behind its array"),
        (lambda data: b"", "ends at byte 0|is no .npy file"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, damage: Any, message: str) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.zeros(5))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(SourceError, match=r"x\.npy: .*" + message):
        look(config(path))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_second_array_in_a_member_of_an_archive_is_not_left_out(
    tmp_path: Path, method: int
) -> None:
    """As two calls of `numpy.save` write them into one file."""
    np.save(tmp_path / "v.npy", np.zeros((5, 2)))
    with zipfile.ZipFile(tmp_path / "x.npz", "w", method) as archive:
        archive.writestr("v.npy", (tmp_path / "v.npy").read_bytes() * 2)
    with pytest.raises(SourceError, match=r"x\.npz\[v\.npy\]: something stands behind"):
        look(config(tmp_path / "x.npz"))


def test_damaged_archives_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez_compressed(path, v=RNG.standard_normal((2000, 4)))
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    with pytest.raises(SourceError, match=r"x\.npz: is damaged"):
        look(config(path))
    broken = bytearray(whole)
    broken[20_000:20_100] = b"\0" * 100
    path.write_bytes(broken)
    options = config(path)
    with pytest.raises(SourceError, match=r"x\.npz\[v\.npy\]: is damaged"):
        read(options, look(options))
    with zipfile.ZipFile(path, "w"):
        pass
    with pytest.raises(SourceError, match="holds no array"):
        look(config(path))


@pytest.mark.parametrize("kind", ["<U0", "|S0"])
def test_texts_of_no_length_are_refused(tmp_path: Path, kind: str) -> None:
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': (3,), }}".ljust(117) + "\n"
    (tmp_path / "x.npy").write_bytes(
        b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
    )
    with pytest.raises(SourceError, match="texts of no length") as caught:
        look(config(tmp_path / "x.npy"))
    assert caught.value.code == "MMC441"
