"""Which index a target builds on which field, by version; what a server said is in the tests of the
sink.
"""

from __future__ import annotations

import re

import pytest

from mmc.compile.indexfit import misfit, with_defaults
from mmc.facts import Capabilities
from mmc.milvus.dialect import version_of
from mmc.types import FieldType, Index, JsonValue, Metric, freeze


def able(version: str) -> Capabilities:
    return version_of(version).dialect.capabilities


def index(type_: str, metric: Metric | None = None, **params: JsonValue) -> Index:
    return Index(type_, metric, freeze(params))


JSON = {"json_path": "doc['a']", "json_cast_type": "varchar"}
L2, COSINE = Metric.L2, Metric.COSINE


@pytest.mark.parametrize(
    ("version", "kind", "wanted", "reason"),
    [
        ("2.3.5", "float_vector(768)", index("IVF_PQ", L2), "IVF_PQ needs its parameter `m`"),
        ("2.5.0", "float_vector(768)", index("IVF_PQ", L2), ""),
        ("2.6.0", "float_vector(768)", index("IVF_PQ", L2, m=100), "m=100 does not divide"),
        ("2.3.5", "float_vector(768)", index("IVF_PQ", L2, m=0), "m=0 does not divide"),
        ("2.3.5", "float_vector(768)", index("IVF_PQ", L2, m="8"), "m=8 does not divide"),
        ("2.3.5", "float_vector(768)", index("IVF_PQ", L2, m=96), ""),
        ("2.4.0", "float_vector(7)", index("SCANN", L2), "SCANN takes no odd dimension"),
        (
            "2.3.5",
            "binary_vector(8)",
            index("BIN_IVF_FLAT", Metric.SUPERSTRUCTURE),
            "BIN_IVF_FLAT does not compare by SUPERSTRUCTURE",
        ),
        ("2.3.5", "binary_vector(8)", index("BIN_IVF_FLAT", Metric.JACCARD), ""),
        ("2.3.5", "binary_vector(8)", index("BIN_FLAT", Metric.SUPERSTRUCTURE), ""),
        ("2.4.0", "float_vector(8)", index("HNSW_SQ", L2), "builds no HNSW_SQ"),
        ("2.5.0", "float_vector(8)", index("HNSW_SQ", L2), ""),
        ("2.3.5", "sparse_float_vector", index("SPARSE_WAND", Metric.IP), "builds no SPARSE_WAND"),
        ("milvus_lite-3.2.2", "float_vector(8)", index("IVF_PQ", L2, m=2), "builds no IVF_PQ"),
        ("2.3.5", "int64", index("Trie"), "builds no Trie on int64"),
        ("2.3.5", "varchar(9)", index("STL_SORT"), r"builds no STL_SORT on varchar\(9\)"),
        ("2.6.0", "varchar(9)", index("STL_SORT"), ""),
        ("2.3.5", "varchar(9)", index("INVERTED"), "builds no INVERTED"),
        ("2.4.0", "varchar(9)", index("INVERTED"), ""),
        ("2.4.0", "int8", index("BITMAP"), "builds no BITMAP"),
        ("2.5.0", "int8", index("BITMAP"), ""),
        ("2.5.0", "float", index("BITMAP"), "builds no BITMAP on float"),
        ("2.5.0", "array<double>(3)", index("BITMAP"), "builds no BITMAP on array<double>"),
        ("2.5.0", "array<int8>(3)", index("BITMAP"), ""),
        ("2.4.0", "json", index("INVERTED", **JSON), "builds no INVERTED on json"),
        ("2.5.8", "json", index("INVERTED"), "needs json_path and json_cast_type"),
        ("2.5.8", "json", index("INVERTED", **JSON), ""),
        ("2.5.8", "varchar(9)", index("NGRAM"), "builds no NGRAM"),
        ("2.6.0", "varchar(9)", index("NGRAM", min_gram=2, max_gram=3), ""),
        ("2.6.0", "int64", index("INVENTED"), "builds no INVENTED"),
        ("2.3.5", "float_vector(8)", index("GPU_IVF_PQ", L2), ""),
        ("2.3.5", "float_vector(8)", index("GPU_CAGRA", L2), "builds no GPU_CAGRA"),
        ("2.4.0", "float_vector(8)", index("GPU_CAGRA", L2), ""),
        ("2.6.0", "float_vector(8)", index("GPU_BRUTE_FORCE", L2), ""),
        ("milvus_lite-3.2.2", "float_vector(8)", index("GPU_IVF_FLAT", L2), "builds no GPU_IVF_"),
    ],
)
def test_what_a_version_builds(version: str, kind: str, wanted: Index, reason: str) -> None:
    found = misfit(wanted, FieldType.parse(kind), able(version), key=False)
    if not reason:
        assert found is None
        return
    assert found is not None and found.hint
    assert re.search(reason, found.reason), found


def test_a_bitmap_on_a_key() -> None:
    type_ = FieldType.parse("int64")
    assert misfit(index("BITMAP"), type_, able("2.5.0"), key=False) is None
    found = misfit(index("BITMAP"), type_, able("2.5.0"), key=True)
    assert found is not None and "primary key" in found.reason


def test_nothing_is_refused_where_nothing_is_known() -> None:
    files = Capabilities(types=frozenset(), elements=frozenset())
    for kind in ("float_vector(7)", "varchar(9)"):
        for wanted in (index("IVF_PQ", L2), index("SCANN", L2), index("NEW")):
            assert misfit(wanted, FieldType.parse(kind), files, key=True) is None


@pytest.mark.parametrize(
    ("version", "said", "made"),
    [
        ("2.3.5", index("HNSW", L2), index("HNSW", L2, M=30, efConstruction=360)),
        ("2.4.1", index("HNSW", L2, M=8), index("HNSW", L2, M=8, efConstruction=360)),
        ("2.3.5", index("IVF_PQ", L2, m=4), index("IVF_PQ", L2, m=4, nbits=8, nlist=128)),
        ("2.3.5", index("AUTOINDEX", COSINE), index("AUTOINDEX", COSINE)),
        ("2.5.0", index("HNSW", L2), index("HNSW", L2)),
        ("milvus_lite-3.2.2", index("HNSW", L2), index("HNSW", L2)),
    ],
)
def test_parameters_that_nobody_said(version: str, said: Index, made: Index) -> None:
    assert with_defaults(said, able(version)) == made


def test_the_m_that_is_proposed_divides_the_dimension() -> None:
    for dim in (768, 6, 7, 1):
        type_ = FieldType.parse(f"float_vector({dim})")
        found = misfit(index("IVF_PQ", L2), type_, able("2.3.5"), key=False)
        assert found is not None
        m = int(found.hint.partition("m: ")[2].partition("}")[0])
        assert misfit(index("IVF_PQ", L2, m=m), type_, able("2.3.5"), key=False) is None
