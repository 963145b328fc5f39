"""Forms in which a document may write a geo_point, as one JSON form.

Source: Elasticsearch reference, "Geopoint field type".
"""

from __future__ import annotations

import re
from typing import Any

import orjson

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_PAIR = re.compile(rf"\s*({_NUMBER})\s*,\s*({_NUMBER})\s*(?:,\s*{_NUMBER}\s*)?")
_WKT = re.compile(rf"\s*POINT\s*Z?\s*\(\s*({_NUMBER})\s+({_NUMBER})(?:\s+{_NUMBER})?\s*\)\s*", re.I)
_BASE32 = "0123456789bcdefghjkmnpqrstuvwxyz"


def point(value: Any) -> str:
    """`{"lat":..,"lon":..}` of a point; an array of points gives a JSON array of them.

    Raises:
        ValueError: it is no point.
    """
    if isinstance(value, list) and value and not _is_number(value[0]):
        return orjson.dumps([_point(item) for item in value]).decode()
    return orjson.dumps(_point(value)).decode()


def _point(value: Any) -> dict[str, float]:
    lat: Any = None
    lon: Any = None
    if isinstance(value, dict):
        if str(value.get("type", "")).lower() == "point":
            return _point(value.get("coordinates"))
        lat, lon = value.get("lat"), value.get("lon")
    elif isinstance(value, list) and 2 <= len(value) <= 3:
        lon, lat = value[:2]
    elif isinstance(value, str):
        if pair := _PAIR.fullmatch(value):
            lat, lon = pair.groups()
        elif wkt := _WKT.fullmatch(value):
            lon, lat = wkt.groups()
        else:
            return _geohash(value)
    try:
        made = {"lat": float(lat), "lon": float(lon)}
    except (TypeError, ValueError):
        raise ValueError("no point") from None
    if not (abs(made["lat"]) <= 90 and abs(made["lon"]) <= 180):
        raise ValueError("a point outside the globe")
    return made


def _geohash(text: str) -> dict[str, float]:
    """The middle of the cell that a geohash names."""
    bounds = {"lon": [-180.0, 180.0], "lat": [-90.0, 90.0]}
    even = True
    if not text or any(letter not in _BASE32 for letter in text.lower()):
        raise ValueError("no point")
    for letter in text.lower():
        number = _BASE32.index(letter)
        for bit in (16, 8, 4, 2, 1):
            pair = bounds["lon" if even else "lat"]
            pair[0 if number & bit else 1] = sum(pair) / 2
            even = not even
    return {"lat": sum(bounds["lat"]) / 2, "lon": sum(bounds["lon"]) / 2}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
