"""Plan and diagnostics as Markdown for a pull request, and the report as Markdown for a change
ticket."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mmc.diagnostics import Diagnostic, Severity
from mmc.plan import codec
from mmc.plan.model import Endpoint, Plan
from mmc.plan.tree import plan_lines, summary_line
from mmc.registry import places_of, target_folder
from mmc.report.report import CollectionReport, Report, Verdict
from mmc.secrets import REDACTOR
from mmc.spec.options import Kind
from mmc.text import many
from mmc.views.messages import OUTCOMES, seconds_text, short_digest

LONGEST = 60_000
"""Characters of a document: a comment on GitHub takes 65,535."""
MOST_FILES = 20
"""Files of a collection that are named; the JSON form names all."""
_VERDICTS = {
    Verdict.VERIFIED: "✅ **Verified**: everything that was sent is in the target, and equal.",
    Verdict.DIFFERS: "❌ **Differs**: the target is not as sent and planned; problems below.",
    Verdict.INCOMPLETE: "❌ **Incomplete**: splits are left, or rows are missing.",
    Verdict.UNVERIFIED: "⚠️ **Not verified**: everything was copied, but nothing was checked.",
}
_SEVERITIES = {Severity.ERROR: "❌", Severity.WARNING: "⚠️", Severity.NOTE: "ℹ️"}


def render(diagnostics: Sequence[Diagnostic], plan: Plan | None = None) -> str:
    """The plan as drawn on a terminal, in a code block, and the diagnostics as a table."""
    lines = [f"## mmc plan: {_cell(plan.name)}" if plan else "## mmc validate", ""]
    if plan is not None:
        lines += [
            f"**{summary_line(plan)}**",
            "",
            *_fenced(plan_lines(plan, folder=target_folder(plan.target))),
            "",
        ]
    lines += _diagnostics(diagnostics)
    if plan is None and not diagnostics:
        lines += ["Valid: nothing was found.", ""]
    if plan is not None:
        lines += [f"Plan digest `{codec.digest(plan)}`"]
    return _cut(lines)


def report_markdown(report: Report) -> str:
    """Verdict first, then numbers, what was checked and how, rejected rows, how to reproduce."""
    quarantined = sum(collection.quarantined for collection in report.collections)
    lines = [f"# Migration report: {_cell(report.plan)}", "", _VERDICTS[report.verdict], ""]
    if quarantined:
        rejected = f"⚠️ {many(quarantined, 'row')} could not be taken; see *Rows in quarantine*."
        lines += [rejected, ""]
    if left := sum(collection.left for collection in report.collections):
        lines += [f"⚠️ {many(left, 'row')} changed after the plan and were not copied.", ""]
    if unmapped := sum(collection.unmapped.rows for collection in report.collections):
        had = f"{many(unmapped, 'row')} had values that no column took"
        lines += [f"⚠️ {had}; see *Values without a column*.", ""]
    lines += _table(
        ("", ""),
        [
            ("Outcome", OUTCOMES.get(report.outcome, report.outcome)),
            ("Source", _endpoint("source", report.source)),
            ("Target", _endpoint("target", report.target)),
            ("Plan", f"`{report.plan_digest}`"),
            ("Run", f"`{report.run}`"),
            ("Started", report.started),
            ("Finished", report.finished or "not yet"),
            ("Took", seconds_text(report.seconds)),
        ],
    )
    lines += ["", "## Rows", ""]
    lines += _table(
        ("collection", "planned", "read", "written", "filtered", "quarantined", "found", "verdict"),
        [_numbers(collection) for collection in report.collections],
        right=range(1, 7),
    )
    lines += [
        "",
        _accounting(report),
        "`found` is what the target itself counts; in modes `append` and `upsert` with the rows",
        "that were there before.",
        "",
        "## What was checked",
        "",
    ]
    for collection in report.collections:
        lines += _checked(collection)
    lines += [*_quarantine(report), *_unmapped(report), *_lossy(report), *_read(report)]
    if report.diagnostics:
        lines += ["", "## Findings", "", *_diagnostics(report.diagnostics)[:-1]]
    return _cut([*lines, *_reproduce(report)])


def _accounting(report: Report) -> str:
    lost = [collection.target for collection in report.collections if not collection.accounted]
    if lost:
        return f"❌ Rows of {_cell(', '.join(lost))} are missing: read ≠ written + the rest."
    return "Read = written + filtered + quarantined, in every line."


def _quarantine(report: Report) -> list[str]:
    rows = [
        (collection.target, code, field, reason, f"{count:,}")
        for collection in report.collections
        for code, field, reason, count in collection.reasons
    ]
    if not rows:
        return []
    files = [path for collection in report.collections for path in collection.quarantine]
    table = _table(("collection", "code", "field", "reason", "rows"), rows, right=[4])
    return ["", "## Rows in quarantine", "", *table, "", *(f"- `{path}`" for path in files)]


def _unmapped(report: Report) -> list[str]:
    rows = [
        (collection.target, name, f"{count:,}")
        for collection in report.collections
        for name, count in collection.unmapped.names
    ]
    table = _table(("collection", "name in the source", "rows"), rows, right=[2])
    return ["", "## Values without a column", "", *table] if rows else []


def _lossy(report: Report) -> list[str]:
    lines = [
        f"- {_cell(collection.target)}: the source stores {_cell(collection.lossy)} codes; the"
        " vectors written are what those codes decode to."
        for collection in report.collections
        if collection.lossy
    ]
    return ["", "## Approximate vectors", "", *lines] if lines else []


def _read(report: Report) -> list[str]:
    lines: list[str] = []
    for collection in report.collections:
        rows = [f"- `{_cell(file)}`: {_cell(mark)}" for file, mark in collection.fingerprint]
        more = len(rows) - MOST_FILES
        lines += rows[:MOST_FILES]
        lines += [f"- and {more:,} more of {_cell(collection.source)}"] if more > 0 else []
    return ["", "## What was read", "", *dict.fromkeys(lines)] if lines else []


def _reproduce(report: Report) -> list[str]:
    named = ", ".join(f"{name} {version}" for name, version in report.versions)
    return [
        "",
        "## How to reproduce",
        "",
        "With the plan file of this digest and the state store of the run:",
        "",
        *_fenced(
            ["mmc show PLAN     # what was to be done", "mmc verify PLAN   # the same checks"]
        ),
        "",
        f"Made with {_cell(named)}.",
    ]


def _numbers(collection: CollectionReport) -> tuple[str, ...]:
    planned = "?" if collection.planned is None else f"{collection.planned:,}"
    found = "not counted" if collection.found is None else f"{collection.found:,}"
    return (
        f"{collection.source} → {collection.target}",
        planned,
        f"{collection.read:,}",
        f"{collection.written:,}",
        f"{collection.filtered:,}",
        f"{collection.quarantined:,}",
        found,
        str(collection.verdict),
    )


def _checked(collection: CollectionReport) -> Iterable[str]:
    splits = f"{collection.splits_done:,} of {many(collection.splits_planned, 'split')}"
    how = f"{_cell(collection.route)}, mode {collection.mode}; {splits}"
    yield f"- **{_cell(collection.target)}** ({how})"
    if collection.found is not None and collection.expected is not None:
        sign = "=" if collection.found == collection.expected else "≠"
        yield (
            f"  - count(*) at strong consistency: {collection.found:,} {sign}"
            f" {collection.expected:,} expected"
        )
    if collection.digest_expected:
        same = collection.digest_found == collection.digest_expected
        yield (
            "  - every value of every row was read back; content digest"
            f" `{short_digest(collection.digest_found) or 'none'}` {'equals' if same else 'is not'}"
            f" the `{short_digest(collection.digest_expected)}` of what was sent"
        )
    if collection.looked_at:
        yield f"  - looked at: {', '.join(collection.looked_at)}"
    for note in collection.notes:
        yield f"  - ℹ️ {_cell(note)}"
    if collection.verdict is Verdict.UNVERIFIED:
        yield "  - nothing"
    for problem in collection.problems:
        yield f"  - ❌ {_cell(problem)}"


def _endpoint(kind: Kind, endpoint: Endpoint) -> str:
    """The type and where it is; its other options are in the plan."""
    return " ".join([endpoint.type, *(f"`{place}`" for place in places_of(kind, endpoint))])


def _diagnostics(diagnostics: Sequence[Diagnostic]) -> list[str]:
    if not diagnostics:
        return []
    rows = []
    for found in diagnostics:
        text = found.message + (f" ({found.label})" if found.label else "")
        rows.append(
            (
                f"{_SEVERITIES[found.severity]} {found.code}",
                f"`{found.span}`" if found.span else "",
                text,
                found.hint,
            )
        )
    return [*_table(("code", "place", "finding", "hint"), rows), ""]


def _table(
    head: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()
) -> list[str]:
    aligned = set(right)
    rule = ("---:" if place in aligned else "---" for place in range(len(head)))
    lines = [head, tuple(rule), *rows]
    return ["| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines]


def _cell(text: str) -> str:
    """Text that cannot leave its cell or line, and cannot be read as HTML."""
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def _fenced(lines: Sequence[str]) -> list[str]:
    fence = "```"
    while any(fence in line for line in lines):
        fence += "`"
    return [f"{fence}text", *lines, fence]


def _cut(lines: Sequence[str]) -> str:
    """The document, cut at a line when it is longer than a comment may be."""
    kept: list[str] = []
    length, fence = 0, ""
    for line in lines:
        length += len(line) + 1
        if length > LONGEST:
            kept += [fence] if fence else []
            kept += ["", "*Cut here: the whole is in the plan file.*"]
            break
        kept.append(line)
        if line.startswith("```"):
            fence = "" if fence else line.removesuffix("text")
    return REDACTOR.clean("\n".join(kept).rstrip() + "\n")
