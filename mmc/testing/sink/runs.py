"""Whole runs into a target: everything arrives, wherever an apply is cut off."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from mmc.testing.ability import Ability
from mmc.testing.injecting import Crash, StopsOnce, watched_sink
from mmc.testing.killed import apply_and_die
from mmc.testing.sink.case import Fill, Place, SinkCase
from mmc.testing.source.compare import compare

MOST_STOPS = 300


class Runs(SinkCase):
    """A plan from the fake source into the target."""

    def test_every_row_arrives(self, fill: Fill) -> None:
        report = fill.bench.apply(fill.plan)
        assert report.ok, report.collections
        compare(fill.bench, fill.plan, fill.data)
        again = fill.bench.apply(fill.plan)
        assert again.run == report.run, "a second apply did something"
        compare(fill.bench, fill.plan, fill.data)

    def test_an_apply_that_stops_at_every_call_is_continued(
        self, tmp_path: Path, data: Place
    ) -> None:
        """Before and after each call that changes the target, one apply each."""
        fill = self.fill_in(tmp_path / "stopping", data, batches=7 if self.thorough else 3)
        stops = StopsOnce(self.stops)
        for _ in range(MOST_STOPS):
            with watched_sink(stops):
                try:
                    report = fill.bench.apply(fill.plan)
                except Crash:
                    continue
            break
        else:
            pytest.fail(f"{MOST_STOPS} applies, and none came to its end")
        assert stops.seen
        assert report.ok, f"continued after stops at {sorted(stops.seen)}: {report.collections}"
        compare(fill.bench, fill.plan, fill.data)

    def test_an_apply_that_is_killed_is_continued(self, fill: Fill) -> None:
        """By the kernel, in a process of its own."""
        self.needs(Ability.PROCESSES)
        if not self.thorough:
            pytest.skip("left out: this class is not `thorough`")
        for at in (1, 3):
            assert apply_and_die(fill.bench, at) == -signal.SIGKILL
        report = fill.bench.apply(fill.plan)
        assert report.ok, f"continued after two kills: {report.collections}"
        compare(fill.bench, fill.plan, fill.data)
