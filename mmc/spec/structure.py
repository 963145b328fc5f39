"""Rendered data -> findings about its structure, by the JSON Schema: unknown keys, missing keys,
wrong values.

Every error is put into words that name the value's place, never the value where it may be a secret.
`prune` gives the data without the parts that are wrong, so that the checks after this one can still
look at the rest.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from mmc.diagnostics import Severity
from mmc.spec.document import Path, show
from mmc.spec.values import kind_of
from mmc.types import JsonValue, nearest

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError  # type: ignore[import-untyped]


@dataclass(frozen=True, slots=True)
class Finding:
    """A diagnostic before it has a span. `key`: it is about the key at `path`, not its value.

    `secret`: the line must not be shown. `culprit`: the part to leave out so that the rest can be
    looked at.
    """

    code: str
    message: str
    _: KW_ONLY
    path: Path
    hint: str = ""
    label: str = ""
    key: bool = False
    secret: bool = False
    severity: Severity = Severity.ERROR
    culprit: Path | None = None


@dataclass(frozen=True, slots=True)
class WrongKind(Finding):
    """A text where a number should be, or the like."""


MOST = 10_000
"""Most errors that are looked for: one takes as long as a field."""
_KINDS = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a mapping",
    "array": "a list",
    "null": "null",
}
_PATTERNS = {
    "^[A-Za-z_][A-Za-z0-9_]*$": "is not a name: letters, digits and underscores, "
    "not starting with a digit",
    "^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$": "may have letters, digits, `_`, `.` and `-` only, "
    "at most 100",
}


def check(data: JsonValue, schema: Mapping[str, Any]) -> Iterator[Finding]:
    """What a schema says against the data, in no order: of MOST errors. Never raises."""
    # 60 ms of import, so not at the top; only this validator, which needs no network
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

    found = [
        finding
        for error in islice(Draft202012Validator(schema).iter_errors(data), MOST)
        for finding in _explain(error)
    ]
    # of a value of the wrong kind it is no news that it is not among the allowed ones either
    wrong = {finding.path for finding in found if isinstance(finding, WrongKind)}
    yield from (f for f in found if f.path not in wrong or f.key or isinstance(f, WrongKind))


def prune(data: JsonValue, culprits: list[Path]) -> JsonValue:
    """A copy without the parts at `culprits`; items of lists become {}, so that the others keep
    their places.
    """
    pruned = copy.deepcopy(data)
    for path in culprits:
        parent: Any = pruned
        try:
            for part in path[:-1]:
                parent = parent[part]
            last: Any = path[-1]
            if isinstance(parent, list):
                parent[last] = {}
            else:
                del parent[last]
        except (KeyError, IndexError, TypeError):
            continue  # a part of it is gone already
    return pruned


def _explain(error: ValidationError) -> Iterator[Finding]:
    path: Path = tuple(error.absolute_path)
    match error.validator:
        case "additionalProperties":
            yield from _unknown_keys(error, path)
        case "required":
            yield from _missing(error, path)
        case "anyOf":
            yield from _any_of(error, path)
        case "type":
            wanted = error.validator_value
            kinds = [wanted] if isinstance(wanted, str) else list(wanted)
            yield _wrong_kind(path, error.instance, kinds)
        case "enum" | "const":
            choices = (
                error.validator_value if error.validator == "enum" else [error.validator_value]
            )
            yield _wrong_choice(path, error.instance, list(choices))
        case "pattern":
            problem = _PATTERNS.get(
                error.validator_value, f"does not match {error.validator_value}"
            )
            yield Finding("MMC206", f"`{show(path)}` {problem}", path=path, hint=_name_hint(error))
        case _:
            yield Finding("MMC205", f"`{show(path)}` {_limit(error)}", path=path)


def _unknown_keys(error: ValidationError, path: Path) -> Iterator[Finding]:
    known = list(error.schema.get("properties", {}))
    where = f"`{show(path)}`" if path else "a spec"
    for name in error.instance:
        if name in known:
            continue
        close = nearest(name, known)
        hint = f"did you mean {close}?" if close else "keys: " + ", ".join(known)
        place = (*path, name)
        yield Finding(
            "MMC201", f"{where} has no key `{name}`", path=place, hint=hint, key=True, culprit=place
        )


def _missing(error: ValidationError, path: Path) -> Iterator[Finding]:
    # one error a key, and the key is named in its message only
    found = re.match(r"'(.*)' is a required property", error.message)
    if not found:
        return
    where = f"`{show(path)}`" if path else "the spec"
    about = error.schema.get("properties", {}).get(found[1], {})
    hint = (
        f"add {found[1]}: {about['const']}"
        if "const" in about
        else about.get("description", "").rstrip(".")
    )
    culprit = path or (found[1],)
    yield Finding(
        "MMC202",
        f"{where} needs a key `{found[1]}`",
        path=path,
        hint=hint,
        key=True,
        culprit=culprit,
    )


def _any_of(error: ValidationError, path: Path) -> Iterator[Finding]:
    """Blames the branch that is of the value's own kind; with none, says what kinds there are."""
    depth = len(path)
    branches: dict[int, list[ValidationError]] = {}
    for inner in error.context or ():
        branches.setdefault(inner.schema_path[0], []).append(inner)
    meant = [
        errors
        for errors in branches.values()
        if not any(e.validator == "type" and len(e.absolute_path) == depth for e in errors)
    ]
    # a constant such as "none" is not meant by a mapping, nor an enum by a number
    typed = [
        errors
        for errors in meant
        if not (errors[0].validator in ("const", "enum") and len(branches) > 2 and len(meant) > 1)
    ] or meant
    if typed:
        for inner in typed[0]:
            yield from _explain(inner)
        return
    kinds: list[str] = []
    for errors in branches.values():
        for inner in errors:
            if inner.validator == "type" and len(inner.absolute_path) == depth:
                wanted = inner.validator_value
                kinds += [wanted] if isinstance(wanted, str) else wanted
    yield _wrong_kind(path, error.instance, kinds)


