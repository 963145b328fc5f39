"""Diagnostics as workflow commands, which GitHub Actions shows at their lines in a pull request."""

from __future__ import annotations

from collections.abc import Sequence

from mmc.diagnostics import Diagnostic, Severity
from mmc.plan.model import Plan
from mmc.plan.tree import summary_line
from mmc.secrets import REDACTOR
from mmc.text import many

SHOWN = 10
"""GitHub drops what a step annotates beyond 10 errors and 10 warnings, without a word."""
_RANK = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}
_COMMAND = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def render(diagnostics: Sequence[Diagnostic], plan: Plan | None = None) -> str:
    """The worst SHOWN as annotations, one that counts the others, and one for the plan."""
    worst = sorted(diagnostics, key=lambda found: _RANK[found.severity])
    lines = [_annotation(found) for found in worst[:SHOWN]]
    if len(worst) > SHOWN:
        more = many(len(worst) - SHOWN, "more finding")
        lines.append(f"::notice title=mmc::{more}, in the log of this step")
    if plan is not None:
        lines.append(f"::notice title=mmc::{_data(summary_line(plan))}")
    return REDACTOR.clean("".join(f"{line}\n" for line in lines))


def _annotation(found: Diagnostic) -> str:
    properties = {"title": found.code}
    if found.span is not None:
        properties = {
            "file": found.span.file,
            "line": str(found.span.line),
            "col": str(found.span.column),
            "endColumn": str(found.span.end_column),
            **properties,
        }
    text = found.message
    if found.label:
        text += f"\n{found.label}"
    if found.hint:
        text += f"\nhint: {found.hint}"
    listed = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{_COMMAND[found.severity]} {listed}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
