"""The options of a plug-in as a table of Markdown, for its page in docs/. The text of each row is
the doc of the option.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from mmc.spec.models import Secret

HEAD = "| option | default | |\n|---|---|---|\n"


def option_table(model: type[BaseModel]) -> str:
    """One row an option; those of a part, such as `tls`, stand behind it by their dotted names."""
    return HEAD + "".join(f"| {' | '.join(row)} |\n" for row in _rows(model, ""))


def _rows(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str]]:
    for name, info in model.model_fields.items():
        key, kinds = f"{prefix}{info.alias or name}", _kinds(info.annotation)
        parts = [kind for kind in kinds if _is_part(kind)]
        text = _text(info, kinds, parts)
        if key != "type":
            yield f"`{key}`", _default(info), text
        for part in parts:
            yield from _rows(part, f"{key}.")


def _text(info: FieldInfo, kinds: tuple[Any, ...], parts: list[type[BaseModel]]) -> str:
    doc = info.description or next((part.__doc__ for part in parts), None) or ""
    text = " ".join(doc.split()).replace("|", "\\|")
    values = [value for kind in kinds if get_origin(kind) is Literal for value in get_args(kind)]
    if values:
        text += f" One of {', '.join(f'`{value}`' for value in values)}."
    if Secret in kinds:
        text += " Written as a reference, such as `{secret: env:NAME}`."
    return text.strip()


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined or value is None or value in ("", [], {}):
        return ""
    if isinstance(value, BaseModel):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`"


def _kinds(annotation: Any) -> tuple[Any, ...]:
    """The types that a value may have, None apart."""
    if get_origin(annotation) in (Literal, list, dict) or isinstance(annotation, type):
        return (annotation,)
    return tuple(
        kind for arg in get_args(annotation) if arg is not NoneType for kind in _kinds(arg)
    )


def _is_part(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel) and kind is not Secret
