"""One sentence an event: the words of the human view and of `@message` in NDJSON. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from mmc.events import (
    Diagnosed,
    Event,
    Failed,
    ImportAsked,
    ImportDone,
    ImportProgress,
    ImportStalled,
    IndexProgress,
    NothingToDo,
    Paced,
    Planned,
    Quarantined,
    Rejection,
    Retrying,
    RunFinished,
    RunStarted,
    SplitDone,
    SplitProgress,
    SplitStarted,
    Started,
    StepDone,
    StepStarted,
    Verified,
    VerifyProgress,
)
from mmc.text import bytes_text, many, rows_text

OUTCOMES = {
    "applied": "Applied",
    "partial": "Applied in part",
    "failed": "Failed",
    "stopped": "Stopped",
}


def message(event: Event) -> str:
    """What happened, in one line without a line break."""
    match event:
        case Started():
            return f"mmc {event.version}: {event.command}"
        case Diagnosed(found):
            place = f"{found.span}: " if found.span else ""
            return f"{place}{found.severity}[{found.code}]: {found.message}"
        case Planned():
            rows = f"{rows_text(event.rows)}, about {bytes_text(event.bytes)}"
            return (
                f"Plan {event.name} ({event.digest[:8]}): {event.create:,} to create,"
                f" {event.change:,} to change, {event.replace:,} to replace;"
                f" {rows}, {many(event.splits, 'split')}"
            )
        case RunStarted():
            done = f"{event.splits_done:,} of {many(event.splits_total, 'split')} done before"
            how = f"continues, {done}" if event.resumed else many(event.splits_total, "split")
            return f"Run {event.run}, attempt {event.attempt}: {how}"
        case NothingToDo():
            when = event.finished_at[:19].replace("T", " ")
            rejected = event.rows_quarantined
            but = f"; {many(rejected, 'row')} in quarantine" if rejected else ""
            but += _unmapped(event.rows_unmapped)
            return f"Nothing to do: this plan was applied at {when} UTC (run {event.run}){but}"
        case StepStarted():
            planned = ""
            if event.kind == "copy_splits" and event.splits:
                left = f", {event.splits_done:,} of them done before" if event.splits_done else ""
                planned = f": {rows_text(event.rows)} in {many(event.splits, 'split')}{left}"
            return f"{event.label}{planned}"
        case StepDone():
            if event.skipped:
                return f"{event.label}: done before"
            return f"{event.label}: done in {seconds_text(event.seconds)}"
        case SplitStarted():
            again = f", attempt {event.attempt}" if event.attempt > 1 else ""
            return f"split {event.split} begins{again}"
        case SplitProgress():
            return f"split {event.split}: {rows_text(event.rows_read)} read"
        case SplitDone():
            return f"split {event.split}: {counts_text(event)} in {seconds_text(event.seconds)}"
        case ImportAsked():
            how = "goes on" if event.adopted else "asked for"
            again = f", attempt {event.attempt}" if event.attempt > 1 else ""
            return (
                f"import {event.request} of {many(event.splits, 'split')} {how}:"
                f" task {event.task}{again}"
            )
        case ImportProgress():
            done = f"{event.requests_done:,} of {many(event.requests, 'import')} done"
            return f"{done}, {event.rows_done:,} of {event.rows:,} rows"
        case ImportStalled():
            others = f" and {len(event.tasks) - 1:,} more" if len(event.tasks) > 1 else ""
            return (
                f"no import into {event.collection} has made progress for"
                f" {seconds_text(event.seconds)}: waiting for task {event.tasks[0]}{others}, at"
                f" most {seconds_text(event.left_seconds)} more; a server that was restarted may"
                " take 20 minutes to give up a task that it lost, which is then asked for again"
            )
        case ImportDone():
            rows, took = many(event.rows, "row"), seconds_text(event.seconds)
            return f"import {event.request}: {rows} in {took}"
        case Retrying():
            wait = seconds_text(event.wait_seconds)
            return f"{event.what} failed ({event.error}); attempt {event.attempt} in {wait}"
        case Paced():
            wait, rate = seconds_text(event.wait_seconds), bytes_text(event.bytes_per_second)
            return f"{event.what}: {event.error}; on at {rate}/s in {wait}"
        case Quarantined():
            return (
                f"{many(event.rows, 'row')} of split {event.split} to {event.path}:"
                f" {reasons_text(event.reasons)}"
            )
        case IndexProgress():
            return f"{event.rows:,} of {event.total:,} rows in the index"
        case VerifyProgress():
            of = "" if event.total is None else f" of {event.total:,}"
            return f"{event.rows:,}{of} rows read"
        case Verified():
            return verdict_text(event)
        case RunFinished():
            return (
                f"{OUTCOMES.get(event.outcome, event.outcome)}: {counts_text(event)}"
                f" in {seconds_text(event.seconds)}"
                + (f"; {event.rows_left:,} left: changed after the plan" if event.rows_left else "")
                + _unmapped(event.rows_unmapped)
            )
        case Failed():
            return event.message
        case _:
            assert_never(event)


def _unmapped(rows: int) -> str:
    return f"; {many(rows, 'row')} with values that no column took" if rows else ""


def reasons_text(reasons: Iterable[Rejection]) -> str:
    """`MMC604 title: longer than 32 bytes of UTF-8 (20 rows); ...`"""
    return "; ".join(
        f"{it.code} {it.field}: {it.reason} ({many(it.rows, 'row')})" for it in reasons
    )


def counts_text(event: SplitDone | RunFinished) -> str:
    """`10 rows read = 9 written + 1 filtered + 0 quarantined`, and ≠ where rows are missing."""
    sum_ = event.rows_written + event.rows_filtered + event.rows_quarantined
    return (
        f"{many(event.rows_read, 'row')} read {'=' if sum_ == event.rows_read else '≠'}"
        f" {event.rows_written:,} written"
        f" + {event.rows_filtered:,} filtered + {event.rows_quarantined:,} quarantined"
    )


def verdict_text(event: Verified) -> str:
    """`articles: verified, 1,204,331 rows, digest 9f2c41d0 equal`"""
    if not event.ok:
        if event.rows_found not in (event.rows_expected, -1):
            what = f"{event.rows_found:,} rows found, {event.rows_expected:,} expected"
        elif event.digest_found != event.digest_expected:
            what = f"{event.rows_found:,} rows, but the content is not what was sent"
        else:
            what = "the rows are there, but not all is as planned"
        return f"{event.collection}: DIFFERS, {what}"
    parts = [f"{event.collection}: verified"]
    if event.rows_found >= 0:
        parts.append(many(event.rows_found, "row"))
    if event.digest_expected:
        parts.append(f"digest {short_digest(event.digest_found)} equal")
    return ", ".join(parts)


def looked_text(event: Verified) -> str:
    """`looked at: rows, digest, partitions, schema, 2 indexes, aliases, properties`"""
    return f"looked at: {', '.join(event.looked_at)}"


def short_digest(text: str) -> str:
    """The first 8 hex digits of the sum in a content digest."""
    return text.rpartition(":")[2][:8]


def seconds_text(seconds: float) -> str:
    """`0.4 s`, `23 s`, `4:05`, `1:02:03`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    return clock_text(seconds)


def clock_text(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
