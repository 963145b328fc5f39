from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmc.spec.document import parse
from mmc.spec.template import Rendered, render
from mmc.types import JsonValue

VARS = """\
vars:
  n: 3
  half: 0.5
  yes: true
  none: null
  text: Words
  list: [a, 1, true]
  map: {items: 5, keys: {x: y}}
  derived: "{{ vars.n + 1 }}"
  twice: "{{ vars.derived }}{{ vars.derived }}"
  home: "{{ env.HOME }}"
"""


def rendered(leaf: str, variables: dict[str, str] | None = None) -> Rendered:
    quoted = leaf.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    document = parse(f'{VARS}x: "{quoted}"\n', "f")
    assert not document.diagnostics
    return render(
        document, variables or {}, {"HOME": "/home/me", "API_TOKEN": "never-shown", "N": "7"}
    )


@pytest.mark.parametrize(
    ("leaf", "value"),
    [
        ("{{ vars.n }}", 3),
        ("{{ vars.half }}", 0.5),
        ("{{ vars.yes }}", True),
        ("{{ vars.none }}", None),
        ("{{ vars.list }}", ["a", 1, True]),
        ("{{ vars['map'] }}", {"items": 5, "keys": {"x": "y"}}),
        ("{{ vars.map.items }}", 5),
        ("{{ vars.map.keys.x }}", "y"),
        ("{{ vars.list[0] }}", "a"),
        ("{{ vars.list[-1] }}", True),
        ("{{ vars.derived }}", 4),
        ("{{ vars.twice }}", "44"),
        ("{{ vars.home }}", "/home/me"),
        (" {{ vars.n }}", " 3"),
        ("{{ vars.n }}\n", "3\n"),
        ("{{ vars.n }}-{{ vars.yes }}-{{ vars.half }}", "3-true-0.5"),
        ("{{ vars.list | join('/') }}", "a/1/true"),
        ("{{ vars.text | upper | replace('O', '0') }}", "W0RDS"),
        ("{{ '  x ' | trim }}{{ 'A' | lower }}", "xa"),
        ("{{ env.N | int }}", 7),
        ("{{ env.N | float }}", 7.0),
        ("{{ vars.n | string }}", "3"),
        ("{{ vars.list | length }}", 3),
        ("{{ env.NOT_THERE | default('d') }}", "d"),
        ("{{ vars.not_there | default([1]) }}", [1]),
        ("{{ vars.map.nope.deeper | default(1) }}", 1),
        ("{{ vars.none | default(2) }}", 2),
        ("{{ 'a' if vars.n > 2 and not vars.none else 'b' }}", "a"),
        ("{{ 1 if vars.q is defined else 0 }}", 0),
        ("{{ {'M': vars.n} }}", {"M": 3}),
        ("{{ vars.n - 1 }}", 2),
        ("{{ -vars.n }}", -3),
        ("{{ '{%' }} {# kept #} {{ '{{' }}", "{% {# kept #} {{"),
        ("100 % }} of {x}", "100 % }} of {x}"),
    ],
)
def test_values(leaf: str, value: JsonValue) -> None:
    result = rendered(leaf)
    assert not result.diagnostics
    assert isinstance(result.data, dict)
    found = result.data["x"]
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("leaf", "code"),
    [
        ("{{ ", "MMC130"),
        ("{{ vars.n | }}", "MMC130"),
        ("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", "MMC130"),
        ("{% set x = 1 %}", "MMC131"),
        ("{{ vars.n }}{% include 'x' %}", "MMC131"),
        ("{{ 'a' * 300000000 }}", "MMC132"),
        ("{{ 9 ** 99999999 }}", "MMC132"),
        ("{{ '%999999999d' % 1 }}", "MMC132"),
        ("{{ 'a' ~ 'b' }}", "MMC132"),
        ("{{ vars.n / 0 }}", "MMC132"),
        ("{{ range(10) }}", "MMC132"),
        ("{{ vars.text.format(1) }}", "MMC132"),
        ("{{ vars.list[0:1] }}", "MMC132"),
        ("{{ vars.__class__ }}", "MMC132"),
        ("{{ ''.__class__.__mro__ }}", "MMC132"),
        ("{{ vars }}", "MMC132"),
        ("{{ vars[env.HOME] }}", "MMC132"),
        ("{{ vars.n | attr('x') }}", "MMC134"),
        ("{{ vars.n | tojson }}", "MMC134"),
        ("{{ self }}", "MMC211"),
        ("{{ nope }}", "MMC211"),
        ("{{ vars.nope }}", "MMC211"),
        ("{{ env.NOPE }}", "MMC211"),
        ("{{ vars.map.nope }}", "MMC211"),
        ("{{ vars.map.nope + 1 }}", "MMC211"),
        ("{{ vars.list['__class__'] }}", "MMC211"),
        ("{{ vars.text['__class__'] }}", "MMC211"),
        ("{{ vars.text.upper }}", "MMC211"),
        ("{{ vars.text | int }}", "MMC214"),
        ("{{ vars.half | int }}", "MMC214"),
        ("{{ 'nan' | float }}", "MMC214"),
        ("{{ vars.n | upper }}", "MMC214"),
        ("{{ vars.text + 1 }}", "MMC214"),
        ("{{ vars.text | replace('', 'x') }}", "MMC214"),
        ("{{ vars.text | join }}", "MMC214"),
        ("{{ 1e999 }}", "MMC214"),
        ("{{ 99999999999999999999 }}", "MMC214"),
        ("{{ 9223372036854775807 + 9223372036854775807 + 2 }}", "MMC214"),
        ("a {{ vars.list }}", "MMC214"),
        ("a {{ vars.none }}", "MMC214"),
        ("{{ " + " + ".join(["1"] * 80) + " }}", "MMC215"),
        ("{{ '" + "x" * 70000 + "' }}", "MMC215"),
        ("{{ '" + "x" * 60000 + "' | replace('x', 'yyyyyyyyyy') }}", "MMC214"),
        ("{{ env.API_TOKEN }}", "MMC223"),
    ],
)
def test_refused(leaf: str, code: str) -> None:
    start = time.monotonic()
    result = rendered(leaf)
    assert time.monotonic() - start < 1
    assert [d.code for d in result.diagnostics] == [code]
    assert ("x",) in result.broken
    assert "never-shown" not in str(result.diagnostics[0])


