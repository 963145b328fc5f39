"""Rates, time left and the line that says so, at times that the test sets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmc.events import (
    IndexProgress,
    Quarantined,
    SplitDone,
    SplitProgress,
    StepStarted,
    VerifyProgress,
)
from mmc.progress import StepProgress
from mmc.views.messages import clock_text, seconds_text
from mmc.views.progress import progress_line


def begin(rows: int | None = 1_000, size: int = 1 << 20, **done: int) -> StepProgress:
    event = StepStarted(
        step="s", kind="copy_splits", label="copy a", rows=rows, bytes=size, splits=4, **done
    )
    return StepProgress.of(event, 0.0)


def at(split: str, rows: int, size: int = 0) -> SplitProgress:
    return SplitProgress("s", split, rows, size)


def finish(split: str, rows: int, size: int = 0) -> SplitDone:
    return SplitDone(
        step="s",
        split=split,
        rows_read=rows,
        rows_written=rows,
        rows_filtered=0,
        rows_quarantined=0,
        bytes_read=size,
        seconds=1.0,
    )


def test_splits_add_up_and_a_retried_one_goes_back() -> None:
    progress = begin()
    progress.take(at("0", 100), 1)
    progress.take(at("1", 50), 1)
    assert progress.rows == 150
    progress.take(at("0", 10), 2)
    assert progress.rows == 60
    progress.take(finish("0", 200), 3)
    progress.take(finish("1", 300), 3)
    assert (progress.rows, progress.splits_done) == (500, 2)
    assert progress.at(9.0).share == 0.5


def test_rates_are_of_the_last_while() -> None:
    progress = begin(rows=1_000_000)
    for second in range(1, 101):
        progress.take(at("0", second * 100, second * 1_000), float(second))
    assert progress.rates(100.0) == pytest.approx((100, 1_000), rel=0.01)
    assert progress.at(100.0).seconds_left == pytest.approx(9_900, rel=0.01)
    assert progress.rates(300.0)[0] < 10, "a stall shows"


def test_rows_of_an_earlier_attempt_count_as_done_but_not_as_speed() -> None:
    progress = begin(rows=1_000, rows_done=600, splits_done=2)
    progress.take(at("2", 100), 10.0)
    assert progress.at(9.0).share == 0.7
    assert progress.rates(10.0)[0] == pytest.approx(10)


def test_without_rows_bytes_tell() -> None:
    progress = begin(rows=None, size=1_000)
    progress.take(at("0", 77, 500), 5.0)
    assert progress.at(9.0).share == 0.5
    assert progress.at(5.0).seconds_left == pytest.approx(5)
    nothing = begin(rows=None, size=0)
    assert nothing.at(9.0).share is None
    assert nothing.at(1.0).seconds_left is None
    assert progress_line(nothing.at(61.0)) == "copy a: 1:01 elapsed"


def test_an_index_that_is_being_built_shows_its_rows() -> None:
    progress = StepProgress.of(StepStarted(step="i", kind="build_index", label="index a.v"), 0.0)
    assert progress_line(progress.at(5.0)) == "index a.v: 0:05 elapsed"
    progress.take(IndexProgress("i", 250, 1_000), 5.0)
    line = progress_line(progress.at(5.0))
    assert line == "index a.v: 25 %, 250 of 1,000 rows, 50 rows/s, 0:15 left"


def test_reading_back_brings_its_total() -> None:
    progress = StepProgress.of(StepStarted(step="v", kind="verify", label="verify a"), 0.0)
    progress.take(VerifyProgress("v", 250, 1_000), 1.0)
    assert (
        progress_line(progress.at(1.0))
        == "verify a: 25 %, 250 of 1,000 rows, 250 rows/s, 0:03 left"
    )


def test_the_line_in_full() -> None:
    progress = begin()
    progress.take(at("0", 500, 1 << 19), 2.0)
    progress.take(Quarantined(step="s", split="0", rows=3, path="p", reasons=()), 2.0)
    assert progress_line(progress.at(2.0)) == (
        "copy a: 50 %, 500 of 1,000 rows, 250 rows/s, 256 KiB/s, 0:02 left, 3 quarantined,"
        " 0 of 4 splits"
    )
    assert progress_line(progress.at(2.0), 100) == (
        "copy a  ████████░░░░░░░░░   50 %  500 of 1,000 rows  250 rows/s  256 KiB/s  0:02 left"
        "  3 quarantined"
    )


@given(
    st.integers(1, 250),
    st.one_of(st.none(), st.integers(0, 10**12)),
    st.integers(0, 10**12),
    st.floats(0, 1e6),
)
def test_the_line_fits_any_terminal(
    width: int, total: int | None, rows: int, seconds: float
) -> None:
    progress = begin(rows=total)
    progress.take(at("0", rows, rows * 100), seconds)
    assert len(progress_line(progress.at(seconds), width)) <= width


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (9.94, "9.9 s"), (59.4, "59 s"), (60, "1:00"), (3_725, "1:02:05")],
)
def test_times(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text
    assert clock_text(65) == "1:05"
