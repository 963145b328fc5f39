"""Runs, their splits and events as aligned text or as JSON lines: for `status` and `state`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mmc.copied import unmapped_line, unmapped_sum
from mmc.plan.codec import to_json
from mmc.plan.model import CopySplits
from mmc.state.living import Life, Standing
from mmc.text import many
from mmc.views.columns import columns, json_lines, plain
from mmc.views.messages import message
from mmc.views.ndjson import line_of
from mmc.views.progress import progress_text

if TYPE_CHECKING:
    from datetime import datetime

    from mmc.state.details import RunDetails
    from mmc.state.eventlog import LoggedEvent, StepReading
    from mmc.state.store import Run, SplitRecord


def _standing_data(standing: Standing) -> dict[str, Any]:
    holder = standing.holder
    lease = None
    if holder is not None:
        lease = {
            "owner": holder.owner,
            "host": holder.host,
            "pid": holder.pid,
            "acquired_at": holder.acquired_at.isoformat(),
            "expires_at": holder.expires_at.isoformat(),
        }
    return {**_run_data(standing.run), "process": standing.life, "lease": lease}


def _run_data(run: Run) -> dict[str, Any]:
    return {
        "run": run.id,
        "plan_name": run.plan_name,
        "plan_digest": run.plan_digest,
        "target_key": run.target_key,
        "attempt": run.attempt,
        "error": run.error,
        "status": str(run.status),
        "started_at": run.started_at.isoformat(),
        "finished_at": run.finished_at.isoformat() if run.finished_at else None,
    }


NAMED_FILES = 20
"""Files of a folder that are told one by one."""


def staged_line(folder: str, files: Sequence[str], begun: Sequence[str]) -> str:
    """What of a run nobody removes any more: the files of a folder, and splits that a killed
    attempt had begun.
    """
    named = ", ".join(files[:NAMED_FILES])
    if len(files) > NAMED_FILES:
        named += f" and {len(files) - NAMED_FILES:,} more"
    parts = [many(len(files), "file")] if files else []
    if begun:
        parts.append(f"what was begun of {many(len(begun), 'split')}")
    return (
        "Staged files that no `mmc clean` has removed stay too, and mmc does not know them any"
        f" more: {' and '.join(parts)} below {folder}{': ' if named else ''}{named}."
        " Remove that folder by hand."
    )


def runs_text(standings: Sequence[Standing], *, as_json: bool) -> str:
    """One line a run."""
    if as_json:
        return json_lines("run", [_standing_data(standing) for standing in standings])
    if not standings:
        return "No runs yet.\n"
    head = ("RUN", "PLAN", "STATUS", "ATTEMPT", "STARTED (UTC)", "ERROR")
    lines = [
        (
            standing.run.id,
            standing.run.plan_name,
            _status(standing),
            str(standing.run.attempt),
            f"{standing.run.started_at:%Y-%m-%d %H:%M:%S}",
            standing.run.error[:80],
        )
        for standing in standings
    ]
    return columns([head, *lines])


def splits_text(splits: Sequence[SplitRecord], *, as_json: bool) -> str:
    """One line a split that was begun."""
    if as_json:
        return json_lines("split", [_split_data(split) for split in splits])
    head = ("STEP", "SPLIT", "STATE", "ATTEMPT", "READ", "WRITTEN", "FILTERED", "QUARANTINED")
    lines = [
        (
            split.step,
            split.split,
            "done" if split.done else "begun",
            str(split.attempt),
            f"{split.result.rows_read:,}",
            f"{split.result.rows_written:,}",
            f"{split.result.rows_filtered:,}",
            f"{split.result.rows_quarantined:,}",
        )
        for split in splits
    ]
    return columns([head, *lines])


def _split_data(split: SplitRecord) -> dict[str, Any]:
    result: dict[str, Any] = to_json(split.result)  # type: ignore[assignment]
    reasons = result.pop("reasons")
    return {
        "step": split.step,
        "split": split.split,
        "done": split.done,
        "attempt": split.attempt,
        **result,
        "quarantine": split.quarantine,
        "reasons": reasons,
    }


def events_text(said: Sequence[LoggedEvent], *, as_json: bool) -> str:
    """One line an event of a run, with the words of the human view."""
    if as_json:
        return "".join(line_of(it.event, it.at) + "\n" for it in said)
    rows = [(str(it.number), f"{it.at:%Y-%m-%d %H:%M:%S}", message(it.event)) for it in said]
    return columns([("EVENT", "AT (UTC)", "WHAT"), *rows]) if rows else "No events.\n"


def status_text(details: RunDetails, *, as_json: bool) -> str:
    """Where a run stands: its steps, how far those are that run, and who runs it."""
    standing, plan, steps = details.standing, details.plan, details.steps
    splits, running = details.splits, details.readings
    run = standing.run
    copies = {copy.id: copy for copy in plan.copies}
    done = {
        name: [split for split in splits if split.step == name and split.done] for name in copies
    }
    open_ = {
        name: it
        for name, it in running.items()
        if standing.life in (Life.ALIVE, Life.SILENT) and name in steps and not steps[name].done
    }
    if as_json:
        return json_lines("run", [_status_data(standing, copies, done, open_)])
    lines = []
    for step in plan.steps:
        record = steps.get(step.id)
        state = "done" if record and record.done else "begun" if record else "-"
        detail = ""
        if step.id in open_:
            detail = progress_text(open_[step.id].reading)
        elif step.id in copies:
            copy = copies[step.id]
            rows = sum(split.result.rows_written for split in done[step.id])
            of = f" of {copy.rows:,}" if copy.rows is not None else ""
            splits_done = f"{len(done[step.id]):,} of {many(len(copy.splits), 'split')}"
            detail = f"{splits_done}, {rows:,}{of} rows written"
        lines.append(("  " + step.id, state, detail))
    text = f"run {run.id} ({run.plan_name}): {_status(standing)}, attempt {run.attempt}\n"
    rejected = sum(split.result.rows_quarantined for split in splits if split.done)
    text += columns(lines)
    if rejected:
        text += f"{many(rejected, 'row')} in quarantine\n"
    for name, its in done.items():
        unmapped = unmapped_sum(split.result.unmapped for split in its)
        if unmapped.rows:
            text += f"{name}: {unmapped_line(unmapped)}\n"
    text += _process(standing, max((it.at for it in running.values()), default=None))
    return plain(text + (f"last error: {run.error}\n" if run.error else ""))


def _status_data(
    standing: Standing,
    copies: Mapping[str, CopySplits],
    done: Mapping[str, Sequence[SplitRecord]],
    running: Mapping[str, StepReading],
) -> dict[str, Any]:
    return {
        **_standing_data(standing),
        "copies": [
            {
                "step": name,
                "splits_done": len(done[name]),
                "splits": len(copy.splits),
                "rows_written": sum(split.result.rows_written for split in done[name]),
                "rows": copy.rows,
                "unmapped": to_json(unmapped_sum(split.result.unmapped for split in done[name])),
            }
            for name, copy in copies.items()
        ],
        "running": [
            {
                "step": name,
                "at": it.at.isoformat(),
                **to_json(it.reading),  # type: ignore[dict-item]
                "seconds_left": it.reading.seconds_left,
            }
            for name, it in running.items()
        ],
        "attempts": [
            {
                "attempt": it.attempt,
                "status": it.status,
                "error": it.error,
                "host": it.host.partition(" ")[0],
                "pid": it.pid,
                "started_at": it.started_at.isoformat(),
                "finished_at": it.finished_at.isoformat() if it.finished_at else None,
            }
            for it in standing.attempts
        ],
    }


def _status(standing: Standing) -> str:
    match standing.life:
        case None | Life.ALIVE:
            return str(standing.run.status)
        case Life.SILENT:
            return "silent"
        case Life.GONE:
            return "interrupted"


def _process(standing: Standing, heard: datetime | None) -> str:
    """Who runs it, or ran it; "" after its end."""
    if standing.life is None:
        return ""
    last = f"; its last word was at {heard:%Y-%m-%d %H:%M:%S}Z" if heard else ""
    holder, tried = standing.holder, standing.attempts[-1:]
    if standing.life is Life.ALIVE and holder is not None:
        return f"run by {holder}; its lease is renewed\n"
    if standing.life is Life.SILENT and holder is not None:
        return (
            f"run by {holder}, but its lease ended at {holder.expires_at:%Y-%m-%d %H:%M:%S}Z and"
            f" was not renewed{last}\n"
            "It may be suspended, or cut off from the state store. When it is gone, apply the"
            " same plan again to continue.\n"
        )
    who = f" (process {tried[0].pid} on {tried[0].host.partition(' ')[0]})" if tried else ""
    return f"its process is gone{who}{last}\nApply the same plan again to continue.\n"
