"""Faiss index and metric -> the Milvus index that does the same, and a line about what has none.

Nothing is chosen here beyond translation: what Milvus lacks is left open for the spec, and said.
"""

from __future__ import annotations

from mmc.sources.faiss.kinds import CLASSES, METRICS
from mmc.sources.faiss.nodes import (
    Coarse,
    Coded,
    Flat,
    Graph,
    IdMap,
    Ivf,
    Node,
    Packed,
    PreTransform,
    Refine,
)
from mmc.types import Index, JsonValue, Metric, freeze

_MAX_NLIST = 65_536
_M = (2, 2_048)


def milvus_index(root: Node) -> tuple[Index, str]:
    """The index to build, and a note for people. The metric is None where Milvus has no equal."""
    metric, metric_note = _metric(root)
    name, params, note = _kind(_searched(root), root.header.d)
    binary = root.header.binary
    if binary:
        name, params, note = _binary(name, params, note, root)
    seen = _describe(root, params)
    notes = [text for text in (seen, note, metric_note) if text]
    return Index(name, metric, freeze(params)), "; ".join(notes)


def _searched(node: Node) -> Node:
    """The node whose structure is searched."""
    while True:
        match node:
            case IdMap() | PreTransform():
                node = node.inner
            case Refine():
                node = node.base
            case _:
                return node


def _metric(root: Node) -> tuple[Metric | None, str]:
    header = root.header
    if header.binary:
        return Metric.HAMMING, ""
    if _has_hnsw_pq(root) and header.metric == 1:
        return Metric.L2, (
            "the file says L2, but IndexHNSWPQ says so even when it was made for IP: "
            "if it was, say index.metric: IP in the spec"
        )
    if header.metric == 0:
        if _normalizes(root):
            return Metric.COSINE, "inner product of normalised vectors"
        return Metric.IP, ""
    if header.metric == 1 or header.fourcc in ("IxPQ", "IxPo"):
        return Metric.L2, ""
    name = METRICS[header.metric]
    return None, f"metric {name} has no Milvus equal: say index.metric in the spec"


def _has_hnsw_pq(node: Node) -> bool:
    found = _searched(node)
    return isinstance(found, Graph) and found.header.fourcc == "IHNp"


def _normalizes(node: Node) -> bool:
    while isinstance(node, IdMap | PreTransform | Refine):
        if isinstance(node, PreTransform) and "NormalizationTransform" in node.names:
            return True
        node = node.base if isinstance(node, Refine) else node.inner
    return False


def _kind(node: Node, d: int) -> tuple[str, dict[str, JsonValue], str]:
    match node:
        case Flat() | Coarse():
            return "FLAT", {}, ""
        case Graph(kind="HNSW"):
            degree = min(max(node.degree, _M[0]), _M[1])
            return "HNSW", {"M": degree, "efConstruction": max(node.ef, 1)}, ""
        case Graph():
            degree = min(max(node.degree // 2, _M[0]), _M[1])
            params: dict[str, JsonValue] = {"M": degree, "efConstruction": max(node.ef, 8)}
            return (
                "HNSW",
                params,
                f"NSG (R={node.degree}) has no Milvus equal: HNSW takes its place",
            )
        case Ivf():
            return _inverted(node, d)
        case Coded() | Packed():
            return "FLAT", {}, f"Milvus has no {node.quantizer} without lists: FLAT takes its place"
        case _:
            raise AssertionError(f"{node} is a wrapper")


def _inverted(node: Ivf, d: int) -> tuple[str, dict[str, JsonValue], str]:
    nlist = node.lists.nlist
    params: dict[str, JsonValue] = {"nlist": min(max(nlist, 1), _MAX_NLIST)}
    note = f"nlist {nlist:,} is more than Milvus takes" if nlist > _MAX_NLIST else ""
    if not node.quantizer:
        return "IVF_FLAT", params, note
    if node.quantizer == "SQ8":
        return "IVF_SQ8", params, note
    if node.quantizer.startswith("PQ"):
        parts, bits = (int(n) for n in node.quantizer[2:].split("x"))
        if d % parts == 0:
            return "IVF_PQ", params | {"m": parts, "nbits": bits}, note
    less = f"Milvus has no IVF with {node.quantizer}: IVF_FLAT takes its place"
    return "IVF_FLAT", params, "; ".join(text for text in (note, less) if text)


def _binary(
    name: str, params: dict[str, JsonValue], note: str, root: Node
) -> tuple[str, dict[str, JsonValue], str]:
    if name == "IVF_FLAT":
        return "BIN_IVF_FLAT", params, note
    if name == "FLAT":
        return "BIN_FLAT", {}, note
    return "BIN_FLAT", {}, "Milvus has no HNSW for binary vectors: BIN_FLAT takes its place"


def _describe(root: Node, params: dict[str, JsonValue]) -> str:
    node = _searched(root)
    text = CLASSES[node.header.fourcc]
    if isinstance(node, Graph) and node.kind == "HNSW":
        text += f" M={node.degree} efConstruction={node.ef}"
    if isinstance(node, Ivf):
        text += f" nlist={node.lists.nlist} nprobe={node.nprobe}"
    return text + " in the source index"
