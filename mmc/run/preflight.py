"""What must hold before a run may touch its target: the same place as before, nothing of another
plan half done there, no source files in the way, and facts as planned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mmc.diagnostics import Diagnostic, Severity
from mmc.errors import PlanStale, StateError, TargetError, UnfinishedRun
from mmc.events import Diagnosed, Emit
from mmc.facts import Facts
from mmc.plan.ddl import AlterCollection, CreateAlias, DropAlias, DropCollection
from mmc.plan.drift import Difference, compare, seen_source, seen_target, without
from mmc.plan.model import CopySplits, CreateCollection, LoadCollection, Plan
from mmc.plan.places import normal_address
from mmc.registry import options_of
from mmc.run.claims import claim_of
from mmc.state.store import Run, StepRecord, Store
from mmc.state.targets import target_identity, target_key
from mmc.state.unfinished import touched, unfinished

_ON_NAMED = (DropAlias, DropCollection, CreateAlias, AlterCollection, LoadCollection)


def refuse_elsewhere(plan: Plan, run: Run) -> None:
    """Raises StateError when the run of this plan wrote to another place: a relative path, seen
    from another folder. What is recorded as done is not there.
    """
    if run.target_key == target_key(plan.target):
        return
    raise StateError(
        f"run {run.id} of this plan wrote to another place; from here the target is"
        f" {target_identity(plan.target)}",
        hint="go to the folder where it was applied, or use another --state",
        code="MMC634",
    )


def refuse_overlap(plan: Plan) -> None:
    """Raises TargetError when source files lie in a folder that parts are written to: a part would
    take the place of one, and what no manifest records is removed as left over.
    """
    root = options_of("target", plan.target).parts_folder.rstrip("/")
    folders = [
        normal_address(f"{root}/{copy.layout.directory}") + "/"
        for copy in plan.copies
        if copy.layout is not None
    ]
    if not folders:
        return
    for file in _source_files(plan):
        place = normal_address(file)
        if found := next((folder for folder in folders if place.startswith(folder)), None):
            raise TargetError(
                f"the source's file {file} lies in {found}, where this plan writes its own",
                hint="nothing was done: choose another target.url, or another `to:`",
                code="MMC540",
            )


def _source_files(plan: Plan) -> Iterator[str]:
    options = options_of("source", plan.source)
    for copy in plan.copies:
        for file, _ in copy.read.fingerprint:
            yield options.url_of(file)


def refuse_unfinished(plan: Plan, digest: str, store: Store) -> None:
    """Raises UnfinishedRun when another plan began to change a collection of this plan, and did not
    end.
    """
    wanted = touched(plan)
    for other in unfinished(store, target_key(plan.target), except_digest=digest):
        shared = sorted(wanted & other.collections if other.plan else wanted)
        if not shared:
            continue
        run = other.run
        names = ", ".join(shared[:3]) + (", ..." if len(shared) > 3 else "")
        give_up = f"`mmc state forget {run.id}` to give it up"
        raise UnfinishedRun(
            f"run {run.id} of plan `{run.plan_name}` left {names} half done"
            f" ({run.status}, begun {run.started_at:%Y-%m-%d %H:%M:%S}Z)",
            hint=f"`mmc apply` its plan to finish it, or {give_up}",
            code="MMC630",
        )


def refuse_stale(plan: Plan, digest: str, store: Store, emit: Emit, now: Facts) -> None:
    """Raises PlanStale, naming each difference, when the facts are not what the plan was made from.

    What an earlier attempt of this very run made at the target is no drift. Row counts that differ
    are told as warnings where the plan says so.
    """
    run = store.run_of(digest)
    steps = store.steps(run.id) if run else {}
    if run is not None:
        _refuse_gone(plan, run, steps, now)
    ours = _begun_collections(plan, run, steps, now)
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


def _refuse_gone(plan: Plan, run: Run, steps: Mapping[str, StepRecord], now: Facts) -> None:
    """A collection that this run made, and that somebody dropped, with what was copied into it, or
    has put another one in the place of.
    """
    if now.target.capabilities.whole_files:
        return
    ended = all(step.id in steps and steps[step.id].done for step in plan.steps)
    for step in plan.creates:
        if step.id not in steps or not steps[step.id].done:
            continue
        name = step.collection.name
        there = now.target.collection(name)
        claims = (claim_of(run, begun=True).run,) if step.makes else ("", step.claimed)
        if there is None:
            what = "is not there any more"
        elif there.run not in (None, *claims, *([""] if ended else [])):
            what = "is another one by now"
        else:
            continue
        raise PlanStale(
            f"collection {name}, {'made' if step.makes else 'checked'} by run {run.id} of this"
            f" plan, {what}",
            hint=f"`mmc state forget {run.id}`, then apply again from the start",
            code="MMC635",
        )


def _tell(end: str, difference: Difference, emit: Emit) -> None:
    emit(Diagnosed(Diagnostic("MMC632", f"{end} {difference}", severity=difference.severity)))


def _begun_collections(
    plan: Plan, run: Run | None, steps: Mapping[str, StepRecord], now: Facts
) -> set[str]:
    """Target collections that this run has begun to drop, load, make, alter or fill. Of one that
    was not loaded the facts told only what was stored.

    Not one that it began to make, and that is there without having been made by it.
    """
    if run is None:
        return set()
    begun = set()
    for step in plan.steps:
        if step.id not in steps:
            continue
        if isinstance(step, CreateCollection):
            there = now.target.collection(step.collection.name)
            ours = there is None or there.run in (None, claim_of(run, begun=True).run)
            if steps[step.id].done or ours or not step.makes:
                begun.add(step.collection.name)
        elif isinstance(step, CopySplits):
            begun.add(step.collection.name)
        elif isinstance(step, _ON_NAMED):
            begun.add(step.collection)
    return begun