def test_messages_do_not_quote_the_environment() -> None:
    document = parse(
        'a: "{{ env.X | int }}"\nb: "{{ env.X | float }}"\nc: "{{ env.X + 1 }}"\n', "f"
    )
    result = render(document, {}, {"X": "private"})
    assert len(result.diagnostics) == 3
    assert not any("private" in d.message + d.hint for d in result.diagnostics)


def test_vars_in_a_circle_and_too_deep() -> None:
    document = parse('vars: {a: "{{ vars.b }}", b: "{{ vars.a }}", c: "{{ vars.c }}"}\n', "f")
    assert [d.code for d in render(document, {}, {}).diagnostics] == ["MMC216", "MMC216"]
    chain = "".join(f'  v{i}: "{{{{ vars.v{i + 1} }}}}"\n' for i in range(500))
    document = parse(f"vars:\n{chain}  v500: 1\n", "f")
    assert "MMC216" in {d.code for d in render(document, {}, {}).diagnostics}


def test_vars_that_double_are_stopped() -> None:
    lists = "".join(f'  v{i + 1}: "{{{{ [vars.v{i}, vars.v{i}] }}}}"\n' for i in range(19))
    document = parse(f"vars:\n  v0: xxxxxxxxxx\n{lists}", "f")
    start = time.monotonic()
    assert "MMC215" in {d.code for d in render(document, {}, {}).diagnostics}
    assert time.monotonic() - start < 2


def test_all_leaves_together_are_bounded() -> None:
    items = "".join('  - "{{ vars.a + vars.a }}"\n' for _ in range(200))
    document = parse("vars:\n  a: " + "x" * 30000 + "\nitems:\n" + items, "f")
    found = render(document, {}, {}).diagnostics
    assert {d.code for d in found} == {"MMC215"} and 0 < len(found) < 100


@pytest.mark.parametrize(
    ("variables", "value"),
    [
        ({"n": "12"}, 12),
        ({"n": "many"}, "many"),
        ({"n": "true"}, True),
        ({"n": ""}, None),
        ({"n": "1e999"}, "1e999"),
    ],
)
def test_variables_override_with_the_type_yaml_would_give(
    variables: dict[str, str], value: JsonValue
) -> None:
    result = rendered("{{ vars.n }}", variables)
    assert isinstance(result.data, dict) and result.data["x"] == value


def test_variables_over_a_text_stay_text() -> None:
    result = rendered("{{ vars.text }}", {"text": "010"})
    assert isinstance(result.data, dict) and result.data["x"] == "010"
    result = rendered("{{ vars.text }}", {"text": "5"})
    assert isinstance(result.data, dict) and result.data["x"] == "5"


def test_templates_in_variables_are_not_rendered() -> None:
    result = rendered("{{ vars.text }}", {"text": "{{ env.HOME }}"})
    assert isinstance(result.data, dict) and result.data["x"] == "{{ env.HOME }}"


def test_what_came_from_the_environment_is_known() -> None:
    result = rendered("{{ vars.home }}/x")
    assert ("x",) in result.from_env and ("vars", "home") in result.from_env
    assert ("x",) not in rendered("{{ vars.n }}").from_env


def test_unknown_variable_is_a_warning() -> None:
    found = rendered("{{ vars.n }}", {"txt": "x"}).diagnostics
    assert [(d.code, d.severity, d.hint) for d in found] == [
        ("MMC217", "warning", "did you mean text?")
    ]
    assert not rendered("{{ vars.txt }}", {"txt": "x"}).diagnostics


@settings(deadline=None, max_examples=200)
@given(
    st.text(alphabet="{}%#|.()[]'\" varsenvabx01+-*~,:<>=!_\n", max_size=40).map(lambda t: "{{" + t)
)
def test_any_template_gives_a_value_or_a_diagnostic(leaf: str) -> None:
    result = rendered(leaf)
    assert isinstance(result.data, dict)
    assert result.diagnostics or ("x",) not in result.broken
