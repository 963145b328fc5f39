"""The suites catch what they are for: each planted fault fails the test that is named for it, and a
plug-in without a fault passes them all.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from tests.conformance import planted, planted_sinks

SOUND = ("Planted", "PlantedTarget")
CAUGHT = {
    "CannotDropTwice": "dropped_collection_is_gone",
    "DoublesAtReplay": "stops_at_every_call",
    "GivesOtherTypes": "counted_and_read_back",
    "IgnoresTheFence": "when_the_fence_is_closed",
    "LosesABatch": "counted_and_read_back",
    "RefusesItsOwn": "made_once",
    "TakesWhatIsThere": "made_once",
    "ChangesTypes": "types_are_as_announced",
    "CountsWrong": "counts_are_exact",
    "DoublesARow": "batches_have_at_most",
    "IgnoresBatchRows": "batches_have_at_most",
    "IgnoresColumns": "have_the_columns",
    "IgnoresTheFingerprint": "makes_no_mixture",
    "KeepsState": "nothing_is_kept",
    "LeaksASecret": "a_secret_is_nowhere",
    "LetsErrorsThrough": "final_fault_of_a_look",
    "LosesAPage": "every_row_arrives",
    "RederivesBounds": "cut_anywhere",
    "SeesNoChange": "seen_in_the_fingerprint",
    "ShowsNoEvidence": "sample_is_evidence",
    "SwallowsErrors": "final_fault_while_copying",
}


class Outcomes:
    """A plug-in of pytest that runs some of the tests, and keeps which fail."""

    def __init__(self, *, whole: bool) -> None:
        self._whole = whole
        self.failed: dict[str, set[str]] = defaultdict(set)
        self.passed: dict[str, set[str]] = defaultdict(set)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if not self._whole:
            items[:] = [item for item in items if any(map(item.name.__contains__, _asked(item)))]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        _, case, name = report.nodeid.split("::", 2)
        if report.failed:
            self.failed[case.removeprefix("Test")].add(name)
        elif report.passed and report.when == "call":
            self.passed[case.removeprefix("Test")].add(name)


def _asked(item: pytest.Item) -> set[str]:
    """Of a plug-in without a fault, all tests that catch one."""
    case = item.nodeid.split("::")[1].removeprefix("Test")
    return {CAUGHT[case]} if case in CAUGHT else set(CAUGHT.values())


def run(*, whole: bool) -> Outcomes:
    outcomes = Outcomes(whole=whole)
    files = [str(Path(str(module.__file__))) for module in (planted, planted_sinks)]
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header"]
    pytest.main([*options, *files], [outcomes])
    return outcomes


@pytest.fixture(scope="module")
def outcomes() -> Outcomes:
    return run(whole=False)


def test_every_planted_fault_is_in_the_table() -> None:
    planted_faults = (*planted.SOURCES, *planted_sinks.SINKS)
    assert {plant.__name__ for plant in planted_faults} == set(CAUGHT)


@pytest.mark.parametrize(("plant", "test"), CAUGHT.items())
def test_a_planted_fault_is_caught(outcomes: Outcomes, plant: str, test: str) -> None:
    assert any(test in name for name in outcomes.failed[plant])


def test_a_plug_in_without_a_fault_passes(outcomes: Outcomes) -> None:
    assert not any(outcomes.failed[sound] for sound in SOUND)
    passed = {name for sound in SOUND for name in outcomes.passed[sound]}
    for test in set(CAUGHT.values()):
        assert any(test in name for name in passed), test


@pytest.mark.slow
def test_whole_suites_over_planted_faults() -> None:
    outcomes = run(whole=True)
    assert not any(outcomes.failed[sound] for sound in SOUND)
    assert set(CAUGHT) <= {plant for plant, tests in outcomes.failed.items() if tests}
