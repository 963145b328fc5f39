"""Metric and index of vectors, in Milvus's terms."""

from __future__ import annotations

from typing import Any

import pytest

from mmc.sources.elasticsearch.mapping.column import Kind
from mmc.sources.elasticsearch.mapping.vectors import KnnSettings, Vector, dimension, read_vector
from mmc.spec.checks import INDEX_TYPES
from mmc.types import FieldType, Index, Metric, freeze

HNSW = {"M": 16, "efConstruction": 100}


def dense(**said: Any) -> Vector:
    field = {"type": "dense_vector", "dims": 64, "index": True, **said}
    made = read_vector(field, dimension(field))
    assert made is not None
    return made


def knn(**said: Any) -> Vector:
    field = {"type": "knn_vector", "dimension": 64, **said}
    made = read_vector(field, dimension(field))
    assert made is not None
    return made


@pytest.mark.parametrize(
    ("structure", "name", "params"),
    [
        ("hnsw", "HNSW", HNSW),
        ("int8_hnsw", "HNSW", HNSW),
        ("int4_hnsw", "HNSW", HNSW),
        ("bbq_hnsw", "HNSW", HNSW),
        ("flat", "FLAT", {}),
        ("int8_flat", "FLAT", {}),
        ("int4_flat", "FLAT", {}),
        ("bbq_flat", "FLAT", {}),
    ],
)
def test_index_options(structure: str, name: str, params: dict[str, int]) -> None:
    made = dense(similarity="cosine", index_options={"type": structure})
    assert made.index == Index(name, Metric.COSINE, freeze(params))
    assert ("full vectors" in made.note) is ("_" in structure)


@pytest.mark.parametrize(
    ("similarity", "metric"),
    [
        ("cosine", Metric.COSINE),
        ("dot_product", Metric.IP),
        ("l2_norm", Metric.L2),
        ("max_inner_product", Metric.IP),
    ],
)
def test_similarity(similarity: str, metric: Metric) -> None:
    made = dense(similarity=similarity)
    assert made.index is not None
    assert made.index.metric is metric


@pytest.mark.parametrize(
    "made",
    [
        dense(similarity="l2_norm", index_options={"type": "bbq_disk"}),
        dense(similarity="l2_norm", index_options={"type": "of_tomorrow"}),
        knn(method={"name": "of_tomorrow", "space_type": "l2"}),
    ],
)
def test_a_structure_without_an_equal_keeps_its_name_and_metric(made: Vector) -> None:
    assert made.index is not None
    assert made.index.type not in INDEX_TYPES
    assert made.index.metric is Metric.L2


@pytest.mark.parametrize(
    "made",
    [
        dense(similarity="of_tomorrow"),
        knn(space_type="linf"),
        knn(method={"name": "hnsw", "engine": "nmslib", "space_type": "l1"}),
        knn(model_id="m"),
    ],
)
def test_a_metric_that_is_not_known_is_left_to_the_spec(made: Vector) -> None:
    assert made.index is not None
    assert made.index.metric is None


def test_an_index_of_opensearch_without_knn() -> None:
    off = KnnSettings.of({"index.number_of_shards": "1"})
    assert off == KnnSettings(on=False)
    plain = {"type": "knn_vector", "dimension": 64}
    said = {**plain, "method": {"name": "hnsw", "space_type": "innerproduct"}}
    for field, index in ((plain, None), (said, Index("AUTOINDEX", Metric.IP))):
        made = read_vector(field, 64, off)
        assert made is not None
        assert made.index == index
        assert "index.knn is false" in made.note
    on = KnnSettings.of({"index.knn": "true", "index.knn.space_type": "cosinesimil"})
    made = read_vector(plain, 64, on)
    assert made is not None
    assert made.index == Index("HNSW", Metric.COSINE, freeze(HNSW))
    made = read_vector({**plain, "space_type": "l2"}, 64, on)
    assert made is not None and made.index is not None
    assert made.index.metric is Metric.L2


def test_the_engine_of_opensearch_is_said() -> None:
    made = knn(method={"name": "hnsw", "engine": "nmslib", "space_type": "l2"})
    assert made.note.startswith("hnsw of nmslib, l2 in the source index")


def test_not_indexed_is_said_or_is_the_default_of_old_versions() -> None:
    assert dense(index=False).index is None
    old: dict[str, Any] = {"type": "dense_vector", "dims": 4}
    for field, indexed in ((old, False), ({**old, "similarity": "l2_norm"}, True)):
        made = read_vector(field, 4)
        assert made is not None
        assert (made.index is not None) is indexed


@pytest.mark.parametrize(
    ("made", "kind", "index"),
    [
        (dense(element_type="bit", similarity="l2_norm"), Kind.BIT_VECTOR, "BIN_FLAT"),
        (knn(data_type="BINARY"), Kind.BIT_VECTOR, "BIN_FLAT"),
        (knn(data_type="binary", method={"name": "ivf"}), Kind.BIT_VECTOR, "BIN_IVF_FLAT"),
        (dense(element_type="byte", index_options={"type": "flat"}), Kind.BYTE_VECTOR, "HNSW"),
        (knn(data_type="BYTE", method={"name": "ivf"}), Kind.BYTE_VECTOR, "HNSW"),
        (dense(element_type="bfloat16"), Kind.VECTOR, "HNSW"),
    ],
)
def test_elements(made: Vector, kind: Kind, index: str) -> None:
    assert made.kind is kind
    assert made.index is not None
    assert made.index.type == index
    assert (made.index.metric is Metric.HAMMING) is (kind is Kind.BIT_VECTOR)
    assert FieldType.parse(made.text).dim == 64


@pytest.mark.parametrize(
    ("space", "metric"),
    [
        ("l2", Metric.L2),
        ("cosinesimil", Metric.COSINE),
        ("innerproduct", Metric.IP),
        ("l1", None),
        ("linf", None),
    ],
)
def test_space_types_of_opensearch(space: str, metric: Metric | None) -> None:
    for made in (knn(space_type=space), knn(method={"name": "hnsw", "space_type": space})):
        assert (made.index.metric if made.index else None) is metric
        assert ("has no Milvus metric" in made.note) is (metric is None)


def test_parameters_of_opensearch() -> None:
    given = {"m": 24, "ef_construction": 200}
    assert knn(method={"name": "hnsw", "parameters": given}).index == Index(
        "HNSW", Metric.L2, (("M", 24), ("efConstruction", 200))
    )
    lists = knn(method={"name": "ivf", "parameters": {"nlist": 9}})
    assert lists.index == Index("IVF_FLAT", Metric.L2, (("nlist", 9),))
    packed = knn(method={"name": "hnsw", "parameters": {"encoder": {"name": "pq"}}})
    assert "encoder pq in the source" in packed.note


def test_dimension_that_only_a_model_or_a_document_knows() -> None:
    assert dimension({"type": "knn_vector", "model_id": "m", "dimension": -1}) == 0
    assert dimension({"type": "dense_vector", "index": True}) == 0
    assert "trained model m" in knn(model_id="m").note


def test_elements_that_are_not_known() -> None:
    assert read_vector({"type": "dense_vector", "dims": 4, "element_type": "int2"}, 4) is None
