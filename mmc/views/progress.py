"""The one line that says how far a step is. Draws nothing itself."""

from __future__ import annotations

from mmc.progress import Reading
from mmc.text import bytes_text, many
from mmc.views.messages import clock_text

BAR_CELLS = 24
LEAST_BAR_CELLS = 6
_BESIDE = 11
"""Columns of the percentage and of the gaps in a line with a bar."""


def progress_line(step: Reading, width: int | None = None) -> str:
    """`copy articles: 34 %, 409,472 of 1,204,331 rows, 52,300 rows/s, 24 MiB/s, 0:15 left, 3
    quarantined`

    With `width` a bar stands after the label. What does not fit is left out: splits, the total
    (the percentage tells it), what is quarantined, then the bar; rates and time left stay.
    """
    if width is None or (not step.rows and step.share is None):
        return f"{step.label}: {progress_text(step)}"
    of, percent, rates, splits = _parts(step)
    tails = (
        [f"{step.rows:,}{of} rows", *rates, splits],
        [f"{step.rows:,}{of} rows", *rates],
        [f"{step.rows:,} rows", *rates],
        [f"{step.rows:,} rows", *rates[:3]],
    )
    return _fit(step, ["  ".join(filter(None, tail)) for tail in tails], percent, width)


def progress_text(step: Reading) -> str:
    """The same without the label."""
    if not step.rows and step.share is None:
        return f"{clock_text(step.seconds)} elapsed"
    of, percent, rates, splits = _parts(step)
    return ", ".join(filter(None, [percent, f"{step.rows:,}{of} rows", *rates, splits]))


def _parts(step: Reading) -> tuple[str, str, list[str], str]:
    """The total, the percentage, rates with time left and rejects, and splits; "" what is not
    known.
    """
    share, left = step.share, step.seconds_left
    elapsed = f"{clock_text(step.seconds)} elapsed"
    rates = [
        f"{step.rows_per_second:,.0f} rows/s",
        f"{bytes_text(round(step.bytes_per_second))}/s" if step.bytes_per_second else "",
        f"{clock_text(left)} left" if left is not None else elapsed,
        f"{step.quarantined:,} quarantined" if step.quarantined else "",
    ]
    splits = f"{step.splits_done:,} of {many(step.splits, 'split')}" if step.splits else ""
    percent = f"{int(share * 100)} %" if share is not None else ""
    of = f" of {step.total_rows:,}" if step.total_rows else ""
    return of, percent, rates, splits


def _fit(step: Reading, tails: list[str], percent: str, width: int) -> str:
    beside = len(step.label) + _BESIDE
    fitting = [
        tail for bar in (LEAST_BAR_CELLS, 0) for tail in tails if beside + bar + len(tail) <= width
    ]
    tail = fitting[0] if fitting else tails[-1]
    room = min(BAR_CELLS, width - beside - len(tail))
    drawn = ""
    if step.share is not None and room >= LEAST_BAR_CELLS:
        full = int(step.share * room)
        drawn = "█" * full + "░" * (room - full)
    return "  ".join(text for text in (step.label, drawn, percent.rjust(5), tail) if text)[:width]
