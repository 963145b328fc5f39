from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from pydantic import Field

from mmc.cli.generate import main
from mmc.registry import MODELS
from mmc.spec import schema
from mmc.spec.document import parse
from mmc.spec.models import Model
from mmc.spec.options import Kind, Options
from tests.spec.reading import parse_spec
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


def by_type(kind: Kind) -> dict[str, type[Options] | None]:
    return {name: MODELS.model(kind, name) for name in MODELS.types(kind)}


SOURCES, TARGETS = by_type("source"), by_type("target")
generate = partial(schema.generate, sources=SOURCES, targets=TARGETS)


def test_published_schemas_are_current(tmp_path: Path) -> None:
    main(tmp_path)
    made = sorted(path.name for path in (tmp_path / "schemas").iterdir())
    assert made == ["mmc-v1.schema.json", "plan-v2.schema.json"]
    for name in made:
        current = (SCHEMAS / name).read_text(encoding="utf-8")
        assert current == (tmp_path / "schemas" / name).read_text(encoding="utf-8"), "make generate"


@pytest.mark.parametrize("templates", [True, False])
def test_is_a_schema_that_editors_read(templates: bool) -> None:
    generated = generate(templates=templates)
    Draft202012Validator.check_schema(generated)
    assert not any({"prefixItems", "oneOf", "$dynamicRef"} & set(node) for node in nodes(generated))
    for node in nodes(generated):
        reference = node.get("$ref", "#/$defs/Secret")
        assert reference.removeprefix("#/$defs/") in generated["$defs"]


def test_every_key_of_the_spec_itself_is_documented() -> None:
    generated = generate()
    for name in (
        "CollectionSpec",
        "FieldSpec",
        "IndexSpec",
        "LoadSpec",
        "RowsSpec",
        "MilvusTargetOptions",
    ):
        for key, value in generated["$defs"][name]["properties"].items():
            assert value.get("description") or key == "type", f"{name}.{key}"
    assert all(
        "\n" not in node.get("description", "") for node in nodes(generated) if "$ref" not in node
    )


def errors(data: Any, *, templates: bool) -> list[str]:
    validator = Draft202012Validator(generate(templates=templates))
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


class PigeonOptions(Options):
    type: Literal["pigeon"]
    join: Join


def test_parts_of_a_plug_in_that_share_a_name_with_built_in_ones() -> None:
    generated = generate(templates=False, sources={**SOURCES, "pigeon": PigeonOptions})
    validator = Draft202012Validator(generated)
    base = {"version": 1, "target": {"type": "files", "url": "out"}}
    assert validator.is_valid({**base, "source": {"type": "pigeon", "join": {"other": 3}}})
    assert not validator.is_valid({**base, "source": {"type": "pigeon", "join": {"other": 2}}})
    join = {"path": "a", "key": "b"}
    assert validator.is_valid({**base, "source": {"type": "faiss", "path": "i", "join": join}})


def test_options_that_are_not_asked_for_may_be_anything() -> None:
    """`validate` loads the model of the one type that a spec names."""
    only: dict[str, type[Options] | None] = {**dict.fromkeys(SOURCES), "faiss": SOURCES["faiss"]}
    generated = schema.generate(templates=False, sources=only, targets=TARGETS)
    validator = Draft202012Validator(generated)
    base = {"version": 1, "target": {"type": "files", "url": "out"}}
    assert validator.is_valid({**base, "source": {"type": "files", "nothing": 1}})
    assert not validator.is_valid({**base, "source": {"type": "faiss", "nothing": 1}})
    assert not validator.is_valid({**base, "source": {"type": "pigeon"}})
    assert "FilesOptions" not in generated["$defs"]


def test_what_the_schema_passes_the_models_take() -> None:
    """The models are asked only after the schema; a spec that passes it and fails them is a gap."""
    loaded = parse_spec(SMALL.replace("version: 1", "version: 1.0") + "sample: {rows: 5.0}\n")
    assert [d.code for d in loaded.diagnostics] == []
    assert loaded.spec is not None and loaded.spec.model.sample.rows == 5
