"""Generic rooms know no plug-in by name, and read none of its options."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import get_args

from mmc import registry
from mmc.diagnostics import CODES
from mmc.spec.options import Kind

ROOT = Path(__file__).parent.parent / "mmc"
OWN = ("sources", "sinks", "milvus")
"""Rooms of the plug-ins."""
MOST_LINES = 500
MEDIAN_LINES = 150
MOST_FIELDS = 4
BY_POSITION = 2
"""Fields that say what a value is, as its name and type; those after them go by name."""
TYPES = {*registry.types("source"), *registry.types("target")}


def _generic() -> Iterator[Path]:
    for path in sorted(ROOT.rglob("*.py")):
        if path.relative_to(ROOT).parts[0] not in OWN:
            yield path


def _texts(node: ast.AST) -> set[object]:
    return {it.value for it in ast.walk(node) if isinstance(it, ast.Constant)}


def _by_name(tree: ast.AST) -> Iterator[ast.AST]:
    """Where a type is compared with, or written into an endpoint."""
    for node in ast.walk(tree):
        match node:
            case ast.Compare() | ast.MatchValue():
                if TYPES & _texts(node):
                    yield node
            case ast.Dict(keys=keys, values=values):
                for key, value in zip(keys, values, strict=True):
                    if (
                        isinstance(key, ast.Constant)
                        and key.value == "type"
                        and TYPES & _texts(value)
                    ):
                        yield node
            case ast.Call(func=ast.Name(id="Endpoint"), args=[ast.Constant(value=str()), *_]):
                yield node


def _options(tree: ast.AST) -> Iterator[ast.AST]:
    """Where an option is taken out of an endpoint as a plan has it."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="get", value=ast.Attribute(attr="options"))):
                yield node
            case ast.Subscript(value=ast.Attribute(attr="options")):
                yield node


def _found(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        f"{path.relative_to(ROOT)}:{node.lineno}"  # type: ignore[attr-defined]
        for node in (*_by_name(tree), *_options(tree))
    ]


def test_no_generic_room_knows_a_plug_in() -> None:
    assert [place for path in _generic() for place in _found(path)] == []


def test_the_check_sees_what_it_is_for() -> None:
    seen = """
if spec.source.type == "faiss": ...
match kind:
    case "milvus": ...
x = {"type": "files", "url": "out"}
y = plan.target.options.get("url")
z = plan.target.options["uri"]
w = Endpoint("milvus1", ())
"""
    tree = ast.parse(seen)
    assert len([*_by_name(tree), *_options(tree)]) == 6


def test_modules_are_of_a_size_to_be_read() -> None:
    sizes = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in ROOT.rglob("*.py")
        if path.name != "__init__.py"
    }
    assert {name: size for name, size in sizes.items() if size > MOST_LINES} == {}
    assert median(sizes.values()) < MEDIAN_LINES


def _codes(path: Path) -> set[str]:
    return set(re.findall(r"\bMMC\d{3}\b", path.read_text(encoding="utf-8")))


def test_a_code_of_a_plug_in_stands_in_its_own_rooms() -> None:
    plug_ins = {code for kind in get_args(Kind) for code in _of_plug_ins(kind)} - set(CODES)
    assert len(plug_ins) > 90
    used = {(path.relative_to(ROOT), code) for path in _generic() for code in _codes(path)}
    assert sorted((str(path), code) for path, code in used if code in plug_ins) == []


def _of_plug_ins(kind: Kind) -> Iterator[str]:
    for name in registry.types(kind):
        model = registry.MODELS.model(kind, name)
        assert model is not None
        yield from model.codes


def test_no_two_plug_ins_have_one_code() -> None:
    homes: dict[str, set[str]] = {}
    for path in ROOT.rglob("codes.py"):
        for code in _codes(path):
            homes.setdefault(code, set()).add(str(path.parent.relative_to(ROOT)))
    for code in CODES:
        homes.setdefault(code, set()).add("diagnostics")
    assert {code: rooms for code, rooms in homes.items() if len(rooms) > 1} == {}


def _by_position(value: ast.ClassDef) -> int:
    """How many fields of a value with many may be given without their names."""
    calls = [it for it in value.decorator_list if isinstance(it, ast.Call)]
    how = next((it for it in calls if ast.unparse(it.func) == "dataclass"), None)
    words = {it.arg: ast.unparse(it.value) for it in how.keywords} if how else {}
    if words.get("frozen") != "True" or words.get("kw_only") == "True":
        return 0
    fields = [it for it in value.body if isinstance(it, ast.AnnAssign)]
    kinds = [ast.unparse(it.annotation) for it in fields]
    if len(kinds) - kinds.count("KW_ONLY") <= MOST_FIELDS:
        return 0
    return kinds.index("KW_ONLY") if "KW_ONLY" in kinds else len(kinds)


def test_values_of_many_fields_are_made_by_name() -> None:
    """Two numbers that change places pass mypy, and lie in a report."""
    values = [
        (f"{path.relative_to(ROOT)}:{node.name}", _by_position(node))
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    ]
    assert sum(places > 0 for _, places in values) > 5
    assert [it for it in values if it[1] > BY_POSITION] == []


def _on_texts(tree: ast.AST) -> Iterator[int]:
    """Lines that decide by a code, or by the words of a message."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = (node.left, *node.comparators)
            codes = any(re.fullmatch(r"MMC\d{3}", str(it)) for it in _texts(node))
            words = any(isinstance(it, ast.Attribute) and it.attr == "message" for it in sides)
            if codes or words:
                yield node.lineno


def test_a_class_or_a_field_decides_and_no_code() -> None:
    seen = 'error.code != "MMC430" or "no such" in error.message or error.code in ("MMC452",)'
    assert len([*_on_texts(ast.parse(seen))]) == 3
    places = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in ROOT.rglob("*.py")
        for line in _on_texts(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert places == []
