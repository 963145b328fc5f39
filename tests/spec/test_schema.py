from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from pydantic import Field

from mmc.spec import schema
from mmc.spec.document import parse
from mmc.spec.endpoints import SOURCES
from mmc.spec.load import parse_spec
from mmc.spec.models import Model
from tests.spec.test_load import FULL, SMALL

SCHEMAS = Path(__file__).parents[2] / "schemas"


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from nodes(item)
    elif isinstance(value, list):
        for item in value:
            yield from nodes(item)


def test_published_schemas_are_current() -> None:
    for name, text in (("mmc", schema.text()), ("plan", schema.plan_text())):
        current = (SCHEMAS / f"{name}-v1.schema.json").read_text(encoding="utf-8")
        assert current == text, "run python -m mmc.spec.schema"


def test_main_writes_both(tmp_path: Path) -> None:
    schema.main(tmp_path / "new")
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == [
        "mmc-v1.schema.json",
        "plan-v1.schema.json",
    ]


@pytest.mark.parametrize("templates", [True, False])
def test_is_a_schema_that_editors_read(templates: bool) -> None:
    generated = schema.generate(templates=templates)
    Draft202012Validator.check_schema(generated)
    assert not any({"prefixItems", "oneOf", "$dynamicRef"} & set(node) for node in nodes(generated))
    for node in nodes(generated):
        reference = node.get("$ref", "#/$defs/Secret")
        assert reference.removeprefix("#/$defs/") in generated["$defs"]


def test_every_key_of_the_spec_itself_is_documented() -> None:
    generated = schema.generate()
    for name in (
        "CollectionSpec",
        "FieldSpec",
        "IndexSpec",
        "LoadSpec",
        "RowsSpec",
        "MilvusTarget",
    ):
        for key, value in generated["$defs"][name]["properties"].items():
            assert value.get("description") or key == "type", f"{name}.{key}"
    assert all(
        "\n" not in node.get("description", "") for node in nodes(generated) if "$ref" not in node
    )


def errors(data: Any, *, templates: bool) -> list[str]:
    validator = Draft202012Validator(schema.generate(templates=templates))
    return sorted(error.json_path for error in validator.iter_errors(data))


def test_templates_stand_where_other_values_are_wanted_in_the_published_schema_only() -> None:
    data = json.loads(json.dumps(parse(FULL, "f").data))
    assert errors(data, templates=True) == []
    assert errors(data, templates=False) == ["$.collections[0].shards"]
    data["load"] = {"workers": "{{ vars.w }}", "mode": "{{ vars.m }}"}
    data["source"]["storage"]["key"] = {"secret": "{{ vars.m }}"}
    data["verify"] = "{{ vars.v }}"
    data["name"] = "x {{ vars.name }}"
    data["target"]["timeout"] = "{{ env.TIMEOUT | float }}"
    assert errors(data, templates=True) == []
    data["load"]["workers"] = "four"
    data["target"]["token"] = "{{ env.TOKEN }}"
    assert errors(data, templates=True) == ["$.load", "$.target.token"]


def test_an_error_blames_the_branch_of_its_own_type() -> None:
    data = json.loads(json.dumps(parse(SMALL, "f").data))
    data["source"] = {"type": "faiss", "join": {"path": "x"}}
    assert errors(data, templates=True) == ["$.source", "$.source.join"]
    data["source"] = {"type": "pigeon"}
    assert errors(data, templates=True) == ["$.source.type"]


class Join(Model):
    """Another model of the same name as a built-in one."""

    other: int = Field(ge=3)


class Pigeon(Model):
    type: str
    join: Join


def test_parts_of_a_plug_in_that_share_a_name_with_built_in_ones() -> None:
    generated = schema.generate(templates=False, sources={**SOURCES, "pigeon": Pigeon})
    validator = Draft202012Validator(generated)
    base = {"version": 1, "target": {"type": "files", "url": "out"}}
    assert validator.is_valid({**base, "source": {"type": "pigeon", "join": {"other": 3}}})
    assert not validator.is_valid({**base, "source": {"type": "pigeon", "join": {"other": 2}}})
    join = {"path": "a", "key": "b"}
    assert validator.is_valid({**base, "source": {"type": "faiss", "path": "i", "join": join}})


def test_what_the_schema_passes_the_models_take() -> None:
    """The models are asked only after the schema; a spec that passes it and fails them is a gap."""
    loaded = parse_spec(SMALL.replace("version: 1", "version: 1.0") + "sample: {rows: 5.0}\n")
    assert [d.code for d in loaded.diagnostics] == []
    assert loaded.spec is not None and loaded.spec.model.sample.rows == 5
