"""Rows that came to a source while its plan was applied: counted at the end, and told."""

from __future__ import annotations

from collections.abc import Iterator

from mmc import registry
from mmc.diagnostics import Diagnostic, Severity
from mmc.errors import SourceError
from mmc.events import Diagnosed
from mmc.plan.model import CopySplits
from mmc.run.attempt import Attempt
from mmc.run.copying import LATER_PLAN
from mmc.run.earlier import earlier_plans
from mmc.run.pace import patient
from mmc.spi import AsksAgain, CountsAdded
from mmc.text import many


def tell_added(attempt: Attempt) -> None:
    """Says which collections have grown since the plan was made."""
    for finding in _findings(attempt):
        attempt.emit(Diagnosed(finding))


def _findings(attempt: Attempt) -> Iterator[Diagnostic]:
    """One that cannot be asked for is a finding too: what was planned is copied all the same."""
    plan = attempt.plan
    source = registry.source(plan.source.type)
    if isinstance(source, AsksAgain):
        source = source.asking(patient(attempt.emit, should_stop=attempt.should_stop))
    if not isinstance(source, CountsAdded):
        return
    options = registry.options_of("source", plan.source)
    for step in plan.copies:
        pieces = [piece for split in step.splits for piece in split.pieces]
        try:
            earlier = earlier_plans(options.earlier_plans)
            rows = source.added_since(options, step.read.collection, pieces, earlier)
        except SourceError as error:
            yield _uncounted(step, error)
        else:
            if rows:
                yield _added(step, rows)


def _added(step: CopySplits, rows: int) -> Diagnostic:
    return Diagnostic(
        "MMC471",
        f"{step.read.collection}: {many(rows, 'row')} written after the plan was made, and not in"
        " it",
        severity=Severity.WARNING,
        hint=f"bring them {LATER_PLAN}",
    )


def _uncounted(step: CopySplits, error: SourceError) -> Diagnostic:
    return Diagnostic(
        "MMC471",
        f"{step.read.collection}: whether rows were added after the plan is not known: {error}",
        severity=Severity.WARNING,
        hint=error.hint,
    )
