from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmc.spec.document import MAX_ALIASED, MAX_BYTES, Document, parse
from mmc.spec.scalars import resolve
from mmc.types import JsonValue


def codes(document: Document) -> list[str]:
    return [diagnostic.code for diagnostic in document.diagnostics]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("Null", None),
        ("nuLL", "nuLL"),
        ("true", True),
        ("TRUE", True),
        ("False", False),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("0", 0),
        ("-0", 0),
        ("+7", 7),
        ("0x1F", 31),
        ("0o17", 15),
        ("010", "010"),
        ("-007", "-007"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("1:30", "1:30"),
        ("9223372036854775808", 1 << 63),
        ("1.", 1.0),
        (".5", 0.5),
        ("-1e3", -1000.0),
        ("1.5E+2", 150.0),
        ("007.5", "007.5"),
        ("2001-01-01", "2001-01-01"),
        ("1e", "1e"),
        (".", "."),
        ("=", "="),
        ("0x", "0x"),
    ],
)
def test_plain_scalars_by_the_core_rules(text: str, value: JsonValue) -> None:
    found = resolve(text)
    assert found == value and type(found) is type(value)
    assert parse(f"k: {text}\n", "f").data == {"k": value}
    assert parse(f'k: "{text}"\n', "f").data == {"k": text}


@pytest.mark.parametrize(
    "text", [".inf", "-.Inf", ".NaN", "1e999", "18446744073709551616", "9" * 5000]
)
def test_numbers_that_json_cannot_hold(text: str) -> None:
    document = parse(f"k: {text}\n", "f")
    assert codes(document) == ["MMC114"]
    assert ("k",) in document.broken


def test_every_node_has_its_place() -> None:
    text = 'a:\n  - {b: 1, "c d": two}\n  -\n    e: |\n      text\nf:\n'
    document = parse(text, "s.yaml")
    assert document.data == {"a": [{"b": 1, "c d": "two"}, {"e": "text\n"}], "f": None}
    places = {path: (s.line, s.column, s.end_column) for path, s in document.values.items()}
    assert places[("a", 0, "b")] == (2, 9, 10)
    assert places[("a", 0, "c d")] == (2, 19, 22)
    assert places[("a", 1, "e")] == (4, 8, 9)
    assert places[("f",)] == (6, 1, 2)
    keys = {path: (s.line, s.column, s.end_column, s.text) for path, s in document.keys.items()}
    assert keys[("a", 0, "c d")] == (2, 12, 17, '  - {b: 1, "c d": two}')
    assert document.span(("a", 0, "b", "x", 7)) == document.keys[("a", 0, "b")]
    assert str(document.span(("nothing",))) == "s.yaml:1:1"


def test_lines_are_those_of_an_editor() -> None:
    document = parse('a: "x\u2028y\x85z"\r\nb: 1\rc: 2\n', "f")
    assert {path[0]: (s.line, s.column) for path, s in document.keys.items()} == {
        "a": (1, 1),
        "b": (2, 1),
        "c": (3, 1),
    }


def test_byte_order_mark_is_no_column() -> None:
    document = parse("\ufeffa: 1\n", "f")
    assert document.data == {"a": 1} and document.keys[("a",)].column == 1


def test_all_problems_of_a_text_at_once() -> None:
    document = parse("a: 1\na: 2\n3: x\n<<: {}\nb: !t x\nc: .inf\nd: *e\nf: {{ g }}\n", "f")
    assert sorted(codes(document)) == [
        "MMC108",
        "MMC109",
        "MMC110",
        "MMC111",
        "MMC112",
        "MMC113",
        "MMC114",
    ]
    assert document.broken == {("a",), ("b",), ("c",), ("d",), ("f",)}


def test_too_large() -> None:
    assert codes(parse("a: " + "x" * MAX_BYTES, "f")) == ["MMC103"]
    assert codes(parse("a: " + "é" * (MAX_BYTES // 2), "f")) == ["MMC103"]


def test_aliases_are_values_at_their_own_place() -> None:
    document = parse("a: &x {b: [1]}\nc: *x\n", "f")
    assert document.data == {"a": {"b": [1]}, "c": {"b": [1]}}
    assert document.values[("c",)].line == 2
    assert document.values[("c", "b", 0)].line == 1


def test_a_billion_laughs_are_cut_short() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    start = time.monotonic()
    document = parse("\n".join(lines), "f")
    assert codes(document) == ["MMC112"]
    assert time.monotonic() - start < 2
    assert len(document.values) < 3 * MAX_ALIASED


def test_a_list_of_aliases_below_the_bound_is_fine() -> None:
    assert codes(parse("a: &a [1, 2, 3]\nb: [" + ", ".join(["*a"] * 100) + "]\n", "f")) == []


@pytest.mark.parametrize(
    "text",
    [
        "token: hunter2\nb: c: d\n",
        "b: 1\ntoken: hunter2: x\n",
        "{token: hunter2, b: c: d}",
        "url: https://me:hunter2@x/y: z\n",
        "token: hunter2\ntoken: hunter2\n",
        "a:\n  password:\n    hunter2\n  password:\n    hunter2\n",
        "api_key: &x hunter2\nb: *y\n",
        "secret: hunter2\n\tb: 1\n",
        "x: {my-api-key: 'hunter2', x: 1, x: 2}\n",
    ],
)
def test_no_span_shows_a_line_that_holds_a_secret(text: str) -> None:
    document = parse(text, "f")
    spans = [d.span for d in document.diagnostics] + [
        *document.keys.values(),
        *document.values.values(),
    ]
    assert document.diagnostics
    assert not any("hunter2" in span.text for span in spans if span)


YAMLISH = "abinfd8: -#\n\t{}[],'\"|>&*!%?@`\\é漢\u2028\x85\r\x00\ufeff\ud800~0.x<=uU"


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.text(max_size=40), st.text(alphabet=YAMLISH, max_size=60)))
def test_any_text_gives_data_or_diagnostics(text: str) -> None:
    document = parse(text, "f")
    assert document.diagnostics or isinstance(document.data, dict)
    for diagnostic in document.diagnostics:
        assert diagnostic.span is not None
        assert 1 <= diagnostic.span.column < diagnostic.span.end_column


def test_other_lines_are_shown() -> None:
    (found,) = parse("token: hunter2\nb: c: d\n", "f").diagnostics
    assert found.span is not None and found.span.text == "b: c: d"


@pytest.mark.parametrize("key", [".inf", "1e999", "~", "", "1", "true", "99999999999999999999"])
def test_keys_that_are_not_texts(key: str) -> None:
    document = parse(f"? {key}\n: 1\nb: 2\n", "f")
    assert codes(document) == ["MMC109"] and document.data == {"b": 2}


def test_escapes_in_keys_and_values_that_no_file_can_hold() -> None:
    document = parse('"a\\0": 1\n"\\ud800": 1\nb: "\\udfff"\n', "f")
    assert codes(document) == ["MMC115"] * 3


def test_a_number_that_may_be_a_secret_is_not_quoted() -> None:
    (found,) = parse("token: 98765432109876543210\n", "f").diagnostics
    assert "9876" not in found.message and found.span is not None and not found.span.text
