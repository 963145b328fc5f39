"""Build parameters of indexes, by type and version; what 2.3.5 itself says is in the tests of the
sink.
"""

from __future__ import annotations

import pytest

from mmc.compile.indexfit import misfit, with_defaults
from mmc.compile.indexparams import fitted, plain, wrong_params
from mmc.facts import Capabilities
from mmc.milvus.dialect import version_of
from mmc.types import FieldType, Index, JsonValue, Metric, freeze

LITE = "milvus_lite-3.2.2"
VECTOR, HALF, BYTES, BITS = (
    "float_vector(768)",
    "float16_vector(768)",
    "int8_vector(768)",
    "binary_vector(64)",
)
SPARSE = "sparse_float_vector"


def able(version: str) -> Capabilities:
    return version_of(version).dialect.capabilities


def index(type_: str, **params: JsonValue) -> Index:
    return Index(type_, None, freeze(params))


def told(version: str, kind: str, wanted: Index) -> str:
    """What the plan says: `name: hint` of each."""
    type_ = FieldType.parse(kind)
    made = plain(wanted, type_, able(version))
    return "; ".join(
        f"{one.reason}: {one.hint}" for one in wrong_params(made, type_, able(version))
    )


@pytest.mark.parametrize(
    ("version", "kind", "wanted", "said"),
    [
        (
            "2.3.5",
            VECTOR,
            index("HNSW", m=16, ef_construction=100),
            "HNSW has no parameter `ef_construction`: did you mean efConstruction?; "
            "HNSW has no parameter `m`: did you mean M?",
        ),
        ("2.6.0", VECTOR, index("HNSW", EFCONSTRUCTION=9), "did you mean efConstruction?"),
        ("2.6.0", VECTOR, index("IVF_FLAT", nlists=9), "did you mean nlist?"),
        ("2.6.0", VECTOR, index("HNSW", ef=9), "`ef`: it belongs to searches"),
        ("2.6.0", VECTOR, index("IVF_FLAT", nprobe=9), "`nprobe`: it belongs to searches"),
        ("2.6.0", VECTOR, index("HNSW", metric_type="L2"), "say it as index.metric"),
        ("2.6.0", VECTOR, index("HNSW", colour="red"), "HNSW takes M, efConstruction, "),
        ("2.3.5", VECTOR, index("FLAT", nlist=9), "FLAT takes no parameters"),
        ("2.3.5", VECTOR, index("AUTOINDEX", M=9), "AUTOINDEX takes no parameters"),
        ("2.6.0", SPARSE, index("AUTOINDEX", drop_ratio_build=0.1), "takes no parameters"),
        (LITE, VECTOR, index("AUTOINDEX", M=9), ""),
        ("2.3.5", VECTOR, index("HNSW", M=5000), "M is out of range: 5000: HNSW takes M from 2 to"),
        # 2.3.5 takes it, and never builds the index; Milvus Lite dies of it.
        ("2.3.5", VECTOR, index("HNSW", M=1), "M is out of range: 1:"),
        (LITE, VECTOR, index("HNSW", M=1), "M is out of range: 1:"),
        (LITE, VECTOR, index("HNSW", M=-3), "M is out of range: -3:"),
        (LITE, VECTOR, index("HNSW", M=2, efConstruction=1), ""),
        ("2.3.5", VECTOR, index("HNSW", M=2048, efConstruction=999_999), ""),
        ("2.3.5", VECTOR, index("HNSW", efConstruction=1_000_000), "from 1 to 999,999"),
        ("2.4.0", VECTOR, index("HNSW", efConstruction=1_000_000), ""),
        ("2.5.0", VECTOR, index("HNSW", efConstruction=0), "efConstruction is out of range: 0"),
        ("2.5.0", VECTOR, index("HNSW", M="16", efConstruction=20.0), ""),
        ("2.5.0", VECTOR, index("HNSW", M="x"), "M is no whole number: x"),
        ("2.5.0", VECTOR, index("HNSW", M=16.5), "M is no whole number: 16.5"),
        ("2.5.0", VECTOR, index("HNSW", M=True), "M is no whole number: True"),
        ("2.5.0", VECTOR, index("HNSW", M=None), "M is no whole number: None"),
        ("2.6.0", VECTOR, index("IVF_SQ8", nlist=65_536), ""),
        ("2.6.0", VECTOR, index("IVF_SQ8", nlist=65_537), "nlist from 1 to 65,536"),
        ("2.3.5", VECTOR, index("IVF_SQ8", nbits=4), "nbits from 8 to 8"),
        ("2.3.5", VECTOR, index("IVF_PQ", m=96, nbits=0), "nbits from 1 to 24"),
        ("2.6.0", VECTOR, index("IVF_PQ", m=96, refine=True, refine_type="FP32"), ""),
        ("2.5.0", VECTOR, index("IVF_PQ", m=96, refine=True), "no parameter `refine`"),
        ("2.6.0", VECTOR, index("HNSW_SQ", sq_type="SQ5"), "sq_type cannot be SQ5: HNSW_SQ takes"),
        ("2.6.0", VECTOR, index("HNSW_SQ", sq_type="sq8", refine="true"), ""),
        ("2.6.0", VECTOR, index("HNSW_SQ", sq_type=8), "sq_type is no text: 8"),
        ("2.6.0", VECTOR, index("HNSW_PRQ", nrq=17), "nrq from 1 to 16"),
        ("2.3.5", VECTOR, index("SCANN", with_raw_data="maybe"), "is no true or false: maybe"),
        ("2.3.5", VECTOR, index("SCANN", with_raw_data="True"), ""),
        ("2.3.5", VECTOR, index("DISKANN", max_degree=5000), "max_degree from 1 to 2,048"),
        ("2.6.0", HALF, index("DISKANN", search_cache_budget_gb_ratio=0.1), ""),
        ("2.6.0", HALF, index("DISKANN", search_cache_budget_gb_ratio=-1), "from 0"),
        ("2.6.0", BITS, index("BIN_IVF_FLAT", nlist=0), "nlist from 1 to"),
        ("2.6.0", BITS, index("BIN_FLAT", nlist=8), "no parameter `nlist`"),
        ("2.6.0", SPARSE, index("SPARSE_WAND", drop_ratio_build=0.2), ""),
        ("2.6.0", SPARSE, index("SPARSE_WAND", drop_ratio_build="0.2"), ""),
        ("2.6.0", SPARSE, index("SPARSE_WAND", drop_ratio_build=1), "out of range: 1"),
        ("2.6.0", SPARSE, index("SPARSE_WAND", drop_ratio_build="a"), "is no number: a"),
        (LITE, SPARSE, index("SPARSE_INVERTED_INDEX", drop_ratio_build=0.2), "from 0 to 0"),
        (
            "2.6.0",
            SPARSE,
            index("SPARSE_INVERTED_INDEX", inverted_index_algo="WAND"),
            "inverted_index_algo cannot be WAND",
        ),
        ("3.0.0", SPARSE, index("SPARSE_INVERTED_INDEX", inverted_index_algo="SINDI"), ""),
        (
            "2.4.0",
            SPARSE,
            index("SPARSE_INVERTED_INDEX", inverted_index_algo="DAAT_WAND"),
            "no parameter `inverted_index_algo`",
        ),
        ("2.3.5", "int64", index("STL_SORT", order="up"), "STL_SORT takes no parameters"),
        ("2.6.0", "varchar(9)", index("NGRAM", min_gram=0, max_gram=3), "min_gram from 1"),
        ("2.6.0", "varchar(9)", index("INVERTED", **{"mmap.enabled": "true"}), ""),
        ("2.3.5", VECTOR, index("HNSW", **{"mmap.enabled": True}), "no parameter `mmap.enabled`"),
        ("2.4.0", VECTOR, index("HNSW", **{"mmap.enabled": True}), ""),
        ("2.6.0", VECTOR, index("HNSW", **{"mmap.enabled": "on"}), "is no true or false: on"),
        ("2.6.0", VECTOR, index("NEWER", anything=1), ""),
    ],
)
def test_what_a_type_of_index_knows(version: str, kind: str, wanted: Index, said: str) -> None:
    found = told(version, kind, wanted)
    assert (said in found) if said else not found, found


