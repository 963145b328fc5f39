"""Answers into columns, by simdjson and by Python's own decoder alike."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from mmc.sources.elasticsearch.decoding.page import Decoded, Page
from mmc.sources.elasticsearch.decoding.tokens import TokenTable
from mmc.sources.elasticsearch.mapping.column import Column, Kind

BIG = 2**70
"""simdjson refuses a page with such a number."""


def decoded(way: str, column: Column, *sources: dict[str, Any], **more: Any) -> Decoded:
    hits = [
        {"_index": "i", "_id": str(n), "_seq_no": 10 + n, "_source": source}
        for n, source in enumerate(sources)
    ]
    body: dict[str, Any] = {"hits": {"hits": hits}}
    if way == "python":
        body["other"] = BIG
    page = Page.parse(json.dumps(body).encode())
    assert page.count == len(sources)
    return page.decode([column], more.get("tokens"))


@pytest.fixture(params=["simdjson", "python"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def values_of(way: str, kind: Kind, *values: Any, **options: Any) -> tuple[list[Any], list[str]]:
    """What comes out of documents that have these values, and the reasons of the flaws."""
    tokens = options.pop("tokens", None)
    column = Column("f", kind, **options)
    made = decoded(way, column, *({"f": value} for value in values), tokens=tokens)
    return made.batch.column(0).to_pylist(), [flaw.reason for flaw in made.flaws]


def test_names_types_and_places(way: str) -> None:
    made = decoded(way, Column("_id", Kind.TEXT), {}, {})
    assert made.batch.schema.names == ["_id"]
    assert made.batch.column(0).to_pylist() == ["0", "1"]
    assert made.places.tolist() == [10, 11]


@pytest.mark.parametrize(
    ("kind", "given", "wanted"),
    [
        (
            Kind.TEXT,
            ["a", None, 5, True, 1.5, ["x"], []],
            ["a", None, "5", "true", "1.5", "x", None],
        ),
        (Kind.BOOL, [True, "false", "", None], [True, False, False, None]),
        (Kind.INT64, [2**53 + 1, "-9223372036854775808", 5.0, "7.0"], [2**53 + 1, -(2**63), 5, 7]),
        (Kind.INT8, [127, "-128"], [127, -128]),
        (Kind.DOUBLE, [0.1, 1, "1e3"], [0.1, 1.0, 1000.0]),
        (Kind.FLOAT, [0.5, "0.25", 3], [0.5, 0.25, 3.0]),
    ],
)
def test_what_the_server_coerces_is_taken(
    way: str, kind: Kind, given: list[Any], wanted: list[Any]
) -> None:
    assert values_of(way, kind, *given) == (wanted, [])


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        (Kind.INT64, 1.5, "a fraction in an integer field"),
        (Kind.INT64, 2**63, "an integer outside 64 bits"),
        (Kind.INT8, 128, "an integer outside 8 bits"),
        (Kind.INT32, "x", "a text that is no number"),
        (Kind.INT32, True, "no number in an integer field"),
        (Kind.DOUBLE, 2**53 + 1, "an integer that a double cannot hold exactly"),
        (Kind.FLOAT, 1e39, "a number outside the range of the field"),
        (Kind.BOOL, "yes", "neither true nor false"),
        (Kind.TEXT, {"a": 1}, "an object or a list in a text field"),
        (Kind.TEXT, ["a", "b"], "a list where the sample has single values: see source.arrays"),
        (Kind.DATE, "yesterday", "no date in a format of the mapping"),
        (Kind.POINT, "nowhere!", "no point"),
        (Kind.POINT, {"lat": 91, "lon": 0}, "a point outside the globe"),
    ],
)
def test_what_does_not_fit_is_a_flaw_and_null(
    way: str, kind: Kind, value: Any, reason: str
) -> None:
    found, reasons = values_of(way, kind, value, None)
    assert found == [None, None]
    assert reasons == [reason]


@pytest.mark.parametrize("many", [False, True])
def test_a_number_in_a_text_is_what_was_written(way: str, many: bool) -> None:
    texts = ["1.10", "1e2", "0.12345678901234567890", "-0.0", "100000000000000000000.0", "7"]
    hits = [
        f'{{"_id": "{n}", "_source": {{"f": {text}, "x": {text}, "v": [{text}, 1], "j": [1.50]}}}}'
        for n, text in enumerate(texts)
    ]
    other = f', "other": {BIG}' if way == "python" else ""
    page = Page.parse(f'{{"hits": {{"hits": [{",".join(hits)}]}}{other}}}'.encode())
    columns = [
        Column("f", Kind.TEXT, many=many),
        Column("x", Kind.DOUBLE),
        Column("v", Kind.VECTOR, dim=2),
        Column("j", Kind.JSON),
    ]
    made = page.decode(columns, None)
    assert not made.flaws
    found = made.batch.to_pydict()
    assert found["f"] == ([[text] for text in texts] if many else texts)
    assert found["x"] == [float(text) for text in texts]
    assert [vector[0] for vector in found["v"]] == [float(np.float32(text)) for text in texts]
    assert found["j"] == ["[1.5]"] * len(texts)


def test_a_flaw_names_row_column_and_value(way: str) -> None:
    made = decoded(way, Column("f", Kind.INT8), {"f": 1}, {"f": 300})
    (flaw,) = made.flaws
    assert (flaw.row, flaw.column, flaw.shown) == (1, "f", "300")


def test_lists(way: str) -> None:
    found = values_of(way, Kind.INT32, [1, 2], 3, None, [], "4", many=True)
    assert found == ([[1, 2], [3], None, [], [4]], [])
    assert values_of(way, Kind.INT32, [1, None], many=True)[1] == ["a null inside a list"]


def test_json_keeps_every_digit(way: str) -> None:
    given = {"a": [1, {"b": 18446744073709551615}], "c": 0.1, "d": "é"}
    (text,), flaws = values_of(way, Kind.JSON, given)
    assert json.loads(text) == given
    assert not flaws
    assert values_of("python", Kind.JSON, {"a": BIG})[0] == [f'{{"a":{BIG}}}']


def test_names_with_dots_are_objects(way: str) -> None:
    inner = Column("a.b", Kind.INT64)
    made = decoded(way, inner, {"a": {"b": 1}}, {"a.b": 2}, {"a": {}}, {"a": [{"b": 3}]})
    assert made.batch.column(0).to_pylist() == [1, 2, None, 3]
    whole = decoded(way, Column("a", Kind.JSON), {"a.b": 1, "a.c.d": 2}, {"a": {"b": 1}})
    assert [json.loads(text) for text in whole.batch.column(0).to_pylist()] == [
        {"b": 1, "c": {"d": 2}},
        {"b": 1},
    ]


def test_a_field_with_fields_below_its_name(way: str) -> None:
    """As `subobjects: false` has them."""
    sources: list[dict[str, Any]] = [
        {"cpu": 1, "cpu.total": 2, "cpu.user.time": 3},
        {"cpu": {"total": 2, "user": {"time": 3}}},
        {"cpu.total": 2, "cpu.user.time": 3, "cpu": 1},
        {"cpu": 1},
    ]
    wanted = {"cpu": [1, None, 1, 1], "cpu.total": [2, 2, 2, None]}
    hits = [{"_id": "x", "_source": source} for source in sources]
    body = {"hits": {"hits": hits}, "other": BIG if way == "python" else 1}
    columns = [Column(path, Kind.INT64) for path in (*wanted, "cpu.user.time")]
    made = Page.parse(json.dumps(body).encode()).decode(columns, None)
    assert made.flaws == ()
    assert made.batch.to_pydict() == {**wanted, "cpu.user.time": [3, 3, 3, None]}


def test_objects_in_a_list_give_a_list(way: str) -> None:
    made = decoded(way, Column("a.b", Kind.INT64, many=True), {"a": [{"b": 1}, {"b": [2, 3]}]})
    assert made.batch.column(0).to_pylist() == [[1, 2, 3]]


@pytest.mark.parametrize(
    "source",
    [
        {"a": {"b": {"c": 1}}},
        {"a": {"b.c": 1}},
        {"a.b": {"c": 1}},
        {"a.b.c": 1},
        {"a.b.c": 1, "a": {"b": {"d": 2}}},
        {"a": [{"d": 2}, {"b.c": 1}]},
        {"a.b.c": 1, "a": {"b": {"c": None}}},
    ],
)
def test_a_name_is_found_wherever_its_dots_are(way: str, source: dict[str, Any]) -> None:
    made = decoded(way, Column("a.b.c", Kind.INT64), source)
    assert made.batch.column(0).to_pylist() == [1]
    assert not made.flaws


def test_json_is_assembled_without_loss(way: str) -> None:
    sources = [
        ({"a": {"b": {"x": 1}}, "a.b.y": 2}, {"b": {"x": 1, "y": 2}}),
        ({"a.b": 1, "a.b.c": 2}, {"b": [1, {"c": 2}]}),
        ({"a": {"q.r": 1}}, {"q.r": 1}),
    ]
    made = decoded(way, Column("a", Kind.JSON), *(given for given, _ in sources))
    assert [json.loads(text) for text in made.batch.column(0).to_pylist()] == [
        wanted for _, wanted in sources
    ]
    inner = decoded(way, Column("a.b", Kind.JSON), {"a": [{"b.z": 1}, {"b": {"z": 2}}]})
    assert inner.batch.column(0).to_pylist() == ['[{"z":1},{"z":2}]']


def test_json_is_the_same_text_either_way(way: str) -> None:
    control = "".join(map(chr, range(32)))
    given = [
        {"a": 1e22, "b": 1e-7, "c": [1.5, -0.0, 1e15]},
        control + '\x7f"\\/é€😀',
        1e-7,
        [],
        True,
    ]
    wanted = [json.dumps(value, ensure_ascii=False, separators=(",", ":")) for value in given]
    assert values_of(way, Kind.JSON, *given) == (wanted, [])
    assert values_of(way, Kind.JSON, [1, "x"], many=True)[0] == [["1", '"x"']]


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        (Kind.JSON, '{"a": 1e999}', "a number outside the range of a double"),
        (Kind.DOUBLE, "1e999", "a number outside the range of the field"),
        (Kind.TEXT, r'"\ud800"', "half a character (a lone surrogate)"),
        (Kind.JSON, r'{"a": "\ud800"}', "half a character (a lone surrogate)"),
    ],
)
def test_what_only_one_decoder_reads_is_a_flaw(kind: Kind, text: str, reason: str) -> None:
    body = f'{{"hits": {{"hits": [{{"_source": {{"f": {text}}}}}]}}}}'
    made = Page.parse(body.encode()).decode([Column("f", kind)], None)
    assert made.batch.column(0).to_pylist() == [None]
    assert [flaw.reason for flaw in made.flaws] == [reason]


def test_a_document_without_source_is_a_flaw(way: str) -> None:
    body = {"hits": {"hits": [{"_id": "x"}]}, "other": BIG if way == "python" else 1}
    page = Page.parse(json.dumps(body).encode())
    made = page.decode([Column("_id", Kind.TEXT), Column("f", Kind.TEXT)], None)
    assert [(flaw.row, flaw.column, flaw.reason) for flaw in made.flaws] == [
        (0, "f", "a document without `_source`")
    ]
    assert page.decode([Column("_id", Kind.TEXT)], None).flaws == ()


@pytest.mark.parametrize("text", ["1_000", "1 2", "١", "nan", " ", "0x10"])
@pytest.mark.parametrize("kind", [Kind.INT64, Kind.DOUBLE])
def test_a_number_in_a_text_is_read_as_strictly_as_by_the_server(
    way: str, kind: Kind, text: str
) -> None:
    assert values_of(way, kind, text) == ([None], ["a text that is no number"])


@pytest.mark.parametrize("kind", [Kind.INT8, Kind.INT64, Kind.FLOAT, Kind.DOUBLE])
def test_blanks_and_empty_texts_in_numbers_are_what_they_are_to_the_server(
    way: str, kind: Kind
) -> None:
    assert values_of(way, kind, " 12 ", "", [""]) == ([12, None, None], [])
    assert values_of(way, kind, ["1", " 2"], "", many=True) == ([[1, 2], None], [])
    reasons = values_of(way, kind, [1, ""], many=True)[1]
    assert reasons == ["a null inside a list"]


@pytest.mark.parametrize("many", [False, True])
def test_a_list_of_one_null_is_no_value(way: str, many: bool) -> None:
    assert values_of(way, Kind.INT64, [None], [[None]], many=many) == ([None, None], [])
    assert values_of(way, Kind.TEXT, [None], many=many) == ([None], [])


def test_the_largest_float_is_one_as_it_is_written(way: str) -> None:
    largest = float(np.finfo(np.float32).max)
    for given in ([3.4028235e38, -3.4028235e38], ["3.4028235e38", "-3.4028235e38"]):
        assert values_of(way, Kind.FLOAT, *given) == ([largest, -largest], [])
    reason = "a number outside the range of the field"
    assert values_of(way, Kind.FLOAT, 3.4028236e38) == ([None], [reason])


def test_lists_in_lists_are_one_list(way: str) -> None:
    assert values_of(way, Kind.INT32, [[1, 2], [[3]]], many=True) == ([[1, 2, 3]], [])
    assert values_of(way, Kind.TEXT, [["x"]], [[]]) == (["x", None], [])


def test_one_bad_element_is_one_flaw_of_its_row(way: str) -> None:
    found = values_of(way, Kind.INT8, [1], [300, "x", 2], [3], many=True)
    assert found == ([[1], None, [3]], ["an integer outside 8 bits"])


def test_vectors_of_several_objects_are_not_joined(way: str) -> None:
    made = decoded(
        way, Column("a.v", Kind.VECTOR, dim=4), {"a": [{"v": [1, 2]}, {"v": [3, 4]}]}, {"a": {}}
    )
    assert made.batch.column(0).to_pylist() == [None, None]
    assert [flaw.reason for flaw in made.flaws] == ["several vectors in one document"]


@pytest.mark.parametrize(
    ("kind", "dim", "given", "wanted"),
    [
        (Kind.VECTOR, 2, [0.1, 2], [0.10000000149011612, 2.0]),
        (Kind.VECTOR, 2, "P4AAAMAAAAA=", [1.0, -2.0]),
        (Kind.BYTE_VECTOR, 2, [-128, 127], [-128, 127]),
        (Kind.BYTE_VECTOR, 2, "ff01", [-1, 1]),
        (Kind.BIT_VECTOR, 16, "ff01", b"\xff\x01"),
        (Kind.BIT_VECTOR, 16, [-1, 1], b"\xff\x01"),
    ],
)
def test_vectors(way: str, kind: Kind, dim: int, given: Any, wanted: Any) -> None:
    assert values_of(way, kind, given, None, dim=dim) == ([wanted, None], [])


@pytest.mark.parametrize(
    ("kind", "given", "reason"),
    [
        (Kind.VECTOR, [1], "a vector of another length than 2"),
        (Kind.VECTOR, [1, "x"], "a vector with what is no number"),
        (Kind.VECTOR, [1, None], "a vector with what is no number"),
        (Kind.VECTOR, [1, 1e39], "a vector with a number that a float cannot hold"),
        (Kind.VECTOR, [[1, 2], [3, 4]], "a vector with a list inside"),
        (Kind.VECTOR, 5, "no vector"),
        (Kind.BYTE_VECTOR, [1, 128], "a vector with a number that a byte cannot hold"),
        (Kind.BYTE_VECTOR, [1, 0.5], "a vector with a number that a byte cannot hold"),
    ],
)
def test_what_is_no_such_vector(way: str, kind: Kind, given: Any, reason: str) -> None:
    found, reasons = values_of(way, kind, given, dim=2)
    assert found == [None]
    assert reasons == [reason]


def test_sparse_vectors(way: str) -> None:
    table = TokenTable("t.json", {"river": 7, "berlin": 3})
    given = {"river": 0.5, "berlin": 2}
    assert values_of(way, Kind.SPARSE, given, tokens=table) == ([[(3, 2.0), (7, 0.5)]], [])
    assert values_of(way, Kind.SPARSE, {"9": 1.5}) == ([[(9, 1.5)]], [])
    reasons = values_of(way, Kind.SPARSE, {"sea": 1.0}, tokens=table)[1]
    assert reasons == ["a token that t.json does not number: `mmc tokens SPEC -o t.json` adds it"]
    as_sent = {"9": "1.5", "8": None, "7": "2e1"}
    assert values_of(way, Kind.SPARSE, as_sent, {"1": None}) == ([[(7, 20.0), (9, 1.5)], []], [])
    dotted = decoded(way, Column("s", Kind.SPARSE), {"s.5": 1.5, "s.3": 2}, {})
    assert dotted.batch.column(0).to_pylist() == [[(3, 2.0), (5, 1.5)], None]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"4294967295": 1}, "a token that is no number of a dimension"),
        ({"\ud83d": 1}, "a token with half a character (a lone surrogate)"),
        ({"sea": 1}, "a token that is no number of a dimension"),
        ({"٣": 1}, "a token that is no number of a dimension"),
        ({"7": 1, "007": 2}, "a token that is no number of a dimension"),
        ({"7": "x"}, "a weight that is no number, or that a float cannot hold"),
        ({"7": 1e39}, "a weight that is no number, or that a float cannot hold"),
        ({"7": "1e39"}, "a weight that is no number, or that a float cannot hold"),
        (5, "no object of token and weight"),
        ([{"7": 1}, {"8": 1}], "several sparse vectors in one document"),
    ],
)
def test_a_bad_sparse_vector_spoils_its_row_only(way: str, given: Any, reason: str) -> None:
    found = values_of(way, Kind.SPARSE, {"2": 1, "1": 0.5}, given, {}, {"9": 2})
    assert found == ([[(1, 0.5), (2, 1.0)], None, [], [(9, 2.0)]], [reason])


@pytest.mark.parametrize(
    "given",
    [
        {"lat": 52.5, "lon": 13.25},
        [13.25, 52.5],
        "52.5,13.25",
        "POINT (13.25 52.5)",
        {"type": "Point", "coordinates": [13.25, 52.5]},
    ],
)
def test_every_form_of_a_point(way: str, given: Any) -> None:
    assert values_of(way, Kind.POINT, given)[0] == ['{"lat":52.5,"lon":13.25}']


@pytest.mark.parametrize(
    "given",
    [
        {"lat": 52.5, "lon": 13.25, "z": 34},
        [13.25, 52.5, 34],
        "52.5,13.25, 34",
        "POINT Z (13.25 52.5 34)",
        {"type": "Point", "coordinates": [13.25, 52.5, 34]},
    ],
)
def test_a_third_coordinate_is_kept(way: str, given: Any) -> None:
    assert values_of(way, Kind.POINT, given) == (['{"lat":52.5,"lon":13.25,"z":34.0}'], [])


def test_a_geohash_is_the_corner_that_the_index_takes(way: str) -> None:
    (text,), _ = values_of(way, Kind.POINT, "drt5")
    assert json.loads(text) == {"lat": 42.71484375, "lon": -71.71875}


def test_points_in_columns_of_lists(way: str) -> None:
    given = [[1, 2], [[1, 2], [3, 4]], ["2,1", {"lat": 4, "lon": 3}], []]
    one, two = '{"lat":2.0,"lon":1.0}', '{"lat":4.0,"lon":3.0}'
    found = values_of(way, Kind.POINT, *given, many=True)
    assert found == ([[one], [one, two], [one, two], []], [])
    assert values_of(way, Kind.POINT, [[1, 2], [3, 4]])[0] == [f"[{one},{two}]"]


def test_a_constant_stands_where_a_document_has_none(way: str) -> None:
    made = decoded(way, Column("f", Kind.TEXT, constant="prod"), {}, {"f": "prod"})
    assert made.batch.column(0).to_pylist() == ["prod", "prod"]
