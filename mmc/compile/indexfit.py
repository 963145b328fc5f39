"""Whether the target builds an index on a field. The answer of a server would come
only at apply, for an index after all rows are copied.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mmc.compile.indexparams import misplaced, rule_of
from mmc.facts import Capabilities
from mmc.types import FieldType, Index, TypeKind, freeze

_PARTS = {"IVF_PQ": None, "HNSW_PQ": 32, "HNSW_PRQ": 2}
"""Types of index that cut a vector into `m` parts, and the `m` of those that have a default."""
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
    if misplaced(index, type_, able):
        return Misfit(f"the target builds no {index.type} on {type_}", "type", _others(type_, able))
    return _needs(index, type_, able) or _of_vectors(index, type_, able)


def _others(type_: FieldType, able: Capabilities) -> str:
    fitting = [rule.type for rule in able.index_rules if type_.kind in rule.fields]
    return f"it builds {', '.join(fitting)} on it"


def _needs(index: Index, type_: FieldType, able: Capabilities) -> Misfit | None:
    for name in dict(able.index_needs).get(index.type, ()):
        if name not in dict(index.params):
            reason = f"{index.type} needs its parameter `{name}`"
            return Misfit(reason, "params", _needed(name, type_))
    return None


def _of_vectors(index: Index, type_: FieldType, able: Capabilities) -> Misfit | None:
    rule = rule_of(index, type_, able)
    if rule is not None and rule.metrics and index.metric not in (None, *rule.metrics):
        return Misfit(
            f"{index.type} does not compare by {index.metric}",
            "metric",
            f"use the metric {' or '.join(rule.metrics)}, or another type of index",
        )
    if not able.index_types:
        return None
    dim, params = type_.dim or 0, dict(index.params)
    m = params.get("m", _PARTS.get(index.type))
    if index.type in _PARTS and m is not None and not _divides(m, dim):
        is_default = "" if "m" in params else f", which {index.type} takes by itself,"
        reason = f"m={m}{is_default} does not divide the dimension {dim}"
        return Misfit(reason, "params", _needed("m", type_))
    if index.type == "SCANN" and dim % 2:
        return Misfit(f"SCANN takes no odd dimension: {dim}", "type", "use IVF_FLAT or HNSW")
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
    if found := _needs(index, type_, able):
        return found
    if type_.kind is TypeKind.JSON and missing:
        return Misfit(
            f"{index.type} on json needs {' and '.join(missing)}",
            "params",
            "say which value of the documents: "
            "index.params: {json_path: '...', json_cast_type: varchar}",
        )
    return None
