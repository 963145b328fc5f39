"""Whole runs: everything arrives, and an apply that was cut off at any batch is continued."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from mmc.testing.injecting import Crash, StopsOnce, watched_source
from mmc.testing.killed import apply_and_die
from mmc.testing.source.case import Data, SourceCase
from mmc.testing.source.compare import compare

MOST_STOPS = 200


class Runs(SourceCase):
    """A plan of the data set into the fake target, which forgives nothing: what it got is there."""

    def test_every_row_arrives(self, data: Data, tmp_path: Path) -> None:
        bench = self.bench(tmp_path, data)
        plan = bench.plan()
        report = bench.apply(plan)
        assert report.ok, report.collections
        compare(bench, plan, data)

    def test_an_apply_that_stops_at_every_batch_is_continued(
        self, data: Data, tmp_path: Path
    ) -> None:
        """Each apply gets one batch further than the one before."""
        bench = self.bench(tmp_path, data)
        plan = bench.plan() if self.thorough else bench.plan(splits=2, batches=3)
        stops = StopsOnce()
        for _ in range(MOST_STOPS):
            with watched_source(stops):
                try:
                    report = bench.apply(plan)
                except Crash:
                    continue
            break
        else:
            pytest.fail(f"{MOST_STOPS} applies, and none came to its end: make fewer rows")
        assert len(stops.seen) > 3, "the data set is too small: make some dozens of rows"
        assert report.ok, f"continued after stops at {sorted(stops.seen)}: {report.collections}"
        compare(bench, plan, data)

    def test_an_apply_that_is_killed_is_continued(self, data: Data, tmp_path: Path) -> None:
        """By the kernel, in a process of its own."""
        if not self.thorough:
            pytest.skip("left out: this class is not `thorough`")
        bench = self.bench(tmp_path, data)
        plan = bench.plan()
        for at in (1, 3):
            assert apply_and_die(bench, at) == -signal.SIGKILL
        report = bench.apply(plan)
        assert report.ok, f"continued after two kills: {report.collections}"
        compare(bench, plan, data)
