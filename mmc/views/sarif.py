"""Diagnostics as SARIF 2.1.0 (OASIS), for code scanning.

Columns count Unicode characters from 1, as spans do.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from mmc.diagnostics import Diagnostic, Span
from mmc.plan.model import Plan
from mmc.registry import MODELS
from mmc.secrets import REDACTOR
from mmc.spec.options import codes_of
from mmc.version import __version__

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


def render(diagnostics: Sequence[Diagnostic], plan: Plan | None = None) -> str:
    """A log of one run. `plan` is not part of it: SARIF speaks of findings only."""
    codes = sorted({found.code for found in diagnostics})
    titles = codes_of(MODELS)
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "mmc",
                "version": __version__,
                "semanticVersion": __version__,
                "rules": [
                    {"id": code, "shortDescription": {"text": titles.get(code, code)}}
                    for code in codes
                ],
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": [_result(found, codes.index(found.code)) for found in diagnostics],
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return REDACTOR.clean(json.dumps(log, indent=1, ensure_ascii=False)) + "\n"


def _result(found: Diagnostic, rule: int) -> dict[str, Any]:
    text = found.message
    if found.label:
        text += f" ({found.label})"
    if found.hint:
        text += f". Hint: {found.hint}"
    result: dict[str, Any] = {
        "ruleId": found.code,
        "ruleIndex": rule,
        "level": str(found.severity),
        "message": {"text": text},
    }
    if found.span is not None:
        result["locations"] = [_location(found.span, found.path)]
    return result


def _location(span: Span, path: str) -> dict[str, Any]:
    region = {
        "startLine": span.line,
        "startColumn": span.column,
        "endColumn": max(span.end_column, span.column),
    }
    place = {"artifactLocation": {"uri": _uri(span.file)}, "region": region}
    location: dict[str, Any] = {"physicalLocation": place}
    if path:
        location["logicalLocations"] = [{"fullyQualifiedName": path}]
    return location


def _uri(file: str) -> str:
    path = PurePath(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())
