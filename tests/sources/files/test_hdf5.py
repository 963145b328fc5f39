"""HDF5: datasets as columns, ann-benchmarks' layout, damaged files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from mmc.errors import PluginMissing, SourceError
from mmc.sources.files import hdf5texts
from mmc.types import Index, Metric
from tests.sources.files.reading import config, cut, field, look, read

RNG = np.random.default_rng(7)


def test_values_and_cuts(tmp_path: Path) -> None:
    vectors = RNG.standard_normal((200, 6)).astype(np.float32)
    names = [f"näme {row} 𝄞" for row in range(200)]
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["deep/vectors"] = vectors
        file.create_dataset(
            "packed", data=vectors.astype(">f8"), compression="gzip", chunks=(50, 6)
        )
        file["name"] = names
        file["flag"] = np.arange(200) % 2 == 0
        file["id"] = np.arange(200, 400)
    options = config(tmp_path / "x.h5")
    collection = look(options)
    assert field(collection, "id").key
    assert field(collection, "deep/vectors").vector == "float_vector(6)"
    for seed in range(4):
        table = read(options, collection, pieces=cut(collection.extents, seed), batch_rows=33)
        assert table["deep/vectors"].to_pylist() == vectors.tolist()
        assert table["packed"].to_pylist() == vectors.astype(float).tolist()
        assert table["name"].to_pylist() == names
        assert table["flag"].to_pylist() == [row % 2 == 0 for row in range(200)]


def test_ann_benchmarks_layout(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "glove.hdf5", "w") as file:
        file["train"] = np.zeros((50, 4), np.float32)
        file["test"] = np.zeros((5, 4), np.float32)
        file["neighbors"] = np.zeros((5, 10), np.int32)
        file.attrs["distance"] = "angular"
    collection = look(config(tmp_path / "glove.hdf5"))
    assert [field.name for field in collection.fields] == ["id", "train"]
    assert collection.rows == 50
    assert "test (5, 4)" in collection.notes[1] and "neighbors (5, 10)" in collection.notes[1]
    assert "angular" in collection.notes[2]


@pytest.mark.parametrize(
    ("distance", "index"),
    [
        ("euclidean", Index("AUTOINDEX", Metric.L2)),
        (np.bytes_("Euclidean "), Index("AUTOINDEX", Metric.L2)),
        (["angular"], Index("AUTOINDEX", Metric.COSINE)),
        ("inner product", Index("AUTOINDEX", Metric.IP)),
        ("hamming", None),
        ("jaccard", None),
        ("earth mover", None),
        (7, None),
    ],
)
def test_the_distance_is_the_metric(tmp_path: Path, distance: Any, index: Index | None) -> None:
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        file["train"] = np.zeros((50, 4), np.float32)
        file["n"] = np.zeros((50, 2), np.int32)
        file.attrs["distance"] = distance
    collection = look(config(tmp_path / "x.hdf5"))
    assert field(collection, "train").index == index
    assert field(collection, "n").index is None
    assert [one.code for one in collection.problems] == ([] if index else ["MMC483"])
    assert index or "which is no metric for `n`, `train`" in collection.problems[0].message


def test_distances_of_bits_and_of_files_that_disagree(tmp_path: Path) -> None:
    for name, distance in (("a", "hamming"), ("b", "jaccard")):
        with h5py.File(tmp_path / f"{name}.hdf5", "w") as file:
            file["train"] = np.zeros((50, 4), np.uint8)
            file["train"].attrs["distance"] = distance
    one = look(config(tmp_path / "a.hdf5"))
    assert field(one, "train").index == Index("BIN_FLAT", Metric.HAMMING) and not one.problems
    both = look(config(tmp_path))
    assert field(both, "train").index is None
    (problem,) = both.problems
    assert (problem.code, problem.is_error) == ("MMC483", False)
    assert "`train`: HAMMING in " in problem.message and "JACCARD in " in problem.message


def test_damaged_and_empty(tmp_path: Path) -> None:
    (tmp_path / "x.h5").write_bytes(b"no hdf5 at all")
    with pytest.raises(SourceError, match=r"x\.h5: cannot be read: .*signature not found"):
        look(config(tmp_path / "x.h5"))
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["deep"] = np.zeros((2, 2, 2))
    with pytest.raises(SourceError, match="no dataset of one or two dimensions"):
        look(config(tmp_path / "x.h5"))


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file[b"caf\xe9"] = np.arange(3)
    with pytest.raises(SourceError, match=r"the name caf\\xe9 is not UTF-8"):
        look(config(tmp_path / "x.h5"))


def test_without_h5py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.h5").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(PluginMissing) as info:
        look(config(tmp_path / "x.h5"))
    assert info.value.hint == "pip install 'mmc[hdf5]'"


def test_texts_whose_heap_is_damaged_come_to_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The HDF5 library loops for ever where the last text of a heap is longer than the heap."""
    monkeypatch.setattr(hdf5texts, "SECONDS", 1)
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["t"] = [f"text {row:02}" for row in range(60)]
    data = bytearray(path.read_bytes())
    length = max(data.rfind(b"text %02d" % row) for row in range(60)) - 8
    assert int.from_bytes(data[length : length + 8], "little") == len("text 00")
    data[length + 1] = 4
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"x\.h5\[/t\]: rows 0\.\.60: .*no end in 1 s") as caught:
        look(config(path))
    assert caught.value.code == "MMC440"
