"""The reference pages say what the code does: their YAML validates, no key or code is missing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from mmc import api
from mmc.cli.generate import TABLE, with_tables
from mmc.registry import BUILT_IN, MODELS
from mmc.spec.filters import FILTERS
from mmc.spec.models import (
    CollectionSpec,
    FieldSpec,
    LoadSpec,
    RowsSpec,
    SampleSpec,
    SpecModel,
    StagingSpec,
    VerifySpec,
)
from mmc.spec.options import Kind, codes_of
from mmc.types import TypeKind
from tests.spec.reading import format_spec, parse_spec

CODES = codes_of(MODELS)
KINDS: tuple[Kind, ...] = get_args(Kind)
DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "spec.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S)


def test_the_page_has_blocks() -> None:
    assert len(BLOCKS) >= 10


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_block_validates(number: int) -> None:
    loaded = parse_spec(BLOCKS[number], "docs/spec.md", env={})
    assert loaded.diagnostics == () and loaded.spec is not None


def test_blocks_are_formatted_but_for_mapping_forms() -> None:
    for block in BLOCKS:
        if "kind:" not in block and len(max(block.split("\n"), key=len)) <= 100:
            assert format_spec(block) == block


def names(model: type[BaseModel]) -> list[str]:
    return [info.alias or name for name, info in model.model_fields.items()]


def section(title: str) -> str:
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    assert found, title
    return found[1]


def test_every_key_is_in_its_table() -> None:
    wanted = {
        "Top level": names(SpecModel),
        "collections": names(CollectionSpec),
        "collections: fields": names(FieldSpec),
        "load, rows, verify, sample": [
            f"{part}.{name}"
            for part, model in (
                ("load", LoadSpec),
                ("rows", RowsSpec),
                ("verify", VerifySpec),
                ("sample", SampleSpec),
            )
            for name in names(model)
        ],
    }
    parts = {"load.staging": names(StagingSpec)}
    for title, keys in wanted.items():
        table = section(title)
        for key in keys:
            inner = [f"{key}.{name}" for name in parts.get(key, [])]
            for name in inner or [key]:
                assert re.search(rf"^\|[^|]*`{re.escape(name)}`", table, re.M), f"{title}: {name}"


def test_tables_of_options_are_current() -> None:
    pages = {path: path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md")}
    tables = {
        found.group("kind", "name") for page in pages.values() for found in TABLE.finditer(page)
    }
    assert tables == {(kind, name) for kind in KINDS for name in BUILT_IN.types(kind)} - {
        ("source", "opensearch")  # the options of elasticsearch
    }
    for path, page in pages.items():
        assert with_tables(page) == page, f"{path.name}: make generate"


def test_every_option_has_a_doc() -> None:
    for kind in KINDS:
        for name in BUILT_IN.types(kind):
            rows = api.option_table(kind, name).splitlines()[2:]
            assert rows and [row for row in rows if row.endswith("|  |")] == [], name


def test_filters_and_types_are_listed() -> None:
    assert all(f"`{name}`" in section("Templates") for name in FILTERS)
    assert all(re.search(rf"`{kind}\b", section("collections: fields")) for kind in TypeKind)


def test_every_code_has_a_paragraph_and_no_paragraph_lacks_a_code() -> None:
    for first, page in (("1", "1xx.md"), ("2", "2xx.md")):
        text = (DOCS / "codes" / page).read_text(encoding="utf-8")
        titles = dict(re.findall(r"^## (MMC\d{3}): (.+)$", text, re.M))
        assert titles == {code: title for code, title in CODES.items() if code[3] == first}
        for body in re.split(r"^## MMC\d{3}: .+$", text, flags=re.M)[1:]:
            assert len(body.split()) >= 6
