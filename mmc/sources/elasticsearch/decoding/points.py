"""Forms in which a document may write a geo_point, as one JSON form.

Source: Elasticsearch reference, "Geopoint field type". A third coordinate is kept as `z`, although
the index has no use for it. As in the index, a geohash is the south-west corner of its cell.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_ALONE = re.compile(_NUMBER)
_PAIR = re.compile(rf"\s*({_NUMBER})\s*,\s*({_NUMBER})\s*(?:,\s*({_NUMBER})\s*)?")
_WKT = re.compile(
    rf"\s*POINT\s*Z?\s*\(\s*({_NUMBER})\s+({_NUMBER})(?:\s+({_NUMBER}))?\s*\)\s*", re.I
)
_BASE32 = "0123456789bcdefghjkmnpqrstuvwxyz"
_FINEST = 12
"""Letters of a geohash that the index looks at."""


def points(value: Any) -> list[Any]:
    """The points that a document has, each in its own form: `[lon, lat]` is one, a list of such
    lists is several.
    """
    if not isinstance(value, list) or (value and _is_number(value[0])):
        return [value]
    return [inner for item in value for inner in points(item)]


def point(value: Any) -> str | None:
    """`{"lat":..,"lon":..}` of a point, with `"z"` where it has one; several give a JSON array of
    them, none gives None.

    Raises:
        ValueError: it is no point.
    """
    listed = points(value)
    if listed in ([], [None]):
        return None
    made = [_point(item) for item in listed]
    return orjson.dumps(made[0] if len(made) == 1 else made).decode()


def _point(value: Any) -> dict[str, float]:
    lat: Any = None
    lon: Any = None
    z: Any = None
    if isinstance(value, dict):
        if str(value.get("type", "")).lower() == "point":
            at = value.get("coordinates")
            return _point(at if isinstance(at, list) else None)
        lat, lon, z = value.get("lat"), value.get("lon"), value.get("z")
    elif isinstance(value, list) and 2 <= len(value) <= 3:
        lon, lat, z = value if len(value) == 3 else (*value, None)
    elif isinstance(value, str):
        if pair := _PAIR.fullmatch(value):
            lat, lon, z = pair.groups()
        elif wkt := _WKT.fullmatch(value):
            lon, lat, z = wkt.groups()
        else:
            return _geohash(value)
    made = {"lat": _degrees(lat), "lon": _degrees(lon)}
    if not (abs(made["lat"]) <= 90 and abs(made["lon"]) <= 180):
        raise ValueError("a point outside the globe")
    return made if z is None else {**made, "z": _degrees(z)}


def _degrees(value: Any) -> float:
    if not _is_number(value) and not (isinstance(value, str) and _ALONE.fullmatch(value)):
        raise ValueError("no point")
    return float(value)


def _geohash(text: str) -> dict[str, float]:
    low, size = {"lon": -180.0, "lat": -90.0}, {"lon": 360.0, "lat": 180.0}
    even = True
    if not 0 < len(text) <= _FINEST or any(letter not in _BASE32 for letter in text.lower()):
        raise ValueError("no point")
    for letter in text.lower():
        number = _BASE32.index(letter)
        for bit in (16, 8, 4, 2, 1):
            axis = "lon" if even else "lat"
            size[axis] /= 2
            if number & bit:
                low[axis] += size[axis]
            even = not even
    return {"lat": low["lat"], "lon": low["lon"]}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
