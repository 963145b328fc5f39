"""A whole spec to begin with, from what was seen: every guess written out, its evidence beside it
as a comment, in the form of `mmc fmt`.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import get_args

from pydantic import BaseModel
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from mmc.compile import compile_plan, run_passes
from mmc.compile.draft import CollectionDraft, Draft, FieldDraft
from mmc.diagnostics import Diagnostic, Severity
from mmc.errors import SpecInvalid
from mmc.facts import Facts
from mmc.init.evidence import about, why
from mmc.init.inferred import distinct, left_out
from mmc.init.minimal import checked, literal
from mmc.init.yamltext import clean, comment, flow, inline, node
from mmc.plan.tree import CHANGING
from mmc.spec.format import WIDTH, format_spec
from mmc.spec.load import parse_spec
from mmc.spec.models import Secret
from mmc.spec.options import Models
from mmc.types import Index, JsonValue

_ENTRY = 6
"""Columns before the dash of a field."""


@dataclass(frozen=True, slots=True)
class InitialSpec:
    """A spec to begin with.

    Attributes:
        text: commented YAML, in the form of `mmc fmt`.
        diagnostics: errors and warnings of a plan of it, and what it leaves out. An error must be
            settled in the text before it plans. Notes stand in the text.
    """

    text: str
    diagnostics: tuple[Diagnostic, ...]


def write_spec(
    data: Mapping[str, JsonValue], facts: Facts, file: str, models: Models
) -> InitialSpec:
    """The spec of what was seen; pure.

    Args:
        data: a spec without `collections`, as it would be parsed.
        facts: of its source and target.
        file: names the text in diagnostics.
        models: of the plug-ins that are installed.

    Raises:
        SpecInvalid: no collection can be migrated.
    """
    entries = distinct(facts.source.collections)
    draft = run_passes(checked({**data, "collections": entries}, models), facts)
    if not draft.collections:
        raise SpecInvalid([replace(found, span=None) for found in draft.diagnostics])
    problems: tuple[Diagnostic, ...] = ()
    for _ in range(2):  # what is wrong with the text stands in it too, and moves its lines
        text = initial_spec(draft, data, models, problems)
        loaded = parse_spec(text, file, models=models)
        found = () if loaded.spec is None else compile_plan(loaded.spec, facts)[1]
        problems = tuple(
            one for one in (*loaded.diagnostics, *found) if one.severity is not Severity.NOTE
        )
    return InitialSpec(text, (*left_out(draft), *problems))


def initial_spec(
    draft: Draft,
    data: Mapping[str, JsonValue],
    models: Models,
    problems: Sequence[Diagnostic] = (),
) -> str:
    """The text.

    Args:
        draft: of the smallest spec: what the passes chose.
        data: of that spec.
        models: of the plug-ins that are installed.
        problems: what was found in the text of an earlier call: they become comments at their
            places.
    """
    said = _Said(problems)
    whole = CommentedMap({name: node(value) for name, value in data.items()})
    for name in ("source", "target"):
        whole[name] = CommentedMap(whole[name])
    told = draft.facts.source
    top = [
        "Written by `mmc init` from what was seen in "
        f"{told.version if ' ' in told.version else told.type}: every guess has its evidence beside"
        " it. Change what is wrong, then `mmc plan`.",
        *_damaged(draft),
        *said.at("source"),
        *said.at(""),
    ]
    if hint := _secrets(draft):
        whole["source"].yaml_set_comment_before_after_key(
            "type", before=comment([hint], 2), indent=2
        )
    collections = CommentedSeq()
    for number, one in enumerate(draft.collections):
        place = f"collections[{number}]"
        collections.append(_collection(draft, one, said, place))
        lines = [*about(one), *said.at(place)]
        collections.yaml_set_comment_before_after_key(number, before=comment(lines, 2), indent=2)
    if draft.collections:
        whole["collections"] = collections
    stream = io.StringIO()
    yaml = YAML()
    yaml.width = 1 << 20
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump(whole, stream)
    head = "".join(f"# {line}\n" for line in comment(top, 0).split("\n"))
    return format_spec(f"{head}\n{stream.getvalue()}", models)


def _damaged(draft: Draft) -> Iterator[str]:
    """Source collections that cannot be migrated as they are: they are no entries."""
    for found in draft.facts.source.collections:
        if all(found.name != one.source.name for one in draft.collections):
            said = "; ".join(problem.message for problem in found.problems if problem.is_error)
            yield f"left out: {found.name}: {said}"


def _secrets(draft: Draft) -> str:
    """Where the source takes references to secrets, when the spec gives none."""
    if '"secret"' in json.dumps(draft.spec.source.options):
        return ""
    names = list(_places(draft.spec.model.source, ""))
    if not names:
        return ""
    example = "{secret: env:NAME}"
    for part in reversed(names[0].split(".")):
        example = (
            f"{{{part}: {example}}}" if part != names[0].split(".")[0] else f"{part}: {example}"
        )
    others = f" (or {', '.join(names[1:])})" if names[1:] else ""
    return f"a secret is a reference:  {example}{others}"


def _places(model: BaseModel, above: str) -> Iterator[str]:
    for name, info in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _places(value, f"{above}{name}.")
        elif Secret in get_args(info.annotation):
            yield f"{above}{name}"


def _collection(draft: Draft, one: CollectionDraft, said: _Said, place: str) -> CommentedMap:
    made = CommentedMap({"from": node(literal(one.source.name)), "to": one.to})
    fields = CommentedSeq()
    for number, (entry, reason) in enumerate(_entries(one)):
        fields.append(flow(entry))
        above = said.at(f"{place}.fields[{number}]")
        beside = clean(reason)
        if len(inline(entry)) + _ENTRY + 6 + len(beside) <= WIDTH:
            fields.yaml_add_eol_comment(beside, number, column=0)
        else:
            above = [reason, *above]
        if above:
            fields.yaml_set_comment_before_after_key(
                number, before=comment(above, _ENTRY), indent=_ENTRY
            )
    if fields:
        made["fields"] = fields
    return made


def _entries(one: CollectionDraft) -> Iterator[tuple[dict[str, JsonValue], str]]:
    """Each source column as an entry of `fields`, with its evidence."""
    chosen = {field.source.name: field for field in one.fields if field.source is not None}
    rest = {column.source for column in one.rest}
    for offered in one.source.fields:
        field = chosen.get(offered.name)
        if field is not None:
            yield _entry(one, field)
        elif offered.name not in rest and not offered.on_request:
            yield {"from": literal(offered.name), "drop": True}, _left_out(one, offered.name)


def _entry(one: CollectionDraft, field: FieldDraft) -> tuple[dict[str, JsonValue], str]:
    assert field.source is not None
    made = next(m.field for m in one.mappings if m.field.name == field.to)
    index, origin = next(
        ((index, origin) for name, index, origin in one.indexes if name == field.to), (None, "")
    )
    entry: dict[str, JsonValue] = {"from": literal(field.source.name)}
    if field.to != field.source.name:
        entry["to"] = field.to
    entry["type"] = str(made.type)
    if field.cast in CHANGING:
        entry["cast"] = field.cast
    if made.primary_key:
        entry["primary_key"] = True
    if index is not None:
        entry["index"] = _index(index)
    return entry, why(field, made, origin)


def _index(index: Index) -> dict[str, JsonValue]:
    said: dict[str, JsonValue] = {"type": index.type}
    if index.metric is not None:
        said["metric"] = str(index.metric)
    params = dict(index.params)
    return {**said, "params": params} if params else said


def _left_out(one: CollectionDraft, column: str) -> str:
    """Why a column has no field."""
    for refused in one.refused:
        if refused.column == column:
            return f"left out: {refused.reason}. To have it, {refused.finding.hint}"
    return "left out"


class _Said:
    """Problems by the entry that they are about, each told once."""

    def __init__(self, problems: Sequence[Diagnostic]) -> None:
        self._lines: dict[str, list[str]] = {}
        for found in problems:
            inside = re.match(r"collections\[\d+\](?:\.fields\[\d+\])?|source|", found.path)
            hint = f". {found.hint}" if found.hint else ""
            line = f"{found.severity}[{found.code}]: {found.message}{hint}"
            self._lines.setdefault(inside[0] if inside else "", []).append(line)

    def at(self, place: str) -> list[str]:
        return self._lines.get(place, [])
