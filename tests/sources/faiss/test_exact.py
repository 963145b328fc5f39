"""Every exact kind: ids and vectors bit for bit as they were added."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest

from mmc.errors import SourceError
from tests.sources.faiss.build import bits, factory, look, read, save, truth, vectors

D = 12
N = 333

ROW_KINDS = ["Flat", "HNSW8,Flat", "NSG8,Flat", "SQ8,RFlat", "IVF5,SQ8,RFlat"]
LIST_KINDS = ["IVF7,Flat", "IVF7_HNSW4,Flat", "IMI2x3,Flat", "IVF7,FlatDedup"]
MAPPED = ["IDMap,Flat", "IDMap2,Flat", "IDMap,HNSW8,Flat", "IDMap2,IVF7,Flat"]


@pytest.mark.parametrize("metric", [faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT])
@pytest.mark.parametrize("kind", ROW_KINDS)
def test_row_numbers(kind: str, metric: int, tmp_path: Path) -> None:
    x = vectors(N, D)
    path = save(factory(kind, x, metric=metric), tmp_path / "a.index")
    rows = read(path)
    assert rows.ids.tolist() == list(range(N))
    assert rows.vectors.tobytes() == x.tobytes()
    seen = look(path)
    assert (seen.rows, seen.lost, seen.lossy) == (N, 0, "")
    assert seen.fields[0].unique


@pytest.mark.parametrize("metric", [faiss.METRIC_L2, faiss.METRIC_INNER_PRODUCT])
@pytest.mark.parametrize("kind", LIST_KINDS)
def test_lists(kind: str, metric: int, tmp_path: Path) -> None:
    if kind.startswith("IMI"):
        metric = faiss.METRIC_L2  # Faiss makes multi-index quantizers for nothing else.
    x = vectors(N, D)
    ids = np.random.default_rng(5).permutation(N) * 1_000_003 - 7
    path = save(factory(kind, x, ids=ids, metric=metric), tmp_path / "a.index")
    rows = read(path)
    assert len(rows.ids) == N
    assert rows.by_id() == truth(ids.tolist(), x)
    assert not look(path).fields[0].unique


@pytest.mark.parametrize("kind", MAPPED)
def test_id_maps(kind: str, tmp_path: Path) -> None:
    x = vectors(N, D)
    ids = [2**63 - 1, -(2**63), -1, 0, *range(10, N + 6)]
    path = save(factory(kind, x, ids=ids), tmp_path / "a.index")
    assert read(path).by_id() == truth(ids, x)
    assert not look(path).fields[0].unique


@pytest.mark.parametrize(
    "metric", [faiss.METRIC_L1, faiss.METRIC_Linf, faiss.METRIC_Lp, faiss.METRIC_Canberra]
)
def test_flat_of_other_metrics_has_a_longer_header(metric: int, tmp_path: Path) -> None:
    x = vectors(40, D)
    path = save(factory("Flat", x, metric=metric), tmp_path / "a.index")
    assert read(path).vectors.tobytes() == x.tobytes()


@pytest.mark.parametrize("rows", [0, 1, 31, 32, 33])
@pytest.mark.parametrize("kind", ["Flat", "IDMap2,Flat", "HNSW8,Flat", "IVF4,Flat"])
def test_few_rows_and_none(kind: str, rows: int, tmp_path: Path) -> None:
    x = vectors(200, D)
    index = faiss.index_factory(D, kind)
    index.train(x)
    if rows:
        if "IDMap" in kind:
            index.add_with_ids(x[:rows], np.arange(rows))
        else:
            index.add(x[:rows])
    path = save(index, tmp_path / "a.index")
    seen = look(path)
    assert seen.rows == rows
    assert bool(seen.extents) == bool(rows)
    assert read(path).by_id() == truth(range(rows), x[:rows])


def test_untrained_index_is_empty(tmp_path: Path) -> None:
    path = save(faiss.index_factory(D, "IVF4,Flat"), tmp_path / "a.index")
    assert look(path).rows == 0


def test_empty_lists_and_the_sparse_table(tmp_path: Path) -> None:
    """Faiss writes `sprs` when at most half of the lists hold rows."""
    x = vectors(N, D)
    quantizer = faiss.IndexFlatL2(D)
    quantizer.add(np.vstack([x[:3], vectors(61, D) + 100]))
    index = faiss.IndexIVFFlat(quantizer, D, 64)
    index.is_trained = True
    index.add(x)
    path = save(index, tmp_path / "a.index")
    assert b"sprs" in Path(path).read_bytes()
    assert read(path).by_id() == truth(range(N), x)


def test_direct_maps_are_stepped_over(tmp_path: Path) -> None:
    x = vectors(N, D)
    for kind in (faiss.DirectMap.Array, faiss.DirectMap.Hashtable):
        index = factory("IVF7,Flat", x)
        index.set_direct_map_type(kind)
        path = save(index, tmp_path / f"{kind}.index")
        assert read(path).by_id() == truth(range(N), x)


def test_ids_that_occur_twice_are_kept(tmp_path: Path) -> None:
    x = vectors(100, D)
    ids = [i // 2 for i in range(100)]
    for kind in ("IDMap,Flat", "IVF4,Flat"):
        path = save(factory(kind, x, ids=ids), tmp_path / "a.index")
        rows = read(path)
        assert sorted(rows.ids.tolist()) == ids
        expected = sorted(v.tobytes() for v in x)
        assert sorted(v.tobytes() for v in rows.vectors) == expected


def test_vectors_that_faiss_lost_are_counted(tmp_path: Path) -> None:
    x = vectors(300, D)
    index = factory("IVF4,Flat", x)
    bad = vectors(5, D, seed=9)
    bad[0, 0], bad[1, 3], bad[2, 5] = np.nan, np.inf, -np.inf
    index.add(bad)
    assert index.ntotal == 305
    path = save(index, tmp_path / "a.index")
    seen = look(path)
    rows = read(path)
    assert len(rows.ids) == seen.rows
    assert seen.lost == 305 - len(rows.ids) > 0
    assert any("Faiss drops vectors" in note for note in seen.notes)


def test_flat_keeps_non_finite_values_and_says_so(tmp_path: Path) -> None:
    x = vectors(50, D)
    x[7, 2], x[9, 0], x[11, 1] = np.nan, np.inf, -0.0
    path = save(factory("Flat", x), tmp_path / "a.index")
    assert read(path).vectors.tobytes() == x.tobytes()
    assert look(path).fields[1].evidence.non_finite == 2


class TestDuplicates:
    """FlatDedup stores equal vectors once."""

    def test_they_come_back(self, tmp_path: Path) -> None:
        x = vectors(200, D)
        x[50:60] = x[5]
        x[150:] = x[7]
        ids = np.arange(200) * 3 - 100
        path = save(factory("IVF6,FlatDedup", x, ids=ids), tmp_path / "a.index")
        seen = look(path)
        assert (seen.rows, seen.lost) == (200, 0)
        assert sum(extent.rows or 0 for extent in seen.extents) == 200
        for batch_rows in (1, 7, 1000):
            rows = read(path, batch_rows=batch_rows)
            assert sorted(rows.ids.tolist()) == ids.tolist()
            assert rows.by_id() == truth(ids.tolist(), x)
        assert sorted(read(path, columns=["id"]).ids.tolist()) == ids.tolist()

    def test_under_an_id_map(self, tmp_path: Path) -> None:
        x = vectors(200, D)
        x[100:] = x[3]
        ids = np.arange(200) * 11 + 5
        inner = faiss.index_factory(D, "IVF6,FlatDedup")
        inner.train(vectors(200, D))
        index = faiss.IndexIDMap2(inner)
        index.add_with_ids(x, ids)
        path = save(index, tmp_path / "a.index")
        assert read(path).by_id() == truth(ids.tolist(), x)

    def test_an_ambiguous_id_is_refused(self, tmp_path: Path) -> None:
        x = vectors(200, D)
        index = factory("IVF6,FlatDedup", x)
        index.add_with_ids(vectors(1, D, seed=8), np.array([3]))
        index.add_with_ids(x[3:4], np.array([999]))
        path = save(index, tmp_path / "a.index")
        with pytest.raises(SourceError, match=r"id 3 is in the lists more than once") as caught:
            look(path)
        assert caught.value.code == "MMC413"


class TestBinary:
    d = 64

    def index(self, kind: str, x: object) -> object:
        if kind.startswith("IDMap"):
            wrapper = faiss.IndexBinaryIDMap2 if "2" in kind else faiss.IndexBinaryIDMap
            index = wrapper(faiss.IndexBinaryFlat(self.d))
            index.add_with_ids(x, np.arange(N) * 7 - 3)
            return index
        index = faiss.index_binary_factory(self.d, kind)
        index.train(x)
        index.add(x)
        return index

    @pytest.mark.parametrize("kind", ["BFlat", "BIVF6", "BHNSW8", "IDMap", "IDMap2"])
    def test_bits(self, kind: str, tmp_path: Path) -> None:
        x = bits(N, self.d)
        path = save(self.index(kind, x), tmp_path / "a.index")
        ids = np.arange(N) * 7 - 3 if "IDMap" in kind else np.arange(N)
        rows = read(path)
        assert len(rows.ids) == N
        assert rows.by_id() == truth(ids.tolist(), x)
        field = look(path).fields[1]
        assert (field.arrow, field.vector) == ("fixed_size_binary[8]", "binary_vector(64)")
        assert not field.nullable

    def test_map_over_lists(self, tmp_path: Path) -> None:
        x = bits(N, self.d)
        inner = faiss.index_binary_factory(self.d, "BIVF6")
        inner.train(x)
        index = faiss.IndexBinaryIDMap(inner)
        index.add_with_ids(x, np.arange(N) * 5 + 1)
        path = save(index, tmp_path / "a.index")
        assert read(path).by_id() == truth((np.arange(N) * 5 + 1).tolist(), x)
