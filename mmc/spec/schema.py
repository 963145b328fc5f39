"""The JSON Schema of a spec, made from the pydantic models: one text for editors, docs and
`validate`.

Pydantic's union of endpoints becomes an enum of `type` with if/then branches, so that an error
names the right branch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from mmc.spec.models import SpecModel
from mmc.spec.options import Kind, Models, Options

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TEMPLATE: Schema = {
    "type": "string",
    "pattern": r"\{\{.*\}\}",
    "description": "A template: `{{ vars.NAME }}` or `{{ env.NAME }}`; "
    "a value that is one whole template keeps its type.",
}
_NOT_TEMPLATED = {"#/$defs/Secret", "#/$defs/JsonValue"}


def generate(
    *,
    templates: bool = True,
    sources: Mapping[str, type[Options] | None],
    targets: Mapping[str, type[Options] | None],
) -> Schema:
    """The schema.

    Args:
        templates: admit `{{ }}` wherever a value that is not free text is expected (the published
            schema);
            without, the schema of a spec after rendering.
        sources, targets: options by type; None admits anything there.
    """
    root = _clean(SpecModel.model_json_schema())
    definitions: Schema = root.pop("$defs")
    for name, models in (("source", sources), ("target", targets)):
        branches = []
        for type_, model in models.items():
            if model is None:
                continue
            branches.append(
                {
                    "if": {"properties": {"type": {"const": type_}}, "required": ["type"]},
                    "then": {"$ref": _add(definitions, model)},
                }
            )
        root["properties"][name] = {
            **root["properties"][name],
            "type": "object",
            "required": ["type"],
            "properties": {"type": {"enum": list(models), "description": f"Which kind of {name}."}},
            "allOf": branches,
        }
    if templates:
        for definition in definitions.values():
            _admit_templates(definition)
        endpoints = {name: root["properties"].pop(name) for name in ("source", "target")}
        fixed = {name: root["properties"].pop(name) for name in ("version", "vars")}
        _admit_templates(root)
        root["properties"] |= fixed | endpoints
        definitions["Template"] = TEMPLATE
    order = {
        name: root["properties"][name]
        for name in (f.alias or n for n, f in SpecModel.model_fields.items())
    }
    return {
        "$schema": DIALECT,
        "title": "mmc spec",
        "description": root["description"],
        "type": "object",
        "additionalProperties": False,
        "required": root["required"],
        "properties": order,
        "$defs": dict(sorted(definitions.items())),
    }


def _add(definitions: Schema, model: type[BaseModel]) -> str:
    """Puts a model among the definitions, under a name of its own; returns the reference to it."""
    schema = _clean(model.model_json_schema())
    own: Schema = schema.pop("$defs", {})
    renamed: dict[str, str] = {}
    for name, definition in own.items():
        if definitions.setdefault(name, definition) != definition:
            renamed[name] = f"{model.__name__}.{name}"
            definitions[renamed[name]] = definition
    name = model.__name__
    while name in definitions and definitions[name] != schema:
        name += "_"
    definitions[name] = _rename(schema, renamed)
    for old in renamed.values():
        definitions[old] = _rename(definitions[old], renamed)
    return f"#/$defs/{name}"


def _rename(schema: Any, renamed: Mapping[str, str]) -> Any:
    if isinstance(schema, list):
        return [_rename(item, renamed) for item in schema]
    if not isinstance(schema, dict):
        return schema
    copy = {key: _rename(value, renamed) for key, value in schema.items()}
    reference = str(copy.get("$ref", "")).removeprefix("#/$defs/")
    if reference in renamed:
        copy["$ref"] = f"#/$defs/{renamed[reference]}"
    return copy


def _clean(schema: Any, *, names: bool = False) -> Any:
    """Without the titles and null defaults that pydantic writes; `names`: the keys are names, not
    keywords.
    """
    if isinstance(schema, list):
        return [_clean(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {}
    for key, value in schema.items():
        if not names and (key == "title" or (key == "default" and value is None)):
            continue
        if not names and key in ("default", "enum", "const", "examples"):
            result[key] = value
        elif not names and key == "description":
            result[key] = " ".join(value.split())
        else:
            result[key] = _clean(value, names=not names and key in ("properties", "$defs"))
    return result


def _admit_templates(schema: Schema) -> None:
    """Every property, item and value of an object schema may also be a template."""
    properties = schema.get("properties", {})
    if list(properties) == ["secret"]:
        return
    for name, child in properties.items():
        if not (name == "type" and "const" in child):
            properties[name] = _or_template(child)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            schema[key] = _or_template(schema[key])


def _or_template(schema: Schema) -> Schema:
    _admit_templates(schema)
    branches = [_or_items(branch) for branch in schema.get("anyOf", [])]
    if branches:
        schema = {**schema, "anyOf": branches}
    if any(_takes_text(branch) for branch in branches or [schema]):
        return schema
    outer: Schema = {key: schema[key] for key in ("description", "default") if key in schema}
    inner = {key: value for key, value in schema.items() if key not in outer}
    return {**outer, "anyOf": [*(branches or [inner]), {"$ref": "#/$defs/Template"}]}


def _or_items(schema: Schema) -> Schema:
    _admit_templates(schema)
    return schema


def _takes_text(schema: Schema) -> bool:
    """Whether any template text passes already, or none may."""
    if schema.get("$ref") in _NOT_TEMPLATED or not schema:
        return True
    free = schema.get("type") == "string" and not {"enum", "const", "pattern", "maxLength"} & set(
        schema
    )
    return free or not {"type", "$ref", "anyOf", "enum", "const"} & set(schema)


def text(schema: Schema) -> str:
    """A schema as it stands in a file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def of_installed(models: Models) -> Schema:
    """The schema for editors, with the options of all plug-ins that are installed."""

    def by_type(kind: Kind) -> dict[str, type[Options] | None]:
        return {name: models.model(kind, name) for name in models.types(kind)}

    return generate(sources=by_type("source"), targets=by_type("target"))


@lru_cache(maxsize=16)
def strict(
    sources: tuple[tuple[str, type[Options] | None], ...],
    targets: tuple[tuple[str, type[Options] | None], ...],
) -> Schema:
    """The schema of rendered specs with these options."""
    return generate(templates=False, sources=dict(sources), targets=dict(targets))
