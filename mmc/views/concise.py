"""One line a diagnostic, one line for the plan: for grep and for small windows."""

from __future__ import annotations

from collections.abc import Sequence

from mmc.diagnostics import Diagnostic
from mmc.plan.model import Plan
from mmc.text import many, rows_text


def render(diagnostics: Sequence[Diagnostic], plan: Plan | None = None) -> str:
    """Lines `file:line:column: severity[code]: message`, then the plan's counts."""
    lines = [
        f"{found.span}: {found.severity}[{found.code}]: {found.message}"
        if found.span
        else f"{found.severity}[{found.code}]: {found.message}"
        for found in diagnostics
    ]
    if plan is not None:
        counts = plan.summary
        lines.append(
            f"plan {plan.name}: {counts.create:,} to create, {counts.change:,} to change,"
            f" {counts.replace:,} to replace;"
            f" {rows_text(counts.rows)} in {many(counts.splits, 'split')}"
        )
    return "\n".join(lines) + "\n" if lines else ""
