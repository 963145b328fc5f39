"""Content that changes after the plan, or while it is read: exit 4, and never a mixture."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmc.errors import MmcError
from mmc.spi import Sample, Source
from mmc.testing.ability import Ability
from mmc.testing.injecting import Calls, Once, watched_source
from mmc.testing.source.case import Data, SourceCase
from mmc.testing.source.compare import compare

CHANGED = 4


class Changes(SourceCase):
    """What a source does about changes."""

    def test_a_change_is_seen_in_the_fingerprint(self, source: Source, fresh: Data) -> None:
        self.needs(Ability.FINGERPRINT)
        self.needs(Ability.CHANGE, hook="change")
        before = {one.found.name: one.found.fingerprint for one in self.look(source, fresh)}
        self.change(fresh)
        facts = source.inspect(self.options(fresh), [], Sample())
        for one in facts.collections:
            assert one.fingerprint != before[one.name], (
                f"{one.name} was changed, and its fingerprint is the same"
            )

    def test_a_plan_of_what_has_changed_is_refused(self, fresh: Data, tmp_path: Path) -> None:
        self.needs(Ability.FINGERPRINT)
        self.needs(Ability.CHANGE, hook="change")
        bench = self.bench(tmp_path, fresh)
        plan = bench.plan()
        self.change(fresh)
        with pytest.raises(MmcError) as caught:
            bench.apply(plan)
        assert caught.value.exit_code == CHANGED, f"exit {caught.value.exit_code}: {caught.value}"
        assert not bench.target_facts(plan).collections, "something was written all the same"

    @pytest.mark.parametrize("moment", ["first batch", "middle", "last batch"])
    def test_a_change_while_it_is_read_makes_no_mixture(
        self, fresh: Data, tmp_path: Path, moment: str
    ) -> None:
        """Either the apply ends with exit 4, or the target has what was there before."""
        self.needs(Ability.SEE_CHANGE_WHILE_READING)
        self.needs(Ability.CHANGE, hook="change")
        counting = self.bench(tmp_path / "counting", fresh)
        with watched_source(calls := Calls()):
            counting.apply(counting.plan())
        count = len(calls.names)
        at = {"first batch": 0, "middle": count // 2, "last batch": count - 2}[moment]
        bench = self.bench(tmp_path / "changing", fresh)
        plan = bench.plan()
        before = Data(options=fresh.options, tables=dict(fresh.tables))
        with watched_source(Once(at, lambda: self.change(fresh))):
            try:
                report = bench.apply(plan)
            except MmcError as error:
                assert error.exit_code == CHANGED, (
                    f"changed at {calls.names[at]}: exit {error.exit_code}: {error}"
                )
                return
        assert report.ok
        compare(bench, plan, before)
