"""Plan -> effects: carries out the steps in order, and records each before and after. Takes no
decision of its own.

There is no resume: applying a plan that was begun skips what is recorded as done and goes on. Knows
    sources and targets by the seam only, and never the spec.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import TypeVar, assert_never

from mmc.errors import LeaseLost, StateError, Stopped, TargetUntouched
from mmc.events import (
    Diagnosed,
    Emit,
    IndexProgress,
    NothingToDo,
    RunFinished,
    RunStarted,
    StepDone,
    StepStarted,
    failure,
)
from mmc.facts import Facts
from mmc.plan import codec
from mmc.plan.ddl import AlterCollection, CreateAlias, DropAlias, DropCollection
from mmc.plan.model import (
    AwaitIndexes,
    BuildIndex,
    CheckKeys,
    CheckStaging,
    CopySplits,
    CreateCollection,
    ImportFiles,
    LoadCollection,
    Plan,
    RemoveStaged,
    Step,
    Verify,
    WriteManifest,
)
from mmc.report.counts import RunReport, report_of
from mmc.run import preflight
from mmc.run.abilities import indexed, manifested
from mmc.run.added import tell_added
from mmc.run.attempt import Attempt
from mmc.run.claims import claim_of, release_all
from mmc.run.copying import Copying
from mmc.run.executors.choose import executor_of
from mmc.run.executors.executor import Driver
from mmc.run.inspect import inspect_again, route_of
from mmc.run.keys import check_keys
from mmc.run.labels import label_of
from mmc.run.lost import begin_lost_again
from mmc.run.proof import (
    HELD,
    KEYS,
    OWN_PROPERTIES,
    PARTITIONS_BEFORE,
    ROWS_BEFORE,
    copy_of,
    recorded,
    tell_verdict,
    verify_copied,
)
from mmc.run.proof import verify_plan as verify_plan
from mmc.run.quarantine import Quarantine
from mmc.run.recorder import Recorder
from mmc.run.staged import StagedCopies
from mmc.run.stop import StopFlag, ending_of
from mmc.run.targets import OpenTargets
from mmc.secrets import REDACTOR
from mmc.spi import Claim, Guarded, Indexed, Target
from mmc.state.eventlog import EventLog
from mmc.state.lease import Lease
from mmc.state.records import refuse_incomplete
from mmc.state.store import RunStatus, SplitRecord, Store
from mmc.state.unfinished import restart_unwritten, take_back
from mmc.types import JsonValue
from mmc.verify.partitions import counted_alone

T = TypeVar("T")


def apply_plan(
    plan: Plan,
    *,
    store: Store,
    emit: Emit,
    directory: Path = Path(".mmc"),
    stop: StopFlag | None = None,
    facts: Facts | None = None,
) -> RunReport:
    """Applies a plan, or continues an apply of it, or finds that nothing is left to do.

    Args:
        directory: quarantine and scratch files go to `runs/<run>` below it.
        stop: set by a signal; the run then ends at the next batch with Stopped.
        facts: both ends as just seen; None looks again.

    Returns:
        The report; its outcome is applied, partial (rows in quarantine) or failed (verification
        found differences; applying again verifies again).

    Raises:
        LeaseHeld, UnfinishedRun, PlanStale: nothing was done.
        Stopped: a signal; the state is consistent.
        MmcError: what the run failed with. Applying again continues.
    """
    stop = stop or StopFlag()
    digest = codec.digest(plan)
    if report := _nothing_to_do(plan, digest, store, emit):
        return report
    emit = recorder = Recorder(emit)
    with Lease(store.database, plan.target, emit) as lease:
        if report := _nothing_to_do(plan, digest, store, emit):
            return report
        preflight.refuse_overlap(plan)
        preflight.refuse_unfinished(plan, digest, store)
        restart_unwritten(store, plan, digest)
        now = facts or inspect_again(plan, emit=emit, should_stop=stop)
        preflight.refuse_stale(plan, digest, store, emit, now)
        stop.check()
        lease.check()
        run = store.begin_run(plan, lease)
        began = time.monotonic()
        log = EventLog(store.database, run.id, run.attempt, (lease.key, lease.owner))

        def finish(outcome: RunStatus, error: str = "") -> RunReport:
            store.finish_run(run.id, outcome, error)
            return _tell_end(report_of(store, store.run(run.id), plan), emit, began)

        with recorder.into(log):
            try:
                with ExitStack() as stack:
                    attempt = Attempt(
                        plan=plan, run=run, store=store, lease=lease, emit=emit, stop=stop
                    )
                    outcome = _Apply(attempt, directory, stack).carry_out()
            except LeaseLost:
                raise  # the run belongs to whoever holds the lease now
            except BaseException as error:
                if lease.lost:
                    lease.check()
                ending = ending_of(error, stop)
                with suppress(StateError):
                    status = RunStatus.STOPPED if isinstance(ending, Stopped) else RunStatus.FAILED
                    finish(status, REDACTOR.clean(str(ending) or type(ending).__name__))
                recorder.note(failure(ending))
                if ending is error:
                    raise
                raise ending from error
            return finish(outcome)


def _nothing_to_do(plan: Plan, digest: str, store: Store, emit: Emit) -> RunReport | None:
    run = store.run_of(digest)
    if run is not None:
        preflight.refuse_elsewhere(plan, run)
    if run is None or not run.status.complete:
        return None
    refuse_incomplete(store, run, plan)
    report = report_of(store, run, plan)
    finished = run.finished_at.isoformat() if run.finished_at else ""
    emit(
        NothingToDo(
            run=run.id,
            plan_digest=digest,
            finished_at=finished,
            rows_quarantined=report.rows_quarantined,
            rows_unmapped=report.rows_unmapped,
        )
    )
    for finding in report.findings:
        emit(Diagnosed(finding))
    return report


def _tell_end(report: RunReport, emit: Emit, began: float) -> RunReport:
    emit(
        RunFinished(
            run=report.run,
            outcome=report.outcome,
            rows_read=report.rows_read,
            rows_written=report.rows_written,
            rows_filtered=report.rows_filtered,
            rows_quarantined=report.rows_quarantined,
            seconds=time.monotonic() - began,
            rows_left=report.rows_left,
            rows_unmapped=report.rows_unmapped,
        )
    )
    return report


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a step came to. `ok=False`: it must be carried out again (a verification that found
    differences).
    """

    result: JsonValue = None
    ok: bool = True


