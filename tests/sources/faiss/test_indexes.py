"""Faiss index and metric in Milvus's terms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from mmc.types import Index, Metric
from tests.sources.faiss.build import bits, factory, look, save, vectors

D = 16
IP = faiss.METRIC_INNER_PRODUCT


def index_of(index: Any, path: Path) -> tuple[Index, str]:
    field = look(save(index, path), allow_lossy=True).fields[1]
    assert field.index is not None
    return field.index, field.note


@pytest.mark.parametrize(
    ("kind", "name", "params"),
    [
        ("Flat", "FLAT", {}),
        ("IDMap,Flat", "FLAT", {}),
        ("HNSW24,Flat", "HNSW", {"M": 24, "efConstruction": 40}),
        ("IVF9,Flat", "IVF_FLAT", {"nlist": 9}),
        ("IDMap2,IVF9,Flat", "IVF_FLAT", {"nlist": 9}),
        ("IVF9,FlatDedup", "IVF_FLAT", {"nlist": 9}),
        ("IVF9,SQ8", "IVF_SQ8", {"nlist": 9}),
        ("IVF9,PQ4x4np", "IVF_PQ", {"nlist": 9, "m": 4, "nbits": 4}),
        ("IVF9,SQ8,RFlat", "IVF_SQ8", {"nlist": 9}),
        ("HNSW12,SQ8", "HNSW", {"M": 12, "efConstruction": 40}),
    ],
)
def test_carried_over(kind: str, name: str, params: dict[str, int], tmp_path: Path) -> None:
    x = vectors(400, D)
    ids = np.arange(400) if "IDMap" in kind else None
    found, note = index_of(factory(kind, x, ids=ids), tmp_path / "a.index")
    assert found == Index(name, Metric.L2, tuple(sorted(params.items())))
    assert note.endswith("in the source index")


@pytest.mark.parametrize(
    ("kind", "metric", "expected", "said"),
    [
        ("Flat", faiss.METRIC_L2, Metric.L2, ""),
        ("Flat", IP, Metric.IP, ""),
        ("HNSW8,Flat", IP, Metric.IP, ""),
        ("IVF4,Flat", IP, Metric.IP, ""),
        ("L2norm,Flat", IP, Metric.COSINE, "inner product of normalised vectors"),
        ("L2norm,Flat", faiss.METRIC_L2, Metric.L2, ""),
        ("Flat", faiss.METRIC_L1, None, "metric L1 has no Milvus equal: say index.metric"),
        ("Flat", faiss.METRIC_Linf, None, "metric Linf has no Milvus equal"),
        ("Flat", faiss.METRIC_Lp, None, "metric Lp has no Milvus equal"),
        ("Flat", faiss.METRIC_JensenShannon, None, "metric JensenShannon has no Milvus equal"),
        ("HNSW8,Flat", faiss.METRIC_L1, None, "metric L1 has no Milvus equal"),
    ],
)
def test_metrics(
    kind: str, metric: int, expected: Metric | None, said: str, tmp_path: Path
) -> None:
    found, note = index_of(factory(kind, vectors(200, D), metric=metric), tmp_path / "a.index")
    assert found.metric == expected
    assert said in note


@pytest.mark.parametrize(
    ("kind", "name", "params", "said"),
    [
        ("BFlat", "BIN_FLAT", (), ""),
        ("BIVF7", "BIN_IVF_FLAT", (("nlist", 7),), ""),
        ("BHNSW8", "BIN_FLAT", (), "Milvus has no HNSW for binary vectors"),
    ],
)
def test_binary(kind: str, name: str, params: Any, said: str, tmp_path: Path) -> None:
    index = faiss.index_binary_factory(64, kind)
    index.train(bits(200, 64))
    index.add(bits(200, 64))
    found, note = index_of(index, tmp_path / "a.index")
    assert found == Index(name, Metric.HAMMING, params)
    assert said in note


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("NSG16,Flat", "HNSW", "NSG (R=16) has no Milvus equal"),
        ("SQ8", "FLAT", "Milvus has no SQ8 without lists"),
        ("IVF4,SQ4", "IVF_FLAT", "Milvus has no IVF with SQ4"),
        ("Pad24,IVF4,PQ3x4np", "IVF_FLAT", "Milvus has no IVF with PQ3x4"),
    ],
)
def test_what_has_no_equal_is_said(kind: str, name: str, said: str, tmp_path: Path) -> None:
    found, note = index_of(factory(kind, vectors(300, D)), tmp_path / "a.index")
    assert found.type == name
    assert said in note