@pytest.mark.parametrize(
    ("version", "kind", "carried", "made", "changes"),
    [
        ("2.5.0", VECTOR, index("HNSW", M=3000), index("HNSW", M=2048), ["M=3000 becomes 2048"]),
        ("2.5.0", VECTOR, index("HNSW", M=1), index("HNSW", M=2), ["M=1 becomes 2"]),
        (
            "2.5.0",
            VECTOR,
            index("IVF_FLAT", nlist=70_000, extra=3),
            index("IVF_FLAT", nlist=65_536),
            ["extra=3 is left out", "nlist=70000 becomes 65536"],
        ),
        ("2.5.0", VECTOR, index("IVF_FLAT", nlist="a"), index("IVF_FLAT"), ["nlist=a is left out"]),
        ("2.5.0", VECTOR, index("HNSW", M="16"), index("HNSW", M=16), []),
        (
            "2.5.0",
            BITS,
            index("BIN_IVF_FLAT", nlist=0),
            index("BIN_IVF_FLAT", nlist=1),
            ["nlist=0 becomes 1"],
        ),
        (LITE, VECTOR, index("IVF_FLAT", nlist=16), index("IVF_FLAT", nlist=16), []),
        (LITE, VECTOR, index("ELSE", nlist=16), index("ELSE", nlist=16), []),
    ],
)
def test_an_index_of_the_source_is_made_to_fit(
    version: str, kind: str, carried: Index, made: Index, changes: list[str]
) -> None:
    type_ = FieldType.parse(kind)
    found, told = fitted(carried, type_, able(version))
    assert found == made
    assert list(told) == changes
    assert not list(wrong_params(found, type_, able(version)))


