"""Part of pass 7: whether the target builds an index on a field. The answer of a server would come
only at apply, for an index after all rows are copied.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mmc.facts import Capabilities
from mmc.types import FieldType, Index, Metric, TypeKind, freeze

_BIN_IVF_METRICS = (Metric.HAMMING, Metric.JACCARD)
_OF_JSON = ("json_path", "json_cast_type")


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why an index cannot be built. `key`: what of it to change, `type`, `metric` or `params`."""

    reason: str
    key: str
    hint: str


def of_gpu(index: Index) -> bool:
    """Whether only a server that was built for GPUs builds it."""
    return index.type.startswith("GPU_")


def with_defaults(index: Index, able: Capabilities) -> Index:
    """The index with the parameters that the target refuses it without."""
    defaults = dict(able.index_defaults).get(index.type, ())
    return replace(index, params=freeze({**dict(defaults), **dict(index.params)}))


def misfit(index: Index, type_: FieldType, able: Capabilities, *, key: bool) -> Misfit | None:
    """What the target would refuse about the index.

    Args:
        index: with its defaults.
        type_: of the field.
        key: the field is the primary key.
    """
    if not type_.is_vector:
        return _on_scalar(index, type_, able, key)
    if able.index_types and index.type not in able.index_types:
        types = sorted(able.index_types, key=lambda name: (name.startswith("GPU_"), name))
        builds = "it builds " + ", ".join(types)
        return Misfit(f"the target builds no {index.type}", "type", builds)
    for name in dict(able.index_needs).get(index.type, ()):
        if name not in dict(index.params):
            return Misfit(
                f"{index.type} needs its parameter `{name}`", "params", _needed(name, type_)
            )
    return _of_vectors(index, type_) if able.index_types else None


def _of_vectors(index: Index, type_: FieldType) -> Misfit | None:
    """Rules that hold for every version of Milvus."""
    dim, params = type_.dim or 0, dict(index.params)
    m = params.get("m")
    if index.type == "IVF_PQ" and m is not None and not _divides(m, dim):
        return Misfit(f"m={m} does not divide the dimension {dim}", "params", _needed("m", type_))
    if index.type == "SCANN" and dim % 2:
        return Misfit(f"SCANN takes no odd dimension: {dim}", "type", "use IVF_FLAT or HNSW")
    if index.type == "BIN_IVF_FLAT" and index.metric not in (None, *_BIN_IVF_METRICS):
        return Misfit(
            f"BIN_IVF_FLAT does not compare by {index.metric}",
            "metric",
            f"use BIN_FLAT, or the metric {' or '.join(_BIN_IVF_METRICS)}",
        )
    return None


def _divides(m: object, dim: int) -> bool:
    return isinstance(m, int) and not isinstance(m, bool) and m > 0 and dim % m == 0


def _needed(name: str, type_: FieldType) -> str:
    if name != "m":
        return f"say index.params: {{{name}: ...}}"
    dim = type_.dim or 0
    fitting = next((m for m in (dim // 4, dim // 2, dim) if m and dim % m == 0), 1)
    return f"say index.params: {{m: {fitting}}}; m divides the dimension"


def _on_scalar(index: Index, type_: FieldType, able: Capabilities, key: bool) -> Misfit | None:
    if not able.scalar_indexes:
        return None
    name = f"array<{type_.element.kind}>" if type_.element is not None else str(type_.kind)
    fitting = [one for one, types in able.scalar_indexes if name in types]
    builds = f"it builds {', '.join(fitting)} on it" if fitting else "leave index out"
    if index.type not in fitting:
        return Misfit(f"the target builds no {index.type} on {type_}", "type", builds)
    if index.type == "BITMAP" and key:
        return Misfit("there is no BITMAP on a primary key", "type", "use INVERTED, or none")
    missing = [one for one in _OF_JSON if one not in dict(index.params)]
    if type_.kind is TypeKind.JSON and missing:
        return Misfit(
            f"{index.type} on json needs {' and '.join(missing)}",
            "params",
            "say which value of the documents: "
            "index.params: {json_path: '...', json_cast_type: varchar}",
        )
    return None
