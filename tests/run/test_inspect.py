"""Looking at both ends, and looking again at what a plan was made from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mmc.errors import PluginMissing
from mmc.plan.drift import seen_source, seen_target
from mmc.plan.model import Endpoint
from mmc.run.inspect import inspect_again, inspect_source, inspect_target, route_of
from mmc.spi import Sample
from tests.run.conftest import Bench


def test_both_ends_are_inspected_through_the_registry(bench: Bench) -> None:
    plan = bench.plan()
    source = inspect_source(plan.source, [], Sample(5, 3))
    assert (source.type, source.sample_rows, source.sample_seed) == ("fake", 5, 3)
    target = inspect_target(plan.target, "insert", ["articles"])
    assert (target.route, target.collections) == ("insert", ())
    with pytest.raises(PluginMissing, match="unknown source `fakes`"):
        inspect_source(Endpoint("fakes", ()), [], Sample())


def test_looking_again_asks_for_the_same(bench: Bench) -> None:
    plan = bench.plan()
    seen = replace(plan.source_seen, sample_rows=11, sample_seed=5)
    facts = inspect_again(replace(plan, source_seen=seen), emit=lambda event: None)
    assert seen_source(facts.source) == seen
    assert seen_target(facts.target) == plan.target_seen


def test_the_target_is_looked_at_by_its_insert_route(bench: Bench) -> None:
    plan = bench.plan()
    assert route_of(plan) == "insert"
    assert route_of(replace(plan, steps=())) == "insert"
