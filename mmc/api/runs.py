"""Runs: applied, proved, looked at, and cleaned up. All that is known of one is in its State."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mmc.api.plans import silent
from mmc.errors import StateMissing
from mmc.events import Diagnosed
from mmc.paths import DEFAULT_STATE
from mmc.plan import codec

if TYPE_CHECKING:
    from mmc.events import Emit
    from mmc.plan.model import Plan
    from mmc.report.report import Report
    from mmc.run.clean import Forgotten
    from mmc.run.stop import StopFlag
    from mmc.spec.load import Spec
    from mmc.state.details import RunDetails
    from mmc.state.eventlog import LoggedEvent
    from mmc.state.living import Standing
    from mmc.state.rows import SplitRecord

DIRECTORY = Path(".mmc")
"""Where quarantine files and reports go."""


def apply_plan(
    plan: Plan,
    *,
    state: str = DEFAULT_STATE,
    emit: Emit | None = None,
    directory: Path = DIRECTORY,
    stop: StopFlag | None = None,
) -> Report:
    """Does what the plan says; called again after any interruption, continues.

    Args:
        plan: from `make_plan` or `read_plan`.
        state: SQLAlchemy URL of the state store.
        emit: gets every event (`mmc.events`).
        directory: for quarantine files and reports.
        stop: set it from another thread or a signal handler to stop at the next batch.

    Raises:
        PlanStale, LeaseHeld, LeaseLost, UnfinishedRun, RowsRejected, SourceError, TargetError,
        Stopped.
    """
    from mmc.report.report import make_report
    from mmc.run.interpreter import apply_plan as apply_
    from mmc.state.store import Store

    with Store.open(state) as store:
        done = apply_(plan, store=store, emit=emit or silent, directory=directory, stop=stop)
    return make_report(plan, done)


def verify_plan(
    plan: Plan,
    *,
    state: str = DEFAULT_STATE,
    emit: Emit | None = None,
    stop: StopFlag | None = None,
) -> Report:
    """Runs only the Verify steps of an applied plan, against what its run recorded.

    Returns:
        The run's report with the verdicts of now.

    Raises:
        StateError: the plan was not applied with this state store; and what `apply_plan` raises.
    """
    from mmc.report.counts import report_of
    from mmc.report.report import make_report
    from mmc.run.interpreter import verify_plan as verify_
    from mmc.state.store import Access, Store

    with Store.open(state, Access.READ) as store:
        verdicts = verify_(plan, store=store, emit=emit or silent, stop=stop)
        done = report_of(store, store.run(codec.digest(plan)), plan)
    for finding in done.findings:
        (emit or silent)(Diagnosed(finding))
    return make_report(plan, replace(done, verified=verdicts))


def stopped_by_signals() -> AbstractContextManager[StopFlag]:
    """A flag for `apply_plan` and `verify_plan` that SIGINT and SIGTERM set; a second signal ends
    the process at once. Main thread only.
    """
    from mmc.run.stop import StopFlag, on_signals

    return on_signals(StopFlag())


def unfinished_plan(spec: Spec, *, state: str = DEFAULT_STATE) -> Plan | None:
    """The plan that was made of this very spec, and whose run began to change its target and did
    not end: applying the spec again continues it. None when there is no such run.
    """
    from mmc.state.store import Access, Store
    from mmc.state.targets import target_key
    from mmc.state.unfinished import unfinished

    try:
        with Store.open(state, Access.READ) as store:
            begun = unfinished(store, target_key(spec.target), except_digest="")
    except StateMissing:
        return None
    plans = (it.plan for it in begun if it.plan is not None)
    return next((plan for plan in plans if plan.spec_digest == spec.digest), None)


def list_runs(*, state: str = DEFAULT_STATE) -> Sequence[Standing]:
    """All runs, the latest first, and how each stands. Raises StateError."""
    from mmc.state.living import standings
    from mmc.state.store import Access, Store

    with Store.open(state, Access.READ) as store:
        return standings(store, store.list_runs())


def run_status(run: str = "", *, state: str = DEFAULT_STATE) -> RunDetails | None:
    """How far a run is, and whether it still runs.

    Args:
        run: its id or the begin of it; "" is the latest.

    Returns:
        None where there is no run yet.

    Raises:
        StateError: no such run, or no store.
    """
    from mmc.state.details import details
    from mmc.state.store import Access, Store

    with Store.open(state, Access.READ) as store:
        known = [store.run(run)] if run else store.list_runs()[:1]
        return details(store, known[0]) if known else None


def run_splits(run: str, *, state: str = DEFAULT_STATE) -> Sequence[SplitRecord]:
    """Every split of a run that has begun, as it was recorded. Raises StateError."""
    from mmc.state.store import Access, Store

    with Store.open(state, Access.READ) as store:
        return store.splits(store.run(run).id)


def run_events(run: str, *, state: str = DEFAULT_STATE) -> Sequence[LoggedEvent]:
    """Every event of all attempts of a run. Raises StateError."""
    from mmc.state.eventlog import all_events
    from mmc.state.store import Access, Store

    with Store.open(state, Access.READ) as store:
        return all_events(store.database, store.run(run).id)


def unlock_run(run: str, *, state: str = DEFAULT_STATE) -> str:
    """Removes the lease on the target of a run: only when its holder is known to be gone.

    Returns:
        Who held it; "" where nobody did.

    Raises:
        StateError: no such run, or no store.
    """
    from mmc.state.lease import unlock
    from mmc.state.store import Access, Store

    with Store.open(state, Access.CHANGE) as store:
        return unlock(store.database, store.find(run)[1]) or ""


def forget_run(run: str, *, state: str = DEFAULT_STATE, emit: Emit | None = None) -> Forgotten:
    """Removes what is recorded of a run; its target and its staged files stay.

    Returns:
        What was forgotten, with the staged files that nobody removes any more.

    Raises:
        StateError: no such run, or no store.
        LeaseHeld: its target is being written.
    """
    from mmc.run.clean import forget_run as forget
    from mmc.state.store import Access, Store

    with Store.open(state, Access.CHANGE) as store:
        return forget(store, run, emit or silent)


def clean_run(
    run: str, *, state: str = DEFAULT_STATE, force: bool = False, emit: Emit | None = None
) -> tuple[str, ...]:
    """Deletes the staged files of a run, and gives the URLs of those that were there.

    Raises:
        StateError: no such run, or it is not complete (then only with `force`, which forgets it).
        LeaseHeld: it is not complete, and its target is being written.
        TargetError: they cannot be deleted.
    """
    from mmc.run.clean import clean_run as clean
    from mmc.state.store import Access, Store

    with Store.open(state, Access.CHANGE) as store:
        return clean(store, run, emit or silent, force=force)
