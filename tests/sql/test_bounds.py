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
    "list_reduce(range(40), (a, b) -> a || a)",
    "list_transform(range(1000), x -> list_transform(range(1000), y -> range(1000)))",
    "list_transform(" * 25 + "[t]" + ", lambda x: x || x)" * 25,
    "equi_width_bins(0, 1000000000, 1000000000, false)",
]
HARMLESS = [
    "lower(trim(title))",
    "lpad(n::varchar, 10, '0')",
    "repeat(t, 3)",
    "repeat(t, least(n, 100))",
    "range(0, 10)",
    "list_transform(tags, x -> lower(x) || '!')",
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


def test_every_name_of_the_list_is_a_function_of_the_engine() -> None:
    known = {name for name, kind in _functions().items() if kind == "plain"}
    assert sorted(ALLOWED - known - {"coalesce"}) == []


def test_the_docs_list_them() -> None:
    page = (Path(__file__).parents[2] / "docs" / "spec.md").read_text(encoding="utf-8")
    listed = re.search(r"^```text functions\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert listed is not None
    named = {name for name in ALLOWED if name[0].isalpha() and " " not in name}
    assert set(listed[1].split()) == named