@pytest.mark.parametrize("version", [LITE, "2.3.5", "2.4.9", "2.5.8", "2.6.4", "3.0.2"])
def test_rules_agree_with_the_other_limits(version: str) -> None:
    """Every type that is built has a rule, and takes what it is refused without."""
    limits = able(version)
    rules = {rule.type: {one.name for one in rule.params} for rule in limits.index_rules}
    assert limits.index_types <= rules.keys()
    assert {type_ for type_, _ in limits.scalar_indexes} <= rules.keys()
    for type_, params in limits.index_defaults:
        assert {name for name, _ in params} <= rules[type_]
        made = with_defaults(Index(type_), limits)
        kind = BITS if type_.startswith("BIN_") else VECTOR
        assert not list(wrong_params(made, FieldType.parse(kind), limits))
    for type_, names in limits.index_needs:
        assert set(names) <= rules[type_]
    for rule in limits.index_rules:
        assert len({one.name for one in rule.params}) == len(rule.params), rule.type


@pytest.mark.parametrize(
    ("version", "kind", "wanted", "reason"),
    [
        ("2.6.0", BYTES, index("DISKANN"), "builds no DISKANN on int8_vector"),
        ("2.6.0", BYTES, index("IVF_RABITQ"), "builds no IVF_RABITQ on int8_vector"),
        ("2.6.0", BYTES, index("HNSW"), ""),
        (LITE, SPARSE, index("AUTOINDEX"), "builds no AUTOINDEX on sparse_float_vector"),
        ("2.6.0", SPARSE, index("AUTOINDEX"), ""),
        (
            "2.6.0",
            SPARSE,
            Index("SPARSE_INVERTED_INDEX", Metric.BM25),
            "SPARSE_INVERTED_INDEX does not compare by BM25",
        ),
        ("2.6.0", "float_vector(40)", index("HNSW_PQ"), "m=32, which HNSW_PQ takes by itself,"),
        ("2.6.0", "float_vector(40)", index("HNSW_PQ", m=20), ""),
        ("2.6.0", "float_vector(40)", index("HNSW_PRQ", m=7), "m=7 does not divide"),
        ("2.6.0", "varchar(9)", index("NGRAM", min_gram=2), "NGRAM needs its parameter `max_gram`"),
    ],
)
def test_what_is_not_built_on_a_field(version: str, kind: str, wanted: Index, reason: str) -> None:
    found = misfit(wanted, FieldType.parse(kind), able(version), key=False)
    assert (found is not None and reason in found.reason) if reason else found is None, found
