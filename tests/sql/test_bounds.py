"""No expression becomes much larger than its columns: what is refused, with its place, and what
people write is not.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mmc.sql.bounds import ALLOWED
from mmc.sql.tree import NotAllowed, _functions, parse

BOMBS = [
    "repeat('x', 2000000000)",
    "repeat(t, 100000000)",
    "repeat(t, n)",
    "repeat(t, 1000 * 1000 * 1000)",
    "repeat(repeat(repeat('x', 1000), 1000), 1000)",
    "lpad('x', 2000000000, 'y')",
    "rpad(t, n, ' ')",
    "array_to_string(range(1000000000), ',')",
    "list_sum(range(n * 1000000000))::varchar",
    "len(generate_series(1, 1000000000, 1))",
    "range(-1000000000, 0)",
    "list_resize([1], 1000000000)",
    "bar(1, 0, 1, 1e9::double)",
    "to_base(n, 2, 1000000000)",
    "bitstring('1', 2000000000)",
    "printf('%2000000000d', 1)",
    "printf('%*d', n, 1)",
    "format('{:2000000000}', 1)",
    "format('{:{}}', 1, n)",
    "format(t, 1)",
    "replace(t, 'a', u)",
    "regexp_replace(t, '.', u, 'g')",
    "replace(" * 4 + "t" + f", 'a', '{'a' * 100}')" * 4,
    "regexp_replace(" * 12 + "t" + r", '.', '\0\0\0\0', 'g')" * 12,
    "hex(" * 30 + "t" + ")" * 30,
    "to_binary(" * 8 + "t" + ")" * 8,
    "list_reduce(range(40), lambda a, b: a || a)",
    "list_reduce(range(40), lambda a, b: CASE WHEN b > 1 THEN concat(a, '-', a) ELSE t END, t)",
    "list_reduce(range(40), lambda a, b: list_resize(a, 1000))",
    "list_reduce(range(40), lambda a, b: array_to_string(list_transform(v, lambda x: a), ''))",
    "list_transform(range(1000), lambda x: list_transform(range(1000), lambda y: range(1000)))",
    "list_transform(range(1000), lambda x: list_transform(range(1000), lambda y: lpad(t, 9)))",
    "list_transform(range(1000), lambda x: repeat(x::text || t, 2000))",
    "list_transform(string_split(repeat(t, 1000), ''), lambda x: repeat(x, 2000))",
    "array_to_string(range(100000), repeat(t, 100))",
    "concat_ws(repeat(t, 100000)" + ", t" * 20 + ")",
    "list_select(list_select(range(9999), range(2000)), range(2000))",
    "||".join(["repeat(t, 100000)"] * 11),
    "replace(" * 25 + "t" + ", 'a', 'aa')" * 25,
    "replace(" * 24 + "t" + ", 'a', 'bb'), 'b', 'aa')" * 12,
    "replace(" * 21 + "t" + ", 'aa', 'aaaa')" * 21,
    "replace(replace(lower(" * 11 + "t" + "), 'a', 'aa'), 'a', 'aa')" * 11,
    "format('" + "{0}" * 2000 + "', repeat(t, 1000))",
    "CASE WHEN len(repeat(t, 9999999)) > 1 THEN 1 ELSE 2 END",
    "list_transform(" * 25 + "[t]" + ", lambda x: x || x)" * 25,
    "equi_width_bins(0, 1000000000, 1000000000, false)",
]
HARMLESS = [
    "lower(trim(title))",
    "lpad(n::varchar, 10, '0')",
    "repeat(t, 3)",
    "repeat(t, least(n, 100))",
    "range(0, 10)",
    "list_transform(tags, lambda x: lower(x) || '!')",
    "[x || '!' for x in tags if x <> t]",
    "||'/'||".join(f"lpad({name}::varchar, 20, '0')" for name in "abcdefgh"),
    "||".join(["printf('%08.3f', price)", "printf('%010d', n)"] * 6),
    "lpad(lpad(lpad(lpad(lpad(lpad(t, 60, 'a'), 50, 'b'), 40), 60), 50, 'b'), 40)",
    "replace(" * 21 + "t" + "".join(f", '{letter}', 'ae')" for letter in "äöüßabcdefghijklmnopq"),
    "replace(" * 12 + "t" + "".join(f", '&{name};', ' ')" for name in "abcdefghijkl"),
    "replace(" * 6 + "t" + "".join(f", '{c}', '&#x{ord(c):04x};')" for c in '&<>"äö'),
    "regexp_replace(" * 9 + "t" + ", '^[a-z]+', '<redacted by the company>')" * 9,
    "replace(" * 100 + "t" + ", 'a', 'b')" * 100,
    "js -> '$.b.c'",
    "js::json -> 'b'",
    "js -> 0",
    "(js -> 'b') ->> 'c'",
    "js -> 'b' -> 'c' ->> 'd'",
    "list_transform(tags, lambda x: x -> 'a')",
    "list_reduce(v, lambda a, b: a + b)",
    "list_reduce(v, lambda a, b, i: a + b * i, 1)",
    "list_reduce(tags, lambda a, b: a || ',' || b)",
    "list_reduce(v, lambda a, b: CASE WHEN b > a THEN b ELSE a END)",
    "array_reduce(v, lambda a, b: greatest(a, b))",
    "replace(replace(t, 'a', 'bb'), chr(10), ' ')",
    "regexp_replace(t, '[^a-z]+', '-', 'g')",
    "printf('%05.2f', price)",
    "format('{:02d}-{}', n, t)",
    "sha256(a || '/' || b || '/' || c)",
    "substr(t, 1, 65535)",
    "n IN (1, 2, 3) AND t LIKE '%x%' AND t NOT ILIKE 'y' AND t ~ 'z'",
    "CASE WHEN n BETWEEN 1 AND 2 THEN COALESCE(t, u) ELSE NULL END",
    "array_value(a, b, c)[1:2]",
    "json_extract_string(doc, '$.a.b')",
    "strftime(ts, '%Y-%m-%d')",
    "epoch_ms(ts)",
    "{'a': n, 'b': [t]}",
    "map([t], [n])[t]",
    "n IS DISTINCT FROM 3",
    "list_cosine_similarity(v, v) > 0.5",
    "(n::double / 3) ** 2 % 5 // 2 & 1 | 2 << 1",
    "CAST(t AS DATE) + INTERVAL 1 DAY",
]


@pytest.mark.parametrize("text", BOMBS)
def test_what_may_take_the_memory_is_refused(text: str) -> None:
    with pytest.raises(NotAllowed) as caught:
        parse(text)
    assert caught.value.hint and caught.value.position is not None, caught.value.message


@pytest.mark.parametrize("text", HARMLESS)
def test_what_people_write_is_not(text: str) -> None:
    assert parse(text).growth <= 1 << 20


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("list_transform(tags, x -> lower(x))", "not written with `->`", "write `lambda x: ...`"),
        ("list_reduce(v, (a, b) -> a + b)", "not written with `->`", "write `lambda a, b: ...`"),
        ("list_filter(tags, js -> '$.b')", "not written with `->`", "write `lambda js: ...`"),
        ("list_reduce(v, lambda acc, b: acc || acc)", "of any size", "use `acc` once"),
        ("(" * 3000 + "t" + ")" * 3000, "nested too deeply", "put fewer"),
        ("t" + " || t" * 2000, "nested too deeply", "`concat(a, b, c)` joins many"),
        ("lower(" * 900 + "t" + ")" * 900, "nested too deeply", "put fewer"),
    ],
)
def test_what_to_write_instead(text: str, message: str, hint: str) -> None:
    with pytest.raises(NotAllowed) as caught:
        parse(text)
    assert message in caught.value.message and hint in caught.value.hint


def test_siblings_add_and_nesting_multiplies() -> None:
    assert parse("repeat(t, 9) || repeat(t, 9)").growth == 18
    assert parse("repeat(repeat(t, 9), 9)").growth == 81
    assert parse("lpad(t, 9) || lpad(repeat(t, 5), 9)").growth == 18
    assert parse("CASE WHEN n > 1 THEN repeat(t, 9) ELSE repeat(u, 8) END").growth == 9
    assert parse("replace(replace(t, 'a', 'bb'), 'b', 'aa')").growth == 4
    assert parse("replace(replace(t, 'a', 'xx'), 'b', 'yy')").growth == 2
    assert parse("list_transform(range(10), lambda i: lpad(t, 7))").growth == 70


def test_the_arrow_reads_columns_on_both_sides() -> None:
    assert [one.name for one in parse("js -> name").references] == ["js", "name"]


def test_every_name_of_the_list_is_a_function_of_the_engine() -> None:
    known = {name for name, kind in _functions().items() if kind == "plain"}
    assert sorted(ALLOWED - known - {"coalesce"}) == []


def test_the_docs_list_them() -> None:
    page = (Path(__file__).parents[2] / "docs" / "spec.md").read_text(encoding="utf-8")
    listed = re.search(r"^```text functions\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert listed is not None
    named = {name for name in ALLOWED if name[0].isalpha() and " " not in name}
    assert set(listed[1].split()) == named
