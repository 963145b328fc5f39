"""Shapes in JSON text as well-known text."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest

from mmc.transform.kernels import convert
from mmc.transform.kernels.faults import Casted
from mmc.types import FieldType

RING = [[0, 0], [2, 0], [2, 1.5], [0, 0]]


def cast(*texts: str | None, length: int = 1000) -> Casted:
    return convert("wkt", pa.array(texts, pa.string()), FieldType.parse(f"varchar({length})"))


def shape(kind: str, coordinates: Any) -> dict[str, Any]:
    return {"type": kind, "coordinates": coordinates}


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ({"lat": 52.5, "lon": 13.4}, "POINT (13.4 52.5)"),
        ({"lat": 52.5, "lon": 13.4, "z": 34.0}, "POINT Z (13.4 52.5 34.0)"),
        (shape("Point", [13.4, 52.5]), "POINT (13.4 52.5)"),
        (shape("point", [13.4, 52.5, 34]), "POINT Z (13.4 52.5 34)"),
        ([13.4, 52.5], "POINT (13.4 52.5)"),
        (shape("LineString", [[1, 2], [3, 4]]), "LINESTRING (1 2, 3 4)"),
        (shape("MultiPoint", [[1, 2], [3, 4]]), "MULTIPOINT ((1 2), (3 4))"),
        (shape("Polygon", [RING]), "POLYGON ((0 0, 2 0, 2 1.5, 0 0))"),
        (shape("MultiLineString", [[[1, 2], [3, 4]]]), "MULTILINESTRING ((1 2, 3 4))"),
        (shape("MultiPolygon", [[RING]]), "MULTIPOLYGON (((0 0, 2 0, 2 1.5, 0 0)))"),
        (shape("envelope", [[0, 1], [2, 0]]), "POLYGON ((0 0, 2 0, 2 1, 0 1, 0 0))"),
        ("BBOX (0, 2, 1, 0)", "POLYGON ((0.0 0.0, 2.0 0.0, 2.0 1.0, 0.0 1.0, 0.0 0.0))"),
        ("Point (1 2)", "Point (1 2)"),
        (
            {"type": "GeometryCollection", "geometries": [shape("Point", [1, 2]), "POINT (3 4)"]},
            "GEOMETRYCOLLECTION (POINT (1 2), POINT (3 4))",
        ),
        ({"type": "GeometryCollection", "geometries": []}, "GEOMETRYCOLLECTION EMPTY"),
        ([{"lat": 2, "lon": 1}, {"lat": 4, "lon": 3}], "MULTIPOINT ((1 2), (3 4))"),
        ([shape("Point", [1, 2]), "POINT (3 4)"], "GEOMETRYCOLLECTION (POINT (1 2), POINT (3 4))"),
        ([{"lat": 2, "lon": 1}], "POINT (1 2)"),
        ([], None),
        (None, None),
    ],
)
def test_every_form_of_a_shape(given: Any, written: str | None) -> None:
    made = cast(json.dumps(given))
    assert made.values.to_pylist() == [written]
    assert not made.faults


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("POINT (1 2)", "not JSON"),
        ('"here"', "a text that is no WKT"),
        ('"BBOX (1, 2)"', "no shape"),
        ("5", "no shape"),
        ("true", "no shape"),
        ("{}", "no shape"),
        ('{"lat": 1, "lon": "east"}', "no shape"),
        ('{"type": "Point", "coordinates": [1]}', "no shape"),
        ('{"type": "Point", "coordinates": [true, 2]}', "no shape"),
        ('{"type": "Polygon", "coordinates": [[1, 2]]}', "no shape"),
        ('{"type": "LineString", "coordinates": []}', "no shape"),
        (
            '{"type": "LineString", "coordinates": [[1, 2], [1, 2, 3]]}',
            "positions of a shape that differ in length",
        ),
        ('{"type": "envelope", "coordinates": [[1, 2]]}', "no shape"),
        ('{"type": "circle", "coordinates": [1, 2], "radius": "1m"}', "a circle has no WKT"),
        ('{"type": "GeometryCollection"}', "no shape"),
        ('["POINT (1 2)", []]', "no shape"),
    ],
)
def test_what_is_no_shape_is_a_bad_row(text: str, reason: str) -> None:
    made = cast('{"lat": 1, "lon": 2}', None, text)
    assert made.values.to_pylist()[:2] == ["POINT (2 1)", None]
    (fault,) = made.faults
    assert (list(fault.rows), fault.code, fault.reason) == ([2], "MMC605", reason)


def test_a_shape_longer_than_the_field() -> None:
    made = cast('{"lat": 1, "lon": 2}', '{"lat": 1.25, "lon": 2}', length=11)
    (fault,) = made.faults
    assert (list(fault.rows), fault.code) == ([1], "MMC604")
