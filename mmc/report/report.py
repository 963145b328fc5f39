"""The account of a run for a change ticket: what was planned, moved and proved, as one value.

Built by `api` at the end of an apply or verify; drawn as Markdown by `mmc.views.markdown`. Holds no
secrets: endpoints stand as in the plan, with references.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib import metadata
from typing import TYPE_CHECKING

from mmc.copied import NOTHING_UNMAPPED
from mmc.diagnostics import Diagnostic
from mmc.events import Rejection, Unmapped, Verified
from mmc.plan import codec
from mmc.plan.model import CopySplits, CreateCollection, Endpoint, Plan, Verify
from mmc.plan.seen import fingerprint_of
from mmc.secrets import REDACTOR
from mmc.version import __version__

if TYPE_CHECKING:
    from mmc.report.counts import CopyReport, RunReport

FORMAT_VERSION = 1
"""Version of the JSON form; a field is only ever added."""
_LIBRARIES = ("numpy", "pyarrow", "duckdb", "pymilvus", "milvus-lite", "faiss-cpu")


class Verdict(StrEnum):
    """What is known about one collection.

    `unverified`: everything was copied, but the plan asks for no check, or none was made yet.
    `incomplete`: splits are left, or rows are not accounted for.
    """

    VERIFIED = "verified"
    DIFFERS = "differs"
    UNVERIFIED = "unverified"
    INCOMPLETE = "incomplete"


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionReport:
    """One collection. `planned` is None where only reading told; `expected`, `found` are counts of
    the target. `left` were changed after the plan, and wait for the next one. `unmapped` is what
    the rows written had that no column took. `fingerprint` has what was read, as
    `SourceCollection.fingerprint`; `looked_at` and `notes` are as in `Verified`.
    """

    source: str
    target: str
    mode: str
    route: str
    splits_planned: int
    splits_done: int
    planned: int | None
    read: int
    filtered: int
    quarantined: int
    written: int
    expected: int | None
    found: int | None
    count: str
    digest: str
    digest_expected: str
    digest_found: str
    verdict: Verdict
    problems: tuple[str, ...] = ()
    lossy: str = ""
    reasons: tuple[Rejection, ...] = ()
    quarantine: tuple[str, ...] = ()
    fingerprint: tuple[tuple[str, str], ...] = ()
    left: int = 0
    unmapped: Unmapped = NOTHING_UNMAPPED
    looked_at: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def accounted(self) -> bool:
        """Whether every row that was read was written, filtered or put in quarantine."""
        return self.read == self.written + self.filtered + self.quarantined


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A run. Times are ISO 8601 in UTC; `outcome` as in `RunFinished`; `versions` are (name,
    version)."""

    plan: str
    plan_digest: str
    run: str
    source: Endpoint
    target: Endpoint
    started: str
    finished: str
    seconds: float
    outcome: str
    collections: tuple[CollectionReport, ...]
    diagnostics: tuple[Diagnostic, ...]
    versions: tuple[tuple[str, str], ...]
    format: str = "mmc-report"
    version: int = FORMAT_VERSION

    @property
    def verdict(self) -> Verdict:
        """The worst of the collections."""
        found = {collection.verdict for collection in self.collections}
        for verdict in (Verdict.DIFFERS, Verdict.INCOMPLETE, Verdict.UNVERIFIED):
            if verdict in found:
                return verdict
        return Verdict.VERIFIED

    @property
    def ok(self) -> bool:
        """Whether everything arrived, and it was proved as far as the plan asks."""
        return self.verdict in (Verdict.VERIFIED, Verdict.UNVERIFIED)

    @property
    def exit_code(self) -> int:
        """What `mmc apply` ends with: 1 differs or incomplete, 3 rows are in quarantine, left to
        another plan, or had values that no column took, else 0.
        """
        if not self.ok:
            return 1
        missing = (its.quarantined or its.left or its.unmapped.rows for its in self.collections)
        return 3 if any(missing) else 0

    def to_json(self) -> str:
        """The report as indented JSON text."""
        body = {"verdict": self.verdict.value, **_object(self)}
        return REDACTOR.clean(json.dumps(body, indent=1, ensure_ascii=False)) + "\n"


