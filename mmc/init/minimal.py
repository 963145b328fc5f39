"""The smallest spec that says a source and a target, as data: what `mmc init` begins with. Knows no
network and no file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

from mmc.diagnostics import Diagnostic
from mmc.errors import SpecInvalid
from mmc.spec.load import Spec, parse_spec
from mmc.spec.options import Models
from mmc.spec.patterns import SECRET_KEY, SECRET_REF
from mmc.spec.scalars import resolve
from mmc.types import JsonValue

_MADE = ("version", "collections")


def minimal(
    source_type: str,
    options: Mapping[str, JsonValue],
    target: str,
    models: Models,
    settings: Iterable[tuple[str, str]] = (),
) -> dict[str, JsonValue]:
    """The data of a spec.

    Args:
        source_type: its name in the registry.
        options: of the source; braces in them are no templates.
        target: where rows go: the address of a Milvus server, a path that ends in .db, or a folder
            for files.
        models: of the plug-ins that are installed.
        settings: (dotted key, value as in YAML) pairs, such as `("source.auth.api_key",
            "env:ES_API_KEY")`: the reference is made where a secret belongs.

    Raises:
        SpecInvalid: a key that is none, or that `init` writes itself.
    """
    source = {name: _literal(value) for name, value in options.items()}
    data: dict[str, JsonValue] = {
        "version": 1,
        "source": {"type": source_type, **source},
        "target": _target(target, models),
    }
    for key, text in settings:
        _set(data, key, text)
    return data


def _target(address: str, models: Models) -> JsonValue:
    """The target of which this is an address: one that has addresses of this shape, else one that
    takes any.
    """
    taken: dict[bool, JsonValue] = {}
    for type_ in models.types("target"):
        model = models.model("target", type_)
        if model is not None and (found := model.at(address)) is not None:
            options, fits = found
            said = {name: _literal(value) for name, value in options.items()}
            taken.setdefault(fits, {"type": type_, **said})
    if not taken:
        raise SpecInvalid([Diagnostic("MMC207", f"no target has an address such as `{address}`")])
    return taken[max(taken)]


def checked(data: Mapping[str, JsonValue], models: Models) -> Spec:
    """The spec of data that no file has. Raises SpecInvalid, without a place in a file."""
    loaded = parse_spec(json.dumps(data), models=models)
    if loaded.spec is None:
        raise SpecInvalid([replace(found, span=None) for found in loaded.diagnostics])
    return loaded.spec


def literal(text: str) -> str:
    """A text that stands for itself: one with braces of a template becomes an expression."""
    if not any(opening in text for opening in ("{{", "{%", "{#")):
        return text
    escaped = json.dumps(text, ensure_ascii=False)
    return "{{ " + escaped + " }}"


def _literal(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return literal(value)
    if isinstance(value, list):
        return [_literal(item) for item in value]
    if isinstance(value, dict):
        return {name: _literal(item) for name, item in value.items()}
    return value


def _set(data: dict[str, JsonValue], key: str, text: str) -> None:
    *above, name = key.split(".")
    if not name or not all(above) or (not above and name in ("source", "target")):
        raise _refused(key, "write the key as in the spec, such as source.auth.api_key")
    if (above or [name])[0] in _MADE:
        raise _refused(key, "init writes it; edit the file that it makes")
    place = data
    for part in above:
        below = place.setdefault(part, {})
        if not isinstance(below, dict):
            raise _refused(key, f"`{part}` has a value of its own")
        place = below
    place[name] = _value(name, text)


def _value(name: str, text: str) -> JsonValue:
    if SECRET_KEY.fullmatch(name) and SECRET_REF.fullmatch(text):
        return {"secret": text}
    if text[:1] in ("[", "{") and text[:2] != "{{":
        try:
            found: JsonValue = json.loads(text)
        except ValueError:
            return text
        return found
    try:
        return resolve(text)
    except ValueError:
        return text


def _refused(key: str, hint: str) -> SpecInvalid:
    return SpecInvalid([Diagnostic("MMC201", f"`{key}` cannot be set", hint=hint)])
