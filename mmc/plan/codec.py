"""Values <-> canonical JSON, and digests. The only place that reads or writes plan and facts files.

Canonical form: UTF-8, keys sorted, no spaces, every field present, tuples as arrays, enums as their
values. The digest of a value is the sha256 of that form. Files are the same JSON, indented, in an
envelope
`{"format": "mmc-plan", "version": 1, "digest": ..., "plan": {...}}`, so that they can be read in a
review.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from mmc.diagnostics import Diagnostic, Span
from mmc.errors import SpecInvalid
from mmc.facts import Facts
from mmc.plan.canonical import canonical as canonical
from mmc.plan.canonical import digest as digest
from mmc.plan.canonical import to_json as to_json
from mmc.plan.model import FORMAT_VERSION, Plan
from mmc.plan.sound import unsound

T = TypeVar("T")
_NAMED = 20
"""Faults of a plan that are named at most."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of file: the key of its content, and the version of its format. A reader refuses every
    other version.
    """

    key: str
    version: int


PLAN = _Kind("plan", FORMAT_VERSION)
FACTS = _Kind("facts", 1)


@lru_cache(maxsize=8)
def _adapter(cls: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def from_json(cls: type[T], data: Any) -> T:
    """Inverse of `to_json`. Raises pydantic.ValidationError."""
    return cast("T", _adapter(cast("Any", cls)).validate_python(data))


def write_plan(plan: Plan) -> str:
    """The text of a plan file."""
    return _envelope(PLAN, plan)


def read_plan(text: str, file: str = "plan") -> Plan:
    """Reads a plan file.

    Raises:
        SpecInvalid: not JSON, not a plan, of a newer format, or changed by hand (its digest does
            not match), or one that mmc could not have made: see `mmc.plan.sound`.
    """
    plan = _open(text, file, PLAN, Plan)
    start = Span(file=file, line=1, column=1, end_column=2)
    found = [
        Diagnostic("MMC125", f"{place}: {reason}", span=start, hint="make the plan again")
        for place, reason in islice(unsound(plan), _NAMED)
    ]
    if found:
        raise SpecInvalid(found)
    return plan


def write_facts(facts: Facts) -> str:
    """The text of a facts file."""
    return _envelope(FACTS, facts)


def read_facts(text: str, file: str = "facts") -> Facts:
    """Reads a facts file. Raises SpecInvalid."""
    return _open(text, file, FACTS, Facts)


def _envelope(kind: _Kind, value: Any) -> str:
    body = {
        "format": f"mmc-{kind.key}",
        "version": kind.version,
        "digest": digest(value),
        kind.key: to_json(value),
    }
    return json.dumps(body, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _open(text: str, file: str, kind: _Kind, cls: type[T]) -> T:
    format_, key = f"mmc-{kind.key}", kind.key
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        line, column = getattr(error, "lineno", 1), getattr(error, "colno", 1)
        raise _invalid(
            "MMC120",
            f"not JSON: {error}",
            Span(file=file, line=line, column=column, end_column=column + 1),
        ) from None
    start = Span(file=file, line=1, column=1, end_column=2)
    if not isinstance(body, dict) or body.get("format") != format_ or key not in body:
        raise _invalid("MMC121", f"this is no {format_} file", start)
    if body.get("version") != kind.version:
        raise _invalid(
            "MMC122",
            f"format version {body.get('version')!r}; this mmc reads version {kind.version}",
            start,
            "make the file again; a run that an older mmc began is finished by that mmc",
        )
    try:
        value = from_json(cls, body[key])
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise _invalid("MMC123", f"{place}: {first['msg']}", start) from None
    # Of the text as it stands: facts that an older mmc saved lack fields that have defaults now.
    try:
        seal = digest(body[key])
    except UnicodeEncodeError:
        raise _invalid("MMC123", f"{key}: a text has half of a character in it", start) from None
    if seal != body.get("digest"):
        raise _invalid(
            "MMC124",
            "the content does not match its digest: the file was changed after it was written",
            start,
            f"write the {key} again",
        )
    if cls is Plan and digest(value) != body["digest"]:
        # A plan goes by its digest, which is that of all its fields.
        raise _invalid(
            "MMC122",
            "this plan was written by another version of mmc, with other fields",
            start,
            "make the plan again with this mmc, or use the mmc that wrote it",
        )
    return value


def _invalid(code: str, message: str, span: Span, hint: str = "") -> SpecInvalid:
    return SpecInvalid([Diagnostic(code, message, span=span, hint=hint)])


def plan_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a plan file."""
    plan = TypeAdapter(Plan).json_schema(ref_template="#/$defs/{model}")
    definitions = plan.pop("$defs", {})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mmc plan",
        "type": "object",
        "required": ["format", "version", "digest", "plan"],
        "additionalProperties": False,
        "properties": {
            "format": {"const": "mmc-plan"},
            "version": {"const": FORMAT_VERSION},
            "digest": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            "plan": plan,
        },
        "$defs": definitions,
    }
