"""A client that fails: what may pass is tried again, what stays is named, nothing is swallowed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from mmc.errors import MmcError, SourceError
from mmc.events import Diagnosed
from mmc.plan.model import Plan
from mmc.spi import Sample, Source
from mmc.testing.ability import Ability
from mmc.testing.bench import Bench, no_waits
from mmc.testing.client import Requests, counted
from mmc.testing.source.case import Data, SourceCase
from mmc.testing.source.compare import compare

MOST, FEW = 8, 2
"""Requests of an apply where a fault is tried, spread over all of them; and where the class is not
`thorough`.
"""


class Faults(SourceCase):
    """The plug-in when its client raises, or gives less."""

    def test_a_passing_fault_of_a_look_may_be_tried_again(self, source: Source, data: Data) -> None:
        client = self.failing_client(Ability.FAIL_PASSING, "passing")
        for at in self._spread(self._requests(source, data)):
            with counted(client, at=at, fails=client.passing), no_waits():
                try:
                    source.inspect(self.options(data), [], Sample())
                except MmcError as error:
                    assert error.retryable, (
                        f"request {at} failed in a passing way, and the error is final: {error}"
                    )

    def test_a_passing_fault_while_copying_harms_nothing(self, data: Data, tmp_path: Path) -> None:
        client = self.failing_client(Ability.FAIL_PASSING, "passing")
        for at, bench, plan in self._applies(data, tmp_path):
            with counted(client, at=at, fails=client.passing):
                report = bench.apply(plan)
            assert report.ok, f"request {at} failed once: {report.collections}"
            compare(bench, plan, data)

    def test_a_final_fault_of_a_look_names_the_place(self, source: Source, data: Data) -> None:
        client = self.failing_client(Ability.FAIL_FINAL, "final")
        for at in self._spread(self._requests(source, data)):
            with counted(client, at=at, always=True, fails=client.final) as requests:
                error = _error_of(lambda: self._look(source, data))
            self._judge(data, error, requests, at)

    def test_a_final_fault_while_copying_is_said(self, data: Data, tmp_path: Path) -> None:
        """And once the fault is gone, applying again continues. What is asked when all rows are
        there may fail with a finding alone.
        """
        client = self.failing_client(Ability.FAIL_FINAL, "final")
        for at, bench, plan in self._applies(data, tmp_path):
            with counted(client, at=at, always=True, fails=client.final) as requests:
                error = _error_of(partial(bench.apply, plan))
            told = any(isinstance(event, Diagnosed) for event in bench.events)
            if error is not None or not told:
                self._judge(data, error, requests, at)
            if not isinstance(error, MmcError) or error.exit_code == 1:
                assert bench.apply(plan).ok
                compare(bench, plan, data)

    def test_a_lost_part_of_an_answer_is_seen(self, data: Data, tmp_path: Path) -> None:
        client = self.failing_client(Ability.LOSE, "loses")
        for at, bench, plan in self._applies(data, tmp_path):
            with counted(client, at=at, loses=client.loses):
                error = _error_of(partial(bench.apply, plan))
            if error is None:
                compare(bench, plan, data)
            else:
                assert isinstance(error, MmcError), (
                    f"a part of answer {at} was lost: {type(error).__name__} instead of a"
                    f" SourceError: {error}"
                )

    def _look(self, source: Source, data: Data) -> None:
        """What is wrong may be a finding, too: with one that is an error there is no plan."""
        facts = source.inspect(self.options(data), [], Sample())
        for found in facts.collections:
            for problem in found.problems:
                if problem.is_error:
                    raise SourceError(problem.message, code=problem.code)

    def _requests(self, source: Source, data: Data) -> int:
        with counted(self.client()) as requests:
            source.inspect(self.options(data), [], Sample())
        assert requests.count, "no request went through the client that `client` names"
        return requests.count

    def _applies(self, data: Data, folder: Path) -> Iterator[tuple[int, Bench, Plan]]:
        """Applies to come, and the number of the request to spoil in each."""
        counting = self.bench(folder / "counting", data)
        plan = counting.plan()
        with counted(self.client()) as requests:
            counting.apply(plan)
        assert requests.count, "no request went through the client that `client` names"
        for at in self._spread(requests.count):
            bench = self.bench(folder / f"at-{at}", data)
            yield at, bench, bench.plan()

    def _spread(self, count: int) -> list[int]:
        """Numbers of requests, the first and the last among them."""
        most = MOST if self.thorough else FEW
        if count <= most:
            return list(range(count))
        return sorted({number * (count - 1) // (most - 1) for number in range(most)})

    def _judge(self, data: Data, error: BaseException | None, requests: Requests, at: int) -> None:
        if not requests.struck:
            return
        assert error is not None, f"request {at} and all after it failed, and nothing was said"
        assert isinstance(error, MmcError), (
            f"request {at}: {type(error).__name__} of the client came through; make it a"
            f" SourceError: {error}"
        )
        texts = [*self.options(data).shown_places, *data.tables, *_texts(data.options)]
        folders = [str(Path(text).parent) for text in texts if Path(text).is_absolute()]
        places = [*texts, *folders]
        assert any(place in str(error) for place in places), (
            f"the error names no place, none of {places}: {error}"
        )


def _error_of(call: Callable[[], object]) -> BaseException | None:
    try:
        call()
    except Exception as error:  # noqa: BLE001 - judged by the caller
        return error
    return None


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str() if len(value) > 2:
            yield value
        case dict():
            for item in value.values():
                yield from _texts(item)
        case list():
            for item in value:
                yield from _texts(item)
        case _:
            return