def _wrong_kind(path: Path, value: JsonValue, kinds: list[str]) -> Finding:
    wanted = " or ".join(
        dict.fromkeys(_KINDS[kind] for kind in kinds if kind != "null" or len(kinds) == 1)
    )
    hint = ""
    if isinstance(value, str) and {"integer", "number", "boolean"} & set(kinds):
        hint = "write it without quotes" if re.fullmatch(r"-?\d+(\.\d+)?|true|false", value) else ""
        if "boolean" in kinds and value.lower() in ("yes", "on", "y", "no", "off", "n"):
            hint = f"write {'true' if value.lower() in ('yes', 'on', 'y') else 'false'}"
    if isinstance(value, (int, float)) and "string" in kinds:
        hint = "put it in quotes"
    if isinstance(value, dict) and "array" in kinds:
        hint = "begin each item with `- `"
    is_not = str(value) if isinstance(value, float) and "integer" in kinds else kind_of(value)
    message = f"`{show(path)}` must be {wanted}, not {is_not}"
    return WrongKind("MMC203", message, path=path, hint=hint)


def _wrong_choice(path: Path, value: JsonValue, choices: list[JsonValue]) -> Finding:
    shown = (
        f"`{value[:60]}`"
        if isinstance(value, str)
        else str(value)
        if isinstance(value, int)
        else kind_of(value)
    )
    shown = shown.lower() if isinstance(value, bool) else shown
    if path == ("version",):
        return Finding(
            "MMC208",
            f"version {shown} of the spec format",
            path=path,
            hint=f"this mmc reads version {choices[0]}",
        )
    names = [str(choice) for choice in choices]
    close = nearest(str(value), names) or next(
        (n for n in names if n.lower() == str(value).lower()), None
    )
    hint = f"did you mean {close}?" if close else "values: " + ", ".join(names)
    if path in (("source", "type"), ("target", "type")):
        hint = f"did you mean {close}?" if close else f"installed: {', '.join(names)}"
        return Finding("MMC207", f"no {path[0]} type {shown}", path=path, hint=hint)
    return Finding("MMC204", f"`{show(path)}` cannot be {shown}", path=path, hint=hint)


def _name_hint(error: ValidationError) -> str:
    if error.validator_value != "^[A-Za-z_][A-Za-z0-9_]*$":
        return ""
    better = re.sub(r"^(?=\d)|\W", "_", str(error.instance), flags=re.ASCII)
    return f"write {better}" if len(better) < 60 and re.search(r"[A-Za-z0-9]", better) else ""


def _limit(error: ValidationError) -> str:
    limit = error.validator_value
    match error.validator:
        case "minimum":
            return f"must be at least {limit:,}"
        case "maximum":
            return f"must be at most {limit:,}"
        case "exclusiveMinimum":
            return f"must be more than {limit:,}"
        case "exclusiveMaximum":
            return f"must be less than {limit:,}"
        case "minLength":
            return "must not be empty" if limit == 1 else f"must have at least {limit} characters"
        case "maxLength":
            return (
                "must be one character" if limit == 1 else f"must have at most {limit} characters"
            )
        case "minItems":
            return "must not be empty" if limit == 1 else f"must have at least {limit} items"
        case _:
            return f"breaks the rule {error.validator}"
