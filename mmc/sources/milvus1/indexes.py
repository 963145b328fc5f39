"""Metric and index of a 1.x collection in the terms of Milvus 2.x, with what the mapping changes.

Numbers: `db/engine/ExecutionEngine.h` of Milvus 1.1. What 2.x refuses was seen on 2.3.5.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from mmc.diagnostics import Diagnostic, Severity
from mmc.sources.milvus1.live import LiveCollection
from mmc.text import cut
from mmc.types import Index, JsonValue, Metric, freeze

_METRICS = {
    1: Metric.L2,
    2: Metric.IP,
    3: Metric.HAMMING,
    4: Metric.JACCARD,
    5: Metric.JACCARD,
    6: Metric.SUBSTRUCTURE,
    7: Metric.SUPERSTRUCTURE,
}
_TANIMOTO = 5
_STRUCTURE = (6, 7)
_KINDS = {
    1: "FLAT",
    2: "IVF_FLAT",
    3: "IVF_SQ8",
    4: "RNSG",
    5: "IVF_SQ8H",
    6: "IVF_PQ",
    7: "SPTAG_KDT",
    8: "SPTAG_BKT",
    9: "BIN_FLAT",
    10: "BIN_IVF_FLAT",
    11: "HNSW",
    12: "ANNOY",
}
_PARAMS = {
    "IVF_FLAT": ("nlist",),
    "BIN_IVF_FLAT": ("nlist",),
    "IVF_SQ8": ("nlist",),
    "IVF_PQ": ("nlist", "m", "nbits"),
    "HNSW": ("M", "efConstruction"),
}
_DEFAULTS: dict[str, JsonValue] = {
    "nlist": 1024,
    "m": 1,
    "nbits": 8,
    "M": 16,
    "efConstruction": 200,
}
_SHOWN = 60
_GRAPH = "HNSW"
"""What a kind of index becomes that 2.x does not build."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """`note` is one line for the plan; `problems` are what a user must know."""

    index: Index
    note: str
    problems: tuple[Diagnostic, ...] = ()


def map_index(collection: LiveCollection) -> Mapped:
    """The index a collection gets."""
    metric = _METRICS[collection.metric_type]
    if not collection.engine_type:
        index = Index("BIN_FLAT" if collection.binary else "AUTOINDEX", metric)
        return Mapped(index, f"{metric} in Milvus 1.x; the metadata does not tell the index")
    if collection.engine_type not in _KINDS:
        name = f"engine_type {collection.engine_type}"
        return _unreadable(name, metric, f"{name} is no index of Milvus 1.x")
    kind = _KINDS[collection.engine_type]
    told = _params(collection.index_params)
    wanted, why = _kind(collection, kind)
    needed = _PARAMS.get(kind, ())
    if told is None or any(type(told.get(name, 0)) is not int for name in needed):
        name = f"{kind} with index_params {cut(collection.index_params, _SHOWN)!r}"
        return _unreadable(
            name, metric, f"{kind} in Milvus 1.x, with parameters that are unreadable"
        )
    said = {name: value for name, value in told.items() if type(value) is int}
    params = {name: said.get(name, _DEFAULTS[name]) for name in _PARAMS.get(wanted, ())}
    if wanted != kind and wanted == _GRAPH:
        params = {name: _DEFAULTS[name] for name in _PARAMS[_GRAPH]}
    problems: list[Diagnostic] = []
    if wanted == "IVF_PQ":
        wanted, params, why = _product(collection, params, why)
    changes = [why] if why else []
    if collection.metric_type == _TANIMOTO:
        changes.append("TANIMOTO -> JACCARD: the same order, other distances")
    if collection.metric_type in _STRUCTURE:
        problems.append(_structure(collection, metric))
    text = " ".join([kind, *(f"{name}={value}" for name, value in sorted(said.items()))])
    note = "; ".join([f"{text} in Milvus 1.x", *changes])
    return Mapped(Index(wanted, metric, freeze(params)), note, tuple(problems))


def _kind(collection: LiveCollection, kind: str) -> tuple[str, str]:
    """The kind 2.x builds, and why it is another one."""
    if collection.binary:
        # The engine of a dropped index is FLAT, also where vectors are binary.
        if kind in ("IVF_FLAT", "BIN_IVF_FLAT") and collection.metric_type not in _STRUCTURE:
            return "BIN_IVF_FLAT", ""
        if kind in ("IVF_FLAT", "BIN_IVF_FLAT"):
            return "BIN_FLAT", "BIN_FLAT: 2.x builds no other index for this metric"
        return "BIN_FLAT", ""
    if kind in ("FLAT", "IVF_FLAT", "IVF_SQ8", "IVF_PQ", "HNSW"):
        return kind, ""
    if kind == "IVF_SQ8H":
        return "IVF_SQ8", "IVF_SQ8H -> IVF_SQ8: 2.x has no index over both CPU and GPU"
    if kind == "BIN_FLAT":
        return "FLAT", ""
    if kind == "BIN_IVF_FLAT":
        return "IVF_FLAT", ""
    return _GRAPH, f"{kind} -> {_GRAPH}: 2.x does not build {kind}"


def _product(
    collection: LiveCollection, params: dict[str, JsonValue], why: str
) -> tuple[str, dict[str, JsonValue], str]:
    """2.x wants `m` to divide the dimension; 1.x took others and fell back by itself."""
    m = params["m"]
    if isinstance(m, int) and m > 0 and collection.dimension % m == 0:
        return "IVF_PQ", params, why
    note = f"IVF_PQ -> IVF_SQ8: m={m} does not divide {collection.dimension} dimensions"
    return "IVF_SQ8", {"nlist": params["nlist"]}, note


def _structure(collection: LiveCollection, metric: Metric) -> Diagnostic:
    return Diagnostic(
        "MMC425",
        f"`{collection.name}` is searched by {metric}, which only Milvus 2.3 still has",
        severity=Severity.WARNING,
        hint="for 2.4 and later say index: {type: BIN_FLAT, metric: HAMMING}, or index: none",
    )


def _unreadable(name: str, metric: Metric, note: str) -> Mapped:
    """An index of this name is none of Milvus 2.x, so the plan warns with the name, and says what
    is built instead: nothing that was made up is said to be the source's.
    """
    return Mapped(Index(name, metric), note)


def _params(text: str) -> dict[str, JsonValue] | None:
    """The values of `Tables.index_params`; None where they are no JSON object."""
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return None
    return {str(name): value for name, value in found.items()} if isinstance(found, dict) else None
