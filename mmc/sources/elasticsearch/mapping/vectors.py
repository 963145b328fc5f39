"""dense_vector of Elasticsearch and knn_vector of OpenSearch: kind, dimension, metric and index in
Milvus's terms, and what the translation changes.

Sources: what `GET _mapping` answers on 7.17, 8.19, 9.5, OpenSearch 2.19 and 3.5. Where `index` is
not answered (7.17, 8.0 to 8.10) it was false unless a similarity stands there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmc.sources.elasticsearch.mapping.column import Kind
from mmc.types import Index, JsonValue, Metric, freeze

DENSE = ("dense_vector", "knn_vector")

_KINDS = {
    "float": Kind.VECTOR,
    "bfloat16": Kind.VECTOR,
    "byte": Kind.BYTE_VECTOR,
    "bit": Kind.BIT_VECTOR,
    "binary": Kind.BIT_VECTOR,
}
_TEXTS = {
    Kind.VECTOR: "float_vector",
    Kind.BYTE_VECTOR: "int8_vector",
    Kind.BIT_VECTOR: "binary_vector",
}
_SIMILARITIES = {
    "cosine": Metric.COSINE,
    "dot_product": Metric.IP,
    "max_inner_product": Metric.IP,
    "l2_norm": Metric.L2,
}
_SPACES = {
    "l2": Metric.L2,
    "cosinesimil": Metric.COSINE,
    "innerproduct": Metric.IP,
    "hamming": Metric.HAMMING,
    "hammingbit": Metric.HAMMING,
}
_CODES = {"int8": "8-bit codes", "int4": "4-bit codes", "bbq": "1-bit codes"}
_NOT_INDEXED = "not indexed in the source"
_UNKNOWN = Index("AUTOINDEX", None)
_M, _EF, _NLIST = 16, 100, 4
"""What both take where a mapping does not say: m, ef_construction, nlist (OpenSearch)."""


@dataclass(frozen=True, slots=True)
class Vector:
    """A dense vector field.

    Attributes:
        index: None where the source has none. Its type is the source's own name where Milvus has
            no such index, which `compile` sees; without a metric, the spec has to say one.
    """

    kind: Kind
    dim: int
    index: Index | None
    note: str

    @property
    def text(self) -> str:
        """Milvus type, such as `float_vector(768)`."""
        return f"{_TEXTS[self.kind]}({self.dim})"


@dataclass(frozen=True, slots=True)
class KnnSettings:
    """Settings of an index of OpenSearch: `index.knn`, without which knn_vector is only stored, and
    `index.knn.space_type`, the metric of fields whose mapping has none ("": l2).
    """

    on: bool
    space: str = ""

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> KnnSettings:
        """`settings`: flat, as `GET <index>/_settings?flat_settings` answers."""
        on = str(settings.get("index.knn", "false")).lower() == "true"
        return cls(on, str(settings.get("index.knn.space_type") or ""))


def dimension(field: Mapping[str, Any]) -> int:
    """Values of a vector (bits of one of bits); 0 where the mapping does not say: no document had
    one yet, or a trained model of OpenSearch knows it.
    """
    said = field.get("dims" if field["type"] == "dense_vector" else "dimension")
    return said if isinstance(said, int) and said > 0 else 0


def read_vector(
    field: Mapping[str, Any], dim: int, knn: KnnSettings | None = None
) -> Vector | None:
    """The field as a vector of `dim`; None where its elements are of a type that is not known.

    Args:
        knn: what the settings of an index of OpenSearch say; None elsewhere.
    """
    elastic = field["type"] == "dense_vector"
    # OpenSearch 2.19 answers `BYTE` where `byte` was sent.
    element = str(field.get("element_type" if elastic else "data_type", "float")).lower()
    kind = _KINDS.get(element)
    if kind is None:
        return None
    index, notes = _dense(field, kind) if elastic else _knn(field, kind, knn)
    if element == "bfloat16":
        notes.append("bfloat16 in the source: bfloat16_vector holds it in half the space")
    return Vector(kind, dim, index, "; ".join(notes))


def _dense(field: Mapping[str, Any], kind: Kind) -> tuple[Index | None, list[str]]:
    options = field.get("index_options") or {}
    similarity = field.get("similarity")
    if not field.get("index", bool(similarity or options)):
        return None, [_NOT_INDEXED]
    bits = kind is Kind.BIT_VECTOR
    similarity = str(similarity or ("l2_norm" if bits else "cosine"))
    structure = str(options.get("type", "hnsw"))
    notes = [f"{structure}, {similarity} in the source index"]
    metric = Metric.HAMMING if bits else _SIMILARITIES.get(similarity)
    if metric is None:
        return _UNKNOWN, [*notes, _no_metric(similarity)]
    if similarity == "dot_product" and kind is Kind.VECTOR:
        notes.append("dot_product is of vectors of length 1: IP ranks them the same")
    if similarity == "l2_norm" and bits:
        notes.append("l2_norm of bits ranks as HAMMING")
    codes, _, shape = structure.rpartition("_")
    if shape not in ("hnsw", "flat"):
        return Index(structure, metric), notes
    if shape == "flat":
        params: dict[str, JsonValue] = {}
    else:
        params = _hnsw(options.get("m"), options.get("ef_construction"))
    index, changed = _fitting(shape, metric, params, kind)
    if codes:
        what = _CODES.get(codes, "codes")
        notes.append(f"{structure} searches {what}, Milvus {index.type} the full vectors")
    return index, notes + changed


def _knn(
    field: Mapping[str, Any], kind: Kind, settings: KnnSettings | None
) -> tuple[Index | None, list[str]]:
    if field.get("model_id"):
        said = f"index by the trained model {field['model_id']} of OpenSearch, with its metric"
        return _UNKNOWN, [said]
    method = field.get("method") or {}
    space = method.get("space_type") or field.get("space_type")
    on = settings is None or settings.on
    if not (on or space):
        return None, [f"{_NOT_INDEXED} (index.knn is false)"]
    space = str(space or (settings.space if settings else "") or _space_of(kind))
    engine = f" of {method['engine']}" if method.get("engine") else ""
    shape = str(method.get("name", "hnsw"))
    notes = [f"{shape}{engine}, {space} in the source index"]
    metric = _SPACES.get(space)
    if metric is None:
        return _UNKNOWN, [*notes, _no_metric(space)]
    if not on:
        said = f"{_NOT_INDEXED} (index.knn is false): the metric is of its space_type"
        return _default(kind, metric), [said]
    given = method.get("parameters") or {}
    params: dict[str, JsonValue] = {}
    if shape == "ivf":
        params = {"nlist": _number(given.get("nlist"), _NLIST)}
    elif shape == "hnsw":
        params = _hnsw(given.get("m"), given.get("ef_construction"))
    elif shape != "flat":
        return Index(shape, metric), notes
    index, changed = _fitting(shape, metric, params, kind)
    if packed := _packed(field, given):
        notes.append(f"{packed} in the source, Milvus {index.type} searches the full vectors")
    return index, notes + changed


def _space_of(kind: Kind) -> str:
    return "hamming" if kind is Kind.BIT_VECTOR else "l2"


def _default(kind: Kind, metric: Metric) -> Index:
    return Index("BIN_FLAT" if kind is Kind.BIT_VECTOR else "AUTOINDEX", metric)


def _packed(field: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """How the searched copy of a knn_vector is compressed, or ""."""
    encoder = given.get("encoder") or {}
    name = encoder.get("name", "flat")
    level = str(field.get("compression_level") or "1x")
    if name != "flat":
        return f"encoder {name}"
    if level != "1x":
        return f"compression {level}"
    return "on disk, compressed" if field.get("mode") == "on_disk" else ""


def _hnsw(m: Any, ef: Any) -> dict[str, JsonValue]:
    return {"M": _number(m, _M), "efConstruction": _number(ef, _EF)}


def _number(value: Any, default: int) -> int:
    return value if isinstance(value, int) and value > 0 else default


def _fitting(
    shape: str, metric: Metric, params: dict[str, JsonValue], kind: Kind
) -> tuple[Index, list[str]]:
    """Milvus's index of that shape for vectors of that kind, and what takes whose place."""
    if kind is Kind.BIT_VECTOR:
        if shape == "ivf":
            return Index("BIN_IVF_FLAT", metric, freeze(params)), []
        note = "Milvus has no HNSW for binary vectors: BIN_FLAT takes its place"
        return Index("BIN_FLAT", metric), [note] if shape == "hnsw" else []
    if kind is Kind.BYTE_VECTOR and shape != "hnsw":
        note = "Milvus indexes int8 vectors by HNSW only: it takes the place"
        return Index("HNSW", metric, freeze(_hnsw(None, None))), [note]
    name = {"hnsw": "HNSW", "flat": "FLAT", "ivf": "IVF_FLAT"}[shape]
    return Index(name, metric, freeze(params)), []


def _no_metric(name: str) -> str:
    return f"{name} has no Milvus metric: say index with a metric in the spec"
