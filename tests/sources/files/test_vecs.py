"""fvecs, bvecs, ivecs: values, cuts, damaged records by number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmc.errors import SourceError
from tests.sources.files.reading import config, cut, look, read

RNG = np.random.default_rng(7)


def write(path: Path, values: np.ndarray[Any, Any]) -> None:
    """Writes the format from its definition, record by record."""
    with path.open("wb") as file:
        for row in values:
            file.write(np.int32(len(row)).tobytes() + row.tobytes())


@pytest.mark.parametrize(
    ("ending", "dtype", "arrow", "hint"),
    [
        ("fvecs", "<f4", "float", "float_vector(5)"),
        ("bvecs", "u1", "uint8", "float_vector(5)"),
        ("ivecs", "<i4", "int32", ""),
    ],
)
def test_values(tmp_path: Path, ending: str, dtype: str, arrow: str, hint: str) -> None:
    values = RNG.integers(0, 256, (300, 5)).astype(dtype)
    for name, some in (("a", values[:100]), ("b", values[100:])):
        write(tmp_path / f"{name}.{ending}", some)
    options = config(tmp_path)
    collection = look(options)
    assert [field.name for field in collection.fields] == ["id", "vector"]
    assert collection.fields[1].arrow == f"fixed_size_list<{arrow}>[5]"
    assert collection.fields[1].vector == hint
    for seed in range(5):
        table = read(options, collection, pieces=cut(collection.extents, seed), batch_rows=64)
        assert table["id"].to_pylist() == list(range(300))
        assert table["vector"].to_pylist() == values.tolist()


def test_a_record_of_another_dimension_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.fvecs"
    write(path, np.zeros((50, 4), np.float32))
    data = bytearray(path.read_bytes())
    data[20 * 30 : 20 * 30 + 4] = np.int32(5).tobytes()
    path.write_bytes(data)
    options = config(path)
    with pytest.raises(
        SourceError, match=r"x\.fvecs: record 30 tells 5 dimensions, the first one 4"
    ):
        read(options, look(options))
    with path.open("ab") as file:
        file.write(b"\0" * 4)
    with pytest.raises(SourceError, match=r"record 30 tells 5 dimensions"):
        look(options)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"\xff\xff\xff\xff" * 5, "-1 dimensions"),
        (np.int32(2).tobytes() + b"\0" * 8 + b"\2\0", "leave 2 bytes over"),
    ],
)
def test_damaged(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "x.fvecs").write_bytes(data)
    with pytest.raises(SourceError, match=message):
        look(config(tmp_path / "x.fvecs"))
