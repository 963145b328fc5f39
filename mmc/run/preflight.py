"""What must hold before a run may touch its target: nothing of another plan half done there, and
facts as planned.
"""

from __future__ import annotations

from mmc.diagnostics import Diagnostic, Severity
from mmc.errors import PlanStale, UnfinishedRun
from mmc.events import Diagnosed, Emit
from mmc.facts import Facts
from mmc.plan.drift import Difference, compare, seen_source, seen_target, without
from mmc.plan.model import CopySplits, CreateCollection, Plan
from mmc.state.lease import target_key
from mmc.state.store import Store


def refuse_unfinished(plan: Plan, digest: str, store: Store) -> None:
    """Raises UnfinishedRun when another plan began to change this target and did not end."""
    others = store.unfinished_for_target(target_key(plan.target), except_digest=digest)
    if not others:
        return
    other = others[0]
    raise UnfinishedRun(
        f"run {other.run} of plan `{other.plan_name}` left this target half done"
        f" ({other.status}, begun {other.started_at:%Y-%m-%d %H:%M:%S}Z)",
        hint=f"`mmc apply` its plan to finish it, or `mmc state forget {other.run}` to give it up",
        code="MMC630",
    )


def refuse_stale(plan: Plan, digest: str, store: Store, emit: Emit, now: Facts) -> None:
    """Raises PlanStale, naming each difference, when the facts are not what the plan was made from.

    What an earlier attempt of this very run made at the target is no drift. Row counts that differ
    are told as warnings where the plan says so.
    """
    ours = _begun_collections(plan, digest, store)
    target_planned, target_now = (
        without(plan.target_seen, ours),
        without(seen_target(now.target), ours),
    )
    ends = {
        "source": compare(plan.source_seen, seen_source(now.source), plan.on_drift),
        "target": compare(target_planned, target_now, plan.on_drift),
    }
    stale = []
    for end, differences in ends.items():
        for difference in differences:
            if difference.severity is Severity.ERROR:
                stale.append(f"{end} {difference}")
            else:
                _tell(end, difference, emit)
    if stale:
        raise PlanStale(
            "the plan is stale: " + "; ".join(stale),
            hint="nothing was done: plan again, and review what differs",
            code="MMC631",
        )


def _tell(end: str, difference: Difference, emit: Emit) -> None:
    emit(Diagnosed(Diagnostic("MMC632", f"{end} {difference}", difference.severity)))


def _begun_collections(plan: Plan, digest: str, store: Store) -> set[str]:
    """Target collections that this run has begun to make or fill."""
    run = store.run_of(digest)
    begun = store.steps(run.run) if run else {}
    return {
        step.collection.name
        for step in plan.steps
        if isinstance(step, (CreateCollection, CopySplits)) and step.id in begun
    }