def _object(report: Report) -> dict[str, object]:
    data = codec.to_json(report)
    assert isinstance(data, dict)
    return dict(data)


def make_report(plan: Plan, run: RunReport, diagnostics: Sequence[Diagnostic] = ()) -> Report:
    """Puts a report together.

    Args:
        plan: what was applied.
        run: what came of it.
        diagnostics: found while applying; those of the plan are added.
    """
    verdicts = {verdict.step: verdict for verdict in run.verified}
    checks = {step.copy: step for step in plan.steps if isinstance(step, Verify)}
    creates = {
        step.collection.name: step for step in plan.steps if isinstance(step, CreateCollection)
    }
    counts = {copy.step: copy for copy in run.copies}
    collections = []
    for copy in plan.copies:
        check = checks.get(copy.id)
        create = creates.get(copy.collection.name)
        mode = str(create.mode) if create else ""
        verdict = verdicts.get(check.id) if check else None
        made = _collection(copy, mode, check, counts.get(copy.id), verdict)
        pinned = fingerprint_of(plan.source_seen, copy.read.collection)
        collections.append(replace(made, fingerprint=pinned))
    finished = run.finished_at
    return Report(
        plan=plan.name,
        plan_digest=codec.digest(plan),
        run=run.run,
        source=plan.source,
        target=plan.target,
        started=run.started_at.isoformat(timespec="seconds"),
        finished=finished.isoformat(timespec="seconds") if finished else "",
        seconds=round((finished - run.started_at).total_seconds(), 3) if finished else 0.0,
        outcome=str(run.outcome),
        collections=tuple(collections),
        diagnostics=(*plan.diagnostics, *diagnostics),
        versions=versions(),
    )


def _collection(
    copy: CopySplits,
    mode: str,
    check: Verify | None,
    done: CopyReport | None,
    found: Verified | None,
) -> CollectionReport:
    counted = found is not None and found.rows_found >= 0
    made = CollectionReport(
        source=copy.read.collection,
        target=copy.collection.name,
        mode=mode,
        route=copy.route,
        splits_planned=len(copy.splits),
        splits_done=done.splits_done if done else 0,
        planned=copy.rows,
        read=done.rows_read if done else 0,
        filtered=done.rows_filtered if done else 0,
        quarantined=done.rows_quarantined if done else 0,
        written=done.rows_written if done else 0,
        expected=found.rows_expected if found and counted else None,
        found=found.rows_found if found and counted else None,
        count=str(check.count) if check else "off",
        digest=str(check.digest) if check else "off",
        digest_expected=found.digest_expected if found else "",
        digest_found=found.digest_found if found else "",
        verdict=Verdict.VERIFIED,
        problems=found.problems if found else (),
        lossy=copy.read.lossy,
        reasons=tuple(done.reasons) if done else (),
        quarantine=tuple(done.quarantine) if done else (),
        left=done.rows_left if done else 0,
        unmapped=done.unmapped if done else NOTHING_UNMAPPED,
        looked_at=found.looked_at if found else (),
        notes=found.notes if found else (),
    )
    return replace(made, verdict=_verdict(made, found))


def _verdict(made: CollectionReport, found: Verified | None) -> Verdict:
    if found is not None and not found.ok:
        return Verdict.DIFFERS
    if made.splits_done < made.splits_planned or not made.accounted:
        return Verdict.INCOMPLETE
    return Verdict.UNVERIFIED if found is None else Verdict.VERIFIED


def versions() -> tuple[tuple[str, str], ...]:
    """Versions of mmc, Python, system and the libraries, as far as they are installed."""
    return (
        ("mmc", __version__),
        ("python", platform.python_version()),
        ("system", platform.platform(terse=True)),
        *((name, metadata.version(name)) for name in _LIBRARIES if _installed(name)),
    )


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