def _create(
    target: Target, step: CreateCollection, claim: Claim, partitions: Sequence[str]
) -> JsonValue:
    """Makes or checks the collection. Where rows are there that stay, their number now, before the
    first of ours, in all and in the partitions that ours go to: with `on_drift` it may be another
    than planned.
    """
    own: dict[str, JsonValue] = {**target.ensure(step, claim)}
    if step.makes:
        return {OWN_PROPERTIES: own}
    made = step.collection
    rows = target.count_partitions(made, partitions) if partitions else ()
    held: dict[str, JsonValue] = dict(zip(partitions, rows, strict=True))
    return {OWN_PROPERTIES: own, ROWS_BEFORE: target.count(made), PARTITIONS_BEFORE: held}


class _Apply:
    """One attempt: carries out the steps that are not done."""

    def __init__(self, attempt: Attempt, directory: Path, stack: ExitStack) -> None:
        self._attempt = attempt
        self._plan, self._run = attempt.plan, attempt.run
        self._store, self._emit = attempt.store, attempt.emit
        self._run_dir = directory / "runs" / attempt.run.id
        self._targets = OpenTargets(
            attempt.plan, attempt.emit, attempt.stop, stack, attempt.lease.fence
        )
        quarantine = Quarantine(self._run_dir / "quarantine")
        driver = Driver(
            plan=attempt.plan,
            open_target=self._targets.by_route,
            quarantine=quarantine.of,
            emit=attempt.emit,
            should_stop=attempt.should_stop,
            fenced_until=lambda: attempt.lease.fenced_until,
        )
        executor = stack.enter_context(executor_of(driver))
        self._copying = Copying(attempt, executor, quarantine)
        self._staged = StagedCopies(attempt, self._targets, self._copying)

    def carry_out(self) -> RunStatus:
        begin_lost_again(self._attempt, self._targets)
        done = [record for record in self._store.splits(self._run.id) if record.done]
        self._copying.quarantined = sum(record.result.rows_quarantined for record in done)
        total = sum(len(copy.splits) for copy in self._plan.copies)
        self._emit(
            RunStarted(
                run=self._run.id,
                plan_digest=self._run.plan_digest,
                attempt=self._run.attempt,
                resumed=bool(done),
                splits_done=len(done),
                splits_total=total,
            )
        )
        before = self._store.steps(self._run.id)
        ended = {id_ for id_, record in before.items() if record.done}
        checks = [step for step in self._plan.steps if isinstance(step, CheckStaging)]
        # A place that could be used an hour ago says nothing of now.
        ended -= {check.id for check in checks if check.copy not in ended}
        left = [step for step in self._plan.steps if step.id not in ended]
        first_effect = next((step.id for step in left if not isinstance(step, CheckKeys)), None)
        good = True
        for step in self._plan.steps:
            self._attempt.go_on()
            if isinstance(step, RemoveStaged) and not good:
                continue  # kept, to be looked at: the verification found differences
            label = label_of(step)
            self._emit(self._started(step, label, done))
            if step.id in ended:
                self._emit(
                    StepDone(step=step.id, kind=step.kind, label=label, seconds=0.0, skipped=True)
                )
                continue
            if step.id == first_effect:
                self._check_access(left)
            began = time.monotonic()
            first = self._store.step_begun(self._run.id, step.id, step.kind)
            try:
                outcome = self._carry_out(step, ended, begun=step.id in before)
            except TargetUntouched:
                if first:
                    take_back(self._store, self._run.id, step.id)
                raise
            self._store.step_done(self._run.id, step.id, outcome.result, done=outcome.ok)
            self._emit(
                StepDone(
                    step=step.id, kind=step.kind, label=label, seconds=time.monotonic() - began
                )
            )
            good = good and outcome.ok
            if outcome.ok:
                ended.add(step.id)
        self._attempt.lease.check()
        if not good:
            return RunStatus.FAILED
        release_all(self._attempt, self._targets)
        refuse_incomplete(self._store, self._run, self._plan)
        tell_added(self._attempt)
        self._attempt.go_on()
        report = report_of(self._store, self._run, self._plan)
        for finding in report.findings:
            self._emit(Diagnosed(finding))
        missing = report.rows_left or report.rows_unmapped or self._copying.quarantined
        return RunStatus.PARTIAL if missing else RunStatus.APPLIED

    def _started(self, step: Step, label: str, done: Sequence[SplitRecord]) -> StepStarted:
        if not isinstance(step, CopySplits):
            return StepStarted(step=step.id, kind=step.kind, label=label)
        mine = [record for record in done if record.step == step.id]
        return StepStarted(
            step=step.id,
            kind=step.kind,
            label=label,
            rows=step.rows,
            bytes=step.bytes,
            splits=len(step.splits),
            rows_done=sum(record.result.rows_read for record in mine),
            bytes_done=sum(record.result.bytes_read for record in mine),
            splits_done=len(mine),
        )

    def _carry_out(self, step: Step, ended: Collection[str], *, begun: bool) -> _Outcome:
        """`ended`: steps that are done; `begun`: an earlier attempt began this one."""
        match step:
            case DropAlias():
                database = indexed(self._targets.of(step.collection), step)
                self._attempt.call(label_of(step), lambda: database.drop_alias(step))
            case DropCollection():
                target = self._targets.of(step.collection)
                self._attempt.call(label_of(step), lambda: target.drop_collection(step))
            case CreateAlias():
                database = indexed(self._targets.of(step.collection), step)
                self._attempt.call(label_of(step), lambda: database.create_alias(step))
            case AlterCollection():
                database = indexed(self._targets.of(step.collection), step)
                self._attempt.call(label_of(step), lambda: database.alter_collection(step))
            case CreateCollection():
                return _Outcome(self._create(step, begun))
            case CheckKeys():
                return _Outcome(self._check_keys(step))
            case CheckStaging():
                self._staged.check(step, ended)
            case CopySplits():
                self._staged.copy(step)
            case ImportFiles():
                return _Outcome({"rows": self._staged.finish(step)})
            case RemoveStaged():
                return _Outcome({"files": self._staged.remove(step)})
            case BuildIndex():
                database = indexed(self._targets.of(step.collection), step)
                self._attempt.call(label_of(step), lambda: database.build_index(step))
            case LoadCollection():
                database = indexed(self._targets.of(step.collection), step)
                self._attempt.call(label_of(step), lambda: database.load(step))
            case AwaitIndexes():
                database = indexed(self._targets.of(step.collection), step)
                self._attempt.call(label_of(step), lambda: self._await_indexes(database, step))
            case WriteManifest():
                folder = manifested(self._targets.by_route(route_of(self._plan)), step)
                files = {copy.id: self._copying.written(copy) for copy in self._plan.copies}
                digest = self._run.plan_digest
                self._attempt.call(
                    label_of(step), lambda: folder.write_manifest(step, digest, files)
                )
            case Verify():
                verdict = verify_copied(
                    self._plan,
                    step,
                    recorded(self._store, self._run.id, self._plan, step),
                    self._targets,
                    self._emit,
                    self._attempt.should_stop,
                )
                tell_verdict(verdict, self._emit, ended=False)
                return _Outcome(codec.to_json(verdict), verdict.ok)
            case _:
                assert_never(step)
        return _Outcome()

    def _create(self, step: CreateCollection, begun: bool) -> JsonValue:
        name = step.collection.name
        target = self._targets.of(name)
        copies = (copy for copy in self._plan.copies if copy.collection.name == name)
        parts = [part for copy in copies for part in counted_alone(copy, step.collection)]
        # What is tried again may have made it the first time.
        claims = chain((claim_of(self._run, begun=begun),), repeat(claim_of(self._run, begun=True)))
        return self._attempt.call(
            label_of(step), lambda: _create(target, step, next(claims), parts)
        )

    def _check_access(self, steps: Sequence[Step]) -> None:
        routes = [copy.route for copy in self._plan.copies]
        target = self._targets.by_route(routes[0] if routes else route_of(self._plan))
        if isinstance(target, Guarded):
            self._attempt.call("check access", lambda: target.check_access(steps))

    def _await_indexes(self, target: Indexed, step: AwaitIndexes) -> None:
        told: tuple[int, int] | None = None

        def progress(done: int, total: int) -> None:
            nonlocal told
            self._attempt.go_on()
            if told != (told := (done, total)):
                self._emit(IndexProgress(step.id, done, total))

        target.await_indexes(step, progress)

    def _check_keys(self, step: CheckKeys) -> JsonValue:
        copy = copy_of(self._plan, step.copy)
        target = self._targets.by_route(copy.route) if step.existing or step.counted else None
        keys = check_keys(
            self._plan.source,
            copy,
            appended_to=target if step.existing else None,
            counted_in=target if step.counted else None,
            scratch=self._run_dir / "keys",
            emit=self._emit,
            should_stop=self._attempt.should_stop,
        )
        return {KEYS: keys.keys} if keys.held is None else {KEYS: keys.keys, HELD: keys.held}
