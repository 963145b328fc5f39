"""Row numbers as text, partition names, and indexes in the terms of 2.x."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmc.sources.milvus1.indexes import map_index
from mmc.sources.milvus1.live import LiveCollection
from mmc.sources.milvus1.names import partition_names
from mmc.sources.milvus1.numbers import from_text, to_text
from mmc.types import Index, Metric


@given(st.sets(st.integers(0, 60)))
def test_row_numbers_there_and_back(numbers: set[int]) -> None:
    rows = np.array(sorted(numbers), np.int64)
    assert from_text(to_text(rows)).tolist() == rows.tolist()


def test_row_numbers_are_runs() -> None:
    assert to_text(np.array([5, 7, 8, 9, 11])) == "5 7-9 11"


@given(st.lists(st.text(alphabet="ab_-. 量1", max_size=4), unique=True))
def test_every_tag_has_a_name_of_its_own(tags: list[str]) -> None:
    names = partition_names(tags)
    assert sorted(names) == sorted(tags)
    assert len(set(names.values())) == len(tags)
    assert "_default" not in names.values()
    for tag, name in names.items():
        assert bool(tag) <= len(name) <= 255
        assert name.isascii() and (not tag or name.replace("_", "a").isalnum())
        if tag and tag.isascii() and tag.replace("_", "a").isalnum() and tag != "_default":
            assert name == tag


def test_hostile_tags() -> None:
    long = "é" * 255
    assert partition_names(
        ["a-b", "a_b", "a b", "2021-03-01", "", "-default", "_default", long]
    ) == {
        "a-b": "a_b_2",
        "a_b": "a_b",
        "a b": "a_b_3",
        "2021-03-01": "2021_03_01",
        "": "",
        "-default": "_default_2",
        "_default": "_default_3",
        long: "_" * 255,
    }
    assert partition_names(["-" * 300, "+" * 300])["+" * 300] == "_" * 253 + "_2"


GRAPH = Index("HNSW", Metric.L2, (("M", 16), ("efConstruction", 200)))
SMALL_GRAPH = Index("HNSW", Metric.IP, (("M", 5), ("efConstruction", 50)))
SQ8 = Index("IVF_SQ8", Metric.L2, (("nlist", 7),))
PQ = Index("IVF_PQ", Metric.L2, (("m", 8), ("nbits", 8), ("nlist", 7)))
BIN_IVF = Index("BIN_IVF_FLAT", Metric.JACCARD, (("nlist", 7),))


def collection(metric: int, engine: int, dim: int = 64, **params: int) -> LiveCollection:
    return LiveCollection(
        name="c",
        dimension=dim,
        metric_type=metric,
        engine_type=engine,
        index_params=json.dumps(params),
        flag=2,
        partitions=(),
    )


@pytest.mark.parametrize(
    ("metric", "engine", "params", "index", "note"),
    [
        (1, 1, {}, Index("FLAT", Metric.L2), "FLAT in Milvus 1.x"),
        (2, 2, {"nlist": 7}, Index("IVF_FLAT", Metric.IP, (("nlist", 7),)), "IVF_FLAT nlist=7"),
        (1, 3, {"nlist": 7}, SQ8, "IVF_SQ8"),
        (1, 4, {"out_degree": 9}, GRAPH, "RNSG -> HNSW"),
        (1, 5, {"nlist": 7}, SQ8, "IVF_SQ8H -> IVF_SQ8"),
        (1, 6, {"nlist": 7, "m": 8}, PQ, "IVF_PQ"),
        (1, 6, {"nlist": 7, "m": 7}, SQ8, "does not divide"),
        (1, 7, {}, GRAPH, "SPTAG_KDT -> HNSW"),
        (2, 11, {"M": 5, "efConstruction": 50}, SMALL_GRAPH, "HNSW M=5"),
        (1, 12, {"n_trees": 3}, GRAPH, "ANNOY -> HNSW"),
        (3, 9, {}, Index("BIN_FLAT", Metric.HAMMING), "BIN_FLAT"),
        (4, 10, {"nlist": 7}, BIN_IVF, "BIN_IVF_FLAT"),
        (5, 9, {}, Index("BIN_FLAT", Metric.JACCARD), "TANIMOTO -> JACCARD"),
        (6, 1, {}, Index("BIN_FLAT", Metric.SUBSTRUCTURE), "FLAT in Milvus 1.x"),
        (7, 10, {"nlist": 7}, Index("BIN_FLAT", Metric.SUPERSTRUCTURE), "no other index"),
        (2, 0, {}, Index("AUTOINDEX", Metric.IP), "does not tell"),
        (3, 0, {}, Index("BIN_FLAT", Metric.HAMMING), "does not tell"),
        (1, 99, {}, Index("engine_type 99", Metric.L2), "no index of Milvus 1.x"),
    ],
)  # fmt: skip
def test_index(metric: int, engine: int, params: dict[str, int], index: Index, note: str) -> None:
    mapped = map_index(collection(metric, engine, **params))
    assert mapped.index == index
    assert note in mapped.note
    assert [p.code for p in mapped.problems] == (["MMC425"] if metric in (6, 7) else [])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("not json", "'not json'"),
        ("[" * 5_000, f"'{'[' * 57}...'"),
        ("[7]", "'[7]'"),
        ('{"nlist": "abc"}', """'{"nlist": "abc"}'"""),
        ('{"nlist": true}', """'{"nlist": true}'"""),
        ('{"nlist": 7, "x": 1.5}', ""),
    ],
)
def test_parameters_that_cannot_be_read(text: str, shown: str) -> None:
    """The index is none that a target builds: nothing that was made up is said to be the source's.
    The golden case milvus1_unreadable_index has what a plan says then.
    """
    mapped = map_index(replace(collection(1, 2), index_params=text))
    if not shown:
        assert mapped.index == Index("IVF_FLAT", Metric.L2, (("nlist", 7),))
        return
    assert mapped.index == Index(f"IVF_FLAT with index_params {shown}", Metric.L2)
    assert "unreadable" in mapped.note and not mapped.problems
