"""The one byte form of a value of a plan, and its digest: see `mmc.plan.codec`."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from enum import Enum
from typing import Any

from mmc.types import JsonValue


def to_json(value: Any) -> JsonValue:
    """A value made of frozen dataclasses, tuples, enums and scalars, as plain JSON data."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return to_json(value.value)
    if isinstance(value, (frozenset, set)):
        return sorted((to_json(item) for item in value), key=str)
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"{type(value).__name__} has no place in a plan")


def canonical(value: Any) -> bytes:
    """The one byte form of a value. Raises ValueError on NaN and infinity."""
    return json.dumps(
        to_json(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def digest(value: Any) -> str:
    """sha256 of the canonical form, in hex."""
    return hashlib.sha256(canonical(value)).hexdigest()
