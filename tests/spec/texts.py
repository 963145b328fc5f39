"""Random YAML texts for property tests: the same data in many forms, with comments and blank lines
in odd places.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

KEYS = [
    "version",
    "source",
    "target",
    "type",
    "path",
    "uri",
    "collections",
    "fields",
    "from",
    "to",
    "rest",
    "index",
    "params",
    "M",
    "where",
    "load",
    "mode",
    "é",
    "on",
    "0a",
    "x y",
]
PLAIN = [
    "a",
    "int64",
    "varchar(64)",
    "VARCHAR( 8 )",
    "x-y",
    "é漢",
    "on",
    "010",
    "1",
    "-3",
    "2.5",
    "true",
    "null",
    "~",
    "a b",
]
QUOTED = [
    "",
    "a: b",
    "# no",
    "it's",
    'say "x"',
    "back\\slash",
    "tab\there",
    "two\nlines",
    "{{ vars.x }}",
    " pad ",
    "- a",
    "\u2028",
]

scalars = st.one_of(
    st.sampled_from(PLAIN).map(lambda text: ("plain", text)),
    st.sampled_from(QUOTED).map(lambda text: ("double", text)),
    st.sampled_from([text for text in QUOTED if text.isprintable()]).map(
        lambda text: ("single", text)
    ),
    st.sampled_from(["one", "one\ntwo", "one\n\n  two", "a # b\n", "x:\n y\n", "é\n"]).map(
        lambda text: ("literal", text)
    ),
    st.sampled_from(["one two", "one\ntwo\n"]).map(lambda text: ("folded", text)),
)
trees: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda children: st.one_of(
        st.dictionaries(st.sampled_from(KEYS), children, max_size=4).map(lambda d: ("mapping", d)),
        st.lists(children, max_size=4).map(lambda items: ("sequence", items)),
        st.tuples(st.just("typed"), st.sampled_from(["varchar", "int64"])),
    ),
    max_leaves=12,
)


@st.composite
def yaml_texts(draw: st.DrawFn) -> str:
    """A mapping, written with random styles, indents, comments and blank lines."""
    data = draw(st.dictionaries(st.sampled_from(KEYS), trees, min_size=1, max_size=5))
    lines = draw(
        st.sampled_from(
            [[], ["# head", ""], ["# yaml-language-server: $schema=x"], ["---"], ["", "# a"]]
        )
    )
    return "\n".join([*lines, *_mapping(draw, data, 0), *draw(_noise(0))]) + "\n"


@st.composite
def _noise(draw: st.DrawFn, indent: int) -> list[str]:
    choice = draw(st.integers(0, 11))
    pad = " " * max(0, indent + draw(st.sampled_from([0, 0, 2, -2])))
    return {
        0: [""],
        1: [f"{pad}# note"],
        2: ["", f"{pad}# note", ""],
        3: [f"{pad}#x", f"{pad}#   y"],
    }.get(choice, [])


def _behind(draw: st.DrawFn) -> str:
    return draw(st.sampled_from(["", "", "", "  # behind", " #b"]))


def _mapping(draw: st.DrawFn, data: dict[str, Any], indent: int) -> list[str]:
    lines: list[str] = []
    for key, tree in data.items():
        lines += draw(_noise(indent))
        name = draw(st.sampled_from([key, json.dumps(key, ensure_ascii=False)]))
        lines += _value(draw, tree, indent, f"{' ' * indent}{name}:")
    return lines


def _value(draw: st.DrawFn, tree: Any, indent: int, head: str) -> list[str]:
    kind, value = tree
    if kind == "typed":
        tree = (
            "mapping",
            {
                "kind": ("plain", value),
                **({"length": ("plain", "8")} if value == "varchar" else {}),
            },
        )
        kind, value = tree
    if kind in ("literal", "folded"):
        mark = "|" if kind == "literal" else ">"
        chomp = "" if value.endswith("\n") else "-"
        pad = " " * (indent + draw(st.integers(1, 4)))
        return [
            f"{head} {mark}{chomp}",
            *(pad + line if line else "" for line in value.rstrip("\n").split("\n")),
        ]
    if kind not in ("mapping", "sequence") or not value or draw(st.booleans()):
        flow = _flow(draw, tree)
        if flow is not None:
            return [f"{head} {flow}{_behind(draw)}"]
    deeper = indent + draw(st.integers(1, 4))
    if kind == "mapping":
        return [head + _behind(draw), *_mapping(draw, value, deeper)]
    lines = [head + _behind(draw)]
    if not head.endswith("-"):
        deeper = draw(st.sampled_from([indent, deeper]))
    for item in value:
        lines += [*draw(_noise(deeper)), *_item(draw, item, deeper)]
    return lines


def _item(draw: st.DrawFn, tree: Any, indent: int) -> list[str]:
    if tree[0] == "mapping" and tree[1] and draw(st.booleans()):
        below = _mapping(draw, tree[1], indent + 2)
        first = next(
            (
                i
                for i, line in enumerate(below)
                if line.strip() and not line.strip().startswith("#")
            ),
            None,
        )
        assert first is not None
        return [
            *below[:first],
            f"{' ' * indent}- {below[first][indent + 2 :]}",
            *below[first + 1 :],
        ]
    return _value(draw, tree, indent, " " * indent + "-")


def _flow(draw: st.DrawFn, tree: Any) -> str | None:
    kind, value = tree
    if kind == "typed":
        return "{kind: varchar, length: 8}" if value == "varchar" else "{kind: int64}"
    if kind == "plain":
        return str(value)
    if kind == "double":
        return json.dumps(value)
    if kind == "single":
        return "'" + str(value).replace("'", "''") + "'"
    if kind in ("literal", "folded"):
        return None
    inner = value.values() if kind == "mapping" else value
    parts = [_flow(draw, part) for part in inner]
    if None in parts:
        return None
    space = draw(st.sampled_from(["", " "]))
    if kind == "mapping":
        return (
            "{"
            + space
            + ", ".join(f"{key}: {part}" for key, part in zip(value, parts, strict=True))
            + space
            + "}"
        )
    return "[" + space + ", ".join(str(part) for part in parts) + space + "]"
