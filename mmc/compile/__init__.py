"""(Spec, Facts) -> Plan: pure and deterministic. One pass a file; `PASSES` is the table of
contents.

Imports no client library and does no I/O: equal input gives a byte-equal plan.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from mmc.compile.batches import size_batches
from mmc.compile.casts import assign_casts
from mmc.compile.collection import build_collections
from mmc.compile.draft import Draft
from mmc.compile.fields import map_fields
from mmc.compile.indexes import choose_indexes
from mmc.compile.inplace import import_in_place
from mmc.compile.layout import lay_out
from mmc.compile.lint import lint
from mmc.compile.ownfacts import check_facts
from mmc.compile.resolve import resolve_collections
from mmc.compile.route import choose_route
from mmc.compile.splits import make_splits
from mmc.compile.steps import make_steps
from mmc.diagnostics import Diagnostic, Severity
from mmc.facts import Facts
from mmc.plan import codec
from mmc.plan.ddl import AlterCollection
from mmc.plan.drift import seen_source, seen_target
from mmc.plan.model import (
    CopySplits,
    Plan,
    RowPolicy,
    Summary,
    Write,
)
from mmc.spec.load import Spec

PASSES: Final = (
    check_facts,
    resolve_collections,
    choose_route,
    map_fields,
    assign_casts,
    lay_out,
    build_collections,
    choose_indexes,
    size_batches,
    make_splits,
    import_in_place,
    make_steps,
    lint,
)

_LEVELS = {"note": Severity.NOTE, "warning": Severity.WARNING, "error": Severity.ERROR}


def run_passes(spec: Spec, facts: Facts) -> Draft:
    """The draft after the last pass, with every diagnostic, also where an error keeps it from being
    a plan.
    """
    draft = Draft(spec=spec, facts=facts)
    for run_pass in PASSES:
        draft = run_pass(draft)
    return draft


def compile_plan(spec: Spec, facts: Facts) -> tuple[Plan | None, tuple[Diagnostic, ...]]:
    """Compiles a spec with what was seen at both ends.

    Args:
        spec: a checked spec.
        facts: of the same source and target.

    Returns:
        The plan and all diagnostics; no plan when one of them is an error.
    """
    draft = run_passes(spec, facts)
    findings = _in_order(_apply_lint_levels(draft))
    if any(finding.is_error for finding in findings):
        return None, findings
    return _plan(draft, findings), findings


def _apply_lint_levels(draft: Draft) -> list[Diagnostic]:
    levels = draft.spec.model.lint
    kept = []
    for finding in draft.diagnostics:
        level = levels.get(finding.code)
        if level is None or finding.is_error:
            kept.append(finding)
        elif level != "off":
            kept.append(replace(finding, severity=_LEVELS[level]))
    return kept


def _in_order(findings: list[Diagnostic]) -> tuple[Diagnostic, ...]:
    unique = dict.fromkeys(findings)
    return tuple(
        sorted(unique, key=lambda f: (f.span.line, f.span.column) if f.span else (1 << 30, 0))
    )


def _plan(draft: Draft, findings: tuple[Diagnostic, ...]) -> Plan:
    spec, model = draft.spec, draft.spec.model
    creates = replaces = 0
    for drafted in draft.collections:
        made = (0 if drafted.existing else 1) + len(drafted.indexes)
        if drafted.existing and model.load.mode == "replace":
            replaces += 1
        creates += made
    rows = [drafted.source.rows for drafted in draft.collections]
    # A facts file may tell of collections that this spec leaves where they are.
    wanted = {drafted.source.name for drafted in draft.collections}
    copied = tuple(one for one in draft.facts.source.collections if one.name in wanted)
    plan = Plan(
        name=model.name,
        spec_digest=spec.digest,
        source=spec.source,
        target=spec.target,
        source_seen=seen_source(replace(draft.facts.source, collections=copied)),
        target_seen=seen_target(draft.facts.target),
        steps=draft.steps,
        rows=RowPolicy(model.rows.on_error, model.rows.max_errors),
        on_drift=model.on_drift,
        workers=draft.workers,
        executor=draft.executor,
        summary=Summary(
            create=creates,
            change=sum(
                len(step.changes) for step in draft.steps if isinstance(step, AlterCollection)
            ),
            replace=replaces,
            rows=None if None in rows else sum(count or 0 for count in rows),
            bytes=sum(drafted.source.bytes for drafted in draft.collections),
            splits=sum(len(drafted.splits) for drafted in draft.collections),
            warnings=sum(1 for finding in findings if finding.severity is Severity.WARNING),
        ),
        diagnostics=findings,
    )
    return _with_keys(plan)


def _with_keys(plan: Plan) -> Plan:
    """Staged files lie in a folder of this plan alone: named by its digest without that name."""
    key = codec.digest(plan)[:16]
    steps = tuple(
        replace(step, staging=replace(step.staging, key=key))
        if isinstance(step, CopySplits)
        and step.staging is not None
        and step.write is not Write.IN_PLACE
        else step
        for step in plan.steps
    )
    return replace(plan, steps=steps)
