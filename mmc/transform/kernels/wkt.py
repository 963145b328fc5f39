"""The kernel `wkt`: shapes in JSON text as well-known text.

Sources of the forms: RFC 7946 (GeoJSON), OGC 06-103r4 (WKT), and what Elasticsearch takes beside
them: `{"lat", "lon"}`, `envelope`, WKT inside a JSON string with its `BBOX`, and lists of shapes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import orjson
import pyarrow as pa

from mmc.transform.kernels.faults import NOT_READABLE, Casted, Fault
from mmc.transform.kernels.text import bounded
from mmc.types import FieldType

_DEPTHS = {
    "point": ("POINT", 0),
    "linestring": ("LINESTRING", 1),
    "multipoint": ("MULTIPOINT", 1),
    "polygon": ("POLYGON", 2),
    "multilinestring": ("MULTILINESTRING", 2),
    "multipolygon": ("MULTIPOLYGON", 3),
}
"""Type of GeoJSON -> its name in WKT, and how many lists lie around a position."""
_NAMES = "|".join((*_DEPTHS, "geometrycollection"))
_WKT = re.compile(rf"\s*({_NAMES})\s*(Z\s*|M\s*|ZM\s*)?(\(.*\)|EMPTY)\s*", re.I | re.S)
_BBOX = re.compile(r"\s*BBOX\s*\(([^()]*)\)\s*", re.I)


def wkt(array: pa.Array, target: FieldType) -> Casted:
    """Shapes in JSON text. A list of shapes is one shape of several."""
    made: list[str | None] = []
    rows: dict[str, list[int]] = {}
    for row, text in enumerate(array.cast(pa.binary()).to_pylist()):
        value: str | None = None
        try:
            value = None if text is None else _shape(orjson.loads(text))
        except orjson.JSONDecodeError:
            rows.setdefault("not JSON", []).append(row)
        except ValueError as error:
            rows.setdefault(str(error), []).append(row)
        made.append(value)
    faults = tuple(Fault(np.array(of, np.int64), NOT_READABLE, why) for why, of in rows.items())
    return bounded(pa.array(made, pa.string()), target, faults)


def _shape(value: Any) -> str | None:
    """Raises ValueError where it is no shape."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return _object(value)
    if isinstance(value, list):
        return _position_or_several(value)
    if value is None:
        return None
    raise ValueError("no shape")


def _text(text: str) -> str:
    if found := _BBOX.fullmatch(text):
        try:
            west, east, north, south = map(float, found[1].split(","))
        except ValueError:
            raise ValueError("no shape") from None
        return _box(west, south, east, north)
    if not _WKT.fullmatch(text):
        raise ValueError("a text that is no WKT")
    return text


def _object(shape: Mapping[str, Any]) -> str:
    kind = str(shape.get("type", "")).lower()
    if not kind and {"lat", "lon"} <= shape.keys():
        return _written("POINT", _lon_lat(shape), 0)
    if kind == "geometrycollection":
        return _collected(_known(shape.get("geometries")))
    if kind == "envelope":
        corners = shape.get("coordinates")
        if not isinstance(corners, list) or len(corners) != 2:
            raise ValueError("no shape")
        (west, north), (east, south) = map(_pair, corners)
        return _box(west, south, east, north)
    if kind == "circle":
        raise ValueError("a circle has no WKT")
    if kind not in _DEPTHS:
        raise ValueError("no shape")
    name, depth = _DEPTHS[kind]
    return _written(name, shape.get("coordinates"), depth)


def _lon_lat(point: Mapping[str, Any]) -> list[Any]:
    return [point["lon"], point["lat"], *([point["z"]] if "z" in point else [])]


def _position_or_several(value: list[Any]) -> str | None:
    if value and not isinstance(value[0], (Mapping, list, str)):
        return _written("POINT", value, 0)
    shapes = [item for item in value if item is not None]
    if len(shapes) < 2:
        return _shape(shapes[0]) if shapes else None
    if all(isinstance(item, Mapping) and {"lat", "lon"} <= item.keys() for item in shapes):
        return _written("MULTIPOINT", [_lon_lat(item) for item in shapes], 1)
    return _collected(shapes)


def _collected(shapes: Iterable[Any]) -> str:
    inside = [_shape(shape) for shape in shapes]
    if None in inside:
        raise ValueError("no shape")
    listed = f"({', '.join(map(str, inside))})" if inside else "EMPTY"
    return f"GEOMETRYCOLLECTION {listed}"


def _known(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("no shape")
    return value


def _pair(value: Any) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError("no shape")
    _position(value)
    return value[0], value[1]


def _box(west: float, south: float, east: float, north: float) -> str:
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return _written("POLYGON", [ring], 2)


def _written(name: str, coordinates: Any, depth: int) -> str:
    sizes: set[int] = set()
    if name == "MULTIPOINT":  # the one whose positions have parentheses of their own
        coordinates, depth = [[one] for one in _known(coordinates)], depth + 1
    inside = _nested(coordinates, depth, sizes)
    if len(sizes) != 1:
        raise ValueError("positions of a shape that differ in length" if sizes else "no shape")
    if not depth:
        inside = f"({inside})"
    return f"{name}{' Z' if sizes == {3} else ''} {inside}"


def _nested(value: Any, depth: int, sizes: set[int]) -> str:
    if not depth:
        sizes.add(len(_known(value)))
        return _position(value)
    return f"({', '.join(_nested(item, depth - 1, sizes) for item in _known(value))})"


def _position(value: list[Any]) -> str:
    numbers = all(type(one) in (int, float) and math.isfinite(one) for one in value)
    if not (numbers and 2 <= len(value) <= 3):
        raise ValueError("no shape")
    return " ".join(map(repr, value))
