"""Whether a mapping has the shape that its readers count on. A server's always has; what a proxy
answers in its place need not.
"""

from __future__ import annotations

from typing import Any

from mmc.sources.elasticsearch.client.answers import Misshapen, as_object
from mmc.sources.elasticsearch.mapping.vectors import DENSE

_DEEPEST = 100
"""`index.mapping.depth.limit` is 20."""
_TEXTS = ("type", "format", "similarity", "model_id", "space_type")
_OBJECTS = ("method", "parameters", "encoder")
_NUMBERS = ("dims", "dimension", "m", "ef_construction", "nlist")


def ensure_mapping(mappings: dict[str, Any]) -> None:
    """Object `mappings` of an index. Raises Misshapen."""
    for name in ("runtime", "derived"):
        for field in _object(mappings, name).values():
            as_object(field)
    _object(mappings, "_routing")
    source = _object(mappings, "_source")
    for name in ("includes", "excludes"):
        _ensure_texts(source.get(name))
    _ensure_fields(mappings.get("properties", {}), 0)


def _ensure_fields(fields: Any, depth: int) -> None:
    if depth > _DEEPEST:
        raise Misshapen("fields too deep")
    for field in as_object(fields).values():
        _ensure_options(as_object(field))
        _ensure_texts(field.get("copy_to"))
        if field.get("type") in DENSE:
            _ensure_options(_object(field, "index_options"))
        for name in ("properties", "fields"):
            _ensure_fields(field.get(name, {}), depth + 1)


def _ensure_options(said: dict[str, Any]) -> None:
    for name in _TEXTS:
        if not isinstance(said.get(name), str | None):
            raise Misshapen(f"no text: {name}")
    for name in _NUMBERS:
        if not isinstance(said.get(name), int | float | str | None):
            raise Misshapen(f"no number: {name}")
    for name in _OBJECTS:
        if name in said:
            _ensure_options(_object(said, name))


def _object(said: dict[str, Any], name: str) -> dict[str, Any]:
    """One that may be left out, or null."""
    value = said.get(name)
    return {} if value is None else as_object(value)


def _ensure_texts(said: Any) -> None:
    for text in said if isinstance(said, list) else [said]:
        if not isinstance(text, str | None):
            raise Misshapen("no text")
