"""Runs, splits and plug-ins as aligned text or as JSON lines: for status, state and plugins."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mmc.plan.codec import to_json
from mmc.plan.model import Plan
from mmc.plan.tree import many
from mmc.registry import Plugin

if TYPE_CHECKING:
    from mmc.state.store import Run, SplitRecord, StepRecord


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells, each column as wide as its widest cell."""
    if not rows:
        return ""
    # Names come from plans that anybody may have written: none may drive the terminal.
    rows = [["".join(c if c.isprintable() else "?" for c in cell) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return "\n".join(lines) + "\n"


def _json_lines(kind: str, values: Sequence[dict[str, Any]]) -> str:
    """Lines beside those of events, told from them by `type`."""
    return "".join(
        json.dumps({"type": kind, **value}, ensure_ascii=False, default=str) + "\n"
        for value in values
    )


def _run_data(run: Run) -> dict[str, Any]:
    names = ("run", "plan_name", "plan_digest", "target_key", "attempt", "error")
    return {
        **{name: getattr(run, name) for name in names},
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


def runs_text(runs: Sequence[Run], *, as_json: bool) -> str:
    """One line a run."""
    if as_json:
        return _json_lines("run", [_run_data(run) for run in runs])
    if not runs:
        return "No runs yet.\n"
    head = ("RUN", "PLAN", "STATUS", "ATTEMPT", "STARTED (UTC)", "ERROR")
    lines = [
        (
            run.run,
            run.plan_name,
            str(run.status),
            str(run.attempt),
            f"{run.started_at:%Y-%m-%d %H:%M:%S}",
            run.error[:80],
        )
        for run in runs
    ]
    return columns([head, *lines])


def splits_text(splits: Sequence[SplitRecord], *, as_json: bool) -> str:
    """One line a split that was begun."""
    if as_json:
        return _json_lines("split", [to_json(split) for split in splits])  # type: ignore[misc]
    head = ("STEP", "SPLIT", "STATE", "ATTEMPT", "READ", "WRITTEN", "FILTERED", "QUARANTINED")
    lines = [
        (
            split.step,
            split.split,
            "done" if split.done else "begun",
            str(split.attempt),
            f"{split.rows_read:,}",
            f"{split.rows_written:,}",
            f"{split.rows_filtered:,}",
            f"{split.rows_quarantined:,}",
        )
        for split in splits
    ]
    return columns([head, *lines])


def status_text(
    run: Run,
    plan: Plan,
    steps: Mapping[str, StepRecord],
    splits: Sequence[SplitRecord],
    *,
    as_json: bool,
) -> str:
    """Where a run stands: its steps, and for each copy how many splits and rows are done."""
    copies = {copy.id: copy for copy in plan.copies}
    done = {
        name: [split for split in splits if split.step == name and split.done] for name in copies
    }
    if as_json:
        progress = [
            {
                "step": name,
                "splits_done": len(done[name]),
                "splits": len(copy.splits),
                "rows_written": sum(split.rows_written for split in done[name]),
                "rows": copy.rows,
            }
            for name, copy in copies.items()
        ]
        return _json_lines("run", [{**_run_data(run), "copies": progress}])
    lines = []
    for step in plan.steps:
        record = steps.get(step.id)
        state = "done" if record and record.done else "begun" if record else "-"
        detail = ""
        if step.id in copies:
            copy = copies[step.id]
            rows = sum(split.rows_written for split in done[step.id])
            of = f" of {copy.rows:,}" if copy.rows is not None else ""
            splits_done = f"{len(done[step.id]):,} of {many(len(copy.splits), 'split')}"
            detail = f"{splits_done}, {rows:,}{of} rows written"
        lines.append(("  " + step.id, state, detail))
    text = f"run {run.run} ({run.plan_name}): {run.status}, attempt {run.attempt}\n"
    rejected = sum(split.rows_quarantined for split in splits if split.done)
    text += columns(lines)
    if rejected:
        text += f"{many(rejected, 'row')} in quarantine\n"
    return text + (f"last error: {run.error}\n" if run.error else "")


def plugins_text(plugins: Sequence[Plugin], *, as_json: bool) -> str:
    """One line a plug-in."""
    if as_json:
        return _json_lines("plugin", [to_json(plugin) for plugin in plugins])  # type: ignore[misc]
    head = ("KIND", "NAME", "FROM")
    return columns([head, *((p.kind, p.name, f"{p.package} {p.version}") for p in plugins)])
