"""`--format NAME` to the module that draws it."""

from __future__ import annotations

from importlib import import_module

from mmc.diagnostics import Diagnostic
from mmc.plan.model import Plan
from mmc.secrets import REDACTOR

FORMATS = {
    "concise": "mmc.views.concise",
    "github": "mmc.views.github",
    "sarif": "mmc.views.sarif",
    "junit": "mmc.views.junit",
    "markdown": "mmc.views.markdown",
}


def render(format_: str, diagnostics: tuple[Diagnostic, ...], plan: Plan | None) -> str:
    """The document of that format.

    Args:
        format_: a key of FORMATS.
        diagnostics: what was found.
        plan: what would be done; None when only a spec was checked.
    """
    text: str = import_module(FORMATS[format_]).render(diagnostics, plan)
    return REDACTOR.clean(text)
