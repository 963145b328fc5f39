"""Which build parameters each version of Milvus knows, and their bounds: data, not code.

A server refuses some values that are out of bounds when the index is made, takes others and never
builds the index (2.3.5: M=1, nbits=0, max_degree=5000), and ignores every name that it does not
know; Milvus Lite looks at no value (with M=0 or M=1 the process dies). So `compile` must look.

For 2.3.5 and Milvus Lite 3.2 as they answered, for later servers as Knowhere's configuration of
that line has it (src/index/*_config.h). What any version of a line takes is listed for the whole
line, so that the plan refuses only what is sure to be refused or ignored.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from mmc.facts import IndexParam, IndexRule, ParamKind

Rules: TypeAlias = tuple[IndexRule, ...]
Params: TypeAlias = tuple[IndexParam, ...]

_MOST_INT32 = 2**31 - 1
_FLOATS = ("float_vector", "float16_vector", "bfloat16_vector")
_DENSE = (*_FLOATS, "int8_vector")
_BINARY = ("binary_vector",)
_SPARSE = ("sparse_float_vector",)
_VECTORS = (*_DENSE, *_BINARY, *_SPARSE)
_SCALARS = ("bool", "int8", "int16", "int32", "int64", "float", "double", "varchar")
_REFINED = ("sq4u", "sq6", "sq8", "fp16", "bf16", "fp32", "flat")


def _number(name: str, least: float | None = None, most: float | None = None) -> IndexParam:
    return IndexParam(name, ParamKind.NUMBER, least=least, most=most)


def _flag(name: str) -> IndexParam:
    return IndexParam(name, ParamKind.FLAG)


def _text(name: str, *texts: str) -> IndexParam:
    return IndexParam(name, ParamKind.TEXT, texts=texts)


_M = IndexParam("M", least=2, most=2048)
_GRAPH: Params = (_M, IndexParam("efConstruction", least=1, most=_MOST_INT32))
_GRAPH_2_3: Params = (_M, IndexParam("efConstruction", least=1, most=999_999))
"""2.3 reads its parameters as floats: from a million on it sees `1e+06`, which is no integer."""
_NLIST: Params = (IndexParam("nlist", least=1, most=65_536),)
_PQ: Params = (IndexParam("m", least=1, most=65_536), IndexParam("nbits", least=1, most=24))
_REFINE: Params = (_flag("refine"), _text("refine_type", *_REFINED))
_SQ_TYPE = _text("sq_type", "sq4u", "sq6", "sq8", "fp16", "bf16")
_DISK: Params = (
    IndexParam("max_degree", least=1, most=2048),
    IndexParam("search_list_size", least=1, most=_MOST_INT32),
    *(
        _number(name, least=0)
        for name in (
            *("pq_code_budget_gb", "pq_code_budget_gb_ratio", "build_dram_budget_gb"),
            *("search_cache_budget_gb", "search_cache_budget_gb_ratio", "beamwidth_ratio"),
            *("num_build_thread_ratio", "num_load_thread_ratio"),
        )
    ),
    IndexParam("disk_pq_dims"),
    _flag("accelerate_build"),
)
_GPU: Params = (_flag("cache_dataset_on_device"), IndexParam("gpu_id"))
_GPU_IVF: Params = (
    *_NLIST,
    *_GPU,
    IndexParam("kmeans_n_iters", least=1),
    _number("kmeans_trainset_fraction", least=0, most=1),
)
_GPU_RULES: Rules = (
    IndexRule("GPU_IVF_FLAT", params=(*_GPU_IVF, _flag("adaptive_centers"))),
    IndexRule(
        "GPU_IVF_PQ",
        params=(
            *_GPU_IVF,
            IndexParam("m", least=0, most=65_536),
            IndexParam("nbits", least=1, most=24),
            _text("codebook_kind"),
            _flag("force_random_rotation"),
            _flag("conservative_memory_allocation"),
        ),
    ),
)
_GPU_RULES_2_4: Rules = (
    *_GPU_RULES,
    IndexRule("GPU_BRUTE_FORCE", params=_GPU),
    IndexRule(
        "GPU_CAGRA",
        params=(
            *_GPU,
            IndexParam("intermediate_graph_degree", least=1),
            IndexParam("graph_degree", least=1),
            _text("build_algo", "IVF_PQ", "NN_DESCENT"),
            IndexParam("nn_descent_niter", least=1),
            _flag("adapt_for_cpu"),
        ),
    ),
)
_BIN_METRICS = ("HAMMING", "JACCARD")


def _rules(graph: Params, gpu: Rules) -> Rules:
    """What all lines of servers have in common."""
    return (
        IndexRule("AUTOINDEX", _VECTORS),
        IndexRule("FLAT", _DENSE),
        IndexRule("HNSW", _DENSE, graph),
        IndexRule("IVF_FLAT", _DENSE, _NLIST),
        IndexRule("IVF_PQ", _DENSE, (*_NLIST, *_PQ)),
        IndexRule("IVF_SQ8", _DENSE, (*_NLIST, IndexParam("nbits", least=8, most=8))),
        IndexRule("SCANN", _DENSE, (*_NLIST, _flag("with_raw_data"))),
        IndexRule("DISKANN", _FLOATS, _DISK),
        IndexRule("BIN_FLAT", _BINARY),
        IndexRule("BIN_IVF_FLAT", _BINARY, _NLIST, _BIN_METRICS),
        *gpu,
        IndexRule("STL_SORT"),
        IndexRule("Trie"),
    )


def _with(rules: Rules, params: Params, *types: str) -> Rules:
    """The rules of these types with more parameters."""
    return tuple(
        IndexRule(rule.type, rule.fields, (*rule.params, *params), rule.metrics)
        if rule.type in types
        else rule
        for rule in rules
    )


def _everywhere(rules: Rules, *params: IndexParam) -> Rules:
    """Parameters that say how an index is kept, which AUTOINDEX takes on no vector."""
    types = {rule.type for rule in rules} - {"AUTOINDEX"}
    return _with(rules, params, *types)


_JSON: Params = (
    _text("json_path"),
    _text("json_cast_type"),
    _text("json_cast_function"),
)
_DROP = _number("drop_ratio_build", least=0, most=0.999999)
"""1 itself is refused."""
_SPARSE_TYPES = ("SPARSE_INVERTED_INDEX", "SPARSE_WAND")

LITE: Final[Rules] = (
    IndexRule("AUTOINDEX", ("float_vector",), _GRAPH),
    IndexRule("FLAT", ("float_vector",)),
    IndexRule("HNSW", ("float_vector",), _GRAPH),
    IndexRule("HNSW_SQ", ("float_vector",), _GRAPH),
    IndexRule("IVF_FLAT", ("float_vector",), _NLIST),
    IndexRule("IVF_SQ8", ("float_vector",), _NLIST),
    IndexRule("SPARSE_INVERTED_INDEX", _SPARSE, (_number("drop_ratio_build", 0, 0),), ("IP",)),
    IndexRule("INVERTED", _SCALARS),
)

V2_3: Final[Rules] = _rules(_GRAPH_2_3, _GPU_RULES)

V2_4: Final[Rules] = _everywhere(
    (
        *_with(
            _rules(_GRAPH, _GPU_RULES_2_4),
            (_flag("use_elkan"),),
            *("IVF_FLAT", "IVF_SQ8", "IVF_PQ", "SCANN"),
        ),
        *(IndexRule(name, _SPARSE, (_DROP,), ("IP",)) for name in _SPARSE_TYPES),
        IndexRule("AUTOINDEX", _SCALARS),
        IndexRule("INVERTED"),
    ),
    _flag("mmap.enabled"),
    _flag("indexoffsetcache.enabled"),
)

V2_5: Final[Rules] = (
    *_with(
        _with(
            _with(V2_4, (IndexParam("sub_dim", least=1, most=65_536),), "SCANN"),
            (_text("inverted_index_algo", "DAAT_MAXSCORE", "DAAT_WAND", "TAAT_NAIVE"),),
            *_SPARSE_TYPES,
        ),
        _JSON,
        "INVERTED",
    ),
    *_everywhere(
        (
            IndexRule("HNSW_SQ", _DENSE, (*_GRAPH, _SQ_TYPE, *_REFINE)),
            IndexRule("HNSW_PQ", _DENSE, (*_GRAPH, *_PQ, *_REFINE)),
            IndexRule(
                "HNSW_PRQ", _DENSE, (*_GRAPH, *_PQ, IndexParam("nrq", least=1, most=16), *_REFINE)
            ),
            IndexRule("BITMAP"),
        ),
        _flag("mmap.enabled"),
    ),
    IndexRule("AUTOINDEX", ("array", "json"), (*_JSON, IndexParam("bitmap_cardinality_limit"))),
)

_V2_6_NEW: Rules = (
    IndexRule("IVF_RABITQ", _FLOATS, (*_NLIST, *_REFINE, _flag("mmap.enabled"))),
    IndexRule(
        "NGRAM",
        params=(
            IndexParam("min_gram", least=1),
            IndexParam("max_gram", least=1),
            *_JSON,
            _flag("mmap.enabled"),
        ),
    ),
)

V2_6: Final[Rules] = _everywhere(
    (
        *_with(
            _with(
                _with(V2_5, (_text("sq_type", "sq4", "sq6", "sq8"),), "IVF_SQ8"), _JSON, "BITMAP"
            ),
            _REFINE,
            *("IVF_PQ", "IVF_SQ8"),
        ),
        *_V2_6_NEW,
    ),
    _text("warmup"),
)


def _newer_sparse(rules: Rules) -> Rules:
    """3.0 has more algorithms of sparse indexes, and options of theirs."""
    params: Params = (
        _text("inverted_index_algo"),
        _text("inverted_index_codec"),
        _text("quant_type"),
        IndexParam("block_max_block_size", least=1),
        IndexParam("sindi_window_size", least=1024, most=65_535),
    )
    return tuple(
        IndexRule(
            rule.type,
            rule.fields,
            (*(one for one in rule.params if one.name != "inverted_index_algo"), *params),
            rule.metrics,
        )
        if rule.type in _SPARSE_TYPES
        else rule
        for rule in rules
    )


V3_0: Final[Rules] = _with(
    _newer_sparse(V2_6), (IndexParam("rbq_bits", least=1, most=9),), "IVF_RABITQ"
)
