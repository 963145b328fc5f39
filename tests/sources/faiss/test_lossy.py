"""Lossy kinds: the same vectors as Faiss decodes, and only when the spec allows it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from mmc.errors import SourceError
from tests.sources.faiss.build import factory, look, read, save, vectors

D = 16
N = 400

ROW_KINDS = {
    "SQ8": "IndexScalarQuantizer (SQ8)",
    "SQ6": "IndexScalarQuantizer (SQ6)",
    "SQ4": "IndexScalarQuantizer (SQ4)",
    "SQfp16": "IndexScalarQuantizer (SQfp16)",
    "SQbf16": "IndexScalarQuantizer (SQbf16)",
    "PQ4x4np": "IndexPQ (PQ4x4)",
    "PQ4x4fs": "IndexPQFastScan (PQ4x4)",
    "RQ3x4": "IndexResidualQuantizer (RQ3x4)",
    "RaBitQ": "IndexRaBitQ (RaBitQ1)",
    "RaBitQ4": "IndexRaBitQ (RaBitQ4)",
    "RaBitQfs": "IndexRaBitQFastScan (RaBitQ1)",
    "HNSW8,SQ8": "IndexScalarQuantizer (SQ8)",
    "HNSW8,PQ4x4np": "IndexPQ (PQ4x4)",
    "PCA8,Flat": "IndexPreTransform (PCAMatrix) over IndexFlatL2",
    "OPQ4,PQ4x4np": "IndexPreTransform (LinearTransform) over IndexPQ (PQ4x4)",
    "RR16,Flat": "IndexPreTransform (RandomRotationMatrix) over IndexFlatL2",
    "HR,Flat": "IndexPreTransform (HadamardRotation) over IndexFlatL2",
    "L2norm,Flat": "IndexPreTransform (NormalizationTransform) over IndexFlatL2",
}
LIST_KINDS = {
    "IVF5,SQ8": "IndexIVFScalarQuantizer (SQ8)",
    "IVF5_HNSW4,SQfp16": "IndexIVFScalarQuantizer (SQfp16)",
    "IVF5,PQ4x4np": "IndexIVFPQ (PQ4x4)",
    "IVF5,PQ4x4fs": "IndexIVFPQFastScan (PQ4x4)",
    "IVF5,PQ4x4fsr": "IndexIVFPQFastScan (PQ4x4)",
    "IVF5,RQ3x4": "IndexIVFResidualQuantizer (RQ3x4)",
    "IVF5,RaBitQ": "IndexIVFRaBitQ (RaBitQ1)",
    "IVF5,RaBitQ4": "IndexIVFRaBitQ (RaBitQ4)",
    "IMI2x2,SQ8": "IndexIVFScalarQuantizer (SQ8)",
    "PCA8,IVF5,Flat": "IndexPreTransform (PCAMatrix) over IndexIVFFlat",
    "Pad32,IVF5,SQ8": (
        "IndexPreTransform (RemapDimensionsTransform) over IndexIVFScalarQuantizer (SQ8)"
    ),
    "OPQ4,IVF5,PQ4x4np": "IndexPreTransform (LinearTransform) over IndexIVFPQ (PQ4x4)",
}


def by_offset(index: Any) -> dict[int, np.ndarray[Any, Any]]:
    """Vectors as Faiss gives them, list by list; the transform reversed."""
    ivf = faiss.extract_index_ivf(index)
    found = {}
    for number in range(ivf.nlist):
        size = ivf.invlists.list_size(number)
        ids = faiss.rev_swig_ptr(ivf.invlists.get_ids(number), size).copy() if size else []
        for row, key in enumerate(ids):
            vector = np.empty((1, ivf.d), np.float32)
            ivf.reconstruct_from_offset(number, row, faiss.swig_ptr(vector))
            found[int(key)] = vector
    if isinstance(index, faiss.IndexPreTransform):
        chain = [
            faiss.downcast_VectorTransform(index.chain.at(i)) for i in range(index.chain.size())
        ]
        for key, vector in found.items():
            for transform in reversed(chain):
                vector = transform.reverse_transform(vector)
            found[key] = vector
    return found


@pytest.mark.parametrize("kind", ROW_KINDS)
def test_row_kinds(kind: str, tmp_path: Path) -> None:
    x = vectors(N, D)
    index = factory(kind, x)
    path = save(index, tmp_path / "a.index")
    seen = look(path, allow_lossy=True)
    assert seen.lossy == ROW_KINDS[kind]
    rows = read(path, allow_lossy=True, batch_rows=57)
    assert rows.ids.tolist() == list(range(N))
    np.testing.assert_allclose(rows.vectors, index.reconstruct_n(0, N), atol=1e-6)


@pytest.mark.parametrize("kind", LIST_KINDS)
def test_list_kinds(kind: str, tmp_path: Path) -> None:
    x = vectors(N, D)
    ids = np.arange(N) * 5 - 1000
    index = factory(kind, x, ids=ids)
    path = save(index, tmp_path / "a.index")
    assert look(path, allow_lossy=True).lossy == LIST_KINDS[kind]
    rows = read(path, allow_lossy=True, batch_rows=57)
    expected = by_offset(index)
    assert sorted(rows.ids.tolist()) == ids.tolist()
    wanted = np.vstack([expected[int(key)] for key in rows.ids])
    np.testing.assert_allclose(rows.vectors, wanted, atol=1e-6)


def test_ids_of_a_wrapper_whose_reconstruct_would_abort(tmp_path: Path) -> None:
    x = vectors(N, D)
    ids = np.arange(N) * 3 - 50
    index = factory("IDMap,SQ8", x, ids=ids)
    path = save(index, tmp_path / "a.index")
    rows = read(path, allow_lossy=True)
    assert rows.ids.tolist() == ids.tolist()
    inner = faiss.downcast_index(index.index)
    np.testing.assert_array_equal(rows.vectors, inner.reconstruct_n(0, N))


def test_refine_brings_back_the_vectors(tmp_path: Path) -> None:
    x = vectors(N, D)
    path = save(factory("PQ4x4np,RFlat", x), tmp_path / "a.index")
    assert look(path).lossy == ""
    assert read(path).vectors.tobytes() == x.tobytes()
    path = save(factory("PQ4x4np,Refine(SQfp16)", x), tmp_path / "b.index")
    assert look(path, allow_lossy=True).lossy == "IndexScalarQuantizer (SQfp16)"


@pytest.mark.parametrize("kind", ["SQ8", "IVF5,PQ4x4np", "PCA8,Flat", "HNSW8,SQ8"])
def test_not_allowed(kind: str, tmp_path: Path) -> None:
    path = save(factory(kind, vectors(N, D)), tmp_path / "a.index")
    name = (ROW_KINDS | LIST_KINDS)[kind]
    with pytest.raises(SourceError) as caught:
        look(path)
    assert name in str(caught.value)
    assert caught.value.hint.startswith("allow_lossy: true")
    assert caught.value.code == "MMC403"


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("IVF5,PQ4+8", "IndexIVFPQR (`IwQR`"),
        ("LSH", "IndexLSH (`IxHe`"),
        ("ITQ,LSH", "transform `Viqt`: ITQ"),
        ("PRQ2x2x4", "IndexProductResidualQuantizer (`IxPR`"),
        ("IVF5,RaBitQfs", "IndexIVFRaBitQFastScan (`Iwrn`"),
    ],
)
def test_refused_by_name(kind: str, name: str, tmp_path: Path) -> None:
    path = save(factory(kind, vectors(N, D)), tmp_path / "a.index")
    with pytest.raises(SourceError) as caught:
        look(path, allow_lossy=True)
    assert name in str(caught.value)
    assert caught.value.code == "MMC402"


def test_a_whitening_pca_is_refused_where_faiss_decodes_nonsense(tmp_path: Path) -> None:
    x = vectors(N, D)
    path = save(factory("PCAW16,Flat", x), tmp_path / "a.index")
    loaded = faiss.read_index(path)
    assert np.abs(loaded.reconstruct_n(0, N) - x).mean() > 0.1, "Faiss has mended this"
    with pytest.raises(SourceError, match="PCAMatrix cannot be reversed") as caught:
        look(path, allow_lossy=True)
    assert caught.value.code == "MMC412"


def test_a_coarse_quantizer_that_could_abort_is_refused(tmp_path: Path) -> None:
    x = vectors(N, D)
    coarse = factory("SQ8", x[:5])
    index = faiss.IndexIVFScalarQuantizer(coarse, D, 5, faiss.ScalarQuantizer.QT_8bit)
    index.train(x)
    index.add(x)
    path = save(index, tmp_path / "a.index")
    with pytest.raises(SourceError, match="cannot be decoded safely"):
        look(path, allow_lossy=True)


def test_untouched_metric_of_hnsw_pq_is_questioned(tmp_path: Path) -> None:
    path = save(
        factory("HNSW8,PQ4x4np", vectors(N, D), metric=faiss.METRIC_INNER_PRODUCT),
        tmp_path / "a.index",
    )
    field = look(path, allow_lossy=True).fields[1]
    assert field.index is not None
    assert field.index.metric in ("L2", "IP")
    if field.index.metric == "L2":
        assert "say index.metric: IP" in field.note


def test_exact_kinds_need_no_faiss_and_lossy_ones_say_so(tmp_path: Path) -> None:
    x = vectors(50, D)
    exact = save(factory("IDMap,HNSW8,Flat", x, ids=np.arange(50)), tmp_path / "a.index")
    lossy = save(factory("SQ8", x), tmp_path / "b.index")
    code = f"""
import sys
sys.modules["faiss"] = None
from mmc.errors import PluginMissing
from mmc.plan.model import Split
from mmc.sources.faiss.options import FaissOptions
from mmc.sources.faiss.source import FaissSource
from mmc.spi import Sample
options = FaissOptions(type="faiss", path={exact!r})
lossy = FaissOptions(type="faiss", path={lossy!r}, allow_lossy=True)
source = FaissSource()
seen = source.inspect(options, [], Sample()).collections[0]
split = Split(id="0", pieces=seen.extents, rows=seen.rows, bytes=seen.bytes)
print(sum(b.num_rows for b in source.read(options, seen.name, split, ["id", "vector"], 7)))
try:
    source.inspect(lossy, [], Sample())
except PluginMissing as error:
    print(error.hint)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["50", "pip install 'mmc[faiss]'"]
