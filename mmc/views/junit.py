"""Diagnostics, or the checks of a report, as JUnit XML test cases."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from mmc.diagnostics import Diagnostic
from mmc.plan.model import Plan
from mmc.report.report import Report, Verdict
from mmc.secrets import REDACTOR

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """`failure` is None for a case that passes; `kind` is the type of the failure."""

    suite: str
    name: str
    kind: str = ""
    failure: str | None = None
    output: str = ""


def render(diagnostics: Sequence[Diagnostic], plan: Plan | None = None) -> str:
    """A suite a spec file, a case a diagnostic: errors fail, warnings and notes pass."""
    cases = [_of_diagnostic(found, plan) for found in diagnostics]
    if not any(found.is_error for found in diagnostics):
        cases.append(_Case(suite=plan.name if plan else "mmc", name="plan" if plan else "valid"))
    return _document(cases)


def render_report(report: Report) -> str:
    """A case a collection: passes when it is verified."""
    return _document(
        _Case(
            suite=report.plan,
            name=f"{collection.target}: everything that was sent is there",
            kind=collection.verdict.value,
            failure=None
            if collection.verdict is Verdict.VERIFIED
            else "\n".join((f"verdict: {collection.verdict}", *collection.problems)),
            output=f"looked at: {', '.join(collection.looked_at)}" if collection.looked_at else "",
        )
        for collection in report.collections
    )


def _of_diagnostic(found: Diagnostic, plan: Plan | None) -> _Case:
    suite = found.span.file if found.span else plan.name if plan else "mmc"
    place = f"{found.span.line}:{found.span.column} " if found.span else ""
    text = "\n".join(
        part for part in (found.message, found.label, found.hint and f"hint: {found.hint}") if part
    )
    name = f"{place}{found.code} {found.message}"
    if found.is_error:
        return _Case(suite=suite, name=name, kind=found.code, failure=text)
    return _Case(suite=suite, name=name, output=f"{found.severity}: {text}")


def _document(cases: Iterable[_Case]) -> str:
    suites: dict[str, list[_Case]] = {}
    for case in cases:
        suites.setdefault(case.suite, []).append(case)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>"]
    for suite, listed in suites.items():
        failed = sum(case.failure is not None for case in listed)
        counts = f'tests="{len(listed)}" failures="{failed}" errors="0" skipped="0"'
        lines.append(f" <testsuite name={_attribute(suite)} {counts}>")
        for case in listed:
            lines += _lines(case)
        lines.append(" </testsuite>")
    return REDACTOR.clean("\n".join([*lines, "</testsuites>"]) + "\n")


def _lines(case: _Case) -> list[str]:
    start = f"  <testcase classname={_attribute(case.suite)} name={_attribute(case.name)}"
    if case.failure is not None:
        first = case.failure.partition("\n")[0]
        inner = (
            f"   <failure type={_attribute(case.kind)} message={_attribute(first)}>"
            f"{_text(case.failure)}</failure>"
        )
    elif case.output:
        inner = f"   <system-out>{_text(case.output)}</system-out>"
    else:
        return [start + "/>"]
    return [start + ">", inner, "  </testcase>"]


def _text(text: str) -> str:
    return escape(_FORBIDDEN.sub("?", text))


def _attribute(text: str) -> str:
    return quoteattr(_FORBIDDEN.sub("?", text))
